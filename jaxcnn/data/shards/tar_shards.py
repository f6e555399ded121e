"""Tar files in WebDataset's form: the files of an example share a name up to its first dot.

    train-000000.tar: 0001.jpg 0001.cls 0002.jpg 0002.cls ...

A label is the text or number in .cls, or "label" in .json. Numbers are lines, from 0, of
classes.txt beside the shards, if it is there. Each shard is read through once, for the places of
its images, see `shard_index`; an image is then read from its place.

Source of the form: Aizman et al. 2019, "High performance I/O for large scale deep learning",
arXiv:2001.01858, section 5; deviations: members of a key need not stand side by side.
"""

import json
import logging
import os
import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.photo_files import HEIC_SUFFIXES, IMAGE_SUFFIXES, is_junk
from jaxcnn.data.shards.packed import (
    TAR_SUFFIX,
    Pack,
    PackedSource,
    Place,
    by_split,
    find_packs,
    make_sources,
    stamp_of,
)
from jaxcnn.data.shards.shard_index import Listed, cached_list
from jaxcnn.data.source import digest_of
from jaxcnn.data.tables.class_labels import Label, label_text
from jaxcnn.data.tables.row_labels import row_labels
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.tables.table_file import Table, TableError, decoded_text
from jaxcnn.host.text import counted, first_line, printable

logger = logging.getLogger(__name__)

CLASS_FILE = "classes.txt"
_LABEL = "label"
_MAX_LABEL_BYTES = 2**20
_NO_IMAGE = "no image has this name up to the first dot"
_NO_LABEL = "neither .cls nor a label in .json has this name up to the first dot"
_TWICE = "stands twice in its shard; the last one counts"


class _Member(NamedTuple):
    """A file in a shard."""

    name: str
    offset: int
    size: int


def load_tar_shards(
    data_dir: str | Path, columns: TableColumns | None = None, *, class_names: Sequence[str] = ()
) -> dict[str, PackedSource]:
    """Read a data set of tar shards.

    The splits are told by the shards' names or those of their folders, such as train-000000.tar. An
    example's name is its shard's, and its own in it.

    Args:
      data_dir: the folder, or one shard.
      columns: `label` names another file ending or key of .json than cls and label; `group` a key
        of .json; `separator` what stands between several labels.
      class_names: the classes, in order, where they are known.

    Returns:
      {"all": source}, or a source for each of "train", "validation", "test" that is there.

    Raises:
      TableError: if a shard is damaged or compressed, no image has a label, or a number is no line
        of classes.txt.

    Example:
      >>> import io, tarfile
      >>> with tarfile.open("train-0.tar", "w") as shard:
      ...     for name, data in [("1.jpg", b"..."), ("1.cls", b"cat"), ("2.jpg", b"..."),
      ...                        ("2.cls", b"dog")]:
      ...         member = tarfile.TarInfo(name)
      ...         member.size = len(data)
      ...         shard.addfile(member, io.BytesIO(data))
      >>> source = load_tar_shards("train-0.tar")["train"]
      >>> source.class_names, source[1].name
      (('cat', 'dog'), 'train-0.tar/2.jpg')
    """
    shards = find_packs(data_dir, [TAR_SUFFIX])
    if not shards:
        raise TableError(f"{printable(data_dir)!r} holds no tar file.")
    columns = columns or TableColumns()
    root = Path(data_dir) if Path(data_dir).is_dir() else Path(data_dir).parent
    names = _class_file([root, *(shard.parent for shard in shards)])
    packs = {
        split: _read_split(own, columns, names) for split, own in by_split(shards, root).items()
    }
    count = sum(len(pack.places) for pack in packs.values())
    logger.info(f"{counted(len(shards), 'tar file')}: {counted(count, 'image')} with a label")
    return make_sources(packs, names, class_names=class_names)


def _class_file(folders: Sequence[Path]) -> list[str]:
    """Read the classes' names beside the shards; none where there is no such file."""
    for folder in dict.fromkeys(folders):
        if (path := folder / CLASS_FILE).is_file():
            names = [line.strip() for line in decoded_text(path).splitlines()]
            return [name for name in names if name]
    return []


