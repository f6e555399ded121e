"""Random draws that are the same on every machine and under every numpy release."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")
_POOL = 64  # raw draws fetched at once; a scalar fetched on its own costs ten times as much


class Draws:
    """One stream of random numbers, decided by (seed, index, stream).

    It reads the bit generator directly: numpy promises PCG64's raw stream for good, but not
    the stream of `Generator.uniform`.

    Args:
      seed: of the data set; >= 0.
      index: of the picture; >= 0.
      stream: separates the topics of one picture, so that a topic that takes one draw more
        does not change the others.

    Example:
      >>> Draws(0, 1, 2).uniform() == Draws(0, 1, 2).uniform()
      True
    """

    def __init__(self, seed: int, index: int, stream: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(index, stream)))
        self._pool: list[int] = []

    def _raw(self) -> int:
        if not self._pool:
            self._pool = self._bits.random_raw(_POOL).tolist()
        return self._pool.pop()

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw a number evenly from [low, high)."""
        return low + (high - low) * ((self._raw() >> 11) * 2.0**-53)

    def integer(self, high: int) -> int:
        """Draw a whole number evenly from 0 to high - 1."""
        return (self._raw() >> 32) * high >> 32

    def chance(self, probability: float) -> bool:
        """Draw whether something happens."""
        return self.uniform() < probability

    def sign(self) -> float:
        """Draw -1.0 or 1.0."""
        return 1.0 if self.chance(0.5) else -1.0

    def choice(self, options: Sequence[Option]) -> Option:
        """Draw one of the options, each as probable as the next."""
        return options[self.integer(len(options))]

    def lattice(self, rows: int, columns: int) -> np.ndarray:
        """Draw a (rows, columns) float32 table, evenly from [0, 1)."""
        raw = self._bits.random_raw(rows * columns).reshape(rows, columns)
        return (raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)

    def grain(self, size_px: int) -> np.ndarray:
        """Draw (3, size_px, size_px) float32 noise, evenly from [-1, 1)."""
        raw = self._bits.random_raw(size_px * size_px).reshape(1, size_px, size_px)
        # 21 bits for each of the three channels; shifts, as a view would depend on byte order.
        shifts = np.array([1, 22, 43], np.uint64).reshape(3, 1, 1)
        units = (raw >> shifts) & np.uint64(0x1FFFFF)
        return units.astype(np.float32) * np.float32(2.0**-20) - np.float32(1.0)
