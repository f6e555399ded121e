"""Data sets of Hugging Face as people download them: Parquet with the images' files inside.

Parquet is compressed in pages, so no image can be read from its place. The images are therefore
written one after another into one file of the cache folder, once per split, and read from there.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.shards.packed import (
    Pack,
    PackedSource,
    Place,
    by_split,
    find_packs,
    make_sources,
    stamp_of,
)
from jaxcnn.data.source import digest_of
from jaxcnn.data.tables.class_labels import label_text
from jaxcnn.data.tables.row_labels import row_labels
from jaxcnn.data.tables.table_columns import (
    IMAGE_NAMES,
    FoundColumns,
    TableColumns,
    find_columns,
    split_words,
    usual_columns,
)
from jaxcnn.data.tables.table_file import (
    PARQUET_SUFFIXES,
    Table,
    TableError,
    class_names_of,
    holds_bytes,
    open_parquet,
    parquet_columns,
)
from jaxcnn.host.files import disk_trouble, locked, replacing, write_text
from jaxcnn.host.folders import cache_folder
from jaxcnn.host.text import counted, first_line, listed, printable, size

if TYPE_CHECKING:
    import pyarrow

logger = logging.getLogger(__name__)

_FORMAT = 1  # of the files in the cache folder
_ROWS_AT_ONCE = 64
_NO_IMAGE = "its row holds no image"
_NO_LABEL = "its row has no label"
_NO_SPLIT = "its row has no split"


class _Unpacked(NamedTuple):
    """Images that were written one after another: bytes of each, -1 for none, and its path."""

    path: Path
    sizes: list[int]
    paths: list[str]


def holds_images(path: Path) -> bool:
    """Tell whether a Parquet file has a column of files, and not of paths alone.

    Raises:
      OSError: if it cannot be read.
      TableError: if it is no Parquet file.
    """
    with open_parquet(path) as file:
        return any(holds_bytes(field.type) for field in file.schema_arrow)


def load_parquet_images(
    data_dir: str | Path, columns: TableColumns | None = None, *, class_names: Sequence[str] = ()
) -> dict[str, PackedSource]:
    """Read a data set of Parquet files that hold encoded images.

    The splits are told by the files' names or those of their folders, such as
    data/train-00000-of-00002.parquet, else by a column. Classes have the names that the files'
    metadata or `class_names` give, else those in the column of labels. An example's name is the
    path that stands beside its image, or, where there is none or it is not the only one, the file's
    name and the row, counted from 1.

    On the first call the images are copied into the cache folder, which takes their size on disk
    and, in memory, one row group of a file, some hundred MB at most with the files of Hugging
    Face; names and labels take some hundred bytes per image.

    Args:
      data_dir: the folder, or one file.
      columns: names of the columns, where they are not usual ones.
      class_names: the classes, in order, where they are known.

    Returns:
      {"all": source}, or a source for each of "train", "validation", "test" that is there.

    Raises:
      TableError: if a file is damaged, files differ in their columns, a column cannot be found, or
        the cache folder has no room.

    Example:
      >>> import pyarrow as pa, pyarrow.parquet as pq
      >>> from jaxcnn.data.encode import encode_image
      >>> from PIL import Image
      >>> photo = {"bytes": encode_image(Image.new("RGB", (8, 8)), "PNG"), "path": None}
      >>> pq.write_table(pa.table({"image": [photo] * 2, "label": ["cat", "dog"]}), "train.parquet")
      >>> source = load_parquet_images("train.parquet")["train"]
      >>> source.class_names, source[1].name
      (('cat', 'dog'), 'train.parquet:2')
    """
    files = find_packs(data_dir, PARQUET_SUFFIXES)
    if not files:
        raise TableError(f"{printable(data_dir)!r} holds no Parquet file.")
    columns = columns or TableColumns()
    root = Path(data_dir) if Path(data_dir).is_dir() else Path(data_dir).parent
    packs: dict[str, Pack] = {}
    known: Sequence[str] = ()
    for split, own in by_split(files, root).items():
        found, names = _read_split(own, split, columns)
        known = known or names
        packs |= found
    return make_sources(packs, known, class_names=class_names)


def _read_split(
    files: Sequence[Path], split: str, columns: TableColumns
) -> tuple[dict[str, Pack], Sequence[str]]:
    """Read what the rows of a split say, and unpack their images; also give the classes' names."""
    table, image, counts = _read_rows(files, columns)
    found = find_columns(table, columns, image=image)
    logger.info(f"{split}: {counted(len(table), 'row')} of Parquet; {found.told}")
    unpacked = _unpacked(files, image)
    labels = row_labels(table, found.labels, columns.separator)
    splits = _splits_of(table, found, split)
    texts = table.columns[found.group] if found.group else [""] * len(table)
    groups = [" ".join(label_text(text).split()) for text in texts]
    ids = [f"{f.name}:{row}" for f, n in zip(files, counts, strict=True) for row in range(1, n + 1)]
    paths = Counter(unpacked.paths)
    places: dict[str, list[Place]] = {}
    left_out: list[SkippedFile] = []
    offset = 0
    for i, bytes_ in enumerate(unpacked.sizes):
        path = unpacked.paths[i]
        name = path if path and paths[path] == 1 else ids[i]
        label, own = labels[i], splits[i]
        if bytes_ < 0 or label is None or not own:
            why = _NO_IMAGE if bytes_ < 0 else _NO_LABEL if label is None else _NO_SPLIT
            left_out.append(SkippedFile(name, why, split="" if split == "all" else split))
        else:
            places.setdefault(own, []).append(Place(0, offset, bytes_, name, label, groups[i]))
        offset += max(bytes_, 0)
    stamp = stamp_of(files)
    packs = {
        own: Pack([unpacked.path], each, stamp, left_out if number == 0 else [])
        for number, (own, each) in enumerate(places.items())
    }
    names = table.class_names.get(found.labels[0], ()) if len(found.labels) == 1 else ()
    return packs or {split: Pack([unpacked.path], [], stamp, left_out)}, names


