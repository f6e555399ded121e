import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.data.image_cache import CachedImages, ImageCache
from jaxcnn.data.image_splits import decode_split
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import Example

ROOT = Path(__file__).parents[2]
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
REASONS = [None, "image file is truncated", None, None, None, None]
SIZE = IMAGES.nbytes + 128  # of the file, with its header


class Maker:
    """Gives images, and counts how often."""

    def __init__(self, images=IMAGES, reasons=REASONS, **options):
        self.kept, self.calls = CachedImages(images, list(reasons), **options), 0

    def __call__(self):
        self.calls += 1
        return self.kept


@pytest.fixture
def cache(tmp_path, said):
    return ImageCache(tmp_path / "cache" / "decoded", least_images=0)


def _get(cache, about="a", make=None):
    return cache.get(about, len(IMAGES), IMAGES.nbytes, make or Maker())


def _refuse():
    raise AssertionError("nothing is to be decoded")


def _files(cache, pattern="*.npy"):
    return sorted(cache.folder.glob(pattern))


def test_what_was_kept_is_read_and_not_made_again(cache, said):
    make = Maker()
    assert _get(cache, make=make) is make.kept
    found = _get(cache, make=_refuse)
    np.testing.assert_array_equal(found.images, IMAGES)
    assert found.reasons == REASONS
    assert (found.from_disk, make.kept.from_disk) == (True, False)
    assert not found.images.flags.writeable  # mapped, so a change would go to the file
    assert said == []


def test_another_source_or_option_is_another_set(cache):
    _get(cache, "a")
    make = Maker()
    _get(cache, "b", make)
    assert make.calls == 1
    assert len(_files(cache)) == 2


def _truncate(cache):
    path = _files(cache)[0]
    path.write_bytes(path.read_bytes()[:-100])


def _flip_a_pixel(cache):
    path = _files(cache)[0]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _empty_record(cache):
    _files(cache, "*.json")[0].write_text("")


def _strange_record(cache):
    _files(cache, "*.json")[0].write_text("[1]")


def _lose_images(cache):
    _files(cache)[0].unlink()


def _change_subject(cache):
    path = _files(cache, "*.json")[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"about": "b"}))


@pytest.mark.parametrize(
    "damage",
    [_truncate, _flip_a_pixel, _empty_record, _strange_record, _lose_images, _change_subject],
)
def test_what_is_damaged_is_made_again(cache, said, damage):
    _get(cache)
    damage(cache)
    make = Maker()
    np.testing.assert_array_equal(_get(cache, make=make).images, IMAGES)
    assert make.calls == 1
    assert len(said) == 1
    assert "are damaged" in said[0]
    assert _get(cache, make=_refuse).from_disk


