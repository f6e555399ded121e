"""Whatever lies in a folder, training, prediction and the index keep the same promises.

Random trees of odd names, files and splits. Nothing of the user's is changed, no photo is lost
without a word, none counts twice, and bad input gets one line.
"""

import contextlib
import importlib.util
import io
import operator
import os
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from jaxcnn.data.datasets import load_images, load_splits
from jaxcnn.data.photo_files import PhotoFile, walk
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.host.text import printable
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.updating import update_index

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, links and odd names: POSIX")

_SPEC = importlib.util.spec_from_file_location(
    "stub_labeller", Path(__file__).parent / "photos" / "stub_labeller.py"
)
_STUB = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_STUB)


def _photo(seed, form="JPEG", **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form, **options)
    return written.getvalue()


# What a file holds, by a word: two files of one word are copies.
BYTES = {f"jpeg {seed}": _photo(seed) for seed in range(30)}
BYTES |= {f"png {seed}": _photo(seed, "PNG") for seed in range(3)}
BYTES |= {"nothing": b"", "text": b"no photo", "half": BYTES["jpeg 0"][:200]}
LINKS = ("loose link", "link up", "link to photo")
# Each name as bytes: those of folders, and the stems of files.
FOLDERS = [
    *(b"cat", b"dog", b"Train", b"train", b"Testing", b"val", b"error", b"0", b"10", b"x.jpg"),
    *("caf\u00e9".encode(), "cafe\u0301".encode(), "\u202egnp".encode(), b"caf\xe9", b'a,b\n"c'),
    *(b".hidden", b"@eaDir", b"__MACOSX", b"=1+1", b"-r", b"~", b"runs"),
]
FILES = [
    *(b"1.jpg", b"2.JPG", b"3.png", b"4.heic", b"5.txt", b"._1.jpg", b"Thumbs.db", b".DS_Store"),
    *("\u00e9.jpg".encode(), "e\u0301.jpg".encode(), b"\xe9.jpg", b"-v.jpg", b"a\nb.jpg"),
    *("\u202egpj.png".encode(), b"=1+1.jpg", b"#.jpg", b"6.cr2", b"7.jpg.part", b"8.gif"),
]
_words = st.sampled_from([*BYTES, *BYTES, "pipe", *LINKS])
_files = st.dictionaries(st.sampled_from(FILES), _words, max_size=6)
_photos = st.dictionaries(
    st.integers(0, 40).map(b"p%d.jpg".__mod__), st.sampled_from(list(BYTES)[:33]), max_size=12
)
_class = st.builds(operator.or_, _files, _photos)


def _folder(children):
    inner = st.dictionaries(st.sampled_from(FOLDERS), children, max_size=4)
    return st.builds(operator.or_, _files, inner)


_usual = st.dictionaries(
    st.sampled_from([b"cat", b"dog", b"error"]), _class, min_size=2, max_size=3
)
_usual_splits = st.fixed_dictionaries({b"Train": _usual, b"test": _usual})
TREES = st.one_of(_usual, _usual_splits, st.recursive(_class, _folder, max_leaves=8))


def _make(tree, folder, outside):
    for name, held in tree.items():
        path = os.path.join(folder, name)
        if isinstance(held, dict):
            os.makedirs(path)
            _make(held, path, outside)
        elif held in BYTES:
            Path(os.fsdecode(path)).write_bytes(BYTES[held])
        elif held == "pipe":
            os.mkfifo(path)
        else:
            targets = {"loose link": b"nowhere", "link up": folder, "link to photo": outside}
            os.symlink(targets[held], path)


def _state(folder):
    """All that a user could see: names, kinds, contents and times."""
    found = {}
    for here, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(here, name)
            about = os.lstat(path)
            is_file = os.path.isfile(path) and not os.path.islink(path)
            data = Path(os.fsdecode(path)).read_bytes() if is_file else b""
            found[path] = about.st_mode, about.st_size, about.st_mtime_ns, data
    return found


@contextlib.contextmanager
def _tree_of(tree):
    with tempfile.TemporaryDirectory() as here:
        outside = os.fsencode(here) + b"/outside.jpg"
        Path(os.fsdecode(outside)).write_bytes(BYTES["png 0"])
        root = Path(here, "photos")
        root.mkdir()
        _make(tree, os.fsencode(root), outside)
        before = _state(here)
        yield root
        after = {path: held for path, held in _state(here).items() if path in before}
        assert after == before


_examples = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@_examples
@given(TREES)
def test_training_takes_each_photo_once_or_says_why_in_one_line(tree):
    with _tree_of(tree) as root:
        found, refused = None, ""
        try:
            splits = load_splits("folder", data_dir=root, size_px=8)
            found = load_images(splits, Decoding(8), num_workers=1, progress=False)
        except ValueError as error:
            refused = str(error)
        if found is None:
            assert printable(refused).isprintable()
            assert "Errno" not in refused
            return
        names = [name for split in found[:3] for name in split.names]
        skipped = [file.name for file in found.skipped]
        assert len(set(names + skipped)) == len(names + skipped)
        left_out = {each.name for split in splits for each in split.left_out}
        expected = [*left_out, *(n for split in splits for n in split.names)]
        assert sorted(names + skipped) == sorted(expected)
        for split in found[:3]:
            assert len(split) == len(split.names) == len(split.labels) == len(split.images)
            for name, label in zip(split.names, split.labels, strict=True):
                assert found.class_names[label] in unicodedata.normalize("NFC", name).split("/")


@_examples
@given(TREES)
def test_an_index_holds_each_photo_once_and_a_second_run_changes_nothing(tree):
    with _tree_of(tree) as root, tempfile.TemporaryDirectory() as elsewhere:
        path, folder = Path(elsewhere, "photos.sqlite"), os.fsencode(os.path.realpath(root))
        first = update_index(path, [folder], lambda held: _STUB.StubLabeller())
        count = len([found for found in walk(folder) if isinstance(found, PhotoFile)])
        # A photo that cannot be decoded is a trouble, and so is what is no photo by its kind.
        assert first.added + first.unreadable >= count
        assert first.added == len(index_paths(path)) == len(set(index_paths(path)))
        again = update_index(path, [folder], lambda held: _STUB.StubLabeller())
        assert (again.added, again.unchanged) == (0, first.added)
        assert again.unreadable == first.unreadable
        again_whole = {"rebuild": True, "forget_missing": True}
        rebuilt = update_index(path, [folder], lambda held: _STUB.StubLabeller(), **again_whole)
        assert rebuilt.added == first.added
        assert {held.name for held in Path(elsewhere).iterdir()} <= {path.name, f"{path.name}.lock"}


def index_paths(path):
    index = PhotoIndex(path)
    with contextlib.closing(index):
        return [os.fsencode(photo.path) for photo in index.photos(index.columns().photo_ids)]
