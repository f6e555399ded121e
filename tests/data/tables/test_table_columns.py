from pathlib import Path

import pytest

from jaxcnn.data.tables.table_columns import TableColumns, find_columns
from jaxcnn.data.tables.table_file import Table, TableError


def table(class_names=(), **columns):
    count = len(next(iter(columns.values())))
    return Table(Path("t.csv"), columns, range(2, 2 + count), dict(class_names))


@pytest.mark.parametrize(
    ("names", "image", "label"),
    [
        (("file", "label"), "file", "label"),
        (("LABEL", "File Name"), "File Name", "LABEL"),
        (("id", "Class"), "id", "Class"),
        (("image_path", "class_name", "age"), "image_path", "class_name"),
        (("id", "filename", "category"), "filename", "category"),
        (("image", "target"), "image", "target"),
    ],
)
def test_usual_names(names, image, label):
    found = find_columns(table(**{name: ["a", "7"] for name in names}), TableColumns())
    assert (found.image, found.labels) == (image, (label,))
    assert image in found.told
    assert label in found.told


def test_names_that_are_given_win_and_their_case_is_nothing():
    rows = table(file=["a"], label=["x"], Photo=["b"], Species=["y"], site=["z"], part=["train"])
    given = TableColumns(" photo ", "SPECIES", "part", "Site")
    found = find_columns(rows, given)
    assert found[:4] == ("Photo", ("Species",), "part", "site")


@pytest.mark.parametrize(
    ("columns", "given", "says"),
    [
        (
            {"a": ["1"], "label": ["x"]},
            {},
            r"columns: a, label\) has no .* for the images .*image_col",
        ),
        ({"file": ["1"], "b": ["x"]}, {}, r"has no column of a usual name for the labels"),
        (
            dict(file=["1"], label=["x"], kind=["y"], **{"class": ["z"]}),
            {},
            "'label', 'class'; name",
        ),
        ({"file": ["1"], "label": ["x"]}, {"label": "lable"}, "'lable' .*did you mean 'label'"),
        ({"file": ["1"], "label": ["x"]}, {"image": "path"}, "no column 'path' for image_column"),
        ({"file": ["1"], "label": ["x"]}, {"split": "fold"}, "no column 'fold' for split_column"),
        ({"file": ["1"], "label": ["x"]}, {"group": "site"}, "no column 'site' for group_column"),
        ({"file": ["1"], "label": ["x"]}, {"label": "file"}, "no column of labels beside 'file'"),
        ({"file": ["1"], "a": ["1"], "b": ["0"]}, {"label": "a,B,a"}, "names a column twice"),
    ],
)
def test_columns_that_cannot_be_found(columns, given, says):
    with pytest.raises(TableError, match=says):
        find_columns(table(**columns), TableColumns(**given))


def test_one_column_per_class():
    rows = table(file=["1", "2"], cat=["1", "0"], dog=["0.0", ""], owl=[True, 0])
    assert find_columns(rows, TableColumns()).labels == ("cat", "dog", "owl")
    assert find_columns(rows, TableColumns(label="dog, cat")).labels == ("dog", "cat")
    with pytest.raises(TableError, match="label_column; of a table with one column of 0 and 1"):
        find_columns(table(file=["1", "2"], cat=["1", "0"], dog=["0", "7"]), TableColumns())
    comma = table(file=["1", "2"], **{"a, b": ["x", "y"]})
    assert find_columns(comma, TableColumns(label="a, b")).labels == ("a, b",)


def test_a_column_of_splits_is_found_where_all_its_words_are_splits():
    columns = {"file": ["1", "2"], "label": ["x", "y"]}
    for words, found in [(["Train", "val"], "split"), (["train", "7"], None), (["", ""], None)]:
        assert find_columns(table(**columns, split=words), TableColumns()).split == found


def test_a_column_that_the_file_knows_as_labels_is_one():
    columns = {"file": ["1"], "label": ["x"], "breed": [1]}
    rows = table({"breed": ["a", "b"]}, **columns)
    assert find_columns(rows, TableColumns()).labels == ("breed",)
    both = table({"fine": ["a"], "coarse": ["b"]}, file=["1"], fine=[0], coarse=[0])
    with pytest.raises(TableError, match="no column of a usual name for the labels"):
        find_columns(both, TableColumns())
