import json
import tarfile

import numpy as np
import pytest
from photo_forms import write_tar as write

from jaxcnn.data.shards.tar_shards import load_tar_shards
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.tables.table_file import TableError


def left_out(source):
    return {each.name: each.reason for each in source.left_out}


def test_shards_of_two_splits(tmp_path):
    write(
        tmp_path / "train-000000.tar",
        ("1.jpg", b"one"),
        ("1.cls", "cat"),
        ("2.jpg", b"two"),
        ("2.cls", "dog\n"),
    )
    write(tmp_path / "train-000001.tar", ("1.jpg", b"three"), ("1.cls", "cat"))
    write(tmp_path / "val-000000.tar", ("1.jpg", b"four"), ("1.cls", "dog"))
    sources = load_tar_shards(tmp_path)
    train = sources["train"]
    assert train.class_names == ("cat", "dog")
    assert [tuple(train[i]) for i in range(3)] == [
        (b"one", 0, "train-000000.tar/1.jpg"),
        (b"two", 1, "train-000000.tar/2.jpg"),
        (b"three", 0, "train-000001.tar/1.jpg"),
    ]
    assert sources["validation"][0] == (b"four", 1, "val-000000.tar/1.jpg")
    assert train.labels.dtype == np.int32


def test_members_in_folders_in_any_order_and_with_dots(tmp_path):
    members = [("a/1.cls", "x"), ("b/1.JPG", b"b1"), ("a/1.png", b"a1"), ("b/1.cls", "y")]
    members += [
        ("a/2.seg.png", b"a2"),
        ("a/2.cls", "x"),
        ("a/3.thumb.jpg", b"no"),
        ("a/3.jpg", b"a3"),
    ]
    write(tmp_path / "s.tar", *members, ("a/3.cls", "y"), ("a/._3.jpg", b"junk"))
    source = load_tar_shards(tmp_path / "s.tar")["all"]
    assert {source[i].name: source[i].image for i in range(4)} == {
        "s.tar/a/1.png": b"a1",
        "s.tar/b/1.JPG": b"b1",
        "s.tar/a/2.seg.png": b"a2",
        "s.tar/a/3.jpg": b"a3",
    }
    assert not source.left_out


def test_numbers_are_lines_of_classes_txt(tmp_path):
    write(
        tmp_path / "d/train-0.tar",
        ("1.jpg", b"1"),
        ("1.cls", 1),
        ("2.jpg", b"2"),
        ("2.cls", b"0\n"),
    )
    (tmp_path / "classes.txt").write_text("\ufeffgolden retriever\nowl\n\n", encoding="utf-8")
    source = load_tar_shards(tmp_path)["train"]
    assert source.class_names == ("golden retriever", "owl")
    assert source.labels.tolist() == [1, 0]
    write(tmp_path / "d/train-0.tar", ("1.jpg", b"1"), ("1.cls", 2), ("2.jpg", b"2"), ("2.cls", 0))
    with pytest.raises(TableError, match="holds 2, but there are 2 classes"):
        load_tar_shards(tmp_path)


def test_numbers_without_names_are_classes_in_order(tmp_path):
    write(tmp_path / "0.tar", ("1.jpg", b""), ("1.cls", 10), ("2.jpg", b""), ("2.cls", 9))
    assert load_tar_shards(tmp_path)["all"].class_names == ("9", "10")


def test_labels_in_json(tmp_path):
    about = [{"label": "cat", "kind": "a", "site": 3}, {"label": ["dog"], "kind": "b"}]
    members = [
        (f"{i}.{end}", value)
        for i, each in enumerate(about)
        for end, value in (("jpg", b"x"), ("json", json.dumps(each)))
    ]
    write(tmp_path / "0.tar", *members)
    assert load_tar_shards(tmp_path)["all"].labels.tolist() == [[1, 0], [0, 1]]
    source = load_tar_shards(tmp_path, TableColumns(label="kind", group="site"))["all"]
    assert source.class_names == ("a", "b")
    assert source.groups == ("3", "")


