"""Find the photos in folders of any size, and whatever stands in the way.

Paths are bytes: a name on disk need not be text. Links are followed, each folder once, so that a
link back up ends nowhere. Hidden files and folders are left out, as are files that are no photos by
their ending.
"""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from jaxcnn.data.folder import IMAGE_SUFFIXES

_SUFFIXES = frozenset(os.fsencode(suffix) for suffix in IMAGE_SUFFIXES)
# Photos too, but by no decoder here: their owner should hear of them.
_FOREIGN = frozenset(
    (b".heic", b".heif", b".cr2", b".cr3", b".nef", b".arw", b".dng", b".orf", b".rw2", b".raf")
)
_KINDS = {
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class PhotoFile(NamedTuple):
    """A file that is a photo by its ending."""

    path: bytes
    size: int  # bytes
    mtime_ns: int


class Trouble(NamedTuple):
    """A file or folder that could not be used, and why."""

    path: bytes
    reason: str
    is_folder: bool = False  # what lies in it is unknown, not gone
    size: int | None = None
    mtime_ns: int | None = None


Seen = set[tuple[int, int] | bytes]


def walk(root: bytes, seen: Seen | None = None) -> Iterator[PhotoFile | Trouble]:
    """Find the photos in a folder and all folders below.

    Args:
      root: path of the folder.
      seen: folders that were searched before and are passed over; this search adds its own.

    Yields:
      Photos and troubles, folder by folder, by name within each.
    """
    seen = set() if seen is None else seen
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            identity = _identity(folder)
            if identity in seen:
                continue
            seen.add(identity)
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield Trouble(folder, f"the folder cannot be read: {reason_of(error)}", is_folder=True)
            continue
        inner = []
        for entry in entries:
            if entry.name.startswith(b"."):
                continue
            if _is_folder(entry):
                inner.append(entry.path)
            elif found_file := about_file(entry.path):
                yield found_file
        waiting += reversed(inner)


def about_file(path: bytes) -> PhotoFile | Trouble | None:
    """Tell whether a file is a photo by its ending, and what stands in the way.

    Args:
      path: of something that is no folder.

    Returns:
      The file; a trouble if it is a photo that cannot be read; None if it is none.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _SUFFIXES and suffix not in _FOREIGN:
        return None
    try:
        found = os.stat(path)
    except OSError as error:
        return Trouble(path, _why_missing(path, error))
    if not stat.S_ISREG(found.st_mode):
        return Trouble(path, f"{_KINDS.get(stat.S_IFMT(found.st_mode), 'no file')}, not a photo")
    if suffix in _FOREIGN:
        name = os.fsdecode(suffix)[1:].upper()
        why = f"{name} photos cannot be decoded here; keep a JPEG copy beside it"
        return Trouble(path, why, size=found.st_size, mtime_ns=found.st_mtime_ns)
    return PhotoFile(path, found.st_size, found.st_mtime_ns)


def reason_of(error: OSError) -> str:
    """Give the system's words for an error, without its number and path."""
    return (error.strerror or "").lower() or str(error) or type(error).__name__


def _why_missing(path: bytes, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return "a link to a file that does not exist"
    return reason_of(error)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: bytes) -> tuple[int, int] | bytes:
    found = os.stat(folder)
    # Some network drives number no file.
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(folder)
