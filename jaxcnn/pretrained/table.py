"""The published weights that can be had by name: where they are, and what they want and reach."""

import csv
import dataclasses
import functools
import itertools
from collections.abc import Iterable
from importlib import resources
from typing import Any

from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import in_columns
from jaxcnn.pretrained.labels import label_names


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """A row of the table.

    Attributes:
      name: by which they are asked for.
      model: the network, as `jaxcnn.models.list_models` lists it.
      family: of networks, for lists.
      origin: whose names and layout the file has, such as "timm" or "keras".
      source: who publishes them.
      address: URL, or "package:" and a path inside an installed package.
      sha256: of the file, in full or as far as it is published; "" where it is not.
      size_mb: MiB as published, of timm's files that of their arrays; None where it is not known.
      licence: as the source states it.
      top1: per cent right on the validation split of the set of labels, as published (timm's:
        results/results-imagenet.csv of its repository, October 2025); None where it is not.
      preprocessing: how they want their photos.
      labels: set of labels, see `label_names`.
    """

    name: str
    model: str
    family: str
    origin: str
    source: str
    address: str
    sha256: str
    size_mb: float | None
    licence: str
    top1: float | None
    preprocessing: Preprocessing
    labels: str


def list_weights(model: str | None = None) -> list[Weights]:
    """List the published weights, of one network or of all.

    Args:
      model: name of a network; None for all.

    Returns:
      The rows; a network's default is its first.

    Example:
      >>> list_weights("efficientnet_lite0")[0].name
      'efficientnet_lite0.lukemelas'
    """
    return [row for row in _rows() if model in (None, row.model)]


def find_weights(name: str) -> Weights:
    """Look up published weights by their name.

    Raises:
      ValueError: if the name is unknown; nearest names are listed first.

    Example:
      >>> weights = find_weights("efficientnet_lite0.lukemelas")
      >>> weights.model, weights.labels, weights.preprocessing.image_size_px
      ('efficientnet_lite0', 'imagenet1k', 224)
    """
    for row in _rows():
        if row.name == name:
            return row
    raise unknown_name("weights", name, [row.name for row in _rows()], all_by="list_weights()")


def default_weights(model: str) -> Weights:
    """Look up a network's default published weights.

    Raises:
      ValueError: if none are known; the networks that have some are listed.

    Example:
      >>> default_weights("efficientnet_lite0").name
      'efficientnet_lite0.lukemelas'
    """
    rows = list_weights(model)
    if not rows:
        known = sorted({row.model for row in _rows()})
        raise unknown_name("network with published weights", model, known, all_by="list_weights()")
    return rows[0]


def format_table(rows: Iterable[Weights]) -> str:
    """Lay rows out for the terminal, family by family, at most 100 characters wide.

    Args:
      rows: of the table.

    Returns:
      A header, and for each family its name and a line per row; then what the columns are.
    """
    header = ("name", "licence", "top-1", "MiB", "px", "classes")
    lines: list[tuple[str, ...] | str] = [header]
    for family, group in itertools.groupby(rows, key=lambda row: row.family):
        lines += ["", f"{family}:", *map(_cells, group)]
    return "\n".join([*in_columns(lines, left=2), "", _LEGEND])


_LEGEND = (
    "top-1: per cent of validation images right, as published. MiB: size of the file. px: side of "
    "the\nimages. classes: 1,000 are ImageNet's, 10 CIFAR-10's. A dash: not published."
)


def _cells(row: Weights) -> tuple[str, ...]:
    return (
        row.name,
        row.licence,
        "-" if row.top1 is None else f"{row.top1:.1f}",
        "-" if row.size_mb is None else f"{row.size_mb:.0f}",
        str(row.preprocessing.image_size_px),
        f"{len(label_names(row.labels)):,}",
    )


@functools.cache
def _rows() -> tuple[Weights, ...]:
    files = resources.files("jaxcnn.pretrained").joinpath("weights").iterdir()
    return tuple(
        _row(row, family=file.name.removesuffix(".csv"))
        for file in sorted(files, key=lambda file: file.name)
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    )


def _row(record: dict[str, str], family: str) -> Weights:
    size_mb, top1 = (float(record[key]) if record[key] else None for key in ("size_mb", "top1"))
    mean, std = (tuple(map(float, record[key].split())) for key in ("mean", "std"))
    preprocessing = Preprocessing(
        decoding=Decoding(int(record["resize_px"]), interpolation=record["interpolation"]),
        image_size_px=int(record["image_size_px"]),
        mean=mean,
        std=std,
    )
    as_it_is: dict[str, Any] = {
        key: record[key]
        for key in ("name", "model", "origin", "source", "address", "sha256", "licence", "labels")
    }
    return Weights(
        **as_it_is, family=family, size_mb=size_mb, top1=top1, preprocessing=preprocessing
    )
