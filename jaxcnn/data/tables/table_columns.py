"""Which columns of a table hold the image, the label, the split and the group."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxcnn.data.folder import SPLIT_FOLDERS
from jaxcnn.data.tables.table_file import Table, TableError, is_missing
from jaxcnn.host.names import nearest_first
from jaxcnn.host.text import listed, printable

# Usual names of columns, in the form that `_plain` gives; of the images', the surest first.
IMAGE_NAMES = (
    *("file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_file"),
    *("image_filename", "image_path", "image_name", "img", "img_path", "img_name", "photo"),
    *("picture", "image_id", "img_id", "id"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "classes", "class_name", "label_name", "category", "target"),
    *("tags",),
)
SPLIT_NAMES = ("split", "subset", "partition")
_YES, _NO = ("1", "1.0", "true"), ("0", "0.0", "false", "")


class TableColumns(NamedTuple):
    """Columns of a table by name, as a user gives them; None is to be found by its usual name.

    Attributes:
      image: paths of the images.
      label: labels; several names, comma-separated, are one column per class.
      split: words such as train, validation, test.
      group: texts; examples with the same one belong together.
      separator: what stands between several labels in one text; None where there is one label.

    Example:
      >>> TableColumns(label="species").image is None
      True
    """

    image: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    separator: str | None = None


class FoundColumns(NamedTuple):
    """Columns that a table has.

    Attributes:
      image: name of the column.
      labels: one name, or one per class.
      split: name, or None.
      group: name, or None.
      told: what was found by itself, in words.
    """

    image: str
    labels: tuple[str, ...]
    split: str | None
    group: str | None
    told: str


def find_columns(table: Table, given: TableColumns, *, image: str = "") -> FoundColumns:
    """Find the columns to read; names are compared without case.

    Args:
      table: the table.
      given: names that the user gave.
      image: name of the column of images where it is known already.

    Returns:
      The columns.

    Raises:
      TableError: if a column that is named is not there, or none, or more than one, can be found by
        itself.
    """
    names = {name.casefold(): name for name in table.columns}
    image = image or _named(table, names, "image_column", given.image) or _usual_image(table)
    split = _named(table, names, "split_column", given.split) or _usual_split(table)
    group = _named(table, names, "group_column", given.group)
    others = [name for name in table.columns if name not in (image, split, group)]
    labels = _label_columns(table, names, given.label) or _usual_label(table, others)
    if image in labels:
        raise TableError(
            f"{_place(table)} has no column of labels beside {printable(image)!r}, the images; "
            "name both by image_column and label_column."
        )
    named = listed(map(repr, map(printable, labels)), 4)
    parts = [f"images in {printable(image)!r}", f"labels in {named}"]
    parts += [f"split in {printable(split)!r}"] if split else []
    parts += [f"groups in {printable(group)!r}"] if group else []
    return FoundColumns(image, labels, split, group, ", ".join(parts))


def split_words(values: Iterable[Any]) -> list[str | None]:
    """Turn the words of a column into splits.

    Args:
      values: of the cells, such as "Train" or "val"; a missing one gives "".

    Returns:
      "train", "validation", "test" or "" for each; None for words that are none of these.

    Example:
      >>> split_words(["Train", "val", None, "7"])
      ['train', 'validation', '', None]
    """
    known: dict[Any, str | None] = {}
    result = []
    for value in values:
        word = "" if is_missing(value) else re.sub(r"[\W_]+", "", str(value)).casefold()
        if word not in known:
            known[word] = SPLIT_FOLDERS.get(word) if word else ""
        result.append(known[word])
    return result


def as_flag(value: Any) -> int | None:
    """Read a cell of a column that stands for one class: 1, 0, or None where it is neither.

    Example:
      >>> [as_flag(value) for value in ("1", 0.0, True, "", "2")]
      [1, 0, 1, 0, None]
    """
    text = "" if is_missing(value) else str(value).strip().casefold()
    return 1 if text in _YES else 0 if text in _NO else None


def _place(table: Table) -> str:
    return f"{printable(table.path)!r} (columns: {listed(map(printable, table.columns), 12)})"


def _named(table: Table, names: Mapping[str, str], setting: str, name: str | None) -> str | None:
    """Look up the column that a setting names; None where the setting is not given."""
    if name is None:
        return None
    if found := names.get(name.strip().casefold()):
        return found
    if not names:
        raise TableError(f"{printable(table.path)!r} has no columns.")
    nearest = printable(nearest_first(name, table.columns)[0])
    raise TableError(
        f"{_place(table)} has no column {name!r} for {setting}; did you mean {nearest!r}?"
    )


def _label_columns(table: Table, names: Mapping[str, str], name: str | None) -> tuple[str, ...]:
    if name is None:
        return ()
    parts = [name] if name.strip().casefold() in names else name.split(",")
    found = [_named(table, names, "label_column", part) for part in parts]
    if len(set(found)) < len(found):
        raise TableError(f"label_column (={name}) names a column twice; name each once.")
    return tuple(part for part in found if part is not None)


def _plain(name: str) -> str:
    """Write a column's name as the lists of usual names have it."""
    return re.sub(r"[\W_]+", "_", name).strip("_").casefold()


def usual_columns(columns: Iterable[str], usual: Sequence[str]) -> list[str]:
    """List the columns of usual names, in the order of these."""
    named = [(usual.index(plain), name) for name in columns if (plain := _plain(name)) in usual]
    return [name for _, name in sorted(named)]


def _usual_image(table: Table) -> str:
    found = usual_columns(table.columns, IMAGE_NAMES)
    if not found:
        raise TableError(
            f"{_place(table)} has no column of a usual name for the images "
            f"({listed(IMAGE_NAMES, 6)}); name it by image_column, and give the table a first line "
            "of column names if it has none."
        )
    return found[0]


def _usual_label(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    named = [name for name in columns if name in table.class_names]  # by the file itself
    found = named if len(named) == 1 else usual_columns(named or columns, LABEL_NAMES)
    if len(found) == 1:
        return (found[0],)
    if found:
        raise TableError(
            f"{_place(table)} has {listed(map(repr, map(printable, found)))}; name the one that "
            "holds the labels by label_column."
        )
    if (
        not named
        and len(columns) > 1
        and all(map(_holds_flags, (table.columns[name] for name in columns)))
    ):
        return tuple(columns)
    raise TableError(
        f"{_place(table)} has no column of a usual name for the labels ({listed(LABEL_NAMES, 3)}); "
        "name it by label_column; of a table with one column of 0 and 1 per class, name them all, "
        "comma-separated."
    )


def _holds_flags(values: Sequence[Any]) -> bool:
    return all(as_flag(value) is not None for value in values)


def _usual_split(table: Table) -> str | None:
    """Find a column of a usual name whose words all name splits."""
    for name in usual_columns(table.columns, SPLIT_NAMES):
        words = split_words(table.columns[name])
        if any(words) and None not in words:
            return name
    return None