def _splits_of(table: Table, found: FoundColumns, split: str) -> list[str]:
    """Give the split of each row: by the files' names, or where these say nothing by a column."""
    if split != "all" or not found.split:
        return [split] * len(table)
    words = split_words(table.columns[found.split])
    if None in words:
        row = words.index(None)
        raise TableError(
            f"row {row + 1} of {printable(table.path)!r} has the split "
            f"{table.columns[found.split][row]!r}; expected train, validation or test."
        )
    return [word or "" for word in words]


def _read_rows(files: Sequence[Path], columns: TableColumns) -> tuple[Table, str, list[int]]:
    """Read all but the images of some files; give the images' column, and the rows of each file."""
    image, counts = "", []
    found: dict[str, list[Any]] = {}
    names: dict[str, list[str]] = {}
    for number, path in enumerate(files):
        with open_parquet(path) as file:
            schema = file.schema_arrow
            own = _image_column(path, schema, columns.image)
            plain = [field.name for field in schema if not holds_bytes(field.type)]
            if number and (own != image or set(plain) != set(found)):
                raise TableError(
                    f"{printable(path)!r} has other columns than {printable(files[0])!r}; give the "
                    "folder of one data set."
                )
            image, names = own, names or class_names_of(schema)
            for name, values in parquet_columns(file, path, plain).items():
                found.setdefault(name, []).extend(values)
            counts.append(file.metadata.num_rows)
    return Table(files[0], found, range(1, sum(counts) + 1), names), image, counts


def _image_column(path: Path, schema: "pyarrow.Schema", given: str | None) -> str:
    """Find the column that holds the images' files."""
    names = [field.name for field in schema if holds_bytes(field.type)]
    where = f"{printable(path)!r} (columns: {listed(map(printable, schema.names), 12)})"
    if given is not None:
        found = [name for name in names if name.casefold() == given.strip().casefold()]
        if not found:
            raise TableError(
                f"{where} has no column of images called {given!r}; give one of "
                f"{listed(map(printable, names)) or 'no other'} as image_column."
            )
        return found[0]
    if not names:
        raise TableError(f"{where} has no column that holds images.")
    found = names if len(names) == 1 else usual_columns(names, IMAGE_NAMES)
    if not found:
        raise TableError(
            f"{where} has several columns of images; give one of {listed(map(printable, names))} "
            "as image_column."
        )
    return found[0]


def _unpacked(files: Sequence[Path], image: str) -> _Unpacked:
    """Write the images one after another into the cache folder, or find them there."""
    key = digest_of(_FORMAT, stamp_of(files), image)[:32]
    folder = cache_folder() / "unpacked"
    record, target = folder / f"{key}.json", folder / f"{key}.bin"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        waiting = "waiting for another run that unpacks the same images"
        with locked(folder / f"{key}.lock", waiting):
            if (found := _read_record(record, target)) is None:
                found = _unpack(files, image, target)
                write_text(record, json.dumps({"sizes": found.sizes, "paths": found.paths}))
            return found
    except (OSError, NotImplementedError) as error:  # the latter where there are no locks
        needed = sum(file.stat().st_size for file in files)
        raise TableError(
            f"the images of {printable(files[0])!r} are unpacked into {folder}, {size(needed)}, "
            f"which failed ({disk_trouble(error) or error}); make room, or set JAXCNN_CACHE to "
            "another folder."
        ) from error


def _read_record(record: Path, target: Path) -> _Unpacked | None:
    try:
        about = json.loads(record.read_text("utf-8"))
        sizes, paths = list(map(int, about["sizes"])), list(map(str, about["paths"]))
        whole = sum(max(each, 0) for each in sizes) == target.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _Unpacked(target, sizes, paths) if whole and len(sizes) == len(paths) else None


def _unpack(files: Sequence[Path], image: str, target: Path) -> _Unpacked:
    sizes, paths = [], []
    with replacing(target) as part, part.open("wb") as out:
        for data, path in _images(files, image):
            sizes.append(_append(out, data))
            paths.append(path)
    needed = size(sum(max(each, 0) for each in sizes))
    logger.info(f"{counted(len(sizes), 'image')} unpacked into {target} ({needed})")
    return _Unpacked(target, sizes, paths)


def _append(out: BinaryIO, data: bytes | None) -> int:
    return -1 if data is None else out.write(data)


def _images(files: Sequence[Path], image: str) -> Iterator[tuple[bytes | None, str]]:
    """Give each image's file and its path, None and "" where there is none."""
    import pyarrow

    for path in files:
        with open_parquet(path) as file:
            try:
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[image]):
                    for value in batch.column(0).to_pylist():
                        whole = value if isinstance(value, dict) else {"bytes": value}
                        yield whole.get("bytes"), whole.get("path") or ""
            except pyarrow.ArrowException as error:
                raise TableError(f"{printable(path)!r} is damaged: {first_line(error)}") from error
