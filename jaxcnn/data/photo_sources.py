"""What a user names as photos, in whatever form they lie: folders, a table, Parquet, tar files."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.folder import FolderSource, load_folder, load_test_folder
from jaxcnn.data.shards.packed import TAR_SUFFIX, PackedSource, find_packs, is_pack
from jaxcnn.data.shards.parquet_images import holds_images, load_parquet_images
from jaxcnn.data.shards.tar_shards import load_tar_shards
from jaxcnn.data.tables.label_table import load_label_table
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.tables.table_file import PARQUET_SUFFIXES, TABLE_SUFFIXES, TableError
from jaxcnn.host.text import counted, listed, printable

logger = logging.getLogger(__name__)

PhotoSource = FolderSource | PackedSource


def load_photos(
    data_dir: str | Path | None,
    labels: str | Path | None = None,
    columns: TableColumns | None = None,
) -> dict[str, PhotoSource]:
    """Find photos and their labels, in whatever form they lie; none is read yet.

    Args:
      data_dir: a folder of photos in one sub-folder per class, of Parquet files with images inside,
        or of tar shards; one such file; with `labels` the folder of photos that the table names.
      labels: a table of labels.
      columns: names of its columns; what is not given is found by its usual name.

    Returns:
      {"all": source}, or a source for each of "train", "validation", "test" that is there.

    Raises:
      FolderError: if there is nothing that can be used; the message says what was found.

    Example:
      >>> from PIL import Image
      >>> for photo in (Path("photos/cat/1.png"), Path("photos/dog/1.png")):
      ...     photo.parent.mkdir(parents=True)
      ...     Image.new("RGB", (8, 8)).save(photo)
      >>> load_photos("photos")["all"].class_names
      ('cat', 'dog')
    """
    sources = _load(data_dir, labels, columns or TableColumns())
    if "train" not in sources and "all" not in sources:
        there = listed(sources)
        raise TableError(
            f"{printable(labels or data_dir or '')!r} has the split {there} alone; give photos of "
            "train too."
        )
    return sources


def load_test_photos(
    data_dir: str | Path | None,
    class_names: Sequence[str],
    labels: str | Path | None = None,
    columns: TableColumns | None = None,
) -> PhotoSource:
    """Find photos that serve to test a network which is trained already.

    Args:
      data_dir: as `load_photos` takes.
      class_names: the network's; those that are not there have no photo.
      labels: likewise.
      columns: likewise.

    Returns:
      The photos of the test split, or all where there are no splits, labelled by their place in
      `class_names`.

    Raises:
      FolderError: as `load_photos`, or if there are other classes, splits without a test, or no
        photo.
    """
    columns = columns or TableColumns()
    if labels is None and _form_of(data_dir) == "folders":
        return load_test_folder(data_dir or "", class_names)
    sources = _load(data_dir, labels, columns, class_names)
    source: PhotoSource | None = sources.get("test", sources.get("all"))
    if source is None:
        where = printable(labels or data_dir or "")
        raise TableError(f"{where!r} holds {listed(sources)}, but no test; add one.")
    return source


def _load(
    data_dir: str | Path | None,
    labels: str | Path | None,
    columns: TableColumns,
    class_names: Sequence[str] = (),
) -> dict[str, Any]:
    known: dict[str, Any] = {"class_names": class_names}
    if labels is not None:
        if _is_parquet(labels) and Path(labels).is_file() and holds_images(Path(labels)):
            return dict(load_parquet_images(labels, columns, **known))
        return dict(load_label_table(labels, data_dir, columns, **known))
    if data_dir is None:
        raise TableError("no photos are named; give data_dir, or labels.")
    form = _form_of(data_dir)
    if form == "parquet":
        return dict(load_parquet_images(data_dir, columns, **known))
    if form == "tar":
        return dict(load_tar_shards(data_dir, columns, **known))
    if given := [name for name, value in columns._asdict().items() if value is not None]:
        setting = _SETTINGS.get(given[0], f"{given[0]}_column")
        raise TableError(
            f"{setting} is about a table, but {printable(data_dir)!r} is a folder of photos; give "
            "the table as labels, or leave it out."
        )
    return dict(load_folder(data_dir))


_SETTINGS = {"separator": "label_separator"}


def _form_of(data_dir: str | Path | None) -> str:
    """Tell in which form photos lie.

    Raises:
      TableError: if it is a table of labels, an archive, or holds tables without images alone.
    """
    path = Path(data_dir or "")
    if path.is_file() and str(path).lower().endswith(TABLE_SUFFIXES):
        if not _is_parquet(path) or not holds_images(path):
            raise TableError(
                f"data_dir {printable(path)!r} is a table; give it as labels, and the folder of "
                "its photos as data_dir."
            )
        return "parquet"
    try:
        if parquet := find_packs(path, PARQUET_SUFFIXES):
            if not holds_images(parquet[0]):
                raise TableError(
                    f"{printable(parquet[0])!r} has no column that holds images; if it is a table "
                    "of labels, give it as labels, and the folder of its photos as data_dir."
                )
            return "parquet"
        return "tar" if find_packs(path, [TAR_SUFFIX]) else "folders"
    except OSError:  # which the loader of folders explains
        return "folders"


def _is_parquet(path: str | Path) -> bool:
    return str(path).lower().endswith(PARQUET_SUFFIXES)


def named_photos(name: str) -> tuple[str | None, str | None] | None:
    """Tell what a name that may be a path means, as `load_photos` takes it.

    Args:
      name: a folder or a file, or anything else.

    Returns:
      `data_dir` and `labels`, one of them None; None where nothing of this name is there.
    """
    path = Path(name)
    if path.is_dir():
        return name, None
    if not path.is_file():
        return None
    is_set = is_pack(path) and not (_is_parquet(path) and not holds_images(path))
    return (name, None) if is_set else (None, name)


def tell_what_is_left_out(sources: Iterable[Any]) -> None:
    """Warn once for each reason why files, or rows of a table, are no examples."""
    found: dict[str, list[str]] = {}
    for source in sources:
        for name in getattr(source, "ignored", ()):
            found.setdefault("not a photo by its file extension", []).append(name)
        for each in source.left_out:
            found.setdefault(each.reason, []).append(each.name)
    for reason, names in found.items():
        logger.warning(
            f"{counted(len(names), 'file')} left out, e.g. {printable(names[0])}: {reason}"
        )
