"""Which photos are to be looked at, in which order, and why."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.decisions.decision_table import Decision
from jaxcnn.data.image_splits import decode_split
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import Example, image_digest
from jaxcnn.data.splits.duplicates import find_duplicates
from jaxcnn.data.splits.near_duplicates import NearDuplicate
from jaxcnn.runs import findings
from jaxcnn.runs.findings import gather_findings
from jaxcnn.runs.judging import Judged

CLASSES = ("cat", "dog")


class _Photos(list):
    class_names = CLASSES


def photo(seed, low=0, high=255):
    draws = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(draws.integers(low, high, (64, 64, 3)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def data():
    """Three splits: one photo twice with two labels, one twice with one, one black."""
    train = _Photos(
        [
            Example(photo(0), 0, "train/0"),
            Example(photo(1), 1, "train/1"),
            Example(photo(2), 0, "train/2"),
            Example(photo(3, 0, 2), 1, "train/3"),
        ]
    )
    validation = _Photos(
        [Example(photo(0), 1, "validation/0"), Example(photo(5), 0, "validation/1")]
    )
    test = _Photos([Example(photo(2), 0, "test/0"), Example(photo(7), 1, "test/1")])
    sources = (train, validation, test)
    splits = [decode_split(source, Decoding(32), progress=False) for source in sources]
    skipped = [SkippedFile("train/9", "the file is empty (0 bytes).", "dog", "train")]
    return ImageSplits(*splits, skipped, find_duplicates(sources))


def judged(*of_dog):
    dog = np.array(of_dog)
    return Judged(np.stack([1 - dog, dog], 1), np.full(8, -1, np.int32), np.ones(8, bool))


#     train/0 to 3      validation  test
SURE = 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.9


def test_the_worst_come_first_and_each_once(data):
    answers = [*SURE]
    answers[1] = 0.2  # train/1 is labelled dog
    answers[3] = 0.45  # train/3 too, which is black
    answers[5] = 0.95  # validation/1 is labelled cat
    found = gather_findings(data, judged(*answers), {})
    assert [item.name for item in found.items] == [
        *("validation/1", "train/1", "train/3"),
        *("validation/0", "train/0", "test/0"),
        "train/9",
    ]
    items = {item.name: item for item in found.items}
    assert items["train/3"].kinds == ("label", "odd")
    assert items["train/3"].reasons == ("the label may be wrong", "blank", "too dark")
    assert [found.count(kind) for kind in ("label", "duplicate", "unreadable", "odd")] == [
        3,
        3,
        1,
        1,
    ]
    assert found.num_photos == 8
    first = items["validation/1"]
    assert (first.split, first.label, first.suggested) == ("validation", "cat", "dog")
    assert first.top == (("dog", pytest.approx(0.95)), ("cat", pytest.approx(0.05)))


def test_duplicates_name_each_other(data):
    items = {item.name: item for item in gather_findings(data, judged(*SURE), {}).items}
    assert items["train/0"].others == ("validation/0",)
    assert items["train/0"].reasons == ("the same photo is in validation, there labelled dog",)
    assert items["validation/0"].reasons == ("the same photo is in train, there labelled cat",)
    assert items["test/0"].reasons == ("the same photo is in train",)
    assert "train/2" not in items  # one of two is enough
    assert items["train/0"].suggested == ""


def test_near_duplicates_come_after_equal_photos_and_name_each_other_once(data):
    near = [
        NearDuplicate("test/1", "test", "dog", "train/0", "train", "cat", 0.97),
        NearDuplicate("validation/1", "validation", "cat", "train/2", "train", "cat", 0.9),
        NearDuplicate("validation/1", "validation", "cat", "train/0", "train", "cat", 0.88),
        NearDuplicate("test/0", "test", "cat", "train/2", "train", "cat", 1.0),  # equal
    ]
    found = gather_findings(data, judged(*SURE), {}, near=near)
    items = {item.name: item for item in found.items}
    assert found.count("near_duplicate") == 3
    assert items["test/1"].reasons == ("nearly the same photo is in train, there labelled cat",)
    assert items["train/0"].kinds == ("duplicate", "near_duplicate")
    assert items["train/0"].others == ("validation/0", "test/1")
    assert items["validation/1"].reasons == ("nearly the same photo is in train",)
    assert items["validation/1"].others == ("train/2", "train/0")
    assert items["test/0"].kinds == ("duplicate",)
    names = [item.name for item in found.items]
    assert names.index("test/0") < names.index("test/1") < names.index("validation/1")
    assert set(items["validation/1"].others) < set(found.photos)


def test_photos_can_be_read_again(data):
    found = gather_findings(data, judged(*SURE), {})
    assert set(found.photos) == {"train/0", "validation/0", "test/0", "train/2", "train/3"}
    stored = found.photos["test/0"]
    assert image_digest(stored.source[stored.place].image) == stored.digest
    unreadable = next(item for item in found.items if item.name == "train/9")
    assert unreadable.reasons == ("left out: the file is empty (0 bytes).",)
    assert (unreadable.split, unreadable.label, unreadable.top) == ("train", "dog", ())


def test_what_confident_learning_suspects_is_listed_too(data):
    suspected = np.full(8, -1, np.int32)
    suspected[7] = 0
    found = gather_findings(data, judged(*SURE)._replace(suspected=suspected), {})
    assert found.items[0].name == "test/1"
    assert found.items[0].suggested == "cat"


def test_a_photo_without_an_image_is_not_judged(data):
    answers = judged(*SURE)
    answers.unseen[1], answers.present[1] = np.nan, False
    items = gather_findings(data, answers, {}).items
    assert "train/1" not in [item.name for item in items]


def test_the_label_before_earlier_decisions_is_known(data):
    rows = [Decision("train/0", "relabel", "dog", "cat"), Decision("test/0", "relabel", "", "cat")]
    items = gather_findings(data, judged(*SURE), {row.name: row for row in rows}).items
    labels = {item.name: (item.label, item.source_label) for item in items}
    assert labels["train/0"] == ("cat", "dog")
    assert labels["test/0"] == ("cat", "")  # written by hand, without it
    assert labels["train/3"] == ("dog", "dog")


def test_odd_photos_with_the_most_reasons_come_first(monkeypatch):
    reasons = {0: ("dark",), 1: (), 2: ("dark", "small")}
    monkeypatch.setattr(findings, "measure_looks", lambda split, *_, **__: list(split))
    monkeypatch.setattr(findings, "odd_reasons", reasons.__getitem__)
    found = findings._odd(SimpleNamespace(splits=[range(3)]), 1)
    assert [(i, why.reason) for i, why in found] == [(2, "dark"), (2, "small"), (0, "dark")]
