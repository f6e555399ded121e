"""Folders are searched whole, once each; files are read whole, or refused with a reason."""

import os
import socket
import stat
import sys

import pytest

from jaxcnn.data import photo_files
from jaxcnn.data.photo_files import PhotoFile, Trouble, count_named, find_named, read_file, walk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and bytes in names: POSIX")


def names(folder, found):
    return [os.fsdecode(os.path.relpath(each.path, os.fsencode(folder))) for each in found]


def search(folder):
    found = list(walk(os.fsencode(folder)))
    photos = [each for each in found if isinstance(each, PhotoFile)]
    troubles = {
        name: each.reason
        for name, each in zip(names(folder, found), found, strict=True)
        if isinstance(each, Trouble)
    }
    return names(folder, photos), troubles


def write(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_photos_are_found_by_their_ending_in_order(tmp_path):
    write(*(tmp_path / n for n in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "c", "x/1.webp")))
    write(tmp_path / ".thumbnails" / "t.jpg", tmp_path / "x" / "y" / "2.jpeg")
    assert search(tmp_path) == (["a.PNG", "b.jpg", "x/1.webp", "x/y/2.jpeg"], {})


def test_size_and_time_are_told(tmp_path):
    write(tmp_path / "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(5, 7_000_000_123))
    (found,) = walk(os.fsencode(tmp_path))
    assert found == PhotoFile(os.fsencode(tmp_path / "a.jpg"), 1, 7_000_000_123)


def test_links_are_followed_each_folder_once(tmp_path):
    write(tmp_path / "a" / "1.jpg", tmp_path / "away" / "2.jpg")
    top = tmp_path / "a"
    (top / "loop").symlink_to(top)
    (top / "up").symlink_to(tmp_path)
    (top / "itself.jpg").symlink_to(top / "itself.jpg")
    (top / "nowhere.jpg").symlink_to(tmp_path / "no such file")
    (top / "other").symlink_to(tmp_path / "away")
    found, troubles = search(top)
    assert sorted(os.path.basename(name) for name in found) == ["1.jpg", "2.jpg"]
    assert troubles.pop("nowhere.jpg") == "a link to a file that does not exist"
    assert "symbolic links" in troubles.pop("itself.jpg")
    assert not troubles


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "null.png").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.jpg")
        found, troubles = search(tmp_path)
    assert found == []
    assert troubles == {
        "pipe.jpg": "a named pipe (FIFO), not a photo",
        "null.png": "a device, not a photo",
        "socket.jpg": "a socket, not a photo",
    }


JUNK = ("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", ".thumbnails", "lost+found", "@__thumb")


def test_what_systems_leave_behind_is_nothing(tmp_path):
    write(tmp_path / "1.jpg", tmp_path / "._1.jpg", tmp_path / "a" / "._2.JPG")
    write(*(tmp_path / name / "cat" / "1.jpg" for name in JUNK))
    write(*(tmp_path / name for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "Icon\r")))
    others = []
    assert [*walk(os.fsencode(tmp_path), on_other=others.append)] == [
        photo_files.about_file(os.fsencode(tmp_path / "1.jpg"))
    ]
    assert others == []


def test_a_folder_that_is_named_is_searched_whatever_its_name(tmp_path):
    write(tmp_path / ".thumbnails" / "1.jpg")
    assert search(tmp_path / ".thumbnails") == (["1.jpg"], {})


def test_what_is_no_photo_by_its_ending_is_told_to_who_asks(tmp_path):
    write(tmp_path / "1.jpg", tmp_path / "x" / "notes.txt", tmp_path / "Makefile")
    others = []
    assert names(tmp_path, walk(os.fsencode(tmp_path), None, others.append)) == ["1.jpg"]
    assert [os.path.basename(path) for path in others] == [b"Makefile", b"notes.txt"]


def test_heic_is_a_photo_where_pillow_heif_is_installed(tmp_path, monkeypatch):
    write(tmp_path / "IMG_1.HEIC")
    monkeypatch.setattr(photo_files.importlib.util, "find_spec", lambda name: name)
    assert search(tmp_path) == (["IMG_1.HEIC"], {})


def test_photos_that_no_decoder_here_reads_are_told(tmp_path):
    write(tmp_path / "IMG_1.HEIC", tmp_path / "2.nef")
    found, troubles = search(tmp_path)
    assert found == []
    assert troubles["IMG_1.HEIC"].startswith("HEIC photos need the extra heic")
    assert troubles["2.nef"].startswith("NEF photos")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_may_not_be_read_is_told(tmp_path):
    write(tmp_path / "a.jpg", tmp_path / "shut" / "b.jpg", tmp_path / "z.jpg")
    (tmp_path / "shut").chmod(0)
    try:
        found, troubles = search(tmp_path)
    finally:
        (tmp_path / "shut").chmod(stat.S_IRWXU)
    assert found == ["a.jpg", "z.jpg"]
    assert troubles == {"shut": "the folder cannot be read: permission denied"}


def test_a_folder_that_is_not_there_is_told(tmp_path):
    (found,) = walk(os.fsencode(tmp_path / "gone"))
    assert isinstance(found, Trouble)
    assert "no such file" in found.reason


def test_names_that_are_no_text_are_kept(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9\n.jpg")
    with open(path, "wb"):
        pass
    (found,) = walk(os.fsencode(tmp_path))
    assert found.path == path


def test_a_folder_searched_before_is_passed_over(tmp_path):
    write(tmp_path / "a" / "1.jpg", tmp_path / "2.jpg")
    seen = set()
    assert len(list(walk(os.fsencode(tmp_path / "a"), seen))) == 1
    assert names(tmp_path, walk(os.fsencode(tmp_path), seen)) == ["2.jpg"]


def test_a_file_is_read_with_its_size_and_time(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"12345")
    os.utime(path, ns=(1, 2_000_000_003))
    data, file = read_file(path)
    assert data == b"12345"
    assert file == PhotoFile(os.fsencode(path), 5, 2_000_000_003)


def test_a_pipe_that_took_the_place_of_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="not a file"):
        read_file(tmp_path / "a.jpg")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(2**40)
    monkeypatch.setattr(photo_files, "MAX_BYTES", 2**20)
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_file(tmp_path / "sparse.jpg")


def test_a_file_counts_once_however_it_is_written(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.jpg").touch()
    (tmp_path / "b").symlink_to("a")
    words = [str(tmp_path / name) for name in ("a/1.jpg", "a/../a/1.jpg", "b/1.jpg", "b", "a")]
    assert [each.path for each in find_named(words)] == [os.fsencode(words[0])]
    with pytest.raises(ValueError, match=r"'.*a/1\.jpg' is a photo to label"):
        count_named(words, [None, str(tmp_path / "b/1.jpg")])
    assert count_named(words, [None, str(tmp_path / "b/2.csv")]) == 1
