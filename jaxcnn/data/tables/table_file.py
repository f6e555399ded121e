"""Read a table of labels: CSV, TSV, JSON lines or Parquet, as columns of plain values.

Nothing is guessed of a table that cannot be read for sure: the error says what is wrong with it,
in which line, and what to do.
"""

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxcnn.data.folder import FolderError
from jaxcnn.host.text import first_line, listed, printable

if TYPE_CHECKING:
    import pyarrow

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, *JSON_SUFFIXES, *PARQUET_SUFFIXES)
_DELIMITERS = ",;\t"
_LOOKED_AT = 200  # lines that the delimiter is found by
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")


class TableError(FolderError):
    """A table, or what it names, cannot be used; the message says why and what to do."""


class Table(NamedTuple):
    """A table, column by column.

    Attributes:
      path: the file, for messages.
      columns: values by the column's name; a missing one is None.
      numbers: of each row, its line in the file, the header being line 1.
      class_names: of a column that holds positions, the classes' names, where the file has them.
      uneven: numbers of lines that have more fields than the header; they are no rows.
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    numbers: Sequence[int]
    class_names: Mapping[str, Sequence[str]] = {}
    uneven: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.numbers)


def read_table(path: str | Path) -> Table:
    """Read a table.

    A column's name is taken without the blanks around it. Of CSV the delimiter is found: comma,
    semicolon or tab. Lines without any value are passed over.

    Args:
      path: file that ends in one of `TABLE_SUFFIXES`. Text is UTF-8, with or without a byte order
        mark. JSON is one object per line, or one list of objects.

    Returns:
      The table; values of text files are texts as they stand there.

    Raises:
      TableError: if the file is missing, of another kind, damaged, not UTF-8, or has no rows.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        what = "save the sheet as 'CSV UTF-8'" if suffix in _SHEETS else "give one of these"
        raise TableError(
            f"the table {_quoted(path)} must end in {listed(TABLE_SUFFIXES, 20)}; {what}."
        )
    try:
        if suffix in PARQUET_SUFFIXES:
            table = _read_parquet(path)
        elif suffix in JSON_SUFFIXES:
            table = _read_json(path, decoded_text(path))
        else:
            table = _read_text(path, decoded_text(path), "\t" if suffix == ".tsv" else "")
    except FileNotFoundError:
        raise TableError(f"the table {_quoted(path)} does not exist.") from None
    except OSError as error:
        reason = (error.strerror or first_line(error)).lower().rstrip(".")
        raise TableError(f"the table {_quoted(path)} cannot be read: {reason}.") from error
    if not len(table):
        raise TableError(f"the table {_quoted(path)} has no rows.")
    return table


def decoded_text(path: Path) -> str:
    """Read a file of text in UTF-8.

    Raises:
      OSError: if it cannot be read.
      TableError: if it is in another encoding.
    """
    data = path.read_bytes()
    advice = "save it as 'CSV UTF-8', or in UTF-8 from an editor."
    if data.startswith(_UTF_16):
        raise TableError(f"{_quoted(path)} is in UTF-16, not in UTF-8; {advice}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableError(f"{_quoted(path)} is not in UTF-8 (line {line}); {advice}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TableError(f"{_quoted(path)} holds zero bytes (line {line}), so it is no table.")
    return text


def _read_text(path: Path, text: str, delimiter: str) -> Table:
    if found := re.match(r"sep=(.)\r?\n", text):  # Excel's own hint
        delimiter, text = found[1], text[found.end() :]
    delimiter = delimiter or _find_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, numbers, uneven = [], [], []
    header: list[str] = []
    skipped = 1 if found else 0
    try:
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if not header:
                header = [field.strip() for field in row]
            elif len(row) > len(header) and any(field.strip() for field in row[len(header) :]):
                uneven.append(reader.line_num + skipped)
            else:
                rows.append(row + [""] * (len(header) - len(row)))
                numbers.append(reader.line_num + skipped)
    except csv.Error as error:
        raise TableError(
            f"line {reader.line_num + skipped} of {_quoted(path)} cannot be read ({error}); look "
            "for a quotation mark that is not closed."
        ) from None
    if not header:
        raise TableError(f"the table {_quoted(path)} is empty.")
    _check_header(path, header)
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header) if name}
    return Table(path, columns, numbers, uneven=uneven)


def _check_header(path: Path, header: Sequence[str]) -> None:
    """Refuse two columns of one name."""
    counts = Counter(name.casefold() for name in header if name)
    twice = [name for name in dict.fromkeys(header) if counts[name.casefold()] > 1]
    if twice:
        raise TableError(
            f"{_quoted(path)} has several columns called {printable(twice[0])!r}; rename all but "
            "one."
        )


