"""Photos in a folder, with their labels in a table beside it.

Rules, each told in the log where it applies, and what is left out listed one by one:

- A path is relative to the folder, or to the table where no folder is given. One that is absolute
  must lie inside. How rows find their files: `table_images`.
- Labels that differ by case, blanks or Unicode's form only are one class: `class_labels`.
- Left out are rows without a label, without a file, or without a split where the table has splits;
  and photos in no row: of the folder and all below, or, where no folder is given, of the folders
  that rows name.
- Rows of one photo that say the same count once. Where they differ in label, split or group, the
  photo is left out.
- Several labels stand in a list, in a text with a separator, or in one column of 0 and 1 for each
  class. Where no photo of such columns has none or several, each photo has one label.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.folder import FolderSource
from jaxcnn.data.source import SPLIT_NAMES
from jaxcnn.data.tables.class_labels import (
    Classes,
    Label,
    label_array,
    label_text,
    settle_classes,
    spelling_key,
)
from jaxcnn.data.tables.row_labels import row_labels
from jaxcnn.data.tables.table_columns import FoundColumns, TableColumns, find_columns, split_words
from jaxcnn.data.tables.table_file import Table, TableError, read_table
from jaxcnn.data.tables.table_images import NO_ROW, TableImages, folders_of
from jaxcnn.host.text import counted, printable

logger = logging.getLogger(__name__)

_NO_LABEL = "its row has no label"
_NO_SPLIT = "its row has no split"
_NO_PATH = "its row names no file"
_CONFLICT = "its rows contradict each other"
_ORDER = ("all", *SPLIT_NAMES)
_TOO_MANY_FIELDS = "the line has more fields than the header"


class Row(NamedTuple):
    """One example, as a table has it.

    Attributes:
      image: path of its file.
      label: one text, or a tuple of texts; None where there is none.
      split: "train", "validation", "test", or "all" where the table has no splits.
      group: what it has in common with others; "" for nothing.
    """

    image: str
    label: Label
    split: str = "all"
    group: str = ""


def load_label_table(
    path: str | Path,
    data_dir: str | Path | None = None,
    columns: TableColumns | None = None,
    *,
    class_names: Sequence[str] = (),
) -> dict[str, FolderSource]:
    r"""Read which photos there are, and their labels, from a table; no photo is read yet.

    Args:
      path: CSV, TSV, JSON lines or Parquet, see `table_file.read_table`.
      data_dir: folder that the table's paths are relative to; None for the table's own.
      columns: names of the columns; what is not given is found by its usual name.
      class_names: the classes, in order, where they are known; None of a photo need be there.

    Returns:
      {"all": source}, or a source for each of "train", "validation", "test" that the table's column
      of splits names. An example's name is its path relative to the folder, with forward slashes.

    Raises:
      TableError: if the table or the folder cannot be used, no row has a file and a label, or there
        are fewer than two classes.

    Example:
      >>> from PIL import Image
      >>> Path("pictures").mkdir()
      >>> for name in ("1.png", "2.png"):
      ...     Image.new("RGB", (8, 8)).save(Path("pictures", name))
      >>> _ = Path("labels.csv").write_text("file,label\n1.png,cat\n2.png,dog\n")
      >>> source = load_label_table("labels.csv", "pictures")["all"]
      >>> source.class_names, source[1].name, source[1].label
      (('cat', 'dog'), '2.png', 1)
    """
    table, columns = read_table(path), columns or TableColumns()
    found = find_columns(table, columns)
    logger.info(f"{printable(table.path)}: {counted(len(table), 'row')}; {found.told}")
    texts = [label_text(value) for value in table.columns[found.image]]
    folders = None if data_dir else folders_of([text for text in texts if text])
    images = TableImages(Path(data_dir) if data_dir else table.path.parent, folders)
    rows, left_out = _find_files(table, _rows_of(table, found, columns, texts), images)
    if not rows:
        raise TableError(_none_left(table, images, left_out))
    classes = settle_classes((row.label for row in rows), class_names)
    for line in classes.told():
        logger.warning(line)
    if len(classes.names) < 2:
        raise TableError(
            f"all rows of {printable(table.path)!r} have the label {classes.names[0]!r} in column "
            f"{printable(found.labels[0])!r}; expected two classes or more."
        )
    in_rows = {row.image for row in rows} | {each.name for each in left_out}
    left_out += [SkippedFile(name, NO_ROW) for name in images.photos if name not in in_rows]
    return _as_sources(rows, left_out, images.root, classes)


def _rows_of(
    table: Table, found: FoundColumns, columns: TableColumns, texts: Sequence[str]
) -> list[Row]:
    """Put the cells together row by row; the path is still as the table has it."""
    labels = row_labels(table, found.labels, columns.separator)
    splits: Sequence[str | None] = ["all"] * len(table)
    if found.split:
        splits = split_words(table.columns[found.split])
        if None in splits:
            row = splits.index(None)
            raise TableError(
                f"line {table.numbers[row]} of {printable(table.path)!r} has the split "
                f"{table.columns[found.split][row]!r}; expected train, validation or test."
            )
    groups = [""] * len(table)
    if found.group:
        groups = [" ".join(label_text(value).split()) for value in table.columns[found.group]]
    return [
        Row(text, label, split or "", group)
        for text, label, split, group in zip(texts, labels, splits, groups, strict=True)
    ]


def _find_files(
    table: Table, rows: Sequence[Row], images: TableImages
) -> tuple[list[Row], list[SkippedFile]]:
    """Find each row's file; leave out what cannot be used, and say why."""
    place = printable(table.path.name)
    left_out = [SkippedFile(f"{place} line {n}", _TOO_MANY_FIELDS) for n in table.uneven]
    dropped: list[tuple[int, SkippedFile]] = []
    by_file: dict[str, list[Row]] = {}
    for row, number in zip(rows, table.numbers, strict=True):
        if not row.image.strip():
            name, why = f"{place} line {number}", _NO_PATH
        else:
            name, why = images.find(row.image)
        if not why and (row.label is None or not row.split):
            why = _NO_LABEL if row.label is None else _NO_SPLIT
        if why:
            dropped.append((number, SkippedFile(name, why, _written([row]), _split(row))))
        else:
            by_file.setdefault(name, []).append(row._replace(image=name))
    good = []
    for name, same in by_file.items():
        if len({_said(row) for row in same}) == 1:
            good.append(same[0])
        else:
            splits = "; ".join(sorted({_split(row) for row in same}))
            left_out.append(SkippedFile(name, _CONFLICT, _written(same), splits))
    for number, each in dropped:  # a photo that another row labels is not left out itself
        is_used = each.name in by_file
        left_out.append(each._replace(name=f"{place} line {number}") if is_used else each)
    return good, left_out


