"""A table of decisions that grows row by row, each on the disk before `add` returns."""

import contextlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from jaxcnn.data.decisions.decision_table import (
    COLUMNS,
    Decision,
    DecisionError,
    current,
    decision_line,
    parse_decisions,
    write_decisions,
)

with contextlib.suppress(ImportError):  # Windows has none
    import fcntl

logger = logging.getLogger(__name__)


class DecidedMeanwhileError(ValueError):
    """Another tab or program has decided about the photo since it was shown."""


class DecisionLog:
    """Decisions, appended to a table; any number of threads, programs and editors may share it.

    A kill between any two bytes loses at most the row that is being written: a last line that is
    cut off is removed when the table is opened next.

    Args:
      path: the table; made where it is not there.
      begin_with: decisions that a table begins with that is made.

    Raises:
      DecisionError: if it cannot be written, or what is there is no table of decisions with all
        columns in their order.

    Example:
      >>> log = DecisionLog("decisions.csv")
      >>> log.add(Decision("cat/1.jpg", "exclude", "cat"))
      >>> DecisionLog("decisions.csv").current()["cat/1.jpg"].decision
      'exclude'
    """

    def __init__(self, path: Path | str, begin_with: Iterable[Decision] = ()) -> None:
        self.path = Path(path)
        self._begin_with = list(begin_with)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None  # of the file as it was read
        self._rows: list[Decision] = []
        self._counts: Counter[str] = Counter()
        self._current: dict[str, Decision] = {}
        with self._opened():
            pass

    def current(self) -> dict[str, Decision]:
        """Give the decision that counts for each photo, by name."""
        with self._opened():
            return self._current

    def version(self, name: str) -> int:
        """Give the number of decisions that were ever made about a photo, undone ones too."""
        with self._opened():
            return self._counts[name]

    def add(self, row: Decision, *, version: int | None = None) -> None:
        """Write a decision, and wait until the disk has it.

        Args:
          row: the decision.
          version: of the photo when it was shown; None to decide whatever happened since.

        Raises:
          DecidedMeanwhileError: if there is a decision since that version.
          DecisionError: if the table was damaged meanwhile, or cannot be written.
        """
        with self._opened() as file:
            if version is not None and version != self._counts[row.name]:
                raise DecidedMeanwhileError(
                    f"{row.name} was decided about in another tab meanwhile; look at it again."
                )
            file.seek(0, os.SEEK_END)
            file.write(decision_line(row))
            file.flush()
            os.fsync(file.fileno())
            self._take([*self._rows, row], file)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Open the table for this thread alone, read again where it has changed."""
        try:
            with self._lock:
                if not self.path.exists():
                    write_decisions(self.path, self._begin_with)
                with self.path.open("r+b") as file:
                    with contextlib.suppress(NameError, OSError):  # on drives without locks
                        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
                    if _stamp_of(file) != self._stamp:
                        self._read(file)
                    yield file
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DecisionError(
                f"{self.path} cannot be written: {reason}; no decision was taken down."
            ) from error

    def _read(self, file: BinaryIO) -> None:
        data = file.read()
        table = parse_decisions(data, self.path)
        if table.columns != COLUMNS:
            raise DecisionError(
                f"{self.path} has the columns {','.join(table.columns)}; decisions can be added to "
                f"{','.join(COLUMNS)} alone."
            )
        if table.torn:
            logger.warning(
                f"the last line of {self.path} was cut off and is removed: {table.torn!r}"
            )
            file.truncate(table.end)
        if not data[: table.end].endswith(b"\n"):
            file.seek(table.end)
            file.write(b"\n")
            file.flush()
        self._take(table.rows, file)

    def _take(self, rows: list[Decision], file: BinaryIO) -> None:
        self._rows, self._stamp = rows, _stamp_of(file)
        self._counts = Counter(row.name for row in rows)
        self._current = current(rows)


def _stamp_of(file: BinaryIO) -> tuple[int, int, int]:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns
