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
    assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{64})?", row.sha256)
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


def test_the_table_is_grouped_by_family_and_fits_the_terminal():
    lines = format_table(ROWS).splitlines()
    assert lines[0].split() == ["name", "licence", "top-1", "MiB", "px", "classes"]
    assert max(map(len, lines)) <= 100
    families = [line for line in lines if line.endswith(":")]
    assert families == [f"{family}:" for family in sorted({row.family for row in ROWS})]
    names = [cells[0] for line in lines if len(cells := line.split()) == len(lines[0].split())]
    assert names == ["name", *(row.name for row in ROWS)]
    (line,) = [line for line in lines if line.startswith("resnet50.torchvision_v2 ")]
    assert line.split()[1:] == ["BSD-3-Clause", "80.9", "98", "224", "1,000"]


def test_a_name_begins_with_its_network():
    assert all(row.name.startswith(f"{row.model}.") for row in ROWS)
