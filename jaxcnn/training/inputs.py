"""What `fit` takes as data, made into batches: arrays, photos, data sets by name, iterables."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxcnn.data import batches as batches_lib
from jaxcnn.data.array_split import (
    ArraySplit,
    ExampleSplit,
    checked_label,
    floats_as_float32,
    image_and_label,
)
from jaxcnn.data.batches import as_label
from jaxcnn.data.image_cache import ImageCache
from jaxcnn.data.image_splits import ImageSplit, decode_split
from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.host.folders import cache_folder
from jaxcnn.types import Batch, PyTree

Put = Callable[[PyTree], PyTree]  # lays a batch of this process's rows on its devices

_CACHE_BYTES = 4 * 2**30  # of decoded images on disk
_KINDS = (
    "(images, labels), a dict of image and label, a source or a split of `jaxcnn.data`, "
    "a sequence of (image, label), or an iterable of batches"
)


class SplitInput:
    """Examples by position, in batches of any size.

    Args:
      split: as `data.image_splits.ImageSplit` describes.
      repeats: copies of each example in a training batch, see `data.batches.train_batches`.
      sampler: how often classes come in training, see `data.sampling.sampled_order`.
    """

    def __init__(self, split: ImageSplit, repeats: int = 1, sampler: str = "none") -> None:
        self.split, self.repeats, self.sampler = split, repeats, sampler

    def about(self) -> dict[str, Any]:
        """Give what a run that is resumed must share with the one before."""
        count = str(len(self.split))
        about = {"number of examples": count, "repeated_augmentation": self.repeats}
        return about if self.sampler == "none" else about | {"sampler": self.sampler}

    def steps_per_epoch(self, batch_size: int) -> int:
        """Count the full batches of an epoch."""
        return batches_lib.steps_per_epoch(len(self.split), batch_size)

    def shapes(self, batch_size: int, multiple: int = 1) -> Batch:
        """Give the shapes of a batch, to compile a step for."""
        split, nothing = self.split, np.zeros(0, np.int32)
        image = np.empty((0, *split.image_shape), split.dtype)
        label = as_label(split.labels[:0])
        return _shapes(Batch(image, label, nothing.astype(bool), nothing), batch_size)

    def train_batches(self, batch_size: int, seeds: Sequence[int], put: Put) -> Any:
        """Make the endless iterator of shuffled batches; of several seeds, of tuples of batches."""
        common: dict[str, Any] = {
            "batch_size": batch_size,
            "repeats": self.repeats,
            "sampler": self.sampler,
            "to_device": put,
        }
        if len(seeds) > 1:
            return batches_lib.member_batches(self.split, seeds=seeds, **common)
        return batches_lib.train_batches(self.split, seed=seeds[0], **common, **_own_share())

    def eval_batches(self, batch_size: int, put: Put, multiple: int = 1) -> Iterator[Batch]:
        """Give each example once; `batch_size` is a multiple of that number already."""
        batches = batches_lib.eval_batches(self.split, batch_size=batch_size, **_own_share())
        return map(put, batches)


class IterableInput:
    """Batches that come as they are; the last one of an epoch may be smaller.

    Args:
      batches: iterable once for each epoch, each item as `as_batch` takes; of several processes
        each gives its own rows.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches
        self._first: Batch | None = None

    def about(self) -> dict[str, Any]:
        """Give what a run that is resumed must share with the one before."""
        return {"number of examples": "that of a loader"}

    def steps_per_epoch(self, batch_size: int) -> int | None:
        """Give None: an epoch ends when the iterable does."""
        return None

    def shapes(self, batch_size: int, multiple: int = 1) -> Batch:
        """Give the shapes of a batch by reading the first one, filled up to a multiple."""
        if self._first is None:
            iterator = iter(self._batches)
            first = next(iterator, None)
            if first is None:
                raise ValueError("the data hold no batch.")
            self._first = as_batch(first, 0)
            if iterator is self._batches:  # it cannot be read again: put the first one back
                self._batches = _Replayed(self._first, iterator)
        count = len(self._first.mask) * jax.process_count()
        return _shapes(self._first, -(-count // multiple) * multiple)

    def train_batches(self, batch_size: int, seeds: Sequence[int], put: Put) -> Any:
        """Make an iterator that ends with each epoch and then begins the next."""
        if len(seeds) > 1:
            raise ValueError(
                "num_members above 1 needs data with random access, or shared_batches=True."
            )
        return _Epochs(self._batches, len(self.shapes(0).mask) // jax.process_count(), put)

    def eval_batches(self, batch_size: int, put: Put, multiple: int = 1) -> Iterator[Batch]:
        """Give each example once; batches are filled up to a multiple of some number."""
        size = len(self.shapes(0, multiple).mask) // jax.process_count()
        return map(put, _padded(self._batches, size))


Input: TypeAlias = SplitInput | IterableInput


def open_input(data: Any, preprocessing: Preprocessing | None) -> Input:
    """Make data of any kind that `fit` takes into batches.

    Args:
      data: arrays, photos, sequences or iterables.
      preprocessing: how photos become squares, where data is a source of photos.

    Returns:
      The input.

    Raises:
      TypeError: if data is a name, which is for training alone.
      ValueError: if data is of no such kind.
    """
    if isinstance(data, SplitInput | IterableInput):
        return data
    if isinstance(data, str):
        raise TypeError(
            f"data must be {_KINDS}; the name of a set is for train alone, and brings its own "
            f"validation split; got {data!r}."
        )
    if isinstance(data, (np.ndarray, jax.Array)):
        raise TypeError("data is one array; give images and labels as one pair, (images, labels).")
    if hasattr(data, "gather"):
        return SplitInput(data)
    is_pair = isinstance(data, (tuple, list)) and len(data) == 2
    if isinstance(data, list):  # as a pair, or two batches of pairs
        is_pair = is_pair and all(hasattr(part, "shape") for part in data)
    if isinstance(data, Mapping) or is_pair:
        return SplitInput(ArraySplit(*image_and_label(data)))
    if hasattr(data, "class_names"):
        return SplitInput(decode_split(data, _decoding(data, preprocessing)))
    has_access = hasattr(data, "__getitem__") and hasattr(data, "__len__") and len(data)
    if has_access and _is_example(data[0]):
        return SplitInput(ExampleSplit(data))
    if hasattr(data, "__iter__"):
        return IterableInput(data)
    raise ValueError(f"data must be {_KINDS}; got {type(data).__name__}.")


def load_named(name: str, preprocessing: Preprocessing | None) -> tuple[SplitInput, SplitInput]:
    """Load the training and validation splits of a data set by its name, or of a path.

    Args:
      name: a folder of photos, of Parquet files or of tar shards; a table of labels beside its
        photos; "drawn_pets"; or the name of a tensorflow-datasets set.
      preprocessing: how photos become squares; None where all have one size.

    Returns:
      The two.

    Raises:
      ValueError: if the set cannot be used.
    """
    from jaxcnn.data.datasets import FOLDER, load_images, load_splits
    from jaxcnn.data.photo_sources import named_photos

    size = max(preprocessing.decoding.image_shape[:2]) if preprocessing else 64
    if (photos := named_photos(name)) is None:
        splits = load_splits(name, size_px=size)
    else:
        splits = load_splits(FOLDER, data_dir=photos[0], labels=photos[1], size_px=size)
    cache = ImageCache(cache_folder() / "decoded", _CACHE_BYTES)
    found = load_images(splits, _decoding(splits.train, preprocessing), cache=cache)
    return SplitInput(found.train), SplitInput(found.validation)


def as_batch(item: Any, first_index: int, size: int | None = None) -> Batch:
    """Make a batch of what an iterable gives.

    Args:
      item: a Batch, (images, labels), or a dict of image and label.
      first_index: position of its first example in the epoch.
      size: rows that the batch shall have, the last ones padding; None for as many as there are.

    Returns:
      The batch, on the host.

    Raises:
      ValueError: if it is none of these, is empty or has more rows than `size`.
    """
    if isinstance(item, Batch):
        images, label, mask = (np.asarray(part) for part in item[:3])
    else:
        pair = image_and_label(item)
        images, label = floats_as_float32(pair[0]), np.asarray(pair[1])
        mask = np.ones(len(images), bool)
    label, count = checked_label(label), len(images)
    size = count if size is None else size
    if not 0 < count <= size or len(label) != count:
        raise ValueError(
            f"a batch must have as many labels as images, at least one and at most the {size} of "
            f"the first batch; got {count} images and {len(label)} labels."
        )
    # Padding repeats rows, since BatchNorm counts them, and losses divide by labels.
    rows, numbers = np.arange(size) % count, np.arange(size, dtype=np.int32)
    is_own = numbers < count
    index = np.where(is_own, first_index + numbers, -1).astype(np.int32)
    return Batch(images[rows], label[rows], mask[rows] & is_own, index)


def _own_share() -> dict[str, Any]:
    """Say which part of each batch this process makes."""
    return {"process_index": jax.process_index(), "process_count": jax.process_count()}


class _Epochs:
    """Reads an iterable once for each epoch; its position is saved by number, or as Grain's."""

    def __init__(self, batches: Iterable[Any], size: int, put: Put) -> None:
        self._data, self._size, self._put = batches, size, put
        self._iterator: Any = None
        self._step = 0
        self._saved: Any = None

    def __next__(self) -> Batch:
        if self._iterator is None:
            self._iterator = iter(self._data)
            if self._saved is not None:
                self._iterator.set_state(self._saved)
            else:
                for _ in range(self._step):
                    next(self._iterator)
            self._saved = None
        try:
            item = next(self._iterator)
        except StopIteration:
            self._iterator, self._step = None, 0
            raise
        self._step += 1
        return self._put(as_batch(item, (self._step - 1) * self._size, self._size))

    def get_state(self) -> Any:
        """Give the position in the epoch under way."""
        own = getattr(self._iterator, "get_state", None)
        state = own() if own is not None and self._step else self._saved
        return {"step": self._step, "state": state if _is_json(state) else None}

    def set_state(self, state: Any) -> None:
        """Go to a position; an iterable without positions is read up to it."""
        self._iterator, self._step, self._saved = None, state["step"], state["state"]


class _Replayed:
    """An iterator whose first item was read already."""

    def __init__(self, first: Any, rest: Iterator[Any]) -> None:
        self._items: Iterator[Any] = (item for part in ([first], rest) for item in part)

    def __iter__(self) -> Iterator[Any]:
        return self._items


def _padded(batches: Iterable[Any], size: int) -> Iterator[Batch]:
    first_index = 0
    for item in batches:
        batch = as_batch(item, first_index, size)
        first_index += size
        yield batch


def iter_once(data: Any) -> bool:
    """Tell whether data is an iterator, which can be read only once."""
    return hasattr(data, "__next__")


def _is_example(item: Any) -> bool:
    """Tell an (image, label) from a batch of them."""
    if isinstance(item, Batch):
        return False
    image, label = image_and_label(item)
    return np.ndim(label) == 0 or np.ndim(image) == 3


def _is_json(value: Any) -> bool:
    return isinstance(value, (dict, list, int, str))


def _shapes(batch: Batch, batch_size: int) -> Batch:
    def shape(part: Any) -> Any:
        part = np.asarray(part)
        return jax.ShapeDtypeStruct((batch_size, *part.shape[1:]), part.dtype)

    return Batch(*map(shape, batch))


def _decoding(source: Any, preprocessing: Preprocessing | None) -> Decoding:
    """Choose the squares that photos become: as asked for, or as they are where all are alike."""
    if preprocessing is not None:
        return preprocessing.decoding
    image = source[0].image
    if isinstance(image, bytes) or image.shape[0] != image.shape[1]:
        raise ValueError(
            "photos come in many sizes; give preprocessing=Preprocessing(decoding=Decoding(64)) to "
            "make them squares of 64 pixels a side."
        )
    return Decoding(image.shape[0], num_channels=image.shape[-1])
