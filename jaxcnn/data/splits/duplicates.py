"""Photos that are equal, byte for byte or pixel for pixel: within a split and across splits."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.label_sets import names_of_label
from jaxcnn.data.source import (
    SPLIT_NAMES,
    Source,
    Splits,
    example_digests,
    example_labels,
    example_names,
)
from jaxcnn.host.files import write_text
from jaxcnn.host.text import table_line

_MOST_PAIRED = 32  # equal images that are paired each with each


class DuplicatePair(NamedTuple):
    """Two examples with the same bytes or pixels."""

    name: str
    split: str
    label: str  # the name of its class; of several joined by "; "
    other_name: str
    other_split: str
    other_label: str

    @property
    def is_conflict(self) -> bool:
        """Whether one image has two labels."""
        return self.label != self.other_label

    @property
    def is_across(self) -> bool:
        """Whether the image lies in two splits."""
        return self.split != self.other_split


def find_duplicates(
    splits: Splits, digests: Sequence[Sequence[bytes]] | None = None
) -> list[DuplicatePair]:
    """Find equal photos, byte for byte or pixel for pixel.

    In two splits they make the measured accuracy too good; in two classes, one label is wrong. A
    photo that cannot be read is passed over, since decoding reports it.

    Args:
      splits: the three splits.
      digests: of the examples of each, see `example_digests`; None to read every example once.

    Returns:
      Every pair, the earlier example second. Of more than 32 equal images, each is paired with the
      first of each split and class alone, which misses no conflict.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> train, test = (DrawnPetsSource(name, 2, size_px=16) for name in ("train", "test"))
      >>> [(pair.name, pair.split) for pair in find_duplicates(Splits(train, test, test))]
      [('test/000000', 'test'), ('test/000001', 'test')]
    """
    digests = digests or [example_digests(source) for source in splits]
    every = np.array([digest for each in digests for digest in each], "S16")
    _, alike, count = np.unique(every, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero((count[alike] > 1) & (every != b"")).tolist()
    groups: dict[int, list[tuple[str, str, str]]] = {}
    if repeated:
        about = [row for each in zip(SPLIT_NAMES, splits, strict=True) for row in _about(*each)]
        for i in repeated:
            groups.setdefault(int(alike[i]), []).append(about[i])
    return [
        DuplicatePair(*own, *other)
        for group in groups.values()
        for number, own in enumerate(group)
        for other in _paired_with(group, number)
    ]


def _about(split: str, source: Source) -> Iterator[tuple[str, str, str]]:
    """Give the name, the split and the class of each example."""
    for name, label in zip(example_names(source), example_labels(source), strict=True):
        yield name, split, names_of_label(label, source.class_names)


def _paired_with(
    group: Sequence[tuple[str, str, str]], number: int
) -> Iterable[tuple[str, str, str]]:
    """Choose which of the equal images before one it is paired with."""
    if len(group) <= _MOST_PAIRED:
        return group[:number]
    return {each[1:]: each for each in reversed(group[:number])}.values()


def count_across(pairs: Iterable[DuplicatePair]) -> int:
    """Count the photos that lie in an earlier split too."""
    return len({(pair.split, pair.name) for pair in pairs if pair.is_across})


def count_conflicts(pairs: Iterable[DuplicatePair]) -> int:
    """Count the photos that lie in another class too."""
    both = [(pair[:2], pair[3:5]) for pair in pairs if pair.is_conflict]
    return len({photo for pair in both for photo in pair})


def write_duplicates_csv(path: str | Path, pairs: Sequence[DuplicatePair]) -> None:
    """Write the pairs of equal photos as a table, with a header.

    Args:
      path: file to write, UTF-8; replaced if there.
      pairs: as `find_duplicates` gives; the column `conflict` is 1 where the labels differ.
    """
    header = table_line([*DuplicatePair._fields, "conflict"])
    rows = (table_line([*pair, int(pair.is_conflict)]) for pair in pairs)
    write_text(Path(path), header + "".join(rows))
