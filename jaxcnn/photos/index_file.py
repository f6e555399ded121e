"""The file of an index: what is at its path, and how it is opened, made and replaced.

SQLite keeps what is not yet in the file in companions beside it. Beside another file they would be
taken for its own, so they are removed with their file.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from jaxcnn.host.files import replacing
from jaxcnn.photos.index_format import SCHEMA, WHAT, PhotoIndexError, UnusableIndexError

_HEADER = b"SQLite format 3\0"
_MARKS = (b"what" + WHAT.encode(), b"taken_by_exif INTEGER NOT NULL")  # a row, and a table
_HEAD_BYTES = 2**17  # two pages of the largest size; the marks are in the first two
_COMPANIONS = ("-journal", "-wal", "-shm")
_TIMEOUT_S = 30.0  # while another process writes
_WITHOUT_LOCKS = "win32-none" if os.name == "nt" else "unix-none"
_DAMAGE = {  # not, for instance, a full disk or a lock
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_ERROR,  # a table is not there
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_NOTADB,
}


class ForeignFileError(PhotoIndexError):
    """The file is not an index: another program or a person made it."""


def holds_index(path: Path, *, hint: str = "") -> bool:
    """Tell by its bytes whether a file is an index, damaged or not, without opening it as one.

    Args:
      path: the file.
      hint: what else may be done where the file is something else.

    Returns:
      True if it is; False where no file is, or an empty one.

    Raises:
      ForeignFileError: if it is something else.
      PhotoIndexError: if it cannot be read.
    """
    try:
        if path.is_dir():
            raise ForeignFileError(
                f"{path} is a folder, not an index of photos; name a file in it."
            )
        if not path.exists():
            return False
        if not path.is_file():
            raise ForeignFileError(f"{path} is not a regular file; name another one.")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise PhotoIndexError(f"{path} cannot be read: {error.strerror}.") from error
    if head and not any(mark in head for mark in _MARKS):
        raise ForeignFileError(
            f"{path} is {_kind_of(path, head)}, not an index of photos; name another file{hint}."
        )
    return bool(head)


def _kind_of(path: Path, head: bytes) -> str:
    if head.startswith(_HEADER):
        return "a SQLite database of another program"
    with contextlib.suppress(Exception), Image.open(path) as image:  # anything may lie there
        return f"a {image.format} image"
    with contextlib.suppress(UnicodeDecodeError):
        if "\0" not in head[:1024].decode("utf-8", "strict"):
            return "a text file"
    return "a file of another kind"


@contextlib.contextmanager
def telling(path: Path, what: str = "read") -> Iterator[None]:
    """Raise errors of SQLite, and of what is read from it, as one line.

    Args:
      path: the index.
      what: what is done with it, for the message.

    Raises:
      UnusableIndexError: if the file is damaged.
      PhotoIndexError: if it cannot be used for another reason, such as a full disk.
    """
    try:
        yield
    except PhotoIndexError:
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _DAMAGE:
            raise UnusableIndexError(path, f"it is damaged ({error})") from error
        raise PhotoIndexError(f"{path} cannot be {what}: {error}.") from error
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise UnusableIndexError(path, f"it is damaged ({error})") from error


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the file, "ro" to read or "rw" to write, for use from any thread.

    Raises:
      PhotoIndexError: if it cannot be opened.
    """
    with telling(path, "opened"):
        connection = _open(path, mode)
        if mode == "rw":
            return connection
        try:
            connection.execute("SELECT 1 FROM sqlite_master")
        except sqlite3.OperationalError as error:
            connection.close()
            code = error.sqlite_errorcode & 0xFF
            if (
                code == sqlite3.SQLITE_READONLY
            ):  # a killed process left something to roll back first
                with contextlib.closing(_open(path, "rw")) as writing:
                    writing.execute("SELECT 1 FROM sqlite_master")
                return _open(path, mode)
            if code != sqlite3.SQLITE_CANTOPEN:
                raise
            # In a folder that is read-only SQLite can make no PATH-shm for what is in PATH-wal. It
            # keeps that in memory if it may take the file for its own.
            connection = _open(path, f"ro&vfs={_WITHOUT_LOCKS}")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=_TIMEOUT_S,
        check_same_thread=False,
        isolation_level=None,
    )


def make(path: Path) -> None:
    """Write an empty index, whole or not at all."""
    remove(path)
    with replacing(path) as part, contextlib.closing(_open(part, "rw")) as connection:
        connection.executescript(f"BEGIN;{SCHEMA}COMMIT;")


def remove(path: Path) -> None:
    """Remove a file and its companions, these last, so that they never meet another file."""
    for name in ("", *_COMPANIONS):
        path.with_name(path.name + name).unlink(missing_ok=True)


def install(built: Path, path: Path) -> None:
    """Put a finished index in the place of what lies at a path.

    An index is overwritten by SQLite in one transaction: a kill or a full disk rolls it back, and
    other readers see it whole. A damaged one, or another file, is replaced.

    Args:
      built: the finished index, closed; it is gone afterwards.
      path: the place.

    Raises:
      PhotoIndexError: if that fails; what lies there is then unchanged.
    """
    with telling(path, "written"):
        try:
            if holds_index(path):
                _overwrite(path, built)
                remove(built)
                return
        except (ForeignFileError, UnusableIndexError):
            pass
        for name in _COMPANIONS:
            path.with_name(path.name + name).unlink(missing_ok=True)
        os.replace(built, path)


def _overwrite(path: Path, built: Path) -> None:
    with (
        contextlib.closing(connect(built, "ro")) as source,
        contextlib.closing(connect(path, "rw")) as target,
        telling(path, "written"),
    ):
        target.execute("PRAGMA journal_mode = WAL")  # readers do not block it
        target.executescript("BEGIN IMMEDIATE; ROLLBACK")  # `backup` would wait for ever
        source.backup(target)
        with contextlib.suppress(sqlite3.Error):  # a reader is there; the next writer does it
            target.execute("PRAGMA journal_mode = DELETE")
