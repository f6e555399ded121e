"""The drawn pets as sources: each picture is drawn when it is read."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxcnn.data.drawn_pets.drawing import MIN_SIZE_PX, draw_label, draw_pet
from jaxcnn.data.drawn_pets.processes import Drawers
from jaxcnn.data.source import Example, Source, Splits, digest_of
from jaxcnn.host.names import unknown_name

CLASS_NAMES = ("cat", "dog")
# Where each split starts in the endless sequence of a seed's pictures, so far from the next that no
# split ever reaches it: a larger split extends a smaller one.
FIRST_INDEX = {"train": 0, "validation": 1 << 40, "test": 2 << 40}
_MANY = 256  # pictures from which processes are worth their start, about 30 pictures' time each


class DrawnPetsSource:
    """Drawn cats and dogs of one split; reading is pure, and so safe from any thread.

    Args:
      split: "train", "validation" or "test"; no two share a picture.
      num_examples: how many pictures; an even number holds as many cats as dogs.
      size_px: height and width, at least 16.
      seed: of the whole data set, at least 0.

    Raises:
      ValueError: if the split is unknown, or a number is below its bound.

    Example:
      >>> source = DrawnPetsSource("train", 10, size_px=16)
      >>> source[3].name, source[3].image.shape, sum(source.labels.tolist())
      ('train/000003', (16, 16, 3), 5)
    """

    class_names = CLASS_NAMES

    def __init__(self, split: str, num_examples: int, *, size_px: int, seed: int = 0) -> None:
        if split not in FIRST_INDEX:
            raise unknown_name("split", split, FIRST_INDEX)
        if num_examples < 0 or seed < 0:
            raise ValueError(f"num_examples (={num_examples}) and seed (={seed}) must be >= 0.")
        if size_px < MIN_SIZE_PX:
            raise ValueError(f"size_px (={size_px}) must be at least {MIN_SIZE_PX}.")
        self.split = split
        self.size_px = size_px
        self.seed = seed
        self.names = [f"{split}/{i:06d}" for i in range(num_examples)]

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """(N,) int32, found without drawing the pictures."""
        first = FIRST_INDEX[self.split]
        return np.array([draw_label(self.seed, first + i) for i in range(len(self))], np.int32)

    @functools.cached_property
    def digests(self) -> list[bytes]:
        """What tells each picture from all others, found without drawing it, at any size."""
        first = FIRST_INDEX[self.split]
        return [
            bytes.fromhex(digest_of("drawn pet", self.seed, first + i))[:16]
            for i in range(len(self))
        ]

    def fingerprint(self, indices: np.ndarray) -> str:
        """Identify the pictures at (M,) indices by a text: the draws, and the code that draws."""
        about = (self.split, self.size_px, self.seed)
        return digest_of(_drawing_code(), about, indices.tolist())

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Example:
        i = range(len(self))[i]  # raises IndexError past the end, which ends a for loop
        image, label = draw_pet(self.seed, FIRST_INDEX[self.split] + i, self.size_px)
        return Example(image, label, self.names[i])

    @contextlib.contextmanager
    def opened(self, num_workers: int) -> Iterator[Source]:
        """Give the same source for as many threads to read, drawn in a process for each."""
        if num_workers < 2 or len(self) < _MANY:
            yield self
            return
        with contextlib.closing(Drawers(num_workers, self.seed, self.size_px)) as drawers:
            yield _DrawnElsewhere(self, drawers)


class _DrawnElsewhere:
    """A source of drawn pets whose pictures come from other processes."""

    def __init__(self, source: DrawnPetsSource, drawers: Drawers) -> None:
        self.class_names, self._source, self._drawers = source.class_names, source, drawers

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, i: int) -> Example:
        source, i = self._source, range(len(self))[i]
        image = self._drawers.draw(FIRST_INDEX[source.split] + i)
        return Example(image, int(source.labels[i]), source.names[i])


@functools.cache
def _drawing_code() -> str:
    """Digest the modules that draw, since no version number changes with a stroke."""
    return digest_of(*(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


def drawn_pets_splits(
    *,
    seed: int = 0,
    size_px: int,
    num_train: int = 4000,
    num_validation: int = 1000,
    num_test: int = 1000,
) -> Splits:
    """Make the three splits of the drawn cats and dogs.

    Args:
      seed: of the whole data set; the splits of one seed share no picture.
      size_px: height and width, at least 16.
      num_train: pictures to learn from.
      num_validation: pictures to choose by.
      num_test: pictures to report on.

    Returns:
      Sources of 0 = cat and 1 = dog. More pictures of a split extend fewer.

    Raises:
      ValueError: if a number is below its bound.

    Example:
      >>> splits = drawn_pets_splits(size_px=16, num_train=6)
      >>> len(splits.train), len(splits.test), splits.test.class_names
      (6, 1000, ('cat', 'dog'))
    """
    return Splits(
        train=DrawnPetsSource("train", num_train, size_px=size_px, seed=seed),
        validation=DrawnPetsSource("validation", num_validation, size_px=size_px, seed=seed),
        test=DrawnPetsSource("test", num_test, size_px=size_px, seed=seed),
    )
