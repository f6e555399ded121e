"""What a person decided about photos, in a table (CSV) that programs and people write.

    name,decision,label,new_label,time
    cat/1.jpg,relabel,cat,dog,2026-11-29T10:38:22+00:00

`decision` is keep, relabel, exclude, or undo, which takes back the last decision about the photo;
of several about one photo the last counts. `label` is the photo's class where its source has it;
a decision about another label no longer counts. Only `name` and `decision` have to be there.
"""

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxcnn.host.files import write_text
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import printable, read_cell, table_line

logger = logging.getLogger(__name__)

_MARK = b"\xef\xbb\xbf"  # what some spreadsheets write before UTF-8
KEEP, RELABEL, EXCLUDE, UNDO = KINDS = ("keep", "relabel", "exclude", "undo")


class DecisionError(ValueError):
    """A table of decisions cannot be used; the message says which line, and what to do."""


class Decision(NamedTuple):
    """One decision about one photo."""

    name: str  # the photo's, as its source names it
    decision: str  # one of KINDS
    label: str = ""  # the name of its class in the source; "" for whatever it is
    new_label: str = ""  # the name of the class that it shows, with "relabel"
    time: str = ""  # ISO 8601


COLUMNS = Decision._fields


class DecisionTable(NamedTuple):
    """A table of decisions as it lies on disk."""

    columns: tuple[str, ...]
    rows: list[Decision]  # in order, those taken back among them
    torn: str  # a last line that is cut off, which does not count; "" for none
    end: int  # bytes up to there


def read_decisions(path: Path | str, *, tell: bool = True) -> dict[str, Decision]:
    r"""Read which decision counts for each photo.

    A last line that a kill cut off does not count.

    Args:
      path: a table as this module's text shows, UTF-8; columns in any order, others are passed
        over.
      tell: log it if the last line is cut off.

    Returns:
      Decisions by the names of their photos, in the order of the file.

    Raises:
      DecisionError: if it cannot be read, or a line of it cannot be understood.

    Example:
      >>> Path("decisions.csv").write_text("name,decision\ncat/1.jpg,exclude\n") > 0
      True
      >>> read_decisions("decisions.csv")["cat/1.jpg"].decision
      'exclude'
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DecisionError(f"decisions (={path}) cannot be read: {reason}.") from error
    table = parse_decisions(data, path)
    if table.torn and tell:
        logger.warning(f"the last line of {path} is cut off and does not count: {table.torn!r}")
    return current(table.rows)


def current(rows: Iterable[Decision]) -> dict[str, Decision]:
    """Find which decision counts for each photo, once those that were taken back are left out.

    Example:
      >>> rows = [Decision("a", "keep"), Decision("a", "exclude"), Decision("a", "undo")]
      >>> current(rows)["a"].decision
      'keep'
    """
    stacks: dict[str, list[Decision]] = {}
    for row in rows:
        stack = stacks.setdefault(row.name, [])
        if row.decision != UNDO:
            stack.append(row)
        elif stack:
            stack.pop()
    return {name: stack[-1] for name, stack in stacks.items() if stack}


def parse_decisions(data: bytes, path: Path | str) -> DecisionTable:
    """Read a table of decisions from its bytes; `path` is for messages.

    Raises:
      DecisionError: as `read_decisions`.
    """
    mark = len(_MARK) if data.startswith(_MARK) else 0
    whole, tail = _torn_apart(data[mark:])
    if not whole:  # a header alone
        whole, tail = tail, b""
    lines = list(_lines(whole, path))
    columns = _columns(lines[0][1] if lines else [], path)
    rows = [_row(cells, columns, f"line {number} of {path}") for number, cells in lines[1:]]
    last = _last_row(tail, columns, f"the last line of {path}") if tail.strip() else None
    if last:
        return DecisionTable(columns, [*rows, last], "", len(data))
    torn = tail.decode("utf-8", "replace").strip()
    return DecisionTable(columns, rows, torn, mark + len(whole))


def _torn_apart(data: bytes) -> tuple[bytes, bytes]:
    """Split off what follows the last end of a line that lies outside of quotes."""
    end = at = quotes = 0
    for line in data.split(b"\n")[:-1]:
        at += len(line) + 1
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            end = at
    return data[:end], data[end:]


def _lines(data: bytes, path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """Give the number and the cells of each line that is not empty."""
    try:
        reader = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
        for cells in reader:
            if any(map(str.strip, cells)):
                yield reader.line_num, cells
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise DecisionError(f"line {number} of {path} is not UTF-8; save it as UTF-8.") from error
    except csv.Error as error:
        raise DecisionError(f"{path} is no table of commas (CSV): {error}.") from error


def _columns(header: Sequence[str], path: Path | str) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in header)
    if not {"name", "decision"} <= set(columns):
        got = repr(printable(",".join(header)))[:80] if header else "nothing"
        raise DecisionError(f"{path} begins with {got}; expected the columns {','.join(COLUMNS)}.")
    return columns


def _row(cells: Sequence[str], columns: Sequence[str], where: str) -> Decision:
    known = {k: v for k, v in zip(columns, cells, strict=False) if k in COLUMNS}
    row = Decision(**{name: read_cell(cell) for name, cell in known.items()})
    row = row._replace(decision=row.decision.strip().lower())
    if not row.name:
        raise DecisionError(f"{where} names no photo.")
    if row.decision not in KINDS:
        raise DecisionError(f"{where}: {unknown_name('decision', row.decision, KINDS)}")
    if (row.decision == RELABEL) != bool(row.new_label):
        got = f"new_label (={row.new_label})" if row.new_label else "no new_label"
        raise DecisionError(
            f"{where} has {got} with {row.decision}; relabel needs one, and nothing else has one."
        )
    return row


def _last_row(tail: bytes, columns: Sequence[str], where: str) -> Decision | None:
    """Read a line without its end; None where not all of its cells are there."""
    try:
        cells = next(csv.reader(io.StringIO(tail.decode(), newline=""), strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return None
    return _row(cells, columns, where) if len(cells) >= len(columns) else None


def decision_line(row: Decision) -> bytes:
    """Write a decision as a line of a table that has all columns."""
    return table_line(row).encode("utf-8", "backslashreplace")


def write_decisions(path: Path | str, decisions: Iterable[Decision]) -> None:
    """Write a table of decisions, all at once; one that is there is replaced."""
    write_text(Path(path), "".join(map(table_line, [COLUMNS, *decisions])))
