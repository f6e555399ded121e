"""Photos in folders: one sub-folder per class, or train/, validation/ and test/ above the classes.

    photos/cat/1.jpg          photos/train/cat/1.jpg
    photos/dog/2.jpg          photos/train/dog/2.jpg
                              photos/test/cat/3.jpg ...

Class names are the folders' names in Unicode's form C, sorted. Folders within a class folder belong
to the class. Links are followed, each folder once and none back up. What is not a photo, or
cannot be used, is left out and listed, see `FolderSource`; what `data.photo_files` passes over is
not. In names that are not UTF-8, the odd bytes are written as backslash escapes.
"""

import contextlib
import dataclasses
import functools
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.photo_files import (
    PhotoFile,
    Seen,
    Trouble,
    about_file,
    identity_of,
    list_folder,
    read_file,
    reason_of,
    walk,
)
from jaxcnn.data.source import Example, digest_of, label_at
from jaxcnn.host.text import listed, printable

_SPLIT_WORDS = {
    "train": "train training trn",
    "validation": "validation valid val dev development eval evaluation",
    "test": "test testing tst holdout",
}
SPLIT_FOLDERS = {word: split for split, words in _SPLIT_WORDS.items() for word in words.split()}
_EXPECTED = (
    "expected one sub-folder for each class, with photos in it, or train/, validation/ and test/ "
    "above such folders."
)


class FolderError(ValueError):
    """The folder does not hold photos as expected; the message says what it holds."""


@dataclasses.dataclass(frozen=True, eq=False)
class FolderSource:
    """Photos in one folder per class; a photo is read from disk when it is requested.

    Attributes:
      data_dir: folder that the files' paths are relative to.
      class_names: the classes' names, in the order of the labels.
      files: paths of the photos relative to `data_dir`, with forward slashes.
      labels: (N,) int32, index of each photo's class.
      ignored: paths of files among the photos that are no images, relative to `data_dir`.
      left_out: photos and folders that cannot be used, and why.
      groups: of each photo, a text that photos have in common which belong together; "" for none.
        None where nothing is known.

    Raises:
      OSError: on access, if the file cannot be read (any more).
    """

    data_dir: Path
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    ignored: tuple[str, ...] = ()
    left_out: tuple[SkippedFile, ...] = ()
    groups: tuple[str, ...] | None = None

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The photos' names: their paths, with bytes that are no UTF-8 as backslash escapes."""
        return tuple(map(_readable, self.files))

    @property
    def troubles(self) -> tuple[tuple[str, str], ...]:
        """The names and reasons of `left_out`, as version 1.0 called them."""
        return tuple((each.name, each.reason) for each in self.left_out)

    def fingerprint(self, indices: np.ndarray) -> str:
        """Identify the files at (M,) indices by a text: their names, sizes and times."""
        return digest_of(*(self._about_file(self.files[i]) for i in indices))

    def _about_file(self, name: str) -> tuple[str, int, int]:
        try:
            found = os.stat(self.data_dir / name)
        except OSError:  # gone, as decoding will report
            return name, -1, -1
        return name, found.st_size, found.st_mtime_ns

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> Example:
        data, _ = read_file(self.data_dir / self.files[i])
        return Example(data, label_at(self.labels, i), self.names[i])


def load_folder(data_dir: str | Path) -> dict[str, FolderSource]:
    """List the photos of a folder; none is read yet.

    Args:
      data_dir: folder with one sub-folder per class, or with folders of splits, each with one
        sub-folder per class: train/ and perhaps validation/ and test/, in any case, or called as
        others call them, such as val/ or holdout/.

    Returns:
      {"all": source}, or a source for each of "train", "validation", "test" that is there. An
      example's name is its path relative to `data_dir`, with forward slashes.

    Raises:
      FolderError: if the folder is missing or cannot be read, holds fewer than two classes, a class
        without a photo to train on, two classes of one name, a mixture of split and class folders,
        two folders for one split, no train/, a class that is not in train/, or folders that can
        only be splits under other names.

    Example:
      >>> from PIL import Image
      >>> for photo in (Path("photos/cat/1.png"), Path("photos/dog/1.png")):
      ...     photo.parent.mkdir(parents=True)
      ...     Image.new("RGB", (8, 8)).save(photo)
      >>> source = load_folder("photos")["all"]
      >>> source.class_names, source[1].name
      (('cat', 'dog'), 'dog/1.png')
    """
    with _reading(data_dir) as root:
        split_dirs = _split_folders(root)
        if not split_dirs:
            source = _load_classes(root, root, [root])
            _check_no_splits(source)
            return {"all": source}
        if "train" not in split_dirs:
            held = _listed(list(split_dirs.values()))
            raise FolderError(f"{_quoted(root)} holds {held}, but no train/; add one.")
        train = split_dirs.pop("train")
        sources = {"train": _load_classes(root, train, [root, train])}
        for split, path in split_dirs.items():
            sources[split] = _load_classes(root, path, [path], sources["train"].class_names)
    return sources


