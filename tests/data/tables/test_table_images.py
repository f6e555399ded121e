import os
import unicodedata

import pytest

from jaxcnn.data.tables import table_images
from jaxcnn.data.tables.table_file import TableError
from jaxcnn.data.tables.table_images import NOT_THERE, OUTSIDE, SEVERAL, TableImages, folders_of


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    names = ["a/1.jpg", "a/IMG 2.JPG", "b/3.png", "b/both.jpg", "b/both.png", "a/x.jpg", "b/x.jpg"]
    for name in [*names, "a/notes.txt", "a/.hidden.jpg", "4.heic", r"back\slash.jpg", "é.jpg"]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "outside.jpg").write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a/1.jpg", "a/1.jpg"),
        (" a/1.jpg ", "a/1.jpg"),
        ("./a//1.jpg", "a/1.jpg"),
        ("b/../a/1.jpg", "a/1.jpg"),
        (r"a\1.jpg", "a/1.jpg"),
        (r"back\slash.jpg", r"back\slash.jpg"),
        ("a/img 2.jpg", "a/IMG 2.JPG"),
        ("a/1", "a/1.jpg"),
        ("1.jpg", "a/1.jpg"),
        ("1", "a/1.jpg"),
        ("3", "b/3.png"),
        ("b/both.png", "b/both.png"),
        ("a/notes.txt", "a/notes.txt"),
        ("a/.hidden.jpg", "a/.hidden.jpg"),
        (unicodedata.normalize("NFD", "é.jpg"), "é.jpg"),
    ],
)
def test_the_file_that_a_row_means(photos, text, found):
    assert TableImages(photos).find(text) == (found, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a/2.jpg", NOT_THERE),
        ("c/1.jpg", NOT_THERE),
        ("b/both", SEVERAL),
        ("x.jpg", SEVERAL),
        ("x", SEVERAL),
        ("../outside.jpg", OUTSIDE),
        ("a/../../outside.jpg", OUTSIDE),
        ("/etc/hostname", OUTSIDE),
        (r"C:\photos\a\1.jpg", OUTSIDE),
        ("https://example.org/a/1.jpg", "a web address; download the photos, and name the files"),
        ("a", NOT_THERE),
        (".", NOT_THERE),
        ("a/1.jpg\0", NOT_THERE),
        ("\ud800.jpg", NOT_THERE),
        ("x" * 5000, NOT_THERE),
        (
            "4.heic",
            "HEIC photos need the extra heic (pip install pillow-heif) or a JPEG copy beside it",
        ),
    ],
)
def test_rows_without_a_file_say_why(photos, text, reason):
    found = TableImages(photos).find(text)
    assert found == (text, reason)


def test_absolute_paths_must_lie_inside(photos, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(photos)
    for root in (photos, link):
        for inside in {photos, root}:
            assert TableImages(root).find(f"{inside}/a/1.jpg") == ("a/1.jpg", "")
        assert TableImages(root).find(f"{tmp_path}/outside.jpg")[1] == OUTSIDE
    assert TableImages(photos).find(f"{photos}2/a/1.jpg")[1] == OUTSIDE


def test_a_path_relative_to_where_the_program_runs(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    images = TableImages(photos.relative_to(photos.parent))
    assert images.find("a/1.jpg") == ("a/1.jpg", "")
    assert images.find(str(photos / "a/1.jpg")) == ("a/1.jpg", "")


def test_some_folders_alone(photos):
    images = TableImages(photos, folders_of(["a/1.jpg", r"a\2.jpg", "../x.jpg", "/y/1.jpg", "c/1"]))
    assert sorted(images.photos) == ["a/1.jpg", "a/IMG 2.JPG", "a/x.jpg"]
    assert images.find("a/1.jpg") == ("a/1.jpg", "")
    assert images.find("x.jpg") == ("a/x.jpg", "")
    assert TableImages(photos, folders_of(["1.jpg"])).photos == [
        "4.heic",
        r"back\slash.jpg",
        "é.jpg",
    ]


def test_many_rows_search_the_folder_once(photos, monkeypatch):
    walks = []
    walk = table_images.walk
    monkeypatch.setattr(table_images, "walk", lambda *a, **k: walks.append(a) or walk(*a, **k))
    images = TableImages(photos)
    for _ in range(1000):
        images.find("a/1.jpg")
    assert len(walks) == 1


def test_a_folder_that_is_none(photos):
    with pytest.raises(TableError, match=r"data_dir '.*nowhere' does not exist; give the folder"):
        TableImages(photos / "nowhere")
    with pytest.raises(TableError, match=r"1\.jpg' is a file"):
        TableImages(photos / "a" / "1.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_cannot_be_read(photos):
    (photos / "a").chmod(0)
    try:
        with pytest.raises(TableError, match="cannot be read: permission denied"):
            TableImages(photos, ["a"])
    finally:
        (photos / "a").chmod(0o700)
