"""Files that are written whole, so that none is ever read half; their digests and locks."""

import contextlib
import errno
import hashlib
import json
import logging
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.host.text import first_line

if TYPE_CHECKING:
    from filelock import AcquireReturnProxy

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes the place of `path` when the block ends.

    Where the block raises, what was written is removed and `path` stays as it was. Processes may
    write the same path at once: the last to end wins.

    Args:
      path: the file to write; its folder exists.

    Yields:
      The path of an empty file in the same folder, with the same suffix.

    Raises:
      OSError: if the folder cannot be written to.
    """
    # The suffix is kept, since some writers add their own where it is missing.
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    part.touch(exist_ok=False)
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# The disk's own, no mistake of a user.
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_DISK_TROUBLES = (*FULL_DISK, errno.EACCES, errno.EPERM, errno.ESTALE)


def disk_trouble(error: BaseException | None) -> str:
    """Give the system's words where a full or read-only disk led to an error; else "".

    Example:
      >>> disk_trouble(RuntimeError("write failed [OS error 28: No space left on device]"))
      'no space left on device'
    """
    while error is not None:
        for number in _DISK_TROUBLES:
            told = os.strerror(number)
            if getattr(error, "errno", None) == number or told in str(error):
                return told.lower()
        error = error.__cause__ or error.__context__
    return ""


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes, all at once."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, all at once; line ends stay as they are.

    Bytes of a path that are no UTF-8 become backslash escapes, which JSON reads back as they were.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON, all at once."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Read an object of JSON.

    Args:
      path: the file.
      *keys: what the object has to hold.

    Raises:
      ValueError: in one line that names the file, if it is damaged or holds something else.
    """
    return _parsed(path, path.read_bytes(), path, keys)


def _parsed(path: Path, text: bytes, place: object, keys: Sequence[str] = ()) -> dict[str, Any]:
    try:
        found = json.loads(text)
        problem = "" if isinstance(found, dict) else f"it holds a {type(found).__name__}"
    except ValueError as error:
        found, problem = {}, first_line(error)
    if missing := [key for key in keys if key not in found] if not problem else []:
        problem = f"{missing[0]} is missing"
    if problem:
        raise ValueError(
            f"{place} is damaged ({problem}); bring {path.name} back from a copy, or train the run "
            "again."
        )
    return dict(found)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row of JSON per line, all at once."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def read_rows(path: Path, *keys: str) -> list[dict[str, Any]]:
    """Read what `write_rows` wrote; as `read_json` reads an object."""
    lines = path.read_bytes().splitlines()
    return [_parsed(path, line, f"line {i} of {path}", keys) for i, line in enumerate(lines, 1)]


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a compressed .npz, all at once; `np.load` reads it without pickle."""
    with replacing(path) as part, part.open("wb") as file:
        # mypy takes the arrays for the option that comes after them.
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


class DamagedFileError(ValueError):
    """A file is not whole; the message says what is wrong with it."""


# What zipfile and NumPy raise of damaged files; the second of unknown ways to compress.
_DAMAGE = (ValueError, RuntimeError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@contextlib.contextmanager
def open_arrays(path: Path) -> Iterator[Any]:
    """Open an .npz without pickle; what its arrays are used for in the block may fail as well.

    Args:
      path: the file.

    Yields:
      Arrays by name, read when they are asked for.

    Raises:
      OSError: if the file cannot be read.
      DamagedFileError: if it is damaged, or lacks an array, or the block raises a ValueError.

    Example:
      >>> write_arrays(Path("a.npz"), {"x": np.arange(3)})
      >>> with open_arrays(Path("a.npz")) as arrays:
      ...     arrays["x"].tolist()
      [0, 1, 2]
    """
    try:
        # np.load leaves a damaged file open, were it to open it by itself.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except OSError as error:
        if error.errno is not None:
            raise
        raise DamagedFileError(first_line(error)) from error  # of a decompressor
    except _DAMAGE as error:
        raise DamagedFileError(first_line(error)) from error


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Compute the SHA-256 of a file without holding it in memory.

    Args:
      path: the file.

    Returns:
      64 lower-case hex digits.

    Raises:
      OSError: if the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locked(path: Path, waiting: str) -> "AcquireReturnProxy":
    """Take a lock that other processes respect, to be held in a `with` block.

    Args:
      path: the lock's file; its folder exists.
      waiting: told where another process holds the lock, which is then waited for.

    Returns:
      The lock, taken.

    Raises:
      OSError: if the file cannot be written.
      NotImplementedError: if the file system knows no locks.
    """
    import filelock  # here, so that networks and steps can be imported without it

    lock = filelock.FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        logger.info(waiting)
        return lock.acquire()
