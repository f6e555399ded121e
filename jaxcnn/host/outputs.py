"""Files and folders that a user names for results: opened before the work, not those of others.

A file that this program wrote is recognised by how it begins, see `PAGE`, `PICTURE`, `JSON` and
`table`, and is replaced. Any other file is replaced only with `overwrite`.
"""

import contextlib
import logging
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from jaxcnn.host.text import printable

with contextlib.suppress(ImportError):  # Windows has none
    import fcntl

logger = logging.getLogger(__name__)

Mark = re.Pattern[bytes]
GENERATOR = "jaxcnn"  # what pages, pictures and JSON say wrote them
JSON: Mark = re.compile(rb'\{\s*"generator": "jaxcnn"')
PAGE: Mark = re.compile(rb'(?is)<!doctype html>.*<meta name="generator" content="jaxcnn"')
PICTURE: Mark = re.compile(rb"(?s)\x89PNG.*tEXtSoftware\0jaxcnn")
_HEAD_BYTES = 8192  # a mark lies within


def table(*columns: str) -> Mark:
    """Make the mark of tables (CSV) whose header begins with these columns."""
    return re.compile(re.escape(",".join(columns)).encode())


class OutputError(ValueError):
    """A file or folder may not or cannot be written; the message says what to do."""


class Output:
    """A text file for results: opened at once, written bit by bit, in place when complete.

    Use it in a `with` block. Text goes to PATH.part, which replaces PATH at the end of the block.
    If the block raises, PATH stays as it was; if `holds` says what is in PATH.part, it stays too,
    and a line is logged. A device or pipe, such as /dev/stdout, is written directly.

    Attributes:
      name: the path as it was given, for the screen.
      part: the file that is written.
      holds: what it holds so far, e.g. "answers of 312 photos"; "" for nothing worth keeping.
    """

    def __init__(self, path: Path | str, mark: Mark, *, overwrite: bool = False) -> None:
        """Open the file.

        Args:
          path: the file; its folder exists.
          mark: how files of its kind begin that this program wrote.
          overwrite: replace what is there, whoever wrote it.

        Raises:
          OutputError: if it cannot be written, or another program wrote what is there.
        """
        self.holds = ""
        self.name = printable(path)
        self._path = Path(path).expanduser()
        try:
            # /dev/stdout is a link too, to a file where standard output goes to one.
            is_special = "/dev" in map(str, self._path.parents) or _is_special(self._path)
            if not is_special:
                self._path = Path(os.path.realpath(self._path))  # a link's target, not the link
            self.part = self._path if is_special else Path(f"{self._path}.part")
            for each in () if is_special else (self._path, self.part):
                check_file(each, mark, overwrite=overwrite)
            self._file: TextIO = self.part.open("a", encoding="utf-8", newline="")
            if not is_special:
                self._claim()
                self._file.truncate(0)
        except OSError as error:
            raise OutputError(self._cannot(error)) from error

    def _claim(self) -> None:
        """Refuse a file that another result goes to, of this program or another."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise OutputError(f"{self.name} is being written already; name another file.") from None
        except (NameError, OSError):  # on Windows, and on drives without locks
            pass

    def write(self, text: str) -> int:
        """Write text; until `flush` it may be in memory alone."""
        try:
            return self._file.write(text)
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Give the system what was written, so that it outlives this process."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> "Output":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put the file in its place, or keep what was written so far."""
        is_special = self.part == self._path
        if kind is None:
            try:
                self._file.close()
                if not is_special:
                    os.replace(self.part, self._path)
            except OSError as failure:
                raise self._failed(failure) from failure
            return
        with contextlib.suppress(OSError):  # the disk may be full
            self._file.close()
        if is_special:
            return
        if self.holds:
            logger.warning(f"{self.holds} so far: {printable(self.part)}")
        else:
            self.part.unlink(missing_ok=True)

    def _cannot(self, error: OSError) -> str:
        return f"{self.name} cannot be written: {(error.strerror or str(error)).lower()}."

    def _failed(self, error: OSError) -> OSError:
        failure = OSError(self._cannot(error))
        failure.errno = error.errno
        return failure


def check_folder(path: Path | str, *marks: Mark, overwrite: bool = False) -> Path:
    """Make a folder for results; refuse one that holds files of other programs.

    Args:
      path: the folder.
      *marks: how the files begin that this program writes there.
      overwrite: take it, whatever it holds; files of the same names are replaced.

    Returns:
      The folder, which exists.

    Raises:
      OutputError: if it cannot be made or written to, or holds another program's file.
    """
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in () if overwrite else sorted(folder.iterdir()):
            if each.is_dir() or not _is_own(each, marks):
                raise OutputError(
                    f"{printable(path)} holds {printable(each.name)}, which this program did not "
                    "write; name a new folder, or write into it with overwrite=True."
                )
        if not os.access(folder, os.W_OK):
            raise PermissionError(0, "no permission to write there")
    except OSError as error:
        why = "it is a file" if folder.exists() and not folder.is_dir() else error.strerror or error
        raise OutputError(
            f"{printable(path)} cannot be the folder for results: {str(why).lower()}."
        ) from error
    return folder


def _is_special(path: Path) -> bool:
    """Tell whether a path is a device or a pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:  # opening it will say so
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_file(path: Path, mark: Mark, *, overwrite: bool) -> None:
    """Refuse a place where a file may not be written.

    Args:
      path: the file.
      mark: how files of its kind begin that this program wrote.
      overwrite: whether what is there may be replaced, whoever wrote it.

    Raises:
      OutputError: if it is a folder, its folder does not exist, it is read-only, or another
        program wrote it.
    """
    name = printable(path)
    if path.is_dir():
        raise OutputError(f"{name} is a folder; name a file, for instance one in it.")
    if not path.parent.is_dir():
        raise OutputError(f"{name} cannot be written: {printable(path.parent)} is not a folder.")
    if not path.exists():
        return
    if not os.access(path, os.W_OK):
        raise OutputError(f"{name} cannot be written: it is read-only.")
    if not overwrite and not _is_own(path, [mark]):
        raise OutputError(
            f"{name} exists, and this program did not write it; name another file, or replace it "
            "with overwrite=True."
        )


def _is_own(path: Path, marks: Sequence[Mark]) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return not head or any(mark.match(head) for mark in marks)
