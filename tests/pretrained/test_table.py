"""The table of weights holds what a user needs to choose and to trust."""

import re

import pytest

from jaxcnn.models import list_models
from jaxcnn.pretrained import default_weights, find_weights, label_names, list_weights
from jaxcnn.pretrained.names import names_of
from jaxcnn.pretrained.table import format_table

ROWS = list_weights()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_is_usable(row):
    assert row.model in list_models()
    assert row.origin in names_of(row.model)
    assert re.fullmatch(r"(https://|package:)\S+", row.address)
    assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{64})?", row.sha256)
    assert row.licence
    assert row.preprocessing.decoding.size_px >= row.preprocessing.image_size_px >= 32
    assert len(row.preprocessing.mean) == len(row.preprocessing.std)
    assert label_names(row.labels)
    assert row.top1 is None or 50 < row.top1 < 95


def test_names_are_unique_and_found():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert find_weights("resnet50.torchvision_v2").top1 == pytest.approx(80.86)
    with pytest.raises(ValueError, match=r"unknown weights 'resnet50\.v1'.*resnet50"):
        find_weights("resnet50.v1")


def test_every_published_network_has_a_default():
    own = {"six_conv", "lenet5"}
    assert {row.model for row in ROWS} == set(list_models()) - own
    assert default_weights("efficientnet_lite0").address.startswith("package:")
    with pytest.raises(ValueError, match="unknown network with published weights 'six_conv'"):
        default_weights("six_conv")


def test_the_table_is_laid_out_in_columns():
    lines = format_table(list_weights("resnet50")).splitlines()
    assert lines[0].split() == [
        *("name", "network", "top-1", "MiB", "pixels", "labels", "licence", "source")
    ]
    assert len(lines) == 1 + len(list_weights("resnet50"))
    assert lines[1].startswith("resnet50.torchvision_v1")
    column = lines[0].index("network")
    assert all(line[column:].startswith("resnet50 ") for line in lines[1:])
