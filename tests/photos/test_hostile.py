"""A folder of all that should not be there: each is listed with its reason, none stops the run."""

import importlib.util
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from jaxcnn.photos.ranking import Query, search

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, sockets and links: POSIX")

_SPEC = importlib.util.spec_from_file_location(
    "decoding", Path(__file__).parent.parent / "data" / "test_decode.py"
)
DECODING = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(DECODING)

REASONS = {  # beside those of the decoder's own list
    "pipe.jpg": "a named pipe (FIFO), not a photo",
    "socket.jpg": "a socket, not a photo",
    "zero.jpg": "a device, not a photo",
    "nowhere.jpg": "a link to a file that does not exist",
    "itself.jpg": "too many levels of symbolic links",
    "sparse.jpg": "larger than 256 MiB",
    "phone.heic": "a JPEG copy beside it",
}


def write_hostile(folder, monkeypatch):
    """Write it all; give {name: a part of the reason}."""
    reasons = dict(REASONS)
    for number, (data, reason) in enumerate(DECODING.HOSTILE.values()):
        (folder / f"bad-{number:02d}.jpg").write_bytes(data)
        reasons[f"bad-{number:02d}.jpg"] = reason
    os.mkfifo(folder / "pipe.jpg")
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "nowhere.jpg").symlink_to("/no/such/file")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    (folder / "up").symlink_to(folder)
    (folder / "folder.jpg").mkdir()
    (folder / "folder.jpg" / "loop").symlink_to(folder / "folder.jpg")
    (folder / "phone.heic").write_bytes(b"x")
    with (folder / "sparse.jpg").open("wb") as file:
        file.truncate(2**38)
    return reasons


def test_each_is_listed_and_none_stops_the_run(album, monkeypatch):
    reasons = write_hostile(album.photos, monkeypatch)
    strange = os.path.join(os.fsencode(album.photos), b"caf\xe9 \x1b.png")
    shutil.copy(album.write("good.png"), strange)
    album.write("folder.jpg/inside.png", "school bus", seed=1)
    report = album.update()
    told = {
        os.path.basename(os.fsdecode(trouble.path)): trouble.reason for trouble in report.troubles
    }
    assert told.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason.lower() in told[name].lower(), name
    assert (report.added, report.unreadable) == (3, len(reasons))
    assert {path.name for path, _ in album.index.unreadable()} == reasons.keys()
    hits = search(album.index, Query(words="cat")).hits
    assert {os.fsencode(hit.path.name) for hit in hits} == {b"good.png", b"caf\xe9 \x1b.png"}
    again = album.update()
    assert (again.unchanged, again.unreadable) == (3, len(reasons))
    assert album.labeller.num_labelled <= 3


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read all")
def test_what_may_not_be_read_now_keeps_its_labels(album):
    album.write("shut/a.png")
    album.write("b.png", seed=1)
    album.update()
    (album.photos / "shut").chmod(0)
    try:
        report = album.update()
        assert (report.unchanged, report.unreadable, report.removed) == (1, 1, 0)
        assert album.index.count() == 2
    finally:
        (album.photos / "shut").chmod(stat.S_IRWXU)
    report = album.update()
    assert (report.unchanged, report.unreadable) == (2, 0)
