"""Class names against counts, known places, and the photos that carry names."""

import os
from pathlib import Path

import pytest

from jaxcnn.pretrained.labels import LABEL_SETS, label_names, wordnet_ids

SHARED = Path(os.environ.get("JAXCNN_SHARED", Path(__file__).parents[3] / "shared")) / "data"


@pytest.mark.parametrize(
    ("label_set", "count"),
    list(zip(LABEL_SETS, (1000, 1001, 11821, 21843, 21841, 10, 100), strict=True)),
)
def test_every_name_once(label_set, count):
    names = label_names(label_set)
    assert len(names) == len(set(names)) == count
    assert all(name == name.strip() and name and "_" not in name for name in names)


@pytest.mark.parametrize(
    ("label_set", "index", "name"),
    [
        ("imagenet1k", 0, "tench"),
        ("imagenet1k", 134, "crane (bird)"),
        ("imagenet1k", 281, "tabby"),
        ("imagenet1k", 517, "crane (machine)"),
        ("imagenet1k", 638, "maillot"),
        ("imagenet1k", 639, "maillot (tank suit)"),
        ("imagenet1k", 999, "toilet tissue"),
        ("imagenet1001", 0, "background"),
        ("imagenet1001", 282, "tabby"),
        ("imagenet21k", 0, "organism"),
        ("imagenet22k", 0, "organism"),
        ("imagenet12k", 0, "benthos (n00005787)"),
        ("imagenet21k", 2, "heterotroph"),
        ("imagenet12k", 2, "person"),
        ("imagenet21k", 9205, "picture"),
        ("imagenet21k", 21842, "knothole"),
        ("imagenet22k", 21840, "knothole"),
        ("imagenet12k", 216, "tench"),
        ("cifar100", 1, "aquarium fish"),
        ("cifar100", 58, "pickup truck"),
        ("cifar100", 99, "worm"),
    ],
)
def test_known_places(label_set, index, name):
    assert label_names(label_set)[index] == name


@pytest.mark.parametrize("label_set", ["cifar10", "cifar100"])
def test_cifar_is_alphabetical(label_set):
    assert list(label_names(label_set)) == sorted(label_names(label_set))


def test_wordnet_ids_ascend():
    ids = wordnet_ids()
    assert len(set(ids)) == 1000
    assert list(ids) == sorted(ids)
    assert all(len(i) == 9 and i[0] == "n" and i[1:].isdecimal() for i in ids)
    assert ids[281] == "n02123045"


def test_unknown_label_set():
    with pytest.raises(ValueError, match="unknown label set 'imagenet'; known, nearest first: im"):
        label_names("imagenet")


def test_photos_are_named_as_their_wordnet_ids_say():
    photos = sorted((SHARED / "imagenet_sample").glob("n*_*.JPEG"))
    if not photos:
        pytest.skip(f"{SHARED / 'imagenet_sample'} is not here")
    names = dict(zip(wordnet_ids(), label_names("imagenet1k"), strict=True))
    for photo in photos:
        wordnet_id, _, name = photo.stem.partition("_")
        assert names[wordnet_id].lower().startswith(name.replace("_", " ").lower())
