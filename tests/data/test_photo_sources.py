import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from photo_forms import png, write_parquet, write_tar

from jaxcnn.data.datasets import load_images, load_splits
from jaxcnn.data.folder import FolderError
from jaxcnn.data.photo_sources import load_photos, load_test_photos, named_photos
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.tables.table_columns import TableColumns

CLASSES = ("cat", "dog")
FORMS = ("folders", "table", "parquet", "tar")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path / "cache"))


def write_set(root, form, *, count=40, prefix="all"):
    """Write the same photos in a form; returns `data_dir` and `labels`."""
    labels = [CLASSES[i % 2] for i in range(count)]
    if form == "parquet":
        images = [(png(i), f"{i}.png") for i in range(count)]
        numbers = [CLASSES.index(label) for label in labels]
        write_parquet(root / f"{prefix}-0.parquet", numbers, images, names=list(CLASSES))
    elif form == "tar":
        members = [m for i in range(count) for m in ((f"{i}.png", png(i)), (f"{i}.cls", labels[i]))]
        write_tar(root / f"{prefix}-0.tar", *members)
    else:
        for i, label in enumerate(labels):
            path = root / (f"{label}/{i}.png" if form == "folders" else f"{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(i))
    if form != "table":
        return root, None
    table = root.with_suffix(".csv")
    table.write_text("file,label\n" + "".join(f"{i}.png,{v}\n" for i, v in enumerate(labels)))
    return root, table


def test_parquet_without_images_says_what_it_may_be(tmp_path):
    pq.write_table(pa.table({"file": ["1.png"], "label": ["cat"]}), tmp_path / "train-0.parquet")
    with pytest.raises(FolderError, match=r"train-0.parquet' has no column that holds images; if"):
        load_photos(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_split_and_decoded(tmp_path, form):
    data_dir, labels = write_set(tmp_path / "set", form)
    splits = load_splits("folder", data_dir=data_dir, labels=labels, size_px=4)
    assert splits.train.class_names == CLASSES
    assert sum(map(len, splits)) == 40
    images = load_images(splits, Decoding(4), progress=False)
    shown = {
        (int(image[0, 0, 0]), int(label))
        for split in images[:3]
        for image, label in zip(split.images, split.labels, strict=True)
    }
    assert shown == {(i, i % 2) for i in range(40)}
    assert not images.duplicates
    assert not images.skipped


@pytest.mark.parametrize("form", FORMS)
def test_every_form_serves_to_test_a_network(tmp_path, form):
    data_dir, labels = write_set(tmp_path / "set", form)
    source = load_test_photos(data_dir, ("dog", "owl", "cat"), labels)
    assert source.class_names == ("dog", "owl", "cat")
    assert source.labels.tolist().count(2) == 20
    assert len(source) == 40
    with pytest.raises(FolderError, match=r"cat"):
        load_test_photos(data_dir, ("dog", "owl"), labels)


@pytest.mark.parametrize("form", ["parquet", "tar"])
def test_of_splits_the_test_is_taken(tmp_path, form):
    write_set(tmp_path / "set", form, prefix="train")
    with pytest.raises(FolderError, match="holds train, but no test; add one"):
        load_test_photos(tmp_path / "set", CLASSES)
    write_set(tmp_path / "set", form, count=4, prefix="test")
    assert len(load_test_photos(tmp_path / "set", CLASSES)) == 4
    (tmp_path / "set" / f"train-0.{form}").unlink()
    with pytest.raises(FolderError, match="has the split test alone; give photos of train too"):
        load_photos(tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("labels.csv", b"file,label\n", "is a table; give it as labels"),
        ("photos.zip", b"PK", "is a file; expected one sub-folder"),
        ("nowhere", None, "does not exist; expected one sub-folder"),
    ],
)
def test_data_dir_that_is_another_thing(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FolderError, match=says):
        load_photos(tmp_path / name)


def test_columns_of_a_folder_of_photos_are_refused(tmp_path):
    data_dir, _ = write_set(tmp_path / "set", "folders")
    for columns in (TableColumns(label="kind"), TableColumns(separator=";")):
        with pytest.raises(
            FolderError, match=r"^label_\w+ is about a table.*give the table as labels"
        ):
            load_photos(data_dir, None, columns)


def test_nothing_named():
    with pytest.raises(ValueError, match=r"needs data_dir, .*, or labels"):
        load_splits("folder", size_px=8)


def test_tables_beside_folders_of_photos_change_nothing(tmp_path):
    data_dir, _ = write_set(tmp_path / "set", "folders")
    pq.write_table(pa.table({"file": ["x"], "label": ["y"]}), data_dir / "labels.parquet")
    write_tar(data_dir / "backup.tar", ("1.txt", "x"))
    assert len(load_photos(data_dir)["all"]) == 40


def test_parquet_with_images_may_be_given_as_the_table(tmp_path):
    write_set(tmp_path / "set", "parquet")
    source = load_photos(None, tmp_path / "set" / "all-0.parquet")["all"]
    assert source[3].image == png(3)


def test_what_a_path_means(tmp_path):
    write_set(tmp_path / "set", "parquet")
    write_set(tmp_path / "set", "tar")
    pq.write_table(pa.table({"file": ["x"], "label": ["y"]}), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text(json.dumps({"file": "x"}))
    for name in ("set", "set/all-0.parquet", "set/all-0.tar"):
        assert named_photos(str(tmp_path / name)) == (str(tmp_path / name), None)
    for name in ("t.parquet", "t.jsonl"):
        assert named_photos(str(tmp_path / name)) == (None, str(tmp_path / name))
    assert named_photos("drawn_pets") is None


def test_what_is_left_out_is_told_once_for_each_reason_and_listed(tmp_path, caplog):
    data_dir, table = write_set(tmp_path / "set", "table")
    with table.open("a") as file:
        file.write("gone.png,cat\nlost\u202e.png,dog\n")
    (data_dir / "more.png").write_bytes(png(1))
    caplog.set_level(logging.WARNING, "jaxcnn")
    splits = load_splits("folder", data_dir=data_dir, labels=table, size_px=4)
    told = [record.message for record in caplog.records]
    assert told == [
        "2 files left out, e.g. gone.png: named by a row, but not in the folder",
        "1 file left out, e.g. more.png: in the folder, but in no row of the table",
    ]
    (data_dir / splits.test.names[0]).write_bytes(b"")
    skipped = load_images(splits, Decoding(4), progress=False).skipped
    assert [tuple(each) for each in skipped[:3]] == [
        ("gone.png", "named by a row, but not in the folder", "cat", ""),
        ("lost\u202e.png", "named by a row, but not in the folder", "dog", ""),
        ("more.png", "in the folder, but in no row of the table", "", ""),
    ]
    assert skipped[3].name == splits.test.names[0]


def test_streamed_images_are_the_same(tmp_path):
    for form in ("parquet", "tar"):
        data_dir, _ = write_set(tmp_path / form, form)
        splits = load_splits("folder", data_dir=data_dir, size_px=4)
        images = load_images(splits, Decoding(4), memory_limit_bytes=0, progress=False)
        found, present = images.train.gather(np.arange(len(images.train)))
        assert present.all()
        labels = images.train.labels
        assert (found[:, 0, 0, 0] % 2 == labels).all()
