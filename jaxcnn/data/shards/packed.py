"""Images that lie one after another in large files: Parquet of Hugging Face, shards of tar.

What such a set says is read once, into a table of where each image begins; an image is then read
from its place when it is requested.
"""

import dataclasses
import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.folder import SPLIT_FOLDERS
from jaxcnn.data.photo_files import about_file, list_folder
from jaxcnn.data.source import Example, digest_of, label_at
from jaxcnn.data.tables.class_labels import Label, label_array, settle_classes, without_empty
from jaxcnn.data.tables.table_file import PARQUET_SUFFIXES, TableError
from jaxcnn.host.text import listed, printable

logger = logging.getLogger(__name__)

TAR_SUFFIX = ".tar"
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_DEPTH = 3  # folders that such sets put their files into, as in default/train/0000.parquet


class Place(NamedTuple):
    """Where an image lies, and what is said of it.

    Attributes:
      file: number of the file that holds it.
      offset: of its first byte.
      size: in bytes.
      name: the example's lasting identity.
      label: as the set has it.
      group: what it has in common with others; "" for nothing.
    """

    file: int
    offset: int
    size: int
    name: str
    label: Label
    group: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class PackedSource:
    """Images in large files; an image is read from disk when it is requested.

    Attributes:
      files: the files.
      class_names: the classes' names, in the order of the labels.
      names: the examples' names.
      labels: (N,) int32; (N, K) uint8 of 0 and 1 where an example may have several.
      places: (N, 3) int64: number of the file, offset of the first byte, bytes.
      stamp: a text that changes whenever the files may have changed.
      left_out: what is no example, and why.
      groups: of each example, what it has in common with others; None where nothing is known.

    Raises:
      OSError: on access, if the file cannot be read (any more).
    """

    files: tuple[Path, ...]
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    places: np.ndarray
    stamp: str
    left_out: tuple[SkippedFile, ...] = ()
    groups: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Example:
        if not 0 <= i < len(self):
            raise IndexError(f"example {i} of {len(self)}.")
        file, offset, size = self.places[i].tolist()
        with open(self.files[file], "rb") as opened:
            opened.seek(offset)
            data = opened.read(size)
        if len(data) < size:
            raise OSError(f"{self.files[file]} ends before this image does")
        return Example(data, label_at(self.labels, i), self.names[i])

    def fingerprint(self, indices: np.ndarray) -> str:
        """Identify the examples at (M,) indices by a text: the files' sizes and times, places."""
        return digest_of(self.stamp, self.places[indices].tolist())


def find_packs(data_dir: str | Path, suffixes: Sequence[str]) -> list[Path]:
    """Find the files of a set that lie in a folder, or some folders below.

    Args:
      data_dir: the folder, or a file.
      suffixes: what the files' names end in.

    Returns:
      The files, by name; none where the folder holds photos in folders.

    Raises:
      OSError: if a folder cannot be read.
      TableError: if there are archives that must be unpacked first, and nothing else.
    """
    root = os.fsencode(data_dir)
    if not os.path.isdir(root):
        return [Path(data_dir)] if _ends(root, suffixes) and os.path.isfile(root) else []
    found: list[bytes] = []
    compressed: list[bytes] = []
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        folders, files = list_folder(folder)
        if depth and any(about_file(path) for path in files):
            return []
        found += [path for path in files if _ends(path, suffixes)]
        compressed += [path for path in files if _ends(path, _COMPRESSED)]
        waiting += [(each, depth + 1) for each in folders] if depth < _DEPTH else []
    if compressed and not found and TAR_SUFFIX in suffixes:
        raise TableError(
            f"{printable(compressed[0])!r} is compressed, so images cannot be read from their "
            "places in it; unpack it, to .tar or to photos."
        )
    return [Path(os.fsdecode(path)) for path in sorted(found)]


def _ends(path: bytes, suffixes: Sequence[str]) -> bool:
    return os.fsdecode(path).lower().endswith(tuple(suffixes))


def is_pack(path: str | Path) -> bool:
    """Tell whether a file's name is that of a set in one file."""
    return str(path).lower().endswith((*PARQUET_SUFFIXES, TAR_SUFFIX))


