import unicodedata

import numpy as np
import pytest

from jaxcnn.data.tables.class_labels import label_array, label_text, settle_classes, without_empty
from jaxcnn.data.tables.table_file import TableError


def test_halves_of_characters_are_written_as_escapes():
    assert label_text("a\ud800") == r"a\ud800"
    assert label_text("ü") == "ü"


def test_spellings_of_one_class_are_one_under_the_most_frequent():
    accent = unicodedata.normalize("NFD", "Café  au lait")
    labels = ["cat"] * 3 + ["Cat", "CAT ", "cAt"] + ["Café au lait"] * 2 + [accent]
    classes = settle_classes(labels)
    assert classes.names == ("Café au lait", "cat")
    assert label_array(labels, classes).tolist() == [1] * 6 + [0] * 3
    told = classes.told()
    assert len(told) == 2
    assert "'cat', also written 'CAT ', 'Cat', 'cAt'" in told[1]


def test_of_spellings_as_frequent_the_order_of_rows_decides_nothing():
    assert settle_classes(["dog", "Dog", "x"]).names == settle_classes(["x", "Dog", "dog"]).names
    assert settle_classes(["dog ", "dog", "x"]).told()
    assert settle_classes([" dog"]).names == ("dog",)


def test_numbers_are_in_their_order():
    assert settle_classes(["10", "9", "-1"]).names == ("-1", "9", "10")
    assert settle_classes(["10", "9", "b"]).names == ("10", "9", "b")
    assert settle_classes(["²", "1"]).names == ("1", "²")  # a digit, but no number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (3.5, "3.5"),
        (True, "true"),
        (np.bool_(False), "false"),
        (np.float32(2), "2"),
        (b"cat", "cat"),
        (float("nan"), ""),
        (float("inf"), "inf"),
        (None, ""),
        ("  ", ""),
    ],
)
def test_values_as_texts(value, text):
    assert label_text(value) == text


def test_known_classes_keep_their_order_and_what_is_none_of_them_is_refused():
    classes = settle_classes(["Dog", "cat"], ["dog", "owl", "cat"])
    assert classes.names == ("dog", "owl", "cat")
    assert label_array(["Dog", "cat"], classes).tolist() == [0, 2]
    assert label_array(["Dog", "cat"], classes).dtype == np.int32
    with pytest.raises(TableError, match="no class here: bird; known are dog, owl, cat"):
        settle_classes(["dog", "bird"], ["dog", "owl", "cat"])


def test_known_classes_that_differ_by_case_alone_stay_apart():
    classes = settle_classes(["a", "A"], ["A", "a"])
    assert label_array(["a", "A"], classes).tolist() == [1, 0]
    with pytest.raises(TableError, match="no class here: a "):
        settle_classes(["a "], ["A", "a"])


def test_known_classes_without_an_example_can_go():
    classes, told = without_empty(settle_classes(["dog", "cat"], ["dog", "owl", "cat"]))
    assert classes.names == ("dog", "cat")
    assert "1 class without any photo left out: owl" in told
    assert without_empty(settle_classes(["dog", "cat"]))[1] == ""


def test_several_labels():
    labels = [("cat", "dog "), (), ("dog",)]
    found = label_array(labels, settle_classes(labels))
    assert found.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert found.dtype == np.uint8
    one = label_array(["cat"], settle_classes(labels), several=True)
    assert one.tolist() == [[1, 0]]