def _said(row: Row) -> tuple[Any, ...]:
    """Give what rows of one photo must share, labels by their spelling."""
    texts = row.label if isinstance(row.label, tuple) else (row.label or "",)
    return isinstance(row.label, tuple), frozenset(map(spelling_key, texts)), row.split, row.group


def _written(rows: Iterable[Row]) -> str:
    texts = [row.label if isinstance(row.label, tuple) else (row.label,) for row in rows]
    return "; ".join(dict.fromkeys(text for each in texts for text in each if text))


def _split(row: Row) -> str:
    return "" if row.split == "all" else row.split


def _none_left(table: Table, images: TableImages, left_out: Sequence[SkippedFile]) -> str:
    """Say why no row can be used, by the commonest reason."""
    (reason, _), *_ = Counter(each.reason for each in left_out).most_common(1)
    example = next(each.name for each in left_out if each.reason == reason)
    return (
        f"none of the {counted(len(left_out), 'row')} of {printable(table.path)!r} can be used, "
        f"e.g. {printable(example)!r}: {reason}. Paths are relative to {printable(images.root)!r}: "
        "give another folder as data_dir, or other columns by image_column and label_column."
    )


def _as_sources(
    rows: Sequence[Row], left_out: Sequence[SkippedFile], root: bytes, classes: Classes
) -> dict[str, FolderSource]:
    """Make a source of each split; the first one holds what was left out of all."""
    sources: dict[str, FolderSource] = {}
    has_groups = any(row.group for row in rows)
    has_several = any(isinstance(row.label, tuple) for row in rows)
    for split in sorted({row.split for row in rows}, key=_ORDER.index):
        own = [row for row in rows if row.split == split]
        sources[split] = FolderSource(
            Path(os.fsdecode(root)),
            classes.names,
            tuple(row.image for row in own),
            label_array([row.label for row in own], classes, several=has_several),
            left_out=() if sources else tuple(left_out),
            groups=tuple(row.group for row in own) if has_groups else None,
        )
    return sources