def by_split(files: Sequence[Path], root: Path) -> dict[str, list[Path]]:
    """Sort files by the split that their names, or those of the folders above, begin with.

    Args:
      files: such as data/train-00000-of-00002.parquet.
      root: the folder that was searched; names above it say nothing.

    Returns:
      {"all": files}, or the files of each split, in the order given.

    Raises:
      TableError: if some name a split and others do not, none is for training, or files of a split
        lie in several folders, as those of several configurations do.

    Example:
      >>> found = by_split([Path("d/test-0.tar"), Path("d/train-0.tar")], Path("d"))
      >>> {split: [file.name for file in files] for split, files in found.items()}
      {'test': ['test-0.tar'], 'train': ['train-0.tar']}
    """
    found: dict[str, list[Path]] = {}
    places: dict[str, set[Path]] = {}
    for file in files:
        split, place = _split_and_place(file, root)
        found.setdefault(split, []).append(file)
        places.setdefault(split, set()).add(place)
    where = printable(root)
    for several in places.values():
        if len(several) > 1:
            folders = listed(sorted(printable(place) for place in several))
            raise TableError(
                f"{where!r} holds files of one split in several folders ({folders}), as those of "
                "several configurations lie; give one of them as data_dir."
            )
    if "all" in found and len(found) > 1:
        odd = printable(found["all"][0].name)
        raise TableError(
            f"{where!r} holds files of splits ({listed(sorted(set(found) - {'all'}))}) and others, "
            f"e.g. {odd!r}; begin each file's name with train, validation or test."
        )
    return found


def _split_and_place(file: Path, root: Path) -> tuple[str, Path]:
    """Give a file's split, and the folder above the split's own."""
    folders = file.parent.relative_to(root).parts if file.parent.is_relative_to(root) else ()
    for word in (file.name, *reversed(folders)):
        first = re.match(r"[^\W\d_]+", word)
        if first and (split := SPLIT_FOLDERS.get(first[0].casefold())):
            kept = [part for part in folders if part != word]
            return split, Path(*kept)
    return "all", Path(*folders)


def stamp_of(files: Sequence[Path]) -> str:
    """Identify files by a text: their names, sizes and times."""
    found = [(file.name, os.stat(file)) for file in files]
    return digest_of([(name, about.st_size, about.st_mtime_ns) for name, about in found])


class Pack(NamedTuple):
    """A split of a set, as its files have it.

    Attributes:
      files: that the places count.
      places: of the examples, all with a label.
      stamp: a text that changes whenever the files may have changed.
      left_out: what is no example, and why.
    """

    files: Sequence[Path]
    places: Sequence[Place]
    stamp: str
    left_out: Sequence[SkippedFile]


def make_sources(
    packs: Mapping[str, Pack], known: Sequence[str] = (), *, class_names: Sequence[str] = ()
) -> dict[str, PackedSource]:
    """Make a source of each split, all with the same classes.

    A name that several splits have, such as that of train/0.tar and test/0.tar, begins with the
    split: what is decided about a photo by its name is about that photo alone.

    Args:
      packs: by split.
      known: the classes, in order, where the set names them; those without an example go.
      class_names: the classes, in order, where others are wanted; all of them stay.

    Returns:
      The sources.

    Raises:
      TableError: if there are fewer than two classes, or a label is none of the known.
    """
    labels = [place.label for pack in packs.values() for place in pack.places]
    classes, told = settle_classes(labels, class_names or known), ""
    if not class_names:
        classes, told = without_empty(classes)
    if len(classes.names) < 2:
        named = f"one class, {classes.names[0]!r}" if classes.names else "no image with a label"
        where = printable(next(iter(packs.values())).files[0].parent)
        raise TableError(f"{where!r} holds {named}; expected two classes or more.")
    for line in (*classes.told(), *filter(None, [told])):
        logger.warning(line)
    several = any(isinstance(label, tuple) for label in labels)
    counts = Counter(place.name for pack in packs.values() for place in pack.places)
    return {
        split: PackedSource(
            files=tuple(pack.files),
            class_names=classes.names,
            names=tuple(
                place.name if counts[place.name] == 1 else f"{split}/{place.name}"
                for place in pack.places
            ),
            labels=label_array([place.label for place in pack.places], classes, several=several),
            places=np.array([place[:3] for place in pack.places], np.int64).reshape(-1, 3),
            stamp=pack.stamp,
            left_out=tuple(pack.left_out),
            groups=groups if any(groups := tuple(p.group for p in pack.places)) else None,
        )
        for split, pack in packs.items()
    }
