"""Splits put together again: all images of a data set as one, of which any part can be taken."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxcnn.data.image_splits import DecodedSplit, ImageSplit, StreamedSplit
from jaxcnn.data.source import (
    Example,
    Source,
    SubsetSource,
    example_labels,
    example_names,
)
from jaxcnn.data.splits.groups import example_groups


class JoinedSource:
    """Several sources of the same classes, one after the other.

    Args:
      sources: at least one.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> sources = [DrawnPetsSource(name, 2, size_px=16) for name in ("train", "test")]
      >>> [example.name for example in JoinedSource(sources)]
      ['train/000000', 'train/000001', 'test/000000', 'test/000001']
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.class_names = sources[0].class_names
        self._sources = list(sources)
        self._ends = np.cumsum([len(source) for source in sources])

    @functools.cached_property
    def names(self) -> list[str]:
        """The examples' names."""
        return [name for source in self._sources for name in example_names(source)]

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """The examples' labels, in order."""
        return np.concatenate([example_labels(source) for source in self._sources])

    @functools.cached_property
    def groups(self) -> list[str]:
        """The examples' groups."""
        return [group for source in self._sources for group in example_groups(source)]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, i: int) -> Example:
        if not 0 <= i < len(self):
            raise IndexError(i)
        number = int(np.searchsorted(self._ends, i, side="right"))
        return self._sources[number][i - int(self._ends[number]) + len(self._sources[number])]


class JoinedSplit:
    """The images of several splits, one after the other; none is copied.

    Args:
      splits: of `image_splits`, at least one, all of one size and the same classes.
      by_name: sort the images by name, so that their order does not depend on the splits.

    Example:
      >>> images, labels = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1])
      >>> split = DecodedSplit(images, labels, ["a.jpg", "b.jpg"], ("cat", "dog"))
      >>> JoinedSplit([split, split]).take([3, 0]).names
      ['b.jpg', 'a.jpg']
    """

    def __init__(self, splits: Sequence[ImageSplit], *, by_name: bool = False) -> None:
        self._splits = list(splits)
        self._ends = np.cumsum([len(split) for split in splits])
        first = splits[0]
        self.class_names, self.image_shape = first.class_names, first.image_shape
        self.dtype, self.num_threads = first.dtype, first.num_threads
        names = [name for split in splits for name in split.names]
        order = sorted(range(len(names)), key=names.__getitem__) if by_name else range(len(names))
        self.order = np.array(order, np.int64)  # positions among the splits, one after the other
        self.names = [names[i] for i in order]
        self.labels = np.concatenate([split.labels for split in splits])[self.order]
        sources = [getattr(split, "source", None) for split in splits]
        known = [source for source in sources if source is not None]
        self.source: Source | None = None
        if len(known) == len(sources):
            self.source = SubsetSource(JoinedSource(known), self.order)

    @property
    def is_streamed(self) -> bool:
        """Whether images are decoded each time they are requested."""
        return any(isinstance(split, StreamedSplit) for split in self._splits)

    def __len__(self) -> int:
        return len(self.names)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images at (B,) indices, and (B,) bool, False if missing."""
        where = self.order[np.asarray(indices, np.int64)]
        images = np.zeros((len(where), *self.image_shape), self.dtype)
        present = np.zeros(len(where), bool)
        number = np.searchsorted(self._ends, where, side="right")
        for i in np.unique(number):
            own, split = number == i, self._splits[i]
            images[own], present[own] = split.gather(where[own] - self._ends[i] + len(split))
        return images, present

    def take(self, indices: Sequence[int] | np.ndarray) -> ImageSplit:
        """Give a split of the images at some positions, in memory where all are.

        Args:
          indices: (M,) positions.

        Returns:
          The split, in the order of the positions.
        """
        where = np.asarray(indices, np.int64)
        source = None if self.source is None else SubsetSource(self.source, where)
        first = self._splits[0]
        if isinstance(first, StreamedSplit) and source is not None:
            return first.of(source)
        return DecodedSplit(
            images=self.gather(where)[0],
            labels=self.labels[where],
            names=[self.names[i] for i in where],
            class_names=self.class_names,
            source=source,
        )


@dataclass(frozen=True, eq=False)
class PartOfSplit:
    """Some examples of a split.

    Example:
      >>> images, labels = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1])
      >>> split = DecodedSplit(images, labels, ["a.jpg", "b.jpg"], ("cat", "dog"))
      >>> PartOfSplit(split, np.array([1])).names
      ['b.jpg']
    """

    split: ImageSplit
    rows: np.ndarray  # (M,) positions in it

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""
        return self.split.class_names

    @property
    def names(self) -> list[str]:
        """The examples' names."""
        return [self.split.names[row] for row in self.rows]

    @property
    def labels(self) -> np.ndarray:
        """(M,) int32."""
        return self.split.labels[self.rows]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(S, S, C)."""
        return self.split.image_shape

    @property
    def dtype(self) -> np.dtype:
        """Of the images."""
        return self.split.dtype

    @property
    def num_threads(self) -> int:
        """How many threads it pays to gather with."""
        return self.split.num_threads

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images at (B,) indices, and (B,) bool, False if missing."""
        return self.split.gather(self.rows[indices])
