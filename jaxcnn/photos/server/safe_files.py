"""Open a photo of the index, and nothing that lies elsewhere.

A path is trusted only as far as the folders that were indexed: between indexing and now a file may
have become a link to something private, and a folder on the way to it may have too, even while it
is being opened. So the path is resolved, compared with the folders, and then walked from the folder
down without following any link. What a link leads to elsewhere is shown if its bytes are those of a
photo of the index.
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from jaxcnn.data.photo_files import MAX_BYTES, digest

# A FIFO must not block the server, nor a terminal become its own.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_READ |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0)
_CAN_WALK = os.open in os.supports_dir_fd and bool(_NO_LINK and _FOLDER)


class PhotoGoneError(ValueError):
    """A photo of the index cannot be shown any more; the message says why, without its path."""


def open_inside(
    path: Path | str,
    roots: Iterable[Path | str],
    is_indexed: Callable[[bytes], object] = lambda content: False,
) -> BinaryIO:
    """Open a regular file that lies under one of the folders, for reading.

    Args:
      path: the file, absolute; links on the way are followed only where they end under a folder,
        or at a photo that is indexed.
      roots: the folders, absolute.
      is_indexed: whether a digest is that of a photo of the index, see `data.photo_files.digest`.

    Returns:
      The open file, to be closed by the caller.

    Raises:
      PhotoGoneError: if it is not there, is no regular file, or lies under none of the folders.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
        for root in roots:
            folder = Path(os.path.realpath(root))
            if real != folder and real.is_relative_to(folder):
                return _regular(_walk(folder, real.relative_to(folder).parts))
        return _known(real, is_indexed)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        if isinstance(error, PhotoGoneError):
            raise
        raise PhotoGoneError(_why(Path(path), roots, error)) from error


def _why(path: Path, roots: Iterable[Path | str], error: Exception) -> str:
    """Say why a photo cannot be opened, without its path."""
    if isinstance(error, PermissionError):
        return "this photo may not be read; allow this user to read it."
    folders = [Path(root) for root in roots if path.is_relative_to(root)]
    if folders and not any(map(_may_hold_photos, folders)):
        return (
            "the folder of this photo is not there, or empty; is its drive connected? If it is, "
            "index the folder again."
        )
    if isinstance(error, FileNotFoundError):
        return "this photo was moved, renamed or deleted; index its folder again."
    return "this photo is not where it was indexed; index its folder again."


def _may_hold_photos(folder: Path) -> bool:
    """Tell whether a folder holds anything; an empty one may be where a drive is mounted."""
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except PermissionError:
        return True
    except OSError:
        return False


def _known(real: Path, is_indexed: Callable[[bytes], object]) -> BinaryIO:
    """Open a file that lies elsewhere, if its bytes are known."""
    file = _regular(os.open(real, _READ | _NO_LINK))
    size = os.fstat(file.fileno()).st_size
    if size <= MAX_BYTES and is_indexed(digest(file.read(size))):
        file.seek(0)
        return file
    file.close()
    raise PhotoGoneError("this photo no longer lies in an indexed folder; index it again.")


def _walk(folder: Path, parts: tuple[str, ...]) -> int:
    """Open a file by way of its folders, none of which may have turned into a link meanwhile."""
    if not _CAN_WALK:  # Windows, where making a link takes a privilege
        return os.open(folder.joinpath(*parts), _READ)
    here = os.open(folder, _READ | _FOLDER | _NO_LINK)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _READ | _FOLDER | _NO_LINK, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(parts[-1], _READ | _NO_LINK, dir_fd=here)
    finally:
        os.close(here)


def _regular(descriptor: int) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PhotoGoneError("what lies in this photo's place is no file; index its folder again.")
    return os.fdopen(descriptor, "rb")