def test_labels_of_another_ending_and_several(tmp_path):
    write(
        tmp_path / "0.tar",
        ("1.jpg", b"x"),
        ("1.txt", "cat;dog"),
        ("1.cls", 7),
        ("2.jpg", b"x"),
        ("2.txt", "dog"),
    )
    source = load_tar_shards(tmp_path, TableColumns(label="txt", separator=";"))["all"]
    assert source.labels.tolist() == [[1, 1], [0, 1]]


def test_what_cannot_be_used_is_listed(tmp_path):
    good = [("1.jpg", b"1"), ("1.cls", "a"), ("2.jpg", b"old"), ("2.jpg", b"new"), ("2.cls", "b")]
    bad = [
        ("3.jpg", b"3"),
        ("4.cls", "a"),
        ("5.jpg", b"5"),
        ("5.json", "{no json"),
        ("6.jpg", b""),
        ("6.cls", ""),
    ]
    shard = write(tmp_path / "0.tar", *good, *bad)
    with tarfile.open(shard, "a") as tar:
        link = tarfile.TarInfo("7.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    source = load_tar_shards(tmp_path)["all"]
    assert [source[i].image for i in range(2)] == [b"1", b"new"]
    no_label = "neither .cls nor a label in .json has this name up to the first dot"
    assert left_out(source) == {
        "0.tar/2.jpg": "stands twice in its shard; the last one counts",
        "0.tar/3.jpg": no_label,
        "0.tar/4": "no image has this name up to the first dot",
        "0.tar/5.jpg": no_label,
        "0.tar/6.jpg": no_label,
    }


@pytest.mark.parametrize("kind", ["cut", "gz", "text", "empty"])
def test_shards_that_cannot_be_read_are_named(tmp_path, kind):
    members = [(f"{i}.{end}", b"x" * 2000) for i in range(9) for end in ("jpg", "cls")]
    path = write(tmp_path / "train-0.tar", *members, mode="w:gz" if kind == "gz" else "w")
    content = {"cut": path.read_bytes()[:9000], "text": b"no tar " * 200, "empty": b""}
    path.write_bytes(content.get(kind, path.read_bytes()))
    with pytest.raises(TableError, match=r"train-0\.tar' cannot be read as a tar file"):
        load_tar_shards(tmp_path)


def test_photos_without_any_label_say_what_is_expected(tmp_path):
    write(tmp_path / "0.tar", ("cat/1.jpg", b"1"), ("dog/1.jpg", b"2"))
    with pytest.raises(TableError, match="holds no image with a label; expected two classes"):
        load_tar_shards(tmp_path)
    with pytest.raises(TableError, match="holds no tar file"):
        load_tar_shards(tmp_path / "nothing")


def test_a_changed_shard_has_another_fingerprint(tmp_path):
    path = tmp_path / "0.tar"
    members = [("1.jpg", b"1"), ("1.cls", "a"), ("2.jpg", b"2"), ("2.cls", "b")]
    write(path, *members)
    before = load_tar_shards(path)["all"].fingerprint(np.arange(2))
    assert load_tar_shards(path)["all"].fingerprint(np.arange(2)) == before
    write(path, *members, ("3.jpg", b"3"), ("3.cls", "b"))
    assert load_tar_shards(path)["all"].fingerprint(np.arange(2)) != before


def test_large_sets_are_listed_once_for_each_way_to_read_them(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("jaxcnn.data.shards.shard_index.LEAST_CACHED", 1)
    members = [("1.jpg", b"1"), ("1.cls", "a"), ("1.txt", "x"), ("2.jpg", b"2"), ("2.txt", "y")]
    path = write(tmp_path / "set" / "0.tar", *members, ("2.cls", 7), ("3.jpg", b"3"))
    calls = []
    original = tarfile.open
    monkeypatch.setattr(tarfile, "open", lambda *a, **k: calls.append(a) or original(*a, **k))
    first, again = load_tar_shards(path)["all"], load_tar_shards(path)["all"]
    assert len(calls) == 1
    assert again.names == first.names == ("0.tar/1.jpg", "0.tar/2.jpg")
    assert again.class_names == ("7", "a")
    assert again.left_out == first.left_out
    assert again[1].image == b"2"
    assert load_tar_shards(path, TableColumns(label="txt"))["all"].class_names == ("x", "y")
