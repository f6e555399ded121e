import numpy as np
import pytest

from jaxcnn.data.source import (
    Example,
    SubsetSource,
    check_same_classes,
    example_labels,
    example_names,
    source_fingerprint,
)

CLASSES = ("cat", "dog")


class _Examples(list):
    """The least that a source can be."""

    class_names = CLASSES


def _source(count):
    image = np.zeros((1, 1, 3), np.uint8)
    return _Examples(Example(image, i % 2, f"photo {i}") for i in range(count))


def test_subset_is_a_view_in_its_order():
    subset = SubsetSource(_source(5), [4, 1])
    assert [example.name for example in subset] == ["photo 4", "photo 1"]
    assert subset.names == ["photo 4", "photo 1"]
    assert subset.labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="index 5 lies outside the source of 5"):
        SubsetSource(_source(5), [0, 5])


def test_names_and_labels_come_from_examples_where_a_source_lists_none():
    assert example_names(_source(3)) == ["photo 0", "photo 1", "photo 2"]
    labels = example_labels(_source(3))
    assert labels.dtype == np.int32
    assert labels.tolist() == [0, 1, 0]
    assert SubsetSource(_source(3), [2]).names == ["photo 2"]


def test_classes_must_be_the_same_in_the_same_order():
    with pytest.raises(ValueError, match="another order"):
        check_same_classes(("a", "b"), ("b", "a"))
    with pytest.raises(ValueError, match="only in first: dog; only in next: cow"):
        check_same_classes(("cat", "dog"), ("cat", "cow"))


def test_a_subset_has_the_fingerprint_of_its_own_examples():
    class Stamped(_Examples):
        def fingerprint(self, indices):
            return f"stamp {indices.tolist()}"

    def stamp(*chains):
        source = Stamped(_source(3))
        for indices in chains:
            source = SubsetSource(source, indices)
        return source_fingerprint(source)

    assert stamp() == "stamp [0, 1, 2]"
    assert stamp([1, 0]) == "stamp [1, 0]"
    assert stamp([1, 0], [1]) == "stamp [0]"
    assert source_fingerprint(SubsetSource(_source(1), [0])) is None
    assert source_fingerprint(_source(2)) is None