def load_test_folder(data_dir: str | Path, class_names: Sequence[str]) -> FolderSource:
    """List the photos of a folder that serves to test a network which is trained already.

    Args:
      data_dir: folder with sub-folders of classes, or with test/ above these.
      class_names: the network's; those that are not there have no photo.

    Returns:
      The photos, labelled by their place in `class_names`.

    Raises:
      FolderError: as `load_folder`, or if the folder holds other classes, splits without a test, or
        no photo.
    """
    with _reading(data_dir) as root:
        split_dirs = _split_folders(root)
        if split_dirs and "test" not in split_dirs:
            held = _listed(list(split_dirs.values()))
            raise FolderError(f"{_quoted(root)} holds {held}, but no test/; add one.")
        folder = split_dirs.get("test", root)
        source = _load_classes(root, folder, [folder], class_names, known_from="the network")
        if not len(source):
            raise FolderError(f"{_quoted(folder)} holds no photo of {listed(class_names)}.")
    return source


@contextlib.contextmanager
def _reading(data_dir: str | Path) -> Iterator[bytes]:
    """Give a folder's path; raise FolderError where it is none, or cannot be read in the block."""
    root = os.fsencode(data_dir)
    if not os.path.isdir(root):
        what = "is a file" if os.path.exists(root) else "does not exist"
        raise FolderError(f"data_dir {_quoted(root)} {what}; {_EXPECTED}")
    try:
        yield root
    except OSError as error:
        where = _quoted(os.fsencode(error.filename or root))
        raise FolderError(f"{where} cannot be read: {reason_of(error)}.") from error


def _split_folders(root: bytes) -> dict[str, bytes]:
    """Find the folders of the splits, {} where the sub-folders are the classes themselves."""
    folders, _ = list_folder(root)
    named = [path for path in folders if _split_of(path)]
    # A folder called "train" that holds photos but no folders may be a class: trains, cars, buses.
    if not any(_holds_folders(path) for path in named):
        if len({_split_of(path) for path in folders}) > 1 and named == folders:
            raise FolderError(
                f"{_quoted(root)} holds folders of splits ({_listed(named)}), and these no folders "
                f"of classes; {_EXPECTED}"
            )
        return {}
    others = [path for path in folders if path not in named]
    if others:
        raise FolderError(
            f"{_quoted(root)} holds folders of splits ({_listed(named)}) and "
            f"others beside them ({_listed(others)}); move the others away."
        )
    splits: dict[str, bytes] = {}
    for path in named:
        split = _split_of(path)
        if split in splits:
            raise FolderError(
                f"{_quoted(root)} holds {_name(splits[split])!r} and {_name(path)!r}, both for the "
                f"{split} split; keep one."
            )
        splits[split] = path
    return splits


def _split_of(folder: bytes) -> str:
    """Give the split that a folder is for by its name, such as "Test_Set"; "" for none."""
    word = re.sub(r"[\W_]+", "", _name(folder)).lower()
    shorter = re.sub(r"(set|data|images|split)$", "", word)
    return SPLIT_FOLDERS.get(word) or SPLIT_FOLDERS.get(shorter, "")


def _holds_folders(folder: bytes) -> bool:
    try:
        return bool(list_folder(folder)[0])
    except OSError:
        return False


class _Found(NamedTuple):
    """What lies in a folder, by paths relative to the data's folder."""

    photos: list[str]
    ignored: list[str]
    left_out: list[SkippedFile]


def _load_classes(
    root: bytes,
    folder: bytes,
    loose_in: Sequence[bytes],
    known: Sequence[str] = (),
    *,
    known_from: str = "train/",
) -> FolderSource:
    """List the photos of the classes in a folder, and what lies loose in some folders.

    The classes are `known` where they are given, and need not all have photos here.
    """
    class_dirs = _class_folders(folder, at_least=1 if known else 2)
    class_names = tuple(known or class_dirs)
    if others := [printable(name) for name in class_dirs if name not in class_names]:
        raise FolderError(
            f"{_quoted(folder)} holds classes that {known_from} has not: {listed(others)}; move "
            f"them away. Known are {listed(map(printable, class_names))}."
        )
    files: list[str] = []
    labels: list[int] = []
    ignored, left_out = _find_loose(root, loose_in)
    classes = {folder: identity_of(folder), **{p: identity_of(p) for p in class_dirs.values()}}
    for name, class_dir in class_dirs.items():
        # A link to another class, or back up, is passed over.
        seen = {*classes.values(), *_all_above(class_dir)} - {classes[class_dir]}
        found = _search(root, class_dir, seen)
        if not found.photos and not known:
            held = [*found.ignored, *(f"{each.name} ({each.reason})" for each in found.left_out)]
            raise FolderError(
                f"class {name!r} has no photo in {_quoted(class_dir)}; it holds "
                f"{listed(map(printable, held)) or 'nothing'}. Add photos or remove the folder."
            )
        files += found.photos
        labels += [class_names.index(name)] * len(found.photos)
        ignored += found.ignored
        left_out += found.left_out
    return FolderSource(
        Path(os.fsdecode(root)),
        class_names,
        tuple(files),
        np.array(labels, np.int32),
        tuple(ignored),
        tuple(left_out),
    )