def test_a_killed_writer_leaves_nothing_that_is_read(cache, said, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            _get(cache)
    make = Maker()
    _get(cache, make=make)
    assert make.calls == 1
    assert _get(cache, make=_refuse).from_disk
    assert not _files(cache, "*.part.*")
    assert said == []


def test_sets_that_are_too_small_or_too_large_are_not_kept(tmp_path):
    for options in ({"least_images": len(IMAGES) + 1}, {"limit_bytes": IMAGES.nbytes - 1}):
        cache = ImageCache(tmp_path / "cache", **({"least_images": 0} | options))
        make = Maker()
        _get(cache, make=make)
        _get(cache, make=make)
        assert make.calls == 2
    assert not (tmp_path / "cache").exists()


def test_what_may_pass_is_not_kept(cache):
    make = Maker(is_final=False)
    _get(cache, make=make)
    _get(cache, make=make)
    assert make.calls == 2


def test_the_sets_unused_for_longest_go_first(tmp_path):
    cache = ImageCache(tmp_path, limit_bytes=3 * SIZE, least_images=0)
    for age, about in enumerate("abc"):
        _get(cache, about)
        record = max(tmp_path.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(record, (1000 + age, 1000 + age))
    _get(cache, "a", _refuse)  # used now
    _get(cache, "d")
    assert len(_files(cache)) == len(_files(cache, "*.json")) == 3
    for about in "acd":
        _get(cache, about, _refuse)
    make = Maker()
    _get(cache, "b", make)
    assert make.calls == 1


def test_what_dead_processes_left_is_removed_in_time(cache):
    cache.folder.mkdir(parents=True)
    for name, age in (("old.part.npy", 10**5), ("orphan.npy", 10**5), ("young.part.npy", 10)):
        (cache.folder / name).write_bytes(b"x")
        os.utime(cache.folder / name, (time.time() - age,) * 2)
    _get(cache)
    names = {path.name for path in _files(cache)}
    assert "young.part.npy" in names
    assert len(names) == 2


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, said):
    (tmp_path / "file").write_text("")
    cache = ImageCache(tmp_path / "file", least_images=0)
    np.testing.assert_array_equal(_get(cache).images, IMAGES)
    assert len(said) == 1
    assert "cannot be cached" in said[0]


def test_a_full_disk_stops_nothing(cache, said, monkeypatch):
    def full(path, array):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    np.testing.assert_array_equal(_get(cache).images, IMAGES)
    assert "No space left" in said[0]
    assert not _files(cache)


def test_two_threads_decode_once(cache):
    make, started = Maker(), threading.Event()

    def slowly():
        started.set()
        time.sleep(0.2)
        return make()

    first = threading.Thread(target=lambda: _get(cache, make=slowly))
    first.start()
    started.wait(20)
    found = _get(cache, make=make)
    first.join()
    assert make.calls == 1
    assert found.from_disk


_PROCESS = """
import sys, time
from pathlib import Path
import numpy as np
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.image_cache import ImageCache, CachedImages
folder, turn = Path(sys.argv[1]), int(sys.argv[2])
def make():
    with open(folder / "made", "a") as file:
        file.write("x")
    time.sleep(0.3)
    return CachedImages(np.full((4, 8, 8, 3), 7, np.uint8), [None] * 4)
(folder / f"ready{turn}").touch()
while len(list(folder.glob("ready*"))) < 2:
    time.sleep(0.01)
found = ImageCache(folder / "cache", least_images=0).get("a", 1, 768, make)
assert (found.images == 7).all()
"""


def test_two_processes_decode_once(tmp_path):
    runs = [
        subprocess.Popen([sys.executable, "-c", _PROCESS, str(tmp_path), str(turn)], cwd=ROOT)
        for turn in range(2)
    ]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert (tmp_path / "made").read_text() == "x"


class _Files:
    """PNG-like examples that know whether they changed; one cannot be decoded."""

    class_names = ("a", "b")

    def __init__(self, stamp="1", broken=b""):
        self.names, self.labels = [str(i) for i in range(6)], [0, 1] * 3
        self.stamp, self.broken = stamp, broken

    def fingerprint(self, indices):
        return f"{self.stamp} {indices.tolist()}"

    def __len__(self):
        return 6

    def __getitem__(self, i):
        if i == 1 and isinstance(self.broken, Exception):
            raise self.broken
        return Example(self.broken if i == 1 else IMAGES[i], self.labels[i], self.names[i])


OPTIONS = {"max_bad_share": 0.5, "progress": False}


@pytest.mark.parametrize(
    "change",
    [
        {"size_px": 5},
        {"mode": "squash"},
        {"num_channels": 1},
        {"interpolation": "bicubic"},
        {"decoder": "pillow"},
    ],
)
def test_a_split_is_decoded_again_when_its_pixels_would_be_others(cache, monkeypatch, change):
    monkeypatch.setattr("jaxcnn.data.image_splits.decoder_version", str)
    monkeypatch.setattr("jaxcnn.data.image_splits.choose_decoder", str)
    first = decode_split(_Files(), Decoding(4), **OPTIONS, cache=cache)
    second = decode_split(_Files(), Decoding(4), **OPTIONS, cache=cache)
    assert (first.from_disk, second.from_disk) == (False, True)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.skipped == second.skipped
    assert [file.name for file in first.skipped] == ["1"]
    assert first.names == second.names == ["0", "2", "3", "4", "5"]
    assert not decode_split(_Files("2"), Decoding(4), **OPTIONS, cache=cache).from_disk
    assert not decode_split(
        _Files(), Decoding(**{"size_px": 4} | change), **OPTIONS, cache=cache
    ).from_disk


def test_a_photo_out_of_reach_is_tried_again(cache):
    source = _Files(broken=PermissionError(13, "Permission denied"))
    assert len(decode_split(source, Decoding(4), **OPTIONS, cache=cache)) == 5
    source.broken = IMAGES[1]
    assert len(decode_split(source, Decoding(4), **OPTIONS, cache=cache)) == 6


def test_a_source_that_cannot_tell_is_not_kept(cache):
    class Silent(_Files):
        fingerprint = None

    source = Silent(broken=IMAGES[1])
    for _ in range(2):
        assert not decode_split(source, Decoding(4), **OPTIONS, cache=cache).from_disk
    assert not cache.folder.exists()
