"""Find the photo files in folders of any size, and read them, whatever stands in the way.

Paths are bytes: a name on disk need not be text. Links are followed, each folder once, so that a
link back up ends nowhere. Hidden files and folders are left out, as are files that are no photos by
their ending.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from jaxcnn.data.decode import DecodeError
from jaxcnn.data.folder import IMAGE_SUFFIXES
from jaxcnn.photos.dates import taken_at

MAX_BYTES = 256 * 2**20  # of a file; threads hold one each
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
    size: int | None = None  # of a file that need not be tried again while it is the same
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
            yield Trouble(folder, f"the folder cannot be read: {reason_of(error)}")
            continue
        inner = []
        for entry in entries:
            if entry.name.startswith(b"."):
                continue
            # A link to itself is no folder; the entry would raise.
            if entry.is_dir(follow_symlinks=False) or (
                entry.is_symlink() and os.path.isdir(entry.path)
            ):
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
        is_loose = isinstance(error, FileNotFoundError) and os.path.islink(path)
        return Trouble(
            path, "a link to a file that does not exist" if is_loose else reason_of(error)
        )
    if not stat.S_ISREG(found.st_mode):
        return Trouble(path, f"{_KINDS.get(stat.S_IFMT(found.st_mode), 'no file')}, not a photo")
    if suffix in _FOREIGN:
        name = os.fsdecode(suffix)[1:].upper()
        why = f"{name} photos cannot be decoded here; keep a JPEG copy beside it"
        return Trouble(path, why, found.st_size, found.st_mtime_ns)
    return PhotoFile(path, found.st_size, found.st_mtime_ns)


def reason_of(error: OSError) -> str:
    """Give the system's words for an error, without its number and path."""
    return (error.strerror or "").lower() or str(error) or type(error).__name__


def _identity(folder: bytes) -> tuple[int, int] | bytes:
    found = os.stat(folder)
    # Some network drives number no file.
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(folder)


class ReadPhoto(NamedTuple):
    """What came of reading a file."""

    file: PhotoFile  # as it was when it was read
    content: bytes  # digest of its bytes; b"" where they could not be read
    pixels: np.ndarray | None  # for the network; None where the content is known, or bad
    taken: int
    taken_by_exif: bool
    error: str  # "" where there is none


def read_photo(
    file: PhotoFile,
    preprocess: Callable[[bytes], np.ndarray],
    is_known: Callable[[bytes], object] = lambda content: False,
) -> ReadPhoto:
    """Read and decode a photo.

    Args:
      file: as `walk` found it.
      preprocess: bytes to pixels; raises DecodeError.
      is_known: whether a digest's photo needs no pixels.

    Returns:
      What came of it; never raises because of the file.
    """
    content = b""
    try:
        data, file = read_file(file.path)
        content = digest(data)
        taken = taken_at(data, file.mtime_ns)
        pixels = None if is_known(content) else preprocess(data)
    except DecodeError as error:
        return ReadPhoto(file, content, None, 0, False, str(error) or "cannot be decoded")
    except OSError as error:
        return ReadPhoto(file, b"", None, 0, False, reason_of(error))
    except MemoryError:
        return ReadPhoto(file, content, None, 0, False, "not enough memory to decode it")
    return ReadPhoto(file, content, pixels, *taken, "")


def digest(data: bytes) -> bytes:
    """Give what tells contents apart: BLAKE2b, 16 bytes."""
    return hashlib.blake2b(data, digest_size=16).digest()


def read_file(path: bytes | str | os.PathLike[str]) -> tuple[bytes, PhotoFile]:
    """Read a file whole, if it is one and not too large.

    Args:
      path: of the file; a pipe in its place is refused, and not waited for.

    Returns:
      Its bytes, and its size and time as of then.

    Raises:
      OSError: if it cannot be read, is no regular file, or is larger than MAX_BYTES.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a file")
        if found.st_size > MAX_BYTES:
            raise OSError(f"larger than {MAX_BYTES // 2**20} MiB")
        data = opened.read(found.st_size)
    return data, PhotoFile(os.fsencode(path), found.st_size, found.st_mtime_ns)
