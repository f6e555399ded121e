"""Photos in folders: one sub-folder per class, or train/, validation/ and test/ above the classes.

    photos/cat/1.jpg          photos/train/cat/1.jpg
    photos/dog/2.jpg          photos/train/dog/2.jpg
                              photos/test/cat/3.jpg ...

Class names are the folders' names, sorted. Folders within a class folder belong to the class.
Links are followed, each folder once and none back up. A file that is no image by its ending, or is
hidden, is left out and listed in `FolderSource.ignored`.
"""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxcnn.data.source import Example, check_same_classes, digest_of
from jaxcnn.host.text import listed

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k", ".ico"}
)
SPLIT_FOLDERS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
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
      data_dir: folder that the names are relative to.
      class_names: the classes' names, in the order of the labels.
      names: paths of the photos relative to `data_dir`, with forward slashes.
      labels: (N,) int32, index of each photo's class.
      ignored: paths of what lay among the photos and is no image, relative to `data_dir`.

    Raises:
      OSError: on access, if the file cannot be read (any more).
    """

    data_dir: Path
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    ignored: tuple[str, ...] = ()

    def fingerprint(self, indices: np.ndarray) -> str:
        """Identify the files at (M,) indices by a text: their names, sizes and times."""
        return digest_of(*(self._about_file(self.names[i]) for i in indices))

    def _about_file(self, name: str) -> tuple[str, int, int]:
        try:
            found = os.stat(self.data_dir / name)
        except OSError:  # gone, as decoding will report
            return name, -1, -1
        return name, found.st_size, found.st_mtime_ns

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Example:
        name = self.names[i]
        return Example((self.data_dir / name).read_bytes(), int(self.labels[i]), name)


def load_folder(data_dir: str | Path) -> dict[str, FolderSource]:
    """List the photos of a folder; none is read yet.

    Args:
      data_dir: folder with one sub-folder per class, or with train/ and perhaps validation/ (or
        valid/, val/) and test/, each with one sub-folder per class.

    Returns:
      {"all": source}, or a source for each of "train", "validation", "test" that is there. An
      example's name is its path relative to `data_dir`, with forward slashes.

    Raises:
      FolderError: if the folder is missing, holds fewer than two classes, a class without a photo,
        a mixture of split and class folders, two folders for one split, or no train/.
      ValueError: if the classes differ from split to split.
    """
    root = Path(data_dir)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise FolderError(f"data_dir {str(root)!r} {what}; {_EXPECTED}")
    split_dirs = _split_folders(root)
    if not split_dirs:
        return {"all": _load_classes(root, root)}
    sources = {split: _load_classes(root, path) for split, path in split_dirs.items()}
    for split, source in sources.items():
        check_same_classes(
            sources["train"].class_names, source.class_names, expected_in="train", got_in=split
        )
    return sources


def _split_folders(root: Path) -> dict[str, Path]:
    """Find the folders of the splits, {} where the sub-folders are the classes themselves."""
    folders = _sub_folders(root)
    named = [path for path in folders if path.name.lower() in SPLIT_FOLDERS]
    # A folder called "train" that holds photos but no folders may be a class: trains, cars, buses.
    if not any(_sub_folders(path) for path in named):
        return {}
    others = [path.name for path in folders if path not in named]
    if others:
        raise FolderError(
            f"{str(root)!r} holds folders of splits ({listed([path.name for path in named])}) and "
            f"others beside them ({listed(others)}); move the others away."
        )
    splits: dict[str, Path] = {}
    for path in named:
        split = SPLIT_FOLDERS[path.name.lower()]
        if split in splits:
            raise FolderError(
                f"{str(root)!r} holds {splits[split].name!r} and {path.name!r}, both for the "
                f"{split} split; keep one."
            )
        splits[split] = path
    if "train" not in splits:
        raise FolderError(f"{str(root)!r} holds {listed(list(splits))}, but no train/; add one.")
    return splits


def _load_classes(root: Path, folder: Path) -> FolderSource:
    class_dirs = _sub_folders(folder)
    if len(class_dirs) < 2:
        held = listed([path.name for path in class_dirs]) or "no folder"
        raise FolderError(
            f"{str(folder)!r} holds {held}; expected two classes or more. Overall, {_EXPECTED}"
        )
    names: list[str] = []
    labels: list[int] = []
    ignored = [_relative(path, root) for path in _entries(folder) if path not in class_dirs]
    for label, class_dir in enumerate(class_dirs):
        photos, others = _photos(class_dir)
        if not photos:
            held = listed([path.name for path in others]) or "nothing"
            raise FolderError(
                f"class {class_dir.name!r} has no photo in {str(class_dir)!r}; it holds {held}. "
                "Add photos or remove the folder."
            )
        names += [_relative(path, root) for path in photos]
        labels += [label] * len(photos)
        ignored += [_relative(path, root) for path in others]
    class_names = tuple(path.name for path in class_dirs)
    return FolderSource(root, class_names, tuple(names), np.array(labels, np.int32), tuple(ignored))


def _photos(class_dir: Path) -> tuple[list[Path], list[Path]]:
    """Split all that lies within a class folder into photos and others."""
    photos: list[Path] = []
    others: list[Path] = []
    real = class_dir.resolve()
    for path in _walk(class_dir, {real, *real.parents}):
        is_photo = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        (photos if is_photo and path.is_file() else others).append(path)
    return photos, others


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield all but folders, sorted; `seen` stops a link that leads back up."""
    for path in _entries(folder):
        if path.name.startswith(".") or not path.is_dir():
            yield path
        elif path.resolve() not in seen:
            seen.add(path.resolve())
            yield from _walk(path, seen)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: path.name)


def _sub_folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir() and not path.name.startswith(".")]


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
