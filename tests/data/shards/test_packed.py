from pathlib import Path

import numpy as np
import pytest

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.shards.packed import Pack, Place, by_split, find_packs, make_sources
from jaxcnn.data.tables.table_file import TableError


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.parquet", "b.parquet"], {"all": 2}),
        (["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"], {"train": 2}),
        (
            ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"],
            {"train": 1, "test": 1},
        ),
        (["train-0.tar", "val-0.tar", "Validation_1.tar"], {"train": 1, "validation": 2}),
        (["default/train/0000.parquet", "default/test/0000.parquet"], {"train": 1, "test": 1}),
        (["trainer.tar", "testing.tar"], {"all": 1, "test": 1}),
    ],
)
def test_the_split_of_a_file(names, expected):
    files = [Path("set", name) for name in names]
    if "all" in expected and len(expected) > 1:
        with pytest.raises(TableError, match=r"and others, e\.g\. 'trainer\.tar'"):
            by_split(files, Path("set"))
    else:
        assert {s: len(found) for s, found in by_split(files, Path("set")).items()} == expected


def test_folders_above_the_set_say_nothing():
    assert list(by_split([Path("train/mine/a.tar")], Path("train/mine"))) == ["all"]


def test_several_configurations_are_refused():
    files = [Path(f"set/{config}/train-0.parquet") for config in ("fine", "coarse")]
    with pytest.raises(TableError, match=r"several folders \(coarse, fine\), .*data_dir"):
        by_split(files, Path("set"))


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.tar", "README.md", "preview.png", ".b.tar"], ["a.tar"]),
        (["data/train-0.tar", "data/test-0.tar"], ["data/test-0.tar", "data/train-0.tar"]),
        (["x/y/z/0.tar", "x/y/z/deep/1.tar"], ["x/y/z/0.tar"]),
        (["cat/1.jpg", "dog/1.jpg", "more.tar"], []),
        (["cat/1.jpg", "dog/1.jpg"], []),
        ([], []),
    ],
)
def test_files_of_a_set_in_a_folder(tmp_path, names, found):
    root = tmp_path / "set"
    root.mkdir()
    fill(root, *names)
    assert [str(path.relative_to(root)) for path in find_packs(root, [".tar"])] == found


def test_a_file_itself_and_nothing(tmp_path):
    fill(tmp_path, "a.TAR")
    assert find_packs(tmp_path / "a.TAR", [".tar"]) == [tmp_path / "a.TAR"]
    assert find_packs(tmp_path / "b.tar", [".tar"]) == []


def test_compressed_archives_say_what_to_do(tmp_path):
    fill(tmp_path, "train.tar.gz")
    with pytest.raises(TableError, match=r"is compressed.*unpack it"):
        find_packs(tmp_path, [".tar"])
    assert find_packs(tmp_path, [".parquet"]) == []


def pack(path, *labels, left_out=()):
    places = [Place(0, 3 * i, 3, f"{i}", label) for i, label in enumerate(labels)]
    return Pack([path], places, "stamp", left_out)


def test_images_are_read_from_their_places(tmp_path):
    path = tmp_path / "f.bin"
    path.write_bytes(b"aaabbbccc")
    left = (SkippedFile("x", "why"),)
    source = make_sources({"all": pack(path, "b", "a", "B ", left_out=left)})["all"]
    assert source.class_names == ("a", "b")
    assert [tuple(source[i]) for i in range(3)] == [
        (b"aaa", 1, "0"),
        (b"bbb", 0, "1"),
        (b"ccc", 1, "2"),
    ]
    assert source.left_out == left
    assert source.groups is None
    for i in (3, -1):
        with pytest.raises(IndexError):
            source[i]


def test_a_file_that_was_cut_off_or_is_gone(tmp_path):
    path = tmp_path / "f.bin"
    path.write_bytes(b"aaabb")
    source = make_sources({"all": pack(path, "a", "b")})["all"]
    with pytest.raises(OSError, match="ends before this image does"):
        source[1]
    path.unlink()
    with pytest.raises(FileNotFoundError):
        source[0]


def test_splits_share_their_classes_and_several_labels(tmp_path):
    packs = {"train": pack(tmp_path, ("a", "b"), ()), "test": pack(tmp_path, ())}
    sources = make_sources(packs)
    assert sources["test"].labels.tolist() == [[0, 0]]
    assert sources["train"].labels.tolist() == [[1, 1], [0, 0]]


def test_names_that_two_splits_have_begin_with_the_split(tmp_path):
    packs = {split: pack(tmp_path, "a", "b") for split in ("train", "test")}
    alone = packs["test"].places[1]._replace(name="alone")
    packs["test"] = packs["test"]._replace(places=[packs["test"].places[0], alone])
    sources = make_sources(packs)
    first, second = (place.name for place in packs["train"].places)
    assert sources["train"].names == (f"train/{first}", second)
    assert sources["test"].names == (f"test/{first}", "alone")


def test_known_classes_without_an_example_go_unless_others_are_wanted(tmp_path, caplog):
    packs = {"all": pack(tmp_path, "b", "a")}
    assert make_sources(packs, ("c", "b", "a"))["all"].class_names == ("b", "a")
    assert "1 class without any photo left out: c" in caplog.text
    wanted = make_sources(packs, ("c", "b", "a"), class_names=("a", "b", "d"))["all"]
    assert wanted.class_names == ("a", "b", "d")
    assert wanted.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "says"), [(["a", "A"], "one class, 'A'"), ([], "no image with")]
)
def test_too_few_classes(tmp_path, labels, says):
    with pytest.raises(TableError, match=says):
        make_sources({"all": pack(tmp_path / "f", *labels)})


def test_the_fingerprint_tells_files_and_places(tmp_path):
    one, other = (
        make_sources({"all": pack(tmp_path, "a", "b")._replace(stamp=s)})["all"] for s in "xy"
    )
    assert one.fingerprint(np.array([0])) != one.fingerprint(np.array([1]))
    assert one.fingerprint(np.array([0])) != other.fingerprint(np.array([0]))
