"""What all lessons share: the photos, the seed, the sizes, and what was computed before."""

import dataclasses
import functools
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

import jaxcnn
from jaxcnn.data.datasets import DRAWN_PETS, FOLDER, load_splits
from jaxcnn.data.image_splits import DecodedSplit, decode_split
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import Source, Splits, SubsetSource, digest_of, example_labels
from jaxcnn.host.files import write_arrays

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much the lessons compute; the smaller ones are for trying things out.

    Attributes:
      image_px: side of the photos that networks see.
      large_px: side of the few photos that are looked at.
      num_train: photos to learn from.
      num_validation: photos to choose by.
      num_test: photos to report on.
      num_epochs: passes over the photos, of the network that the lessons look into.
      num_few: photos that a network is to memorise.
      few_epochs: passes over those.
      num_repetitions: repetitions of a simulated experiment.
      transfer_counts: numbers of photos to compare transfer and scratch at.
      transfer_steps: least steps of training from scratch at each of them.
    """

    image_px: int = 48
    large_px: int = 128
    num_train: int = 3000
    num_validation: int = 500
    num_test: int = 1000
    num_epochs: int = 8
    num_few: int = 400
    few_epochs: int = 20
    num_repetitions: int = 1000
    transfer_counts: tuple[int, ...] = (20, 100, 400, 1600)
    transfer_steps: int = 200


class Photos(NamedTuple):
    """Three splits without a photo in common, small enough for networks to learn in seconds."""

    train: DecodedSplit
    validation: DecodedSplit
    test: DecodedSplit

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""
        return self.train.class_names


class Course:
    """The photos, and a folder that caches what took long, so that a second start continues there.

    Args:
      folder: where arrays are cached; made where it is missing.
      data_dir: photos in one folder per class; None for the drawn cats and dogs.
      weights: published weights to transfer from; None for those that are installed, or else a
        network that the lesson trains itself; "none" for the latter.
      seed: decides every draw.
      sizes: how much is computed.

    Raises:
      ValueError: if the folder of photos cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        data_dir: str | None = None,
        weights: str | None = None,
        seed: int = 0,
        sizes: Sizes | None = None,
    ) -> None:
        self.folder, self.seed, self.sizes = folder, seed, sizes or Sizes()
        self.weights = weights
        folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = data_dir
        self._sources = self._find(self.sizes.image_px)
        self.about = json.dumps([seed, self.sizes.image_px, data_dir, *map(len, self._sources)])

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""
        return self._sources.train.class_names

    @functools.cached_property
    def photos(self) -> Photos:
        """The photos as the networks see them."""
        counts = (self.sizes.num_train, self.sizes.num_validation, self.sizes.num_test)
        return Photos(*map(self._decoded, Photos._fields, self._sources, counts))

    @functools.cached_property
    def large_photos(self) -> DecodedSplit:
        """A few photos of the test split, large enough to be looked at, each class in turn."""
        source = self._find(self.sizes.large_px).test
        chosen = SubsetSource(source, balanced(example_labels(source), 12, seed=self.seed))
        return decode_split(chosen, Decoding(self.sizes.large_px), progress=False)

    def _find(self, size_px: int) -> Splits:
        """Find the photos; drawings are drawn at the size that is wanted, instead of shrunk."""
        return load_splits(
            DRAWN_PETS if self.data_dir is None else FOLDER,
            data_dir=self.data_dir,
            size_px=size_px,
            seed=self.seed,
        )

    def _decoded(self, split: str, source: Source, count: int) -> DecodedSplit:
        chosen = SubsetSource(source, balanced(example_labels(source), count, seed=self.seed))

        def decode() -> Arrays:
            found = decode_split(chosen, Decoding(self.sizes.image_px), progress=False)
            return {"images": found.images, "labels": found.labels}

        found = self.cached(f"photos_{split}", decode, count)
        names = [f"{split}/{i}" for i in range(len(found["labels"]))]
        return DecodedSplit(found["images"], found["labels"], names, source.class_names)

    def cached(
        self, name: str, make: Callable[[], Mapping[str, np.ndarray]], *about: object
    ) -> Arrays:
        """Give what `make` gives, from the folder where an earlier start has left it.

        Args:
          name: of the file.
          make: called where there is none, or one of another course or about something else.
          *about: what the arrays depend on beside the course, such as a network's settings.

        Returns:
          The arrays.
        """
        path = self.folder / f"{name}.npz"
        origin = digest_of(self.about, jaxcnn.__version__, repr(about))
        found = _read(path, origin)
        if found is None:
            found = dict(make())
            write_arrays(path, found | {"origin": np.array(origin)})
        return found


def balanced(labels: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Choose examples at random, as many of each class as can be; more of them extend fewer.

    Args:
      labels: (N,) integers.
      count: how many to choose; all where there are fewer.
      seed: decides which.

    Returns:
      (min(count, N),) positions, the classes in turn.

    Example:
      >>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
      >>> labels[balanced(labels, 4, seed=0)].tolist()
      [0, 1, 0, 1]
    """
    draws = np.random.default_rng(seed)
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = draws.permutation(len(members))
    return np.lexsort((labels, rank))[:count]


def first_of(split: DecodedSplit, count: int) -> DecodedSplit:
    """Keep the first examples of a split."""
    images, labels, names = split.images[:count], split.labels[:count], split.names[:count]
    return DecodedSplit(images, labels, names, split.class_names)


def _read(path: Path, origin: str) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return found if str(found.pop("origin", "")) == origin else None
