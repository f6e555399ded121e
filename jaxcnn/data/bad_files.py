"""Examples that cannot be used: listed while they are few, an error when there are many."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.label_sets import names_of_label
from jaxcnn.data.source import Source, example_labels, example_names
from jaxcnn.host.files import write_text
from jaxcnn.host.text import table_line


class SkippedFile(NamedTuple):
    """An example that could not be used, why, and where it belonged."""

    name: str
    reason: str
    label: str = ""  # the name of its class
    split: str = ""


class BadFilesError(ValueError):
    """Too many examples could not be read or decoded."""


class BadFiles:
    """The bad examples of a whole data set, and how many may be bad; safe for many threads.

    Args:
      count: of all examples, of every split and class.
      max_share: share of them in [0, 1] that may be bad.
    """

    def __init__(self, count: int, max_share: float) -> None:
        self._count, self._max_share = count, max_share
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], SkippedFile] = {}

    @property
    def skipped(self) -> list[SkippedFile]:
        """Those found so far, each once, by split and name."""
        with self._lock:
            return [self._found[key] for key in sorted(self._found)]

    def add(self, skipped: Iterable[SkippedFile]) -> None:
        """Add bad examples; each counts once.

        Raises:
          BadFilesError: if there are too many now.
        """
        with self._lock:
            self._found |= {(each.split, each.name): each for each in skipped}
            found = list(self._found.values())
        if len(found) > self._max_share * self._count:
            raise BadFilesError(
                f"{len(found)} of {self._count} images are bad, more than max_bad_share "
                f"(={self._max_share}): {_first(found)}. Repair or remove them, or raise "
                "max_bad_share."
            )


def sort_out(
    source: Source, reasons: Sequence[str | None], split: str = ""
) -> tuple[np.ndarray, list[SkippedFile]]:
    """Separate the good examples from the bad.

    Args:
      source: the examples.
      reasons: for each, why it cannot be used; None where it can.
      split: what the split is called.

    Returns:
      The good examples' positions, and the list of the bad.
    """
    good = np.array([reason is None for reason in reasons], bool)
    if good.all():
        return np.arange(len(source)), []
    names, labels = example_names(source), example_labels(source)
    skipped = [
        SkippedFile(names[i], reason, names_of_label(labels[i], source.class_names), split)
        for i, reason in enumerate(reasons)
        if reason is not None
    ]
    return np.flatnonzero(good), skipped


def write_skipped_csv(path: str | Path, skipped: Sequence[SkippedFile]) -> None:
    """Write the list of bad files, under a header; an empty list gives the header.

    Args:
      path: file to write, UTF-8; replaced if there.
      skipped: the bad examples.
    """
    write_text(Path(path), "".join(map(table_line, [SkippedFile._fields, *skipped])))


def _first(skipped: Sequence[SkippedFile]) -> str:
    return "; ".join(
        f"{each.name}{f' ({each.split})' if each.split else ''}: {each.reason.rstrip('.')}"
        for each in skipped[:3]
    )
