import numpy as np
import pytest

from jaxcnn.data.source import (
    ArraySource,
    ConcatSource,
    Example,
    SubsetSource,
    check_same_classes,
    example_labels,
    example_names,
    source_fingerprint,
)

CLASSES = ("cat", "dog")


def _source(count, *, first=0):
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    names = [f"photo {i}" for i in range(first, first + count)]
    return ArraySource(images, np.arange(count) % 2, class_names=CLASSES, names=names)


class _Bare:
    """A source with the least a source must have."""

    class_names = CLASSES

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return Example(np.zeros((1, 1, 3), np.uint8), i % 2, f"bare {i}")


def test_array_source_gives_examples():
    source = _source(3)
    image, label, name = source[2]
    assert len(source) == 3
    assert (image == 2).all()
    assert (label, name) == (0, "photo 2")


def test_array_source_takes_images_of_several_sizes():
    images = [np.zeros((1, 2, 3), np.uint8), np.zeros((4, 3, 1), np.uint8)]
    source = ArraySource(images, [0, 1], class_names=CLASSES)
    assert source[1].image.shape == (4, 3, 1)
    assert source.names == ("0", "1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 2, 2, 3), np.float32)}, "float32"),
        ({"images": np.zeros((2, 2, 2), np.uint8)}, r"shape \(2, 2\)"),
        ({"labels": [0, 2]}, "label 2 is no index into the 2 class names"),
        ({"labels": [0, -1]}, "label -1"),
        ({"labels": [0.0, 1.0]}, "float64"),
        ({"labels": [0]}, "2 images, 1 labels, 2 names"),
        ({"names": ["a", "a"]}, "'a' comes more than once"),
    ],
)
def test_array_source_says_what_is_wrong(change, message):
    right = {"images": np.zeros((2, 2, 2, 3), np.uint8), "labels": [0, 1], "names": ["a", "b"]}
    with pytest.raises(ValueError, match=message):
        ArraySource(**(right | change), class_names=CLASSES)


def test_subset_is_a_view_in_its_order():
    subset = SubsetSource(_source(5), [4, 1])
    assert [example.name for example in subset] == ["photo 4", "photo 1"]
    assert subset.names == ["photo 4", "photo 1"]
    assert subset.labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="index 5 lies outside the source of 5"):
        SubsetSource(_source(5), [0, 5])


def test_concatenation_reads_through_to_each():
    both = ConcatSource([_source(2), _source(0, first=7), _source(3, first=2)])
    assert len(both) == 5
    assert [example.name for example in both] == [f"photo {i}" for i in range(5)]
    assert [example.label for example in both] == both.labels.tolist() == [0, 1, 0, 1, 0]


def test_concatenation_refuses_what_does_not_fit():
    other = ArraySource(np.zeros((1, 1, 1, 3), np.uint8), [0], class_names=("cat", "cow"))
    with pytest.raises(ValueError, match="only in first: dog; only in next: cow"):
        ConcatSource([_source(1), other])
    with pytest.raises(ValueError, match="'photo 1' comes more than once"):
        ConcatSource([_source(2), _source(2, first=1)])
    with pytest.raises(ValueError, match="no sources"):
        ConcatSource([])


def test_names_and_labels_come_from_examples_where_a_source_lists_none():
    assert example_names(_Bare()) == ["bare 0", "bare 1", "bare 2"]
    labels = example_labels(_Bare())
    assert labels.dtype == np.int32
    assert labels.tolist() == [0, 1, 0]
    assert SubsetSource(_Bare(), [2]).names == ["bare 2"]


def test_the_order_of_classes_counts():
    with pytest.raises(ValueError, match="another order"):
        check_same_classes(("a", "b"), ("b", "a"))


def test_a_subset_is_told_by_its_own_examples():
    class Told(_Bare):
        def fingerprint(self, indices):
            return f"told {indices.tolist()}"

    def told(*chains):
        source = Told()
        for indices in chains:
            source = SubsetSource(source, indices)
        return source_fingerprint(source)

    assert told() == f"told {list(range(len(Told())))}"
    assert told([1, 0]) == "told [1, 0]"
    assert told([1, 0], [1]) == "told [0]"
    assert source_fingerprint(SubsetSource(_Bare(), [0])) is None
    assert source_fingerprint(_source(2)) is None
