import os

import numpy as np
import pytest

from jaxcnn.data.folder import FolderError, load_folder


def _fill(root, *paths):
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())
    return root


def test_one_folder_per_class(tmp_path):
    _fill(tmp_path, "dog/b.jpg", "cat/2.png", "cat/1.JPEG", "dog/a.webp")
    sources = load_folder(tmp_path)
    assert list(sources) == ["all"]
    source = sources["all"]
    assert source.class_names == ("cat", "dog")
    assert source.names == ("cat/1.JPEG", "cat/2.png", "dog/a.webp", "dog/b.jpg")
    assert source.labels.tolist() == [0, 0, 1, 1]
    assert source.labels.dtype == np.int32
    assert len(source) == 4
    assert source[2] == (b"dog/a.webp", 1, "dog/a.webp")
    assert source.ignored == ()


@pytest.mark.parametrize("validation", ["validation", "valid", "val", "Val"])
def test_folders_of_splits(tmp_path, validation):
    _fill(tmp_path, *(f"{s}/{c}/1.jpg" for s in ("train", validation, "test") for c in "ab"))
    sources = load_folder(str(tmp_path))
    assert set(sources) == {"train", "validation", "test"}
    assert sources["validation"].names == (f"{validation}/a/1.jpg", f"{validation}/b/1.jpg")
    assert all(source.class_names == ("a", "b") for source in sources.values())
    assert sources["test"][1].image == b"test/b/1.jpg"


def test_train_alone_is_enough(tmp_path):
    assert set(load_folder(_fill(tmp_path, "train/a/1.jpg", "train/b/1.jpg"))) == {"train"}


def test_a_class_may_be_called_train(tmp_path):
    sources = load_folder(_fill(tmp_path, "train/1.jpg", "bus/1.jpg"))
    assert sources["all"].class_names == ("bus", "train")


def test_nested_folders_and_odd_names(tmp_path):
    odd = ("chat é/ü.jpg", "chat é/auf dem Weg/照片 1.jpg", "собака/имя имя.png")
    source = load_folder(_fill(tmp_path, *odd))["all"]
    assert source.class_names == ("chat é", "собака")
    assert source.names == odd
    assert source[0].image == odd[0].encode()


def test_what_is_no_photo_is_listed(tmp_path):
    photos = ("a/1.jpg", "b/1.jpg")
    others = ("README.md", "a/notes.txt")
    nothing = ("a/._1.jpg", "b/sub/.DS_Store", "@eaDir/a/1.jpg", "__MACOSX/a/._1.jpg", "Thumbs.db")
    _fill(tmp_path, *photos, *others, *nothing, "a/photo.heic", "a/2.NEF", "3.jpg", "b/x.jpg/n.md")
    (tmp_path / "b" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "b" / "pipe.jpg")
    source = load_folder(tmp_path)["all"]
    assert source.names == photos
    assert source.class_names == ("a", "b")
    assert source.ignored == (*others, "b/x.jpg/n.md")
    assert dict(source.troubles) == {each.name: each.reason for each in source.left_out}
    assert {each.name: each.reason for each in source.left_out} == {
        "3.jpg": "in no folder of a class",
        "a/2.NEF": "NEF photos cannot be decoded here; keep a JPEG copy beside it",
        "a/photo.heic": "HEIC photos need the extra heic (pip install pillow-heif) or a JPEG copy "
        "beside it",
        "b/gone.jpg": "a link to a file that does not exist",
        "b/pipe.jpg": "a named pipe (FIFO), not a photo",
    }


