import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxcnn.data.splits.splitting import complete_splits
from jaxcnn.data.tables.label_table import load_label_table
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.tables.table_file import TableError
from jaxcnn.data.tables.table_images import NO_ROW, NOT_THERE, OUTSIDE

PHOTOS = ("1.jpg", "2.jpg", "sub/3.jpg", "sub/4.jpg")


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for name in PHOTOS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


@pytest.fixture
def load(tmp_path, photos):
    def load(text, data_dir=photos, *, name="labels.csv", **columns):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return load_label_table(tmp_path / name, data_dir, TableColumns(**columns))

    return load


def rows(source):
    return [
        (each.name, source.class_names[each.label])
        for each in map(source.__getitem__, range(len(source)))
    ]


def left_out(source):
    return {each.name: each.reason for each in source.left_out}


def test_one_row_per_photo(load):
    sources = load("file,label\n1.jpg,dog\n2.jpg,cat\nsub/3.jpg,dog\nsub/4.jpg,cat\n")
    assert list(sources) == ["all"]
    source = sources["all"]
    assert source.class_names == ("cat", "dog")
    assert rows(source) == list(zip(PHOTOS, ["dog", "cat", "dog", "cat"], strict=True))
    assert source.labels.dtype == np.int32
    assert source[2].image == b"sub/3.jpg"
    assert source.left_out == ()
    assert source.groups is None


# Tables as people have them, and what is left out of each; the rest are all four photos.
HOSTILE = {
    "a row without a file": ("gone.jpg,cat\n", {"gone.jpg": NOT_THERE}),
    "a path outside": ("../../secret.jpg,cat\n", {"../../secret.jpg": OUTSIDE}),
    "an absolute path outside": ("/etc/passwd,cat\n", {"/etc/passwd": OUTSIDE}),
    "a row twice": ("1.jpg,cat\n1.jpg, CAT \n", {}),
    "a row without a path": (",cat\n", {"labels.csv line 6": "its row names no file"}),
    "too many fields": (
        "1.jpg,cat,7\n",
        {"labels.csv line 6": "the line has more fields than the header"},
    ),
    "blank lines": ("\n,\n , \n", {}),
    "another row without a label": ("1.jpg,\n", {"labels.csv line 6": "its row has no label"}),
    "a name of two lines": ('"no\nsuch.jpg",cat\n', {"no\nsuch.jpg": NOT_THERE}),
    "a formula": ("=1+1,cat\n", {"=1+1": NOT_THERE}),
    "an address": (
        "http://x/1.jpg,cat\n",
        {"http://x/1.jpg": "a web address; download the photos, and name the files"},
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_rows_are_listed_and_the_others_used(load, kind):
    more, expected = HOSTILE[kind]
    source = load(f"file,label\n1.jpg,cat\n2.jpg,cat\nsub/3.jpg,dog\nsub/4.jpg,dog\n{more}")["all"]
    assert rows(source) == list(zip(PHOTOS, ["cat", "cat", "dog", "dog"], strict=True))
    assert left_out(source) == expected


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        (
            "file,label\nx.jpg,cat\ny.jpg,dog\n",
            {},
            r"none of the 2 rows .*'x\.jpg': named by a row",
        ),
        ("file,label\n1.jpg,cat\n2.jpg,Cat\n", {}, "all rows .*have the label 'Cat' in column"),
        ("file,label\n1.jpg,\n2.jpg,\n", {}, "none of the 2 rows .*its row has no label"),
        ("1.jpg,cat\n2.jpg,dog\n", {}, r"columns: 1\.jpg, cat\) .*first line of column names"),
        ("file label\n1.jpg cat\n", {}, r"columns: file label\) has no column"),
        (
            "file,label,part\n1.jpg,cat,train\n2.jpg,dog,7\n",
            {"split": "part"},
            "line 3 .* has the split '7'; expected train, validation or test",
        ),
        ("file,a,b\n1.jpg,1,0\n2.jpg,2,0\n", {"label": "a,b"}, "line 3 .*'2'; expected 0 or 1"),
    ],
)
def test_tables_that_cannot_be_used(load, text, columns, says):
    with pytest.raises(TableError, match=says):
        load(text, **columns)