def _read_split(shards: Sequence[Path], columns: TableColumns, names: Sequence[str]) -> Pack:
    stamp = stamp_of(shards)
    about = digest_of(stamp, columns.label, columns.group)
    found = cached_list(about, lambda: _list_all(shards, columns))
    table = Table(
        shards[0],
        {_LABEL: found.labels},
        range(1, len(found.labels) + 1),
        {_LABEL: names} if names else {},
    )
    labels: Sequence[Label] = row_labels(table, [_LABEL], columns.separator)
    places, left_out = [], list(found.left_out)
    for place, label in zip(found.places, labels, strict=True):
        if label is None:
            left_out.append(SkippedFile(place.name, _NO_LABEL))
        else:
            places.append(place._replace(label=label))
    return Pack(shards, places, stamp, left_out)


def _list_all(shards: Sequence[Path], columns: TableColumns) -> Listed:
    """Read the shards of a split through."""
    found = Listed([], [], [])
    for number, shard in enumerate(shards):
        try:
            _list_shard(shard, number, columns, found)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise TableError(
                f"{printable(shard)!r} cannot be read as a tar file ({first_line(error)}); it may "
                "be compressed or cut off."
            ) from error
    return found


def _list_shard(shard: Path, number: int, columns: TableColumns, found: Listed) -> None:
    """Add the images of a shard, and what is said of them."""
    with open(shard, "rb") as file:
        for key, members in _by_key(shard, file, found.left_out).items():
            images = sorted((e for e in members if _is_image(e)), key=lambda e: (len(e), e))
            if not images:
                found.left_out.append(SkippedFile(f"{shard.name}/{key}", _NO_IMAGE))
                continue
            image = members[images[0]]
            label, group = _said_of(members, columns, file)
            name = f"{shard.name}/{image.name}"
            found.places.append(Place(number, image.offset, image.size, name, None, group))
            found.labels.append(label)


def _by_key(
    shard: Path, file: BinaryIO, left_out: list[SkippedFile]
) -> dict[str, dict[str, _Member]]:
    """List the members of a shard by their name up to the first dot, and by the rest of it."""
    found: dict[str, dict[str, _Member]] = {}
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for about in tar:
            folder, base = posixpath.split(about.name)
            if not about.isreg() or is_junk(os.fsencode(base)):
                continue
            stem, _, ending = base.partition(".")
            members = found.setdefault(posixpath.join(folder, stem), {})
            if ending.lower() in members:
                left_out.append(SkippedFile(f"{shard.name}/{about.name}", _TWICE))
            members[ending.lower()] = _Member(about.name, about.offset_data, about.size)
    return found


def _is_image(ending: str) -> bool:
    return f".{ending.rpartition('.')[2]}" in IMAGE_SUFFIXES | HEIC_SUFFIXES


def _said_of(
    members: Mapping[str, _Member], columns: TableColumns, file: BinaryIO
) -> tuple[Any, str]:
    """Read the label and the group of an example; None and "" where there are none."""
    named = columns.label or _LABEL
    about = _json_of(members, file)
    group = label_text(about.get(columns.group)) if columns.group else ""
    for ending in (named.lower(), "cls") if columns.label else ("cls",):
        if ending in members:
            text = _text_of(members[ending], file).strip()
            is_number = text.lstrip("-").isdigit() and text.isascii()
            return (int(text) if is_number else text), group
    return about.get(named), group


def _json_of(members: Mapping[str, _Member], file: BinaryIO) -> dict[str, Any]:
    if "json" not in members:
        return {}
    try:
        found = json.loads(_text_of(members["json"], file))
    except (ValueError, RecursionError):
        return {}  # listed as an image without a label
    return found if isinstance(found, dict) else {}


def _text_of(member: _Member, file: BinaryIO) -> str:
    file.seek(member.offset)
    return file.read(min(member.size, _MAX_LABEL_BYTES)).decode("utf-8", "replace")
