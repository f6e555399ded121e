"""The table of networks against their references is summed up by families."""

import pytest

from experiments.benchmarks import measurements, parity
from experiments.benchmarks.measurements import Measurement


def row(network, reference, **values):
    return {"network": network, "reference": reference, "parameters": 5, "image_px": 224} | values


@pytest.fixture
def measured():
    return Measurement(
        title="Logits",
        room="models",
        date="2026-11-29",
        command="",
        machine={"cpu": "a cpu", "cores": 2, "load": "idle"},
        versions={"timm": "1.0", "torchvision": "0.28"},
        notes=["One image."],
        columns=[],
        rows=[
            row("resnet18", "torchvision", difference=4e-5, largest_logit=20.0),
            row("vgg11", "akamaster", difference=1e-6, largest_logit=2.0),
            row("seresnet50", "timm", difference=1e-5, largest_logit=1.0, parameters=9),
            row("resnet18", "timm_tensorflow", difference=2e-5, image_px=192),
        ],
        sentences={"README.md": []},
    )


def test_a_family_has_the_worst_of_its_networks_and_every_package(measured):
    resnet, vgg = parity.by_family(measured).rows
    assert resnet == {
        "family": "`resnet`",
        "networks": 2,
        "parameters": [5, 9],
        "image_px": [192, 224],
        "difference": 4e-5,
        "relative": 1e-5,
        "references": "torchvision 0.28, timm 1.0",
    }
    assert (vgg["parameters"], vgg["image_px"]) == (5, 224)
    assert vgg["references"] == "akamaster/pytorch_resnet_cifar10"


def test_sentences_and_notes_stay_with_the_table_of_networks(measured):
    families = parity.by_family(measured)
    assert not families.sentences
    assert not families.notes


def test_no_network_differs_by_more_than_rounding():
    rows = measurements.read_all()["parity"].rows
    assert all(each["difference"] < 1e-5 * each.get("largest_logit", 5) for each in rows)
