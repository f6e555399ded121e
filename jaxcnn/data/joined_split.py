"""Several splits as one, for what is asked of every photo."""

from collections.abc import Sequence

import numpy as np

from jaxcnn.data.image_splits import ImageSplit


class JoinedSplit:
    """The images of several splits of one data set, one split after the other.

    Args:
      splits: with the same classes and the same shape of images; at least one.

    Example:
      >>> from jaxcnn.data import DecodedSplit
      >>> images = np.zeros((2, 8, 8, 3), np.uint8)
      >>> split = DecodedSplit(images, np.array([0, 1]), ["a", "b"], ("cat", "dog"))
      >>> JoinedSplit([split, split]).labels.tolist()
      [0, 1, 0, 1]
    """

    def __init__(self, splits: Sequence[ImageSplit]) -> None:
        self._splits = list(splits)
        first = self._splits[0]
        self.class_names, self.image_shape = first.class_names, first.image_shape
        self.dtype, self.num_threads = first.dtype, first.num_threads
        self.names = [name for split in self._splits for name in split.names]
        self.labels = np.concatenate([split.labels for split in self._splits])
        self._starts = np.cumsum([0, *map(len, self._splits)])

    def __len__(self) -> int:
        return len(self.names)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images at (B,) indices, and (B,) bool, False if missing."""
        indices = np.asarray(indices)
        images = np.zeros((len(indices), *self.image_shape), self.dtype)
        present = np.zeros(len(indices), bool)
        for split, start in zip(self._splits, self._starts[:-1], strict=True):
            here = np.flatnonzero((indices >= start) & (indices < start + len(split)))
            if here.size:
                images[here], present[here] = split.gather(indices[here] - start)
        return images, present
