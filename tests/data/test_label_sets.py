"""One label per photo or several: both forms through sources, splits and tables."""

import logging

import numpy as np
import pytest

from jaxcnn.data.bad_files import sort_out
from jaxcnn.data.batches import eval_batches
from jaxcnn.data.image_splits import StreamedSplit, decode_split
from jaxcnn.data.label_sets import as_labels, class_counts, label_sets, names_of_label
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import (
    Example,
    SplitError,
    Splits,
    SubsetSource,
    check_classes,
    example_labels,
)
from jaxcnn.data.splits.duplicates import find_duplicates
from jaxcnn.data.splits.splitting import at_most, complete_splits

NAMES = ("cat", "dog", "owl")


class Photos(list):
    """Small images with several labels each."""

    class_names = NAMES


def photos(labels, *, image=None):
    drawn = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 3), np.uint8)
    images = drawn if image is None else [image] * len(labels)
    return Photos(
        Example(x, y, f"{i}.png") for i, (x, y) in enumerate(zip(images, labels, strict=True))
    )


def test_tuples_become_a_table_and_tables_stay():
    table = as_labels([(0, 2), (), (1,)], 3)
    assert table.dtype == np.uint8
    assert table.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert as_labels(table.astype(bool), 3).tolist() == table.tolist()
    assert as_labels([2, 0], 3).dtype == np.int32


@pytest.mark.parametrize("bad", [np.ones((2, 2)), np.full((2, 3), 2), [(0,), (3,)], [(-1,)]])
def test_what_is_no_label_is_refused(bad):
    with pytest.raises(ValueError, match="label"):
        as_labels(bad, 3)


def test_labels_are_counted_named_and_numbered():
    table = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], np.uint8)
    assert class_counts(table, 3).tolist() == [2, 0, 2]
    assert class_counts(np.array([2, 0, 2], np.int32), 4).tolist() == [1, 0, 2, 0]
    assert [names_of_label(row, NAMES) for row in table] == ["cat; owl", "", "cat; owl"]
    assert names_of_label(np.int32(1), NAMES) == "dog"
    numbers = label_sets(table)
    assert numbers[0] == numbers[2] != numbers[1]


def test_a_source_without_labels_is_read_for_them():
    source = photos([(0, 1), (), (2,)])
    assert example_labels(source).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert SubsetSource(source, [2, 0]).labels.tolist() == [[0, 0, 1], [1, 1, 0]]


def test_splits_batches_and_bad_files_hold_tables():
    labels = [(0, 1), (2,), (0,), (1, 2)] * 20
    splits = complete_splits({"all": photos(labels)})
    assert all(example_labels(split).shape[1] == 3 for split in splits)
    decoded = decode_split(splits.train, Decoding(8), progress=False)
    streamed = StreamedSplit(splits.train, Decoding(8))
    for split in (decoded, streamed):
        (batch, *_) = eval_batches(split, batch_size=8)
        assert batch.label.dtype == np.int32
        np.testing.assert_array_equal(batch.label, decoded.labels[:8])
    _, bad = sort_out(splits.train, ["is cut off"] + [None] * (len(splits.train) - 1))
    assert bad[0].label == names_of_label(decoded.labels[0], NAMES)


def test_a_bad_file_in_a_stream_is_listed_by_its_labels():
    source = photos([(0, 2), (1,)])
    source[0] = source[0]._replace(image=b"no image")
    split = StreamedSplit(source, Decoding(8), max_bad_share=1.0)
    assert split.gather(np.arange(2))[1].tolist() == [False, True]
    assert split.skipped[0].label == "cat; owl"


def test_padding_has_no_labels():
    split = decode_split(photos([(0, 1, 2)] * 3), Decoding(8), progress=False)
    (batch,) = eval_batches(split, batch_size=4)
    assert batch.label[3].tolist() == [0, 0, 0]


def test_a_class_without_a_training_photo_is_refused(caplog):
    full, lacking = photos([(0, 1, 2)] * 2), photos([(0, 1), ()])
    with pytest.raises(SplitError, match="no photo to train on for owl"):
        check_classes(Splits(lacking, full, full))
    with caplog.at_level(logging.WARNING):
        check_classes(Splits(full, lacking, full))
    assert "the validation split has no photo of owl" in caplog.text


def test_equal_photos_with_other_labels_are_a_conflict():
    image = np.zeros((8, 8, 3), np.uint8)
    train, test = photos([(0, 1)], image=image), photos([(0,)], image=image)
    empty = SubsetSource(train, [])
    (pair,) = find_duplicates(Splits(train, empty, test))
    assert (pair.label, pair.other_label) == ("cat", "cat; dog")
    assert pair.is_conflict


@pytest.mark.parametrize("seed", range(3))
def test_a_part_keeps_each_class_and_the_share_of_each_set(seed):
    labels = [(0,)] * 60 + [(0, 1)] * 30 + [()] * 9 + [(2,)]
    source = photos(labels)
    few, more = (at_most(source, count, seed=seed) for count in (20, 50))
    assert set(few.names) <= set(more.names)
    assert class_counts(example_labels(few), 3).min() >= 1
    found = np.unique(example_labels(more), axis=0, return_counts=True)[1]
    assert sorted(found.tolist())[-2:] == pytest.approx([15, 30], abs=1)
    with pytest.raises(ValueError, match=r"max_train_examples \(=2\)"):
        at_most(source, 2, seed=seed)