def test_photos_beside_the_folders_of_splits_are_listed_once(tmp_path):
    _fill(tmp_path, *(f"{s}/{c}/1.jpg" for s in ("Train", "TEST") for c in "ab"))
    sources = load_folder(_fill(tmp_path, "loose.jpg", "Train/loose.jpg", "TEST/loose.jpg"))
    loose = {s: [each.name for each in source.left_out] for s, source in sources.items()}
    assert loose == {"train": ["loose.jpg", "Train/loose.jpg"], "test": ["TEST/loose.jpg"]}


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("Training", "Validation", "Testing"),
        ("TRAIN", "dev", "holdout"),
        ("training_set", "val-set", "test set"),
        ("train_images", "Valid", "test_images"),
        ("train", "eval", "hold_out"),
    ],
)
def test_folders_of_splits_as_others_call_them(tmp_path, train, validation, test):
    _fill(tmp_path, *(f"{s}/{c}/1.jpg" for s in (train, validation, test) for c in "ab"))
    assert {split: source.files[0] for split, source in load_folder(tmp_path).items()} == {
        "train": f"{train}/a/1.jpg",
        "validation": f"{validation}/a/1.jpg",
        "test": f"{test}/a/1.jpg",
    }


def test_class_names_compare_in_one_form(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    _fill(tmp_path, "train/a/1.jpg", f"train/{composed}/1.jpg")
    _fill(tmp_path, "test/a/1.jpg", f"test/{decomposed}/1.jpg")
    assert {source.class_names for source in load_folder(tmp_path).values()} == {("a", composed)}
    _fill(tmp_path, f"train/{decomposed}/2.jpg")
    with pytest.raises(FolderError, match="two folders called 'café'"):
        load_folder(tmp_path)


def test_names_that_are_no_text_are_escaped_and_their_files_found(tmp_path):
    _fill(tmp_path, "a/1.jpg")
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(folder)
    for name in (b"\xff.jpg", b"\xfe.txt", b"\xfd.heic"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    source = load_folder(tmp_path)["all"]
    assert source.class_names == ("a", r"caf\xe9")
    assert source.names == ("a/1.jpg", r"caf\xe9/\xff.jpg")
    assert source[1] == (b"\xff.jpg", 1, r"caf\xe9/\xff.jpg")
    told = [*source.class_names, *source.names, *source.ignored, *map(str, source.left_out)]
    assert "".join(told).encode()
    before = source.fingerprint(np.array([1]))
    os.unlink(os.path.join(folder, b"\xff.jpg"))
    assert source.fingerprint(np.array([1])) != before


def test_a_class_may_be_a_link_but_no_two_of_them_one_folder(tmp_path):
    root = _fill(tmp_path / "photos", "a/1.jpg")
    _fill(tmp_path, "elsewhere/b/2.jpg", "elsewhere/c/3.jpg")
    (root / "b").symlink_to(tmp_path / "elsewhere" / "b")
    (root / "b" / "up").symlink_to(tmp_path / "elsewhere")
    (root / "b" / "to a").symlink_to(root / "a")
    assert load_folder(root)["all"].names == ("a/1.jpg", "b/2.jpg")
    (root / "b again").symlink_to(root / "b")
    with pytest.raises(FolderError, match=r"'.*b' and '.*b again' are the same folder"):
        load_folder(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_folders_that_cannot_be_read_are_named(tmp_path):
    _fill(tmp_path, "a/1.jpg", "a/shut/2.jpg", "b/1.jpg")
    (tmp_path / "a" / "shut").chmod(0)
    try:
        found = load_folder(tmp_path)["all"].left_out
        tmp_path.chmod(0)
        with pytest.raises(FolderError, match="cannot be read: permission denied"):
            load_folder(tmp_path)
    finally:
        tmp_path.chmod(0o700)
        (tmp_path / "a" / "shut").chmod(0o700)
    assert found == (("a/shut", "the folder cannot be read: permission denied", "", ""),)


def test_links_are_followed_once(tmp_path):
    root = _fill(tmp_path / "photos", "a/1.jpg", "b/1.jpg")
    _fill(tmp_path, "elsewhere/2.jpg")
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "a" / "up").symlink_to(root)
    (root / "b" / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "b" / "linked again").symlink_to(tmp_path / "elsewhere")
    source = load_folder(root)["all"]
    assert source.names == ("a/1.jpg", "b/1.jpg", "b/linked/2.jpg")
    assert source[2].image == b"elsewhere/2.jpg"


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["readme.txt"], "holds no folder; expected classes, two or more"),
        (["a/1.jpg"], "holds a; expected classes, two or more"),
        (["a/1.jpg", "b/notes.txt"], r"class 'b' has no photo in .*; it holds b/notes.txt"),
        (["train/a/1.jpg", "train/b/1.jpg", "extra/1.jpg"], r"\(train\) and others .*\(extra\)"),
        ([f"{s}/{c}/1.jpg" for s in ("train", "val", "valid") for c in "ab"], "'val' and 'valid'"),
        (
            ["a/x/1.jpg", "a/y/1.jpg", "b/x/1.jpg", "b/y/1.jpg"],
            r"same names \(x, y\). If",
        ),
        (
            ["train/1.jpg", "Test/1.jpg"],
            r"\(Test, train\), and these no folders",
        ),
        (["photos/a/1.jpg", "photos/b/1.jpg"], "holds photos; .* Did you mean '.*photos'"),
        (["a/1.jpg", "b/x\ny.txt"], r"holds b/x\\ny.txt\. Add"),
        (["test/a/1.jpg", "test/b/1.jpg"], "holds test, but no train/"),
        (["train/a/1.jpg", "train/b/1.jpg", "test/1.jpg"], "test' holds no folder"),
        (
            ["train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/c/1.jpg"],
            r"test' holds classes that train/ has not: c; move them away",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, paths, message):
    with pytest.raises(ValueError, match=message):
        load_folder(_fill(tmp_path, *paths))


def test_a_class_needs_no_photo_in_the_test_split(tmp_path):
    _fill(tmp_path, *(f"train/{name}/1.jpg" for name in "abc"), "test/c/1.jpg", "test/b/notes.txt")
    sources = load_folder(tmp_path)
    assert sources["test"].class_names == ("a", "b", "c")
    assert sources["test"].labels.tolist() == [2]


def test_an_empty_class_is_named(tmp_path):
    _fill(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "zebra").mkdir()
    with pytest.raises(FolderError, match=r"class 'zebra' has no photo .* it holds nothing"):
        load_folder(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FolderError, match="nowhere' does not exist; expected one sub-folder"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(FolderError, match=r"a.txt' is a file"):
        load_folder(_fill(tmp_path, "a.txt") / "a.txt")


def test_a_photo_that_went_away_is_an_os_error(tmp_path):
    source = load_folder(_fill(tmp_path, "a/1.jpg", "b/1.jpg"))["all"]
    (tmp_path / "a" / "1.jpg").unlink()
    with pytest.raises(FileNotFoundError):
        source[0]


def test_a_fingerprint_tells_of_any_change_to_the_photos_asked_for(tmp_path):
    _fill(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.jpg")

    def told(*indices):
        return load_folder(tmp_path)["all"].fingerprint(np.array(indices))

    first = told(0, 2)
    assert told(0, 2) == first
    assert len({first, told(0), told(2, 0), told(0, 1)}) == 4
    (tmp_path / "a" / "2.jpg").write_bytes(b"another photo")
    assert told(0, 2) == first
    stat = (tmp_path / "b" / "3.jpg").stat()
    os.utime(tmp_path / "b" / "3.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    by_time = told(0, 2)
    assert by_time != first
    (tmp_path / "a" / "1.jpg").write_bytes(b"larger than it was before")
    os.utime(tmp_path / "a" / "1.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert told(0, 2) not in (first, by_time)
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name} moved"))
    found = load_folder(moved)["all"]
    expected = found.fingerprint(np.array([1]))
    (moved / "a" / "2.jpg").unlink()
    assert found.fingerprint(np.array([1])) != expected
