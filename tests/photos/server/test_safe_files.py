"""Nothing is opened but regular files under the indexed folders, whatever a path has become."""

import os
import socket

import pytest

from jaxcnn.data.photo_files import digest
from jaxcnn.photos.server import safe_files
from jaxcnn.photos.server.safe_files import PhotoGoneError, _why, open_inside


@pytest.fixture
def root(tmp_path):
    inner = tmp_path / "photos" / "inner"
    inner.mkdir(parents=True)
    (inner / "a.jpg").write_bytes(b"a photo")
    (tmp_path / "secret.txt").write_bytes(b"a secret")
    (tmp_path / "photos_too").mkdir()
    (tmp_path / "photos_too" / "b.jpg").write_bytes(b"a secret")
    return tmp_path / "photos"


def read(path, *roots):
    with open_inside(path, roots) as file:
        return file.read()


def test_a_file_under_a_folder_is_read(root):
    assert read(root / "inner" / "a.jpg", root) == b"a photo"
    assert read(root / "inner" / "a.jpg", root.parent / "photos_too", root) == b"a photo"


def test_a_link_that_ends_inside_is_followed(root):
    (root / "link.jpg").symlink_to(root / "inner" / "a.jpg")
    assert read(root / "link.jpg", root) == b"a photo"


def test_a_folder_may_itself_be_named_through_a_link(root):
    (root.parent / "album").symlink_to(root)
    album = root.parent / "album"
    assert read(album / "inner" / "a.jpg", album) == b"a photo"


def test_a_link_to_a_photo_elsewhere_is_followed_where_its_bytes_are_indexed(root):
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.jpg").write_bytes(b"another photo")
    (root / "link.jpg").symlink_to(elsewhere / "c.jpg")
    (root / "album").symlink_to(elsewhere)
    known = {digest(b"another photo")}
    for path in (root / "link.jpg", root / "album" / "c.jpg"):
        with open_inside(path, [root], known.__contains__) as file:
            assert file.read() == b"another photo"
    (elsewhere / "c.jpg").write_bytes(b"a secret")
    for path in (root / "link.jpg", root / "album" / "c.jpg"):
        with pytest.raises(PhotoGoneError, match="no longer lies in an indexed folder"):
            open_inside(path, [root], known.__contains__)


def to_secret(root):
    (root / "x.jpg").symlink_to(root.parent / "secret.txt")
    return root / "x.jpg"


def through_folder(root):
    (root / "album").symlink_to(root.parent)
    return root / "album" / "secret.txt"


def to_loop(root):
    (root / "x.jpg").symlink_to(root / "x.jpg")
    return root / "x.jpg"


def to_fifo(root):
    os.mkfifo(root / "x.jpg")
    return root / "x.jpg"


def to_socket(root):
    here = os.getcwd()
    os.chdir(root)  # the name of a socket may have 100 bytes
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("x.jpg")
    os.chdir(here)
    return root / "x.jpg"


REFUSED = {
    "outside": lambda root: root.parent / "secret.txt",
    "beside, with a longer name": lambda root: root.parent / "photos_too" / "b.jpg",
    "upwards": lambda root: root / "inner" / ".." / ".." / "secret.txt",
    "upwards as text": lambda root: f"{root}/../secret.txt",
    "link": to_secret,
    "link on the way": through_folder,
    "loop": to_loop,
    "FIFO": to_fifo,
    "socket": to_socket,
    "device": lambda root: "/dev/zero",
    "folder": lambda root: root / "inner",
    "the folder itself": lambda root: root,
    "missing": lambda root: root / "none.jpg",
    "NUL": lambda root: f"{root}/inner/a.jpg\0.png",
    "relative": lambda root: "secret.txt",
    "empty": lambda root: "",
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused_and_its_path_is_not_told(root, make):
    path = make(root)
    with pytest.raises(PhotoGoneError) as refused:
        read(path, root)
    assert "secret" not in str(refused.value)
    assert str(root.parent) not in str(refused.value)


@pytest.mark.skipif(
    not safe_files._CAN_WALK, reason="this system opens no file relative to a folder"
)
@pytest.mark.parametrize("part", ["a.jpg", "inner"])
def test_what_turns_into_a_link_while_it_is_opened_is_refused(root, monkeypatch, part):
    """The check and the opening are two moments; here the link is made between them."""
    real = os.path.realpath
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"a secret")

    def then_swap(path, **options):
        found = real(path, **options)
        target = root / "inner" if part == "inner" else root / "inner" / "a.jpg"
        if not target.is_symlink() and options:
            target.rename(root / "moved")
            target.symlink_to(outside if part == "inner" else outside / "a.jpg")
        return found

    monkeypatch.setattr(os.path, "realpath", then_swap)
    with pytest.raises(PhotoGoneError):
        read(root / "inner" / "a.jpg", root)


def test_no_descriptor_is_left_open(root):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("only Linux lists its open files there")
    before = len(os.listdir("/proc/self/fd"))
    for make in (to_fifo, REFUSED["folder"], REFUSED["missing"]):
        with pytest.raises(PhotoGoneError):
            read(make(root), root)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("there/a.jpg", FileNotFoundError(), "moved, renamed or deleted"),
        ("drive/a.jpg", FileNotFoundError(), "is its drive connected"),
        ("there/a.jpg", PermissionError(), "may not be read"),
        ("there/a.jpg", NotADirectoryError(), "not where it was indexed"),
    ],
)
def test_a_photo_that_is_gone_says_why(tmp_path, place, error, said):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "b.jpg").write_bytes(b"a photo")
    why = _why(tmp_path / place, [tmp_path / "there", tmp_path / "drive"], error)
    assert said in why
    assert str(tmp_path) not in why


def test_a_drive_that_is_not_there_is_named_as_such(tmp_path):
    with pytest.raises(PhotoGoneError, match="is its drive connected"):
        open_inside(tmp_path / "drive" / "a.jpg", [tmp_path / "drive"])


def test_an_empty_folder_may_be_where_a_drive_is_mounted(tmp_path):
    (tmp_path / "drive").mkdir()
    for path in ("a.jpg", "album/a.jpg"):
        with pytest.raises(PhotoGoneError, match="is its drive connected"):
            open_inside(tmp_path / "drive" / path, [tmp_path / "drive"])