def test_photos_without_a_row_are_listed(load, photos):
    (photos / "sub" / "notes.txt").write_text("no photo")
    source = load("file,label\n1.jpg,cat\nsub/3.jpg,dog\n")["all"]
    assert left_out(source) == {"2.jpg": NO_ROW, "sub/4.jpg": NO_ROW}


def test_conflicts_are_listed_with_their_labels(load):
    text = "file,label,split\n1.jpg,cat,train\n1,Dog,train\n2.jpg,cat,train\n2.jpg,cat,test\n"
    source = load(f"{text}sub/3.jpg,dog,train\nsub/4.jpg,cat,train\nsub/4.jpg,Cat ,Train\n")[
        "train"
    ]
    assert rows(source) == [("sub/3.jpg", "dog"), ("sub/4.jpg", "cat")]
    assert [tuple(each) for each in source.left_out] == [
        ("1.jpg", "its rows contradict each other", "cat; Dog", "train"),
        ("2.jpg", "its rows contradict each other", "cat", "test; train"),
    ]


def test_groups_are_handed_on_and_may_contradict(load):
    text = "file,label,site\n1.jpg,cat,  a  1\n2.jpg,dog,\nsub/3.jpg,dog,b\nsub/3.jpg,dog,c\n"
    source = load(f"{text}sub/4.jpg,cat,a 1\n", group="Site")["all"]
    assert source.groups == ("a 1", "", "a 1")
    assert left_out(source) == {"sub/3.jpg": "its rows contradict each other"}


def test_splits_of_a_column(load):
    text = "file,label,split\n1.jpg,cat,Train\n2.jpg,dog,training\nsub/3.jpg,cat,TEST\n"
    sources = load(f"{text}sub/4.jpg,dog,\n")
    assert list(sources) == ["train", "test"]
    assert rows(sources["train"]) == [("1.jpg", "cat"), ("2.jpg", "dog")]
    assert rows(sources["test"]) == [("sub/3.jpg", "cat")]
    assert sources["test"].class_names == ("cat", "dog")
    assert left_out(sources["train"]) == {"sub/4.jpg": "its row has no split"}
    assert sources["test"].left_out == ()


def test_spellings_are_told(load, caplog):
    with caplog.at_level(logging.INFO, "jaxcnn"):
        load("file,label\n1.jpg,cat\n2.jpg,cat\nsub/3.jpg,Cat \nsub/4.jpg,dog\n")
    assert "images in 'file', labels in 'label'" in caplog.text
    assert "one class by different spellings: 'cat', also written 'Cat '" in caplog.text


def test_a_photo_that_another_row_labels_is_not_left_out_itself(load):
    source = load("file,label\n1.jpg,\n1.jpg,cat\n2.jpg,dog\nsub/3.jpg,\nsub/4.jpg,cat\n")["all"]
    assert rows(source)[0] == ("1.jpg", "cat")
    no_label = "its row has no label"
    assert left_out(source) == {"labels.csv line 2": no_label, "sub/3.jpg": no_label}


def test_paths_are_relative_to_the_table_where_no_folder_is_given(photos):
    (photos / "labels.csv").write_text("file,label\n1.jpg,cat\n2.jpg,dog\n")
    source = load_label_table(photos / "labels.csv")["all"]
    assert rows(source) == [("1.jpg", "cat"), ("2.jpg", "dog")]
    assert source.left_out == ()  # of folders that no row names nothing is said
    (photos / "labels.csv").write_text("file,label\n1.jpg,cat\nsub/3.jpg,dog\n")
    assert left_out(load_label_table(photos / "labels.csv")["all"]) == {
        "2.jpg": NO_ROW,
        "sub/4.jpg": NO_ROW,
    }