def _find_delimiter(text: str) -> str:
    """Find the delimiter that splits most of the first lines into as many fields as the header."""
    lines = text.splitlines()[:_LOOKED_AT]

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0.0, 0
        width = len(rows[0]) if rows else 0
        if width < 2:
            return 0.0, 0
        return sum(len(row) == width for row in rows) / len(rows), width

    return max(_DELIMITERS, key=fit)  # the first of those that fit as well: the comma


def _read_json(path: Path, text: str) -> Table:
    if text.lstrip().startswith("["):
        objects = list(enumerate(_parsed_json(path, text, 1), 1))
    else:
        lines = enumerate(text.split("\n"), 1)
        objects = [(n, _parsed_json(path, line, n)) for n, line in lines if line.strip()]
    for number, item in objects:
        if not isinstance(item, dict):
            raise TableError(
                f"line {number} of {_quoted(path)} holds {_kind(item)}; expected one object per "
                'line, such as {"file": "1.jpg", "label": "cat"}.'
            )
    names = dict.fromkeys(name for _, item in objects for name in item)
    stripped = [name.strip() for name in names]
    _check_header(path, stripped)
    columns = {
        short: [item.get(name) for _, item in objects]
        for name, short in zip(names, stripped, strict=True)
        if short
    }
    return Table(path, columns, [number for number, _ in objects])


def _parsed_json(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(
            f"line {line} of {_quoted(path)} is no JSON ({first_line(error)}); expected one object "
            "per line."
        ) from None


def _kind(value: Any) -> str:
    names = {str: "a text", list: "a list", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _read_parquet(path: Path) -> Table:
    with open_parquet(path) as file:
        schema = file.schema_arrow
        plain = [field.name for field in schema if not holds_bytes(field.type)]
        numbers = range(1, file.metadata.num_rows + 1)
        return Table(path, parquet_columns(file, path, plain), numbers, class_names_of(schema))


def parquet_columns(file: Any, path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Read columns of a Parquet file as plain values; times and durations become texts.

    Args:
      file: as `open_parquet` gives.
      path: the file, for messages.
      names: of the columns.

    Raises:
      TableError: if the file is damaged, or a column holds values that Python cannot.
    """
    import pyarrow

    try:
        table = file.read(columns=list(names))
    except (pyarrow.ArrowException, OSError) as error:
        raise TableError(f"{_quoted(path)} is damaged: {first_line(error).rstrip('.')}.") from error
    return {name: _plain_values(table.column(name), path, name) for name in table.column_names}


def _plain_values(column: Any, path: Path, name: str) -> list[Any]:
    """Give a column's values; Python's own times end at microseconds and at the year 9999."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind):  # without a zone, whose names may be unknown here
        column = column.cast(pyarrow.timestamp(kind.unit))
    elif pyarrow.types.is_duration(kind):
        column = column.cast(pyarrow.int64())
    try:
        column = column.cast(pyarrow.string()) if pyarrow.types.is_temporal(kind) else column
        values: list[Any] = column.to_pylist()
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise TableError(
            f"column {printable(name)!r} of {_quoted(path)} cannot be read "
            f"({first_line(error).rstrip('.')}); leave it out of the file."
        ) from error
    return values


def open_parquet(path: Path) -> Any:
    """Open a Parquet file.

    Raises:
      OSError: if it cannot be read.
      TableError: if it is no Parquet file, or damaged.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise TableError(f"{_quoted(path)} is no Parquet file: {first_line(error)}") from error


def holds_bytes(kind: "pyarrow.DataType") -> bool:
    """Tell whether a column holds files, as bytes or as {bytes, path}; not texts or numbers."""
    from pyarrow import types

    if types.is_struct(kind):
        names = [field.name for field in kind]
        return "bytes" in names and holds_bytes(kind.field(names.index("bytes")).type)
    return types.is_binary(kind) or types.is_large_binary(kind)


def class_names_of(schema: "pyarrow.Schema") -> dict[str, list[str]]:
    """Read the names of classes that Hugging Face's `datasets` writes into a Parquet file.

    Returns:
      Of each column of type ClassLabel, or list of ClassLabel, the names in the labels' order.
    """
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        features = about["info"]["features"].items()
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    found = {}
    for column, feature in features:
        while isinstance(feature, list) and feature:
            feature = feature[0]
        while isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
            feature = feature["feature"]
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            found[column] = [str(name) for name in feature.get("names") or ()]
    return {column: names for column, names in found.items() if names}


def is_missing(value: Any) -> bool:
    """Tell whether a cell holds nothing: None, not a number, or blanks."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def _quoted(path: Path) -> str:
    return repr(printable(path))
