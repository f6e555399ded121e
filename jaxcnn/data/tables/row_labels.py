"""The labels of a table's rows: one text, or several, from one column or from many."""

import ast
import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

from jaxcnn.data.tables.class_labels import Label, label_text
from jaxcnn.data.tables.table_columns import as_flag
from jaxcnn.data.tables.table_file import Table, TableError, is_missing
from jaxcnn.host.text import printable


def row_labels(table: Table, columns: Sequence[str], separator: str | None = None) -> list[Label]:
    """Read the label of each row.

    Args:
      table: the table.
      columns: the column of labels; or several, one per class, of 0 and 1.
      separator: what stands between several labels in one text; None where there is one.

    Returns:
      Of each row a text, or a tuple of texts; None where the row has none. An empty list is a tuple
      without texts: none of the classes.

    Raises:
      TableError: if a value cannot be a label; the message names its line.

    Example:
      >>> from pathlib import Path
      >>> table = Table(Path("a.csv"), {"tags": ["cat;dog", "dog", ""]}, [2, 3, 4])
      >>> row_labels(table, ["tags"], ";")
      [('cat', 'dog'), ('dog',), None]
    """
    if len(columns) > 1:
        return _of_flags(table, columns)
    (column,) = columns
    values = _as_lists(table.columns[column])
    names = table.class_names.get(column)
    return [
        _label(value, names, separator, functools.partial(_where, table, number, column))
        for value, number in zip(values, table.numbers, strict=True)
    ]


def _of_flags(table: Table, columns: Sequence[str]) -> list[Label]:
    """Read one column of 0 and 1 per class; where each row has one 1, it is the row's one label."""
    flags = []
    for column in columns:
        flags.append([as_flag(value) for value in table.columns[column]])
        if None in flags[-1]:
            row = flags[-1].index(None)
            value = table.columns[column][row]
            raise TableError(
                f"{_where(table, table.numbers[row], column)} holds {value!r}; expected 0 or 1, "
                "for label_column names several columns, one per class."
            )
    found = [
        tuple(name for name, flag in zip(columns, row, strict=True) if flag)
        for row in zip(*flags, strict=True)
    ]
    if all(len(each) == 1 for each in found):
        return [each[0] for each in found]
    return list(found)


def _as_lists(values: Sequence[Any]) -> Sequence[Any]:
    """Read lists that are written as text, as `["cat", "dog"]`; where all are."""
    texts = [value for value in values if not is_missing(value)]
    if not texts or not all(isinstance(text, str) and text.strip()[:1] == "[" for text in texts):
        return values
    read = [None if is_missing(value) else _list_of(value) for value in values]
    return values if any(each is None for each in map(_list_of, texts)) else read


def _list_of(text: str) -> list[Any] | None:
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else None
    return None


def _label(
    value: Any, names: Sequence[str] | None, separator: str | None, where: Callable[[], str]
) -> Label:
    if isinstance(value, (list, tuple)):
        if any(isinstance(each, (list, tuple)) for each in value):
            raise TableError(
                f"{where()} holds a list of lists; expected a list of texts or numbers."
            )
        found = [_label(each, names, None, where) for each in value]
        texts = tuple(each for each in found if isinstance(each, str))
        return texts if texts or not value else None  # a list of nothing but missing values
    if isinstance(value, dict):
        raise TableError(
            f"{where()} holds an object; expected a text, a number, or a list of these."
        )
    if is_missing(value):
        return None
    if names is not None and isinstance(value, int) and not isinstance(value, bool):
        if value >= len(names):
            raise TableError(f"{where()} holds {value}, but there are {len(names)} classes.")
        return names[value] if value >= 0 else None  # -1 is no label
    text = label_text(value)
    if separator is None:
        return text
    if text.strip() == "[]":
        return ()
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _where(table: Table, number: int, column: str) -> str:
    return f"line {number} of {printable(table.path)!r}, column {printable(column)!r},"