def test_several_labels(load):
    text = "file,tags\n1.jpg,cat;dog\n2.jpg,dog\nsub/3.jpg,;\nsub/4.jpg,\n"
    source = load(text, separator=";")["all"]
    assert source.labels.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert source.labels.dtype == np.uint8
    assert [source[i].label for i in range(3)] == [(0, 1), (1,), ()]
    assert left_out(source) == {"sub/4.jpg": "its row has no label"}


def test_one_column_per_class(load):
    several = load("file,cat,dog\n1.jpg,1,1\n2.jpg,0,0\nsub/3.jpg,1,0\nsub/4.jpg,,1\n")["all"]
    assert several.labels.tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]]
    one = load("file,dog,cat\n1.jpg,1,0\n2.jpg,0,1\nsub/3.jpg,1,0\nsub/4.jpg,0,1\n")["all"]
    assert one.class_names == ("cat", "dog")
    assert one.labels.tolist() == [1, 0, 1, 0]


def test_json_lines_with_lists(load):
    lines = [{"file": "1.jpg", "labels": ["cat", "dog"]}, {"file": "2.jpg", "labels": []}]
    source = load("\n".join(map(json.dumps, lines)), name="labels.jsonl")["all"]
    assert source.labels.tolist() == [[1, 1], [0, 0]]


def test_parquet_with_paths(tmp_path, photos):
    about = json.dumps(
        {"info": {"features": {"kind": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    )
    table = pa.table({"file": ["1.jpg", "2.jpg"], "kind": [1, 0]})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), tmp_path / "t.parquet")
    source = load_label_table(tmp_path / "t.parquet", photos)["all"]
    assert rows(source) == [("1.jpg", "dog"), ("2.jpg", "cat")]


def test_known_classes_keep_their_order(tmp_path, photos):
    (tmp_path / "t.csv").write_text("file,label\n1.jpg,Dog\n2.jpg,dog\n")
    source = load_label_table(tmp_path / "t.csv", photos, class_names=("owl", "dog", "cat"))["all"]
    assert source.class_names == ("owl", "dog", "cat")
    assert source.labels.tolist() == [1, 1]
    with pytest.raises(TableError, match="no class here: Dog, dog; known are owl, cat"):
        load_label_table(tmp_path / "t.csv", photos, class_names=("owl", "cat"))


def test_the_fingerprint_tells_a_changed_photo(load, photos):
    text = "file,label\n1.jpg,cat\n2.jpg,dog\nsub/3.jpg,dog\nsub/4.jpg,cat\n"
    before = load(text)["all"].fingerprint(np.arange(4))
    assert load(text)["all"].fingerprint(np.arange(4)) == before
    (photos / "2.jpg").write_bytes(b"longer than before")
    assert load(text)["all"].fingerprint(np.arange(4)) != before


def test_the_order_of_the_rows_moves_no_photo_to_another_split(tmp_path):
    lines = [f"{i}.jpg,{'ab'[i % 2]}\n" for i in range(200)]
    for i in range(200):
        (tmp_path / f"{i}.jpg").write_bytes(b"x")
    found = []
    for each in (lines, lines[::-1]):
        (tmp_path / "t.csv").write_text("file,label\n" + "".join(each))
        splits = complete_splits(load_label_table(tmp_path / "t.csv"))
        found.append([set(split.names) for split in splits])
    assert found[0] == found[1]


def test_many_rows_without_a_file(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    (tmp_path / "2.jpg").write_bytes(b"x")
    rows = "".join(f"photos/{i}.jpg,b\n" for i in range(30_000))
    (tmp_path / "t.csv").write_text(f"file,label\n1.jpg,a\n2.jpg,b\n{rows}")
    source = load_label_table(tmp_path / "t.csv")["all"]
    assert len(source) == 2
    assert len(source.left_out) == 30_000
