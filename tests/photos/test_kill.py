"""A kill at any moment loses nothing that was committed, and the next run completes the rest."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.photos.index_format import PhotoIndexError
from jaxcnn.photos.index_reader import PhotoIndex

STUB = Path(__file__).parent / "stub_labeller.py"
ROOT = STUB.parent.parent.parent
COUNT = 400


def kill_after(album, wait):
    """Index in a process of its own until `wait` returns; tell whether it was still at work."""
    with subprocess.Popen(
        [sys.executable, STUB, album.path, album.photos],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as worker:
        try:
            assert worker.stdout.readline() == "begun\n"
            wait()
        finally:
            worker.kill()
        return worker.wait() == -signal.SIGKILL


def rows(path):
    """Read what is there, as a search would while nobody writes."""
    if not path.exists():
        return {}
    with sqlite3.connect(path) as connection:
        (whole,) = connection.execute("PRAGMA integrity_check").fetchone()
        found = connection.execute(
            "SELECT path, photos.id, length(labels), length(vector) FROM photos "
            "LEFT JOIN vectors USING (id)"
        ).fetchall()
        (vectors,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    connection.close()
    assert whole == "ok"
    assert vectors == len(found)
    return {row[0]: row[1:] for row in found}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.slow
def test_five_kills_lose_and_double_nothing(album):
    for i in range(COUNT):
        album.write(f"{i % 7}/{i:03d}.png", list(album.colours)[i % 3], seed=i)
    moments = random.Random(3)
    before, kills, tries = {}, 0, 0
    while kills < 5:
        tries += 1
        assert tries < 30
        kills += kill_after(album, lambda: time.sleep(moments.uniform(0, 0.25)))
        found = rows(album.path)
        assert before.items() <= found.items()
        before = found
    # Some kills must have come in the middle.
    assert 0 < len(before) <= COUNT
    report = album.update()
    assert report.added + report.unchanged == COUNT
    assert report.unchanged == len(before)
    after = rows(album.path)
    assert before.items() <= after.items()
    assert len(after) == COUNT
    ids = [row[0] for row in after.values()]
    assert len(set(ids)) == COUNT
    index = PhotoIndex(album.path)
    for photo in index.photos(ids):
        assert photo.labels[0][0] == int(photo.path.stem) % 3
    assert np.isfinite(index.vector(ids[0])).all()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_an_index_is_searchable_after_a_kill(album):
    for i in range(120):
        album.write(f"{i:03d}.png", "tabby", seed=i)
    kill_after(album, lambda: wait_for_photos(album.path))
    index = PhotoIndex(album.path)
    done = index.count()
    assert done == len(index.columns().photo_ids) > 0
    report = album.update()
    assert (report.added, report.unchanged) == (120 - done, done)


def wait_for_photos(path):
    for _ in range(6000):
        with contextlib.suppress(PhotoIndexError):
            if PhotoIndex(path).count():
                return
        time.sleep(0.01)
