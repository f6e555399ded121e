"""Examples that cannot be used: listed while they are few, an error when there are many."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.source import Source, example_labels, example_names
from jaxcnn.host.files import replacing


class SkippedFile(NamedTuple):
    """An example that could not be used, and why."""

    name: str
    reason: str


class BadFilesError(ValueError):
    """Too many examples could not be read or decoded."""


def sort_out(
    source: Source, reasons: Sequence[str | None], max_bad_share: float
) -> tuple[np.ndarray, list[SkippedFile]]:
    """Separate the good examples from the bad, if those are few enough.

    Args:
      source: the examples.
      reasons: for each, why it cannot be used; None where it can.
      max_bad_share: share of the examples in [0, 1] that may be bad.

    Returns:
      The good examples' positions, and the list of the bad.

    Raises:
      BadFilesError: if more than `max_bad_share` are bad, or all examples of a class.
    """
    good = np.array([reason is None for reason in reasons])
    if good.all():
        return np.arange(len(source)), []
    names = example_names(source)
    skipped = [SkippedFile(name, why) for name, why in zip(names, reasons, strict=True) if why]
    check_bad_share(skipped, len(source), max_bad_share)
    labels = example_labels(source)
    lost = sorted(set(labels.tolist()) - set(labels[good].tolist()))
    if lost:
        classes = ", ".join(source.class_names[label] for label in lost)
        raise BadFilesError(f"every image of {classes} is bad: {_first(skipped)}.")
    return np.flatnonzero(good), skipped


def check_bad_share(skipped: Sequence[SkippedFile], count: int, max_bad_share: float) -> None:
    """Check that the bad examples are few.

    Args:
      skipped: the bad examples.
      count: of all examples.
      max_bad_share: share of them in [0, 1] that may be bad.

    Raises:
      BadFilesError: if there are more.
    """
    if len(skipped) > max_bad_share * count:
        raise BadFilesError(
            f"{len(skipped)} of {count} images are bad, more than max_bad_share "
            f"(={max_bad_share}): {_first(skipped)}. Repair or remove them, or raise max_bad_share."
        )


def write_skipped_csv(path: str | Path, skipped: Sequence[SkippedFile]) -> None:
    """Write the list of bad files, with the header name,reason; an empty list gives the header.

    Args:
      path: file to write, UTF-8; replaced if there.
      skipped: the bad examples.
    """
    # Names on disk need not be valid Unicode; a backslash escape keeps them readable.
    with (
        replacing(Path(path)) as part,
        part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([SkippedFile._fields, *skipped])


def _first(skipped: Sequence[SkippedFile]) -> str:
    return "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in skipped[:3])
