"""Arrays and sequences of examples as splits, for those who have no files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.data.batches import as_label


class ArraySplit:
    """Images and labels that are arrays.

    Args:
      images: (N, ...) uint8, or floating point as the network takes them.
      labels: (N,) integers, or floating point of any shape (N, ...) for a loss that takes them.

    Raises:
      ValueError: if their lengths differ.
    """

    num_threads = 1
    class_names: tuple[str, ...] = ()

    def __init__(self, images: Any, labels: Any) -> None:
        self._images, self.labels = floats_as_float32(images), checked_label(labels)
        if len(self._images) != len(self.labels):
            raise ValueError(
                f"images and labels must be equally many, got {len(self._images)} and "
                f"{len(self.labels)}."
            )
        if not len(self.labels):
            raise ValueError("the data hold no example.")
        self.names = _Numbers(len(self.labels))
        self.image_shape, self.dtype = self._images.shape[1:], self._images.dtype

    def __len__(self) -> int:
        return len(self._images)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images at (B,) indices, and (B,) bool, all True."""
        return self._images[indices], np.ones(len(indices), bool)


class ExampleSplit:
    """Examples of a sequence, such as a Grain MapDataset or a PyTorch Dataset, read as needed.

    Args:
      examples: `examples[i]` is (image, label), or a dict of both.
    """

    num_threads = 2
    class_names: tuple[str, ...] = ()

    def __init__(self, examples: Any) -> None:
        self._examples = examples
        image, label = image_and_label(examples[0])
        image = floats_as_float32(image)
        self.image_shape, self.dtype = image.shape, image.dtype
        first = checked_label(np.asarray(label)[None])
        self.labels = np.zeros((len(examples), *first.shape[1:]), first.dtype)
        self.names = _Numbers(len(examples))

    def __len__(self) -> int:
        return len(self._examples)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images at (B,) indices, and (B,) bool, all True; notes their labels."""
        pairs = [image_and_label(self._examples[int(i)]) for i in indices]
        # Labels are filled in here: batches read them after the images.
        self.labels[indices] = as_label(np.stack([np.asarray(label) for _, label in pairs]))
        return np.stack([floats_as_float32(image) for image, _ in pairs]), np.ones(
            len(indices), bool
        )


class _Numbers(Sequence[str]):
    """The names of examples that have none: their positions."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        return str(range(self._count)[i])


def checked_label(label: Any) -> np.ndarray:
    """Give labels as batches hold them; raise ValueError for what is no number."""
    label = np.asarray(label)
    if label.dtype.kind not in "biuf":
        raise ValueError(
            f"labels must be numbers, such as 0 for the first class; got {label.dtype}."
        )
    return as_label(label)


def floats_as_float32(images: Any) -> np.ndarray:
    """Give images as an array; float64 becomes float32."""
    images = np.asarray(images)
    return images.astype(np.float32) if images.dtype == np.float64 else images


def image_and_label(item: Any) -> tuple[Any, Any]:
    """Take a pair or a dict apart; raise ValueError for what is neither."""
    if isinstance(item, Mapping) and {"image", "label"} <= item.keys():
        return item["image"], item["label"]
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    what = type(item).__name__
    if isinstance(item, Mapping):
        what = f"a dict of {', '.join(map(str, item)) or 'nothing'}"
    elif isinstance(item, (tuple, list)):
        what = f"{len(item)} parts"
    raise ValueError(f"data must give (images, labels) or a dict of image and label; got {what}.")