def _search(root: bytes, folder: bytes, seen: Seen) -> _Found:
    found = _Found([], [], [])
    for each in walk(folder, seen, lambda path: found.ignored.append(_said(path, root))):
        if isinstance(each, PhotoFile):
            found.photos.append(_relative(each.path, root))
        else:
            found.left_out.append(SkippedFile(_said(each.path, root), each.reason))
    return found


def _find_loose(root: bytes, folders: Sequence[bytes]) -> tuple[list[str], list[SkippedFile]]:
    """List the files that lie directly in some folders, and so in no class."""
    ignored, left_out = [], []
    for path in (path for folder in folders for path in list_folder(folder)[1]):
        found = about_file(path)
        if found is None:
            ignored.append(_said(path, root))
        else:
            why = found.reason if isinstance(found, Trouble) else "in no folder of a class"
            left_out.append(SkippedFile(_said(path, root), why))
    return ignored, left_out


def _class_folders(folder: bytes, at_least: int) -> dict[str, bytes]:
    """Find the folders of the classes by their names, sorted by these."""
    folders, _ = list_folder(folder)
    if len(folders) < at_least:
        inner = [path for path in folders if len(list_folder(path)[0]) > 1]
        hint = f" Did you mean {_quoted(inner[0])}?" if inner else ""
        raise FolderError(
            f"{_quoted(folder)} holds {_listed(folders) or 'no folder'}; expected classes, two or "
            f"more. Overall, {_EXPECTED}{hint}"
        )
    by_name: dict[str, bytes] = {}
    by_identity: dict[object, bytes] = {}
    for path in folders:
        name = unicodedata.normalize("NFC", _name(path))
        same = by_name.setdefault(name, path), by_identity.setdefault(identity_of(path), path)
        if same[0] != path:
            raise FolderError(
                f"{_quoted(folder)} holds two folders called {name!r}, in two of Unicode's forms; "
                "put their photos into one."
            )
        if same[1] != path:
            raise FolderError(
                f"{_quoted(same[1])} and {_quoted(path)} are the same folder, by a link; keep one."
            )
    return dict(sorted(by_name.items()))


def _check_no_splits(source: FolderSource) -> None:
    """Refuse classes that hold folders of the same names and nothing else: they may be splits."""
    inner: dict[str, set[str]] = {}
    for file in source.files:
        folder, below, *deeper = file.split("/", 2)
        inner.setdefault(folder, set()).add(below if deeper else "")
    first: dict[frozenset[str], str] = {}
    for folder, names in inner.items():
        other = first.setdefault(frozenset(names), folder)
        if len(names) > 1 and "" not in names and other != folder:
            shared = listed(map(printable, sorted(names)))
            raise FolderError(
                f"{other!r} and {folder!r} hold folders of the same names ({shared}). If those are "
                f"the classes, call the folders above them train, validation and test; if {other} "
                f"and {folder} are classes, put their photos straight into them."
            )


def _all_above(folder: bytes) -> Seen:
    parents = Path(os.path.realpath(os.fsdecode(folder))).parents
    return {identity_of(os.fsencode(path)) for path in parents}


def _relative(path: bytes, root: bytes) -> str:
    return os.fsdecode(path[len(root) :]).replace(os.sep, "/").lstrip("/")


def _said(path: bytes, root: bytes) -> str:
    return _readable(_relative(path, root))


def _name(path: bytes) -> str:
    return _readable(os.fsdecode(os.path.basename(path)))


def _quoted(path: bytes) -> str:
    return repr(_readable(os.fsdecode(path)))


def _listed(folders: Sequence[bytes]) -> str:
    return listed(printable(os.path.basename(path)) for path in folders)


def _readable(path: str) -> str:
    """Write bytes that are no UTF-8 as backslash escapes, which every file and screen takes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
