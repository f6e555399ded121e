"""Find the photo files in folders of any size, and read them, whatever stands in the way.

Paths are bytes: a name on disk need not be text. Links are followed, each folder once, so that a
link back up ends nowhere. Hidden files and folders are left out, as is what systems leave behind in
every folder, such as @eaDir and Thumbs.db. Standard library only: a copy of this file lies
beside an exported program.
"""

import errno
import hashlib
import importlib.util
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

MAX_BYTES = 256 * 2**20  # of a file; threads hold one each
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k", ".ico"}
)
HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})  # photos where pillow-heif is installed
# Photos too, but no decoder here reads them: their owner should hear of it.
_FOREIGN = frozenset(
    {".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf", ".rw2", ".raf"}
    | {".pef", ".srw", ".raw", ".x3f", ".3fr", ".erf", ".mrw", ".iiq", ".kdc", ".dcr", ".jxl"}
)
# What network drives, cameras and systems leave in folders of photos, in lower case.
_JUNK = frozenset(
    {b"@eadir", b"@tmp", b"@recycle", b"@__thumb", b"#recycle", b"#snapshot", b"$recycle.bin"}
    | {b"__macosx", b"lost+found", b"system volume information", b"thumbs.db", b"ehthumbs.db"}
    | {b"desktop.ini", b"picasa.ini", b"icon\r"}
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
    mtime_ns: int  # clipped to 64 bits

    @classmethod
    def of(cls, path: bytes, found: os.stat_result) -> "PhotoFile":
        """Give a file by its status."""
        return cls(path, found.st_size, max(-(2**63), min(found.st_mtime_ns, 2**63 - 1)))


class Trouble(NamedTuple):
    """A file or folder that could not be used, and why."""

    path: bytes
    reason: str
    size: int | None = None  # of a file that need not be tried again while it is the same
    mtime_ns: int | None = None


Seen = set[tuple[int, int] | bytes]


def walk(
    root: bytes,
    seen: Seen | None = None,
    on_other: Callable[[bytes], object] = lambda path: None,
) -> Iterator[PhotoFile | Trouble]:
    """Find the photos in a folder and all folders below.

    Args:
      root: path of the folder.
      seen: folders that were searched before and are passed over; this search adds its own.
      on_other: called with the path of each file that is no photo by its ending.

    Yields:
      Photos and troubles, folder by folder, by name within each.
    """
    seen = set() if seen is None else seen
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            identity = identity_of(folder)
            if identity in seen:
                continue
            seen.add(identity)
            inner, files = list_folder(folder)
        except OSError as error:
            yield Trouble(folder, f"the folder cannot be read: {reason_of(error)}")
            continue
        for path in files:
            if found := about_file(path):
                yield found
            else:
                on_other(path)
        waiting += reversed(inner)


def list_folder(folder: bytes) -> tuple[list[bytes], list[bytes]]:
    """List a folder without what is hidden in it and what systems leave behind.

    Returns:
      Paths of the folders in it, links to folders among them, and of all else; both by name.

    Raises:
      OSError: if it cannot be read.
    """
    folders: list[bytes] = []
    files: list[bytes] = []
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda entry: entry.name):
            if not is_junk(entry.name):
                # A link to itself is no folder; the entry would raise.
                is_folder = entry.is_dir(follow_symlinks=False) or (
                    entry.is_symlink() and os.path.isdir(entry.path)
                )
                (folders if is_folder else files).append(entry.path)
    return folders, files


def is_junk(name: bytes) -> bool:
    """Tell whether a file or folder is hidden, or left behind by a system, by its name."""
    return name.startswith(b".") or name.lower() in _JUNK


def about_file(path: bytes) -> PhotoFile | Trouble | None:
    """Tell whether a file is a photo by its ending, and what stands in the way.

    Args:
      path: of something that is no folder.

    Returns:
      The file; a trouble if it is a photo that cannot be read; None if it is none.
    """
    suffix = os.fsdecode(os.path.splitext(path)[1]).lower()
    if suffix not in IMAGE_SUFFIXES | HEIC_SUFFIXES | _FOREIGN:
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
    why = _why_foreign(suffix)
    return Trouble(path, why) if why else PhotoFile.of(path, found)


def _why_foreign(suffix: str) -> str:
    """Say why photos of this ending cannot be decoded here; "" where they can."""
    name = suffix[1:].upper()
    if suffix in _FOREIGN:
        return f"{name} photos cannot be decoded here; keep a JPEG copy beside it"
    if suffix in HEIC_SUFFIXES and not importlib.util.find_spec("pillow_heif"):
        return (
            f"{name} photos need the extra heic (pip install pillow-heif) or a JPEG copy beside it"
        )
    return ""


def reason_of(error: OSError) -> str:
    """Give the system's words for an error, without its number and path."""
    return (error.strerror or "").lower() or str(error) or type(error).__name__


def is_gone(path: bytes) -> bool:
    """Tell whether nothing is at a path; not where that cannot be found out."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # it may be there, behind what cannot be read
        return False
    return False


def identity_of(folder: bytes) -> tuple[int, int] | bytes:
    """Give what is the same for all paths of a folder; raises OSError if it is not there."""
    found = os.stat(folder)
    # Some network drives number no file.
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(folder)


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
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "a folder, not a photo", os.fsdecode(path))
    with open(os.open(path, flags), "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a file")
        if found.st_size > MAX_BYTES:
            raise OSError(f"larger than {MAX_BYTES // 2**20} MiB")
        data = opened.read(found.st_size)
    return data, PhotoFile.of(os.fsencode(path), found)


def find_named(words: Sequence[str]) -> Iterator[PhotoFile | Trouble]:
    """Find the photos that a user named, each file once.

    Args:
      words: paths of files, taken whatever their ending, or of folders, searched through.

    Yields:
      Photos and troubles, in the order given, as `walk` does within a folder.

    Raises:
      ValueError: if a path does not exist, or a folder holds no photo; the message says so.
    """
    seen: Seen = set()
    paths = [os.fsencode(word) for word in words]
    # What is named itself stands where it is named, and not in its folder too.
    files = {_place(path): path for path in reversed(paths) if not os.path.isdir(path)}
    for path in dict.fromkeys(paths):
        count = 0
        if os.path.isdir(path):
            others: set[bytes] = set()
            for found in walk(path, seen, on_other=others.add):
                count += 1
                if not files or _place(found.path) not in files:
                    yield found
            # None may be left where a folder is named twice.
            if not count and not any(True for _ in walk(path)):
                held = f", only other files ({len(others):,})" if others else ": it is empty"
                raise ValueError(f"{os.fsdecode(path)!r} holds no photo{held}.")
        elif is_gone(path):
            raise ValueError(f"{os.fsdecode(path)!r} does not exist.")
        elif files[_place(path)] == path:  # not another spelling of one before
            yield about_file(path) or PhotoFile(path, 0, 0)


def count_named(words: Sequence[str], results: Sequence[str | None] = ()) -> int:
    """Count the photos that `find_named` finds, and refuse a result in the place of one.

    Raises:
      ValueError: as `find_named`, and if one of `results`, paths of files, is a photo to label.
    """
    places = {os.path.realpath(os.fsencode(path)) for path in results if path}
    count = 0
    for count, (path, *_) in enumerate(find_named(words), 1):  # noqa: B007
        if places and os.path.realpath(path) in places and about_file(path):
            raise ValueError(
                f"{os.fsdecode(path)!r} is a photo to label; name another file for the answers."
            )
    return count


def _place(path: bytes) -> bytes:
    """Give what is the same for all ways to one entry of a folder; a link is an entry itself."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)
