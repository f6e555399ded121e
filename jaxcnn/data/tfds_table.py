"""Names and labels of a large set, read in one pass and kept for the next run.

A tfds set keeps a label beside its image, so all records must be read to know the labels. For a
million photos that takes minutes; what comes of it takes seconds to read again.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.workers import in_threads, usable_cores
from jaxcnn.host.files import replacing
from jaxcnn.host.folders import cache_folder

LEAST_KEPT = 100_000  # examples; smaller sets are read again as quickly


class Table(NamedTuple):
    """What is known of each example before its image is decoded."""

    names: list[str]
    labels: np.ndarray  # (N,) int32


def read_table(
    row: Callable[[int], tuple[str, int]], count: int, fingerprint: Callable[[], str]
) -> Table:
    """Read names and labels, or find those that an earlier run read.

    Args:
      row: position to name and label; safe for many threads at once.
      count: number of examples.
      fingerprint: gives a text that tells one set from another; called for large sets only.

    Returns:
      The table, in order.

    Raises:
      ValueError: if there is no example.
    """
    if count < LEAST_KEPT:
        return _read(row, count, has_bar=False)
    path = cache_folder() / "tables" / f"{fingerprint()}.npz"
    found = _load(path, count)
    if found is None:
        found = _read(row, count, has_bar=True)
        _save(path, found)
    return found


def _read(row: Callable[[int], tuple[str, int]], count: int, *, has_bar: bool) -> Table:
    rows = list(in_threads(row, count, usable_cores(), has_bar))
    return Table([name for name, _ in rows], np.array([label for _, label in rows], np.int32))


def _load(path: Path, count: int) -> Table | None:
    try:
        # Opened here, since np.load leaves a damaged file open.
        with open(path, "rb") as file, np.load(file) as kept:
            names = kept["names"].tobytes().decode("utf-8", "surrogateescape").split("\0")
            labels = kept["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Table(names, labels) if len(names) == len(labels) == count else None


def _save(path: Path, table: Table) -> None:
    text = "\0".join(table.names).encode("utf-8", "surrogateescape")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            np.savez(part, names=np.frombuffer(text, np.uint8), labels=table.labels)
    except OSError:
        return  # no room to keep it; the next run reads again
