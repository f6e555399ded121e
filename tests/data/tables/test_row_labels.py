from pathlib import Path

import pytest

from jaxcnn.data.tables.row_labels import row_labels
from jaxcnn.data.tables.table_file import Table, TableError


def labels(values, separator=None, names=None):
    class_names = {} if names is None else {"label": names}
    numbers = range(2, 2 + len(values))
    return row_labels(
        Table(Path("t"), {"label": values}, numbers, class_names), ["label"], separator
    )


def test_one_label():
    assert labels(["cat", " dog ", "", None, 7, 7.0]) == ["cat", " dog ", None, None, "7", "7"]


def test_positions_of_named_classes():
    assert labels([1, 0, -1, None], names=["cat", "dog"]) == ["dog", "cat", None, None]
    with pytest.raises(TableError, match="line 3 of 't', column 'label', holds 2, but there are 2"):
        labels([1, 2], names=["cat", "dog"])


def test_several_in_one_text():
    found = labels(["cat; dog", "dog;", ";", "[]", "", "cat"], ";")
    assert found == [("cat", "dog"), ("dog",), (), (), None, ("cat",)]


def test_lists():
    assert labels([["cat", "dog"], [], None, ["dog", None]]) == [("cat", "dog"), (), None, ("dog",)]
    assert labels([[1, 0]], names=["cat", "dog"]) == [("dog", "cat")]


def test_lists_written_as_texts():
    assert labels(['["cat", "dog"]', "[]", ""]) == [("cat", "dog"), (), None]
    assert labels(["['cat', 'dog']", "['a']"]) == [("cat", "dog"), ("a",)]
    assert labels(["[unknown]", '["cat"]']) == ["[unknown]", '["cat"]']
    assert labels(["[" * 10_000, "x"]) == ["[" * 10_000, "x"]


def test_a_list_that_names_nothing_is_a_missing_label_not_a_photo_without_any():
    assert labels([[None], ["", None], [-1]], names=["cat", "dog"]) == [None, None, None]


def test_lists_of_lists_are_refused():
    with pytest.raises(TableError, match=r"line 2 .* holds a list of lists; expected a list of"):
        labels([[["cat"]]])


def test_objects_are_no_labels():
    with pytest.raises(TableError, match=r"line 2 .* holds an object; expected a text"):
        labels([{"name": "cat"}])


def flags(**columns):
    numbers = range(2, 2 + len(columns["a"]))
    return row_labels(Table(Path("t"), columns, numbers), list(columns))


def test_one_column_per_class():
    assert flags(a=["1", "0"], b=["1", "0"]) == [("a", "b"), ()]
    with pytest.raises(TableError, match=r"line 3 of 't', column 'b', holds '2'; expected 0 or 1"):
        flags(a=["1", "0"], b=["1", "2"])


def test_columns_with_one_class_in_each_row_are_one_label():
    assert flags(a=["1", "0"], b=[0, 1.0]) == ["a", "b"]
