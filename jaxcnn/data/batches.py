"""Batches of numpy arrays: shuffled without end for training, each example once for evaluation.

A Grain pipeline numbers the steps, and each batch is a pure function of (seed, step): the state of
an iterator is its step alone, so a run that is resumed sees the batches of one that never stopped,
and the number of threads changes nothing.

`batch_size` is always that of all processes together. Process p of P gets rows p * batch_size / P
onwards of each batch, so that the examples of a step do not depend on the number of processes.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import numpy as np

from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.data.random_crops import RandomCrops
from jaxcnn.data.sampling import LARGEST_INDEX, sampled_order
from jaxcnn.types import Batch

_MADE_AHEAD = 4  # batches, at least; each thread holds one more
_ENDLESS = 2**62  # steps; Grain numbers them by 64-bit integers


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Count the full batches in an epoch; the examples left over change from epoch to epoch.

    Args:
      num_examples: number of examples to train on.
      batch_size: examples per step, of all processes together.

    Returns:
      num_examples // batch_size, at least 1.

    Raises:
      ValueError: if there is not one full batch, or `batch_size` < 1.

    Example:
      >>> steps_per_epoch(1000, 64)
      15
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; expected at least 1.")
    if num_examples < batch_size:
        raise ValueError(
            f"batch_size (={batch_size}) exceeds the number of training examples "
            f"(={num_examples}); lower batch_size."
        )
    return num_examples // batch_size


def train_batches(
    data: ImageSplit,
    *,
    batch_size: int,
    seed: int,
    num_epochs: int | None = None,
    repeats: int = 1,
    sampler: str = "none",
    process_index: int = 0,
    process_count: int = 1,
    num_threads: int | None = None,
    to_device: Callable[[Batch], Batch] = lambda batch: batch,
) -> grain.DatasetIterator:
    """Make an iterator over shuffled batches for training.

    Each epoch has its own order and `steps_per_epoch` full batches. Repeated augmentation leaves
    the number of steps as it is: with R repeats an epoch shows the first 1 / R of its order, each
    example R times in one batch. The r-th copy's index lies r times the split's length beyond the
    first's, so that augmentation, which draws by the index, gives it other draws.

    `get_state()` gives a dict of plain numbers, `set_state` goes on after the batch at which it was
    taken; it holds for the same data, batch size and seed. A missing image (see StreamedSplit) is
    masked as padding is.

    Args:
      data: the training split.
      batch_size: examples per step, of all processes together.
      seed: >= 0.
      num_epochs: epochs before the iterator ends; None: never.
      repeats: copies of each example in a batch, at least 1; where they do not divide `batch_size`,
        the last example's others open the next batch.
      sampler: how often classes come, see `sampling.sampled_order`.
      process_index: which process this is, from 0.
      process_count: how many processes train together; divides `batch_size`.
      num_threads: threads that make batches ahead of their use, by default as many as suit the
        data; 0 makes each batch on demand.
      to_device: called with each batch by the thread that made it, ahead of its use, such as
        `jax.device_put`; safe for many threads.

    Returns:
      A Grain iterator of Batch, of batch_size / process_count rows.

    Raises:
      ValueError: if there is not one full batch, or an option is out of range.

    Example:
      >>> from jaxcnn.data import DecodedSplit
      >>> images, labels = np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1])
      >>> split = DecodedSplit(images, labels, ["a", "b", "c", "d"], ("cat", "dog"))
      >>> batches = train_batches(split, batch_size=2, seed=0, num_epochs=1)
      >>> sorted(int(i) for batch in batches for i in batch.index)
      [0, 1, 2, 3]

    Source: Hoffer et al. 2019, arXiv:1901.09335; the length of an epoch is that of timm's and
    torchvision's samplers.
    """
    share = _process_rows(batch_size, process_index, process_count)
    steps = steps_per_epoch(len(data), batch_size)
    if seed < 0 or (num_epochs is not None and num_epochs < 1):
        raise ValueError(
            f"seed is {seed}, num_epochs {num_epochs}; expected seed >= 0, num_epochs >= 1 or None."
        )
    examples = _examples_of_steps(data.labels, batch_size, seed, repeats, sampler)

    def make_batch(step: int) -> Batch:
        return to_device(_gather(data, examples(step)[share], (seed, step)))

    num_steps = _ENDLESS if num_epochs is None else steps * num_epochs
    return _prefetched(data, num_steps, make_batch, num_threads)


def member_batches(
    data: ImageSplit,
    *,
    batch_size: int,
    seeds: Sequence[int],
    repeats: int = 1,
    sampler: str = "none",
    to_device: Callable[[Batch], Batch] = lambda batch: batch,
) -> grain.DatasetIterator:
    """Make an iterator over the batches of several networks that train side by side.

    Args:
      data: the training split.
      batch_size: examples per step of each network.
      seeds: a seed for each, >= 0.
      repeats: copies of each example in a batch.
      sampler: how often classes come, see `sampling.sampled_order`.
      to_device: called with each batch by the thread that made it.

    Returns:
      A Grain iterator without end, of a tuple with a Batch for each seed: the one that
      `train_batches` gives at the same step by that seed.

    Raises:
      ValueError: if there is not one full batch, or an option is out of range.
    """
    steps_of = functools.partial(_examples_of_steps, data.labels, batch_size)
    members = {seed: steps_of(seed, repeats, sampler) for seed in seeds}

    def make_batches(step: int) -> tuple[Batch, ...]:
        return tuple(to_device(_gather(data, members[seed](step), (seed, step))) for seed in seeds)

    return _prefetched(data, _ENDLESS, make_batches, None)


def eval_batches(
    data: ImageSplit,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
    num_threads: int | None = None,
) -> Iterator[Batch]:
    """Make an iterator over all examples, in order, each exactly once.

    The last batch is filled up with rows of zeros, mask False and index -1, so all have one shape.
    All processes get the same number of batches, even if one's last holds padding alone.

    Args:
      data: the split to evaluate.
      batch_size: examples per step, of all processes together; may exceed that of all examples.
      process_index: which process this is, from 0.
      process_count: how many processes evaluate together; divides `batch_size`.
      num_threads: threads that make batches ahead of their use, by default as many as suit the
        data; 0 makes each batch on demand.

    Returns:
      An iterator of Batch, of batch_size / process_count rows.

    Raises:
      ValueError: if an option is out of range.

    Example:
      >>> from jaxcnn.data import DecodedSplit
      >>> images, labels = np.zeros((3, 8, 8, 3), np.uint8), np.array([0, 1, 0])
      >>> split = DecodedSplit(images, labels, ["a", "b", "c"], ("cat", "dog"))
      >>> [batch.mask.tolist() for batch in eval_batches(split, batch_size=2)]
      [[True, True], [True, False]]
    """
    share = _process_rows(batch_size, process_index, process_count)
    num_steps = -(-len(data) // batch_size)

    def make_batch(step: int) -> Batch:
        index = np.arange(step * batch_size, (step + 1) * batch_size)[share]
        return _gather(data, np.where(index < len(data), index, -1))

    return _prefetched(data, num_steps, make_batch, num_threads)


def _examples_of_steps(
    labels: np.ndarray, batch_size: int, seed: int, repeats: int, sampler: str
) -> Callable[[int], np.ndarray]:
    """Make a function from a step to the (batch_size,) indices of its examples."""
    if not 1 <= repeats <= batch_size:
        raise ValueError(f"repeats (={repeats}) must be from 1 to batch_size (={batch_size}).")
    num_examples = len(labels)
    steps = steps_per_epoch(num_examples, batch_size)
    most_copies = LARGEST_INDEX // num_examples

    @functools.lru_cache(maxsize=1)  # since steps mostly share their epoch
    def order(epoch: int) -> np.ndarray:
        return sampled_order(labels, sampler=sampler, seed=seed, epoch=epoch)

    if sampler != "none":
        order(0)  # so that labels that do not suit are told here

    def examples(step: int) -> np.ndarray:
        epoch, i = divmod(step, steps)
        places = np.arange(i * batch_size, (i + 1) * batch_size)
        # All first copies, then all second ones: mixing takes neighbours, devices take parts.
        places = places[np.argsort(places % repeats, kind="stable")]
        copy, example = np.divmod(order(epoch)[places // repeats], num_examples)
        copy = (copy * repeats + places % repeats) % most_copies
        return example + copy * num_examples

    return examples


def _process_rows(batch_size: int, process_index: int, process_count: int) -> slice:
    """Return which rows of every batch are this process's."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; expected at least 1.")
    if not 0 <= process_index < process_count:
        raise ValueError(
            f"process_index is {process_index} of process_count {process_count}; "
            "expected 0 <= process_index < process_count."
        )
    if batch_size % process_count:
        raise ValueError(
            f"batch_size (={batch_size}) is no multiple of process_count (={process_count}); "
            "every process needs the same share."
        )
    rows = batch_size // process_count
    return slice(process_index * rows, (process_index + 1) * rows)


def _gather(data: ImageSplit, index: np.ndarray, key: tuple[int, ...] = ()) -> Batch:
    """Make a batch of the examples of (B,) indices; -1 makes a row of padding.

    Where each batch has random crops of its own, `key` and the index decide which.
    """
    positions = index % len(data)  # those of copies lie beyond the end
    image = np.zeros((len(index), *data.image_shape), data.dtype)
    mask = index >= 0
    if key and isinstance(data, RandomCrops):
        image, mask = data.draw(index, key)
    elif mask.all():
        image, mask = data.gather(positions)
    elif mask.any():
        image[mask], mask[mask] = data.gather(positions[mask])
    label = as_label(data.labels[positions])
    label[~mask] = 0
    return Batch(image, label, mask, np.where(mask, index, -1).astype(np.int32))


def as_label(label: Any) -> np.ndarray:
    """Give labels as int32, or as float32 where they are floating point."""
    label = np.asarray(label)
    return label.astype(np.float32 if np.issubdtype(label.dtype, np.floating) else np.int32)


def _prefetched(
    data: ImageSplit, num_steps: int, make_batch: Callable[[int], Any], num_threads: int | None
) -> grain.DatasetIterator:
    """Run make_batch(0), ..., make_batch(num_steps - 1), in order, some steps ahead."""
    num_threads = data.num_threads if num_threads is None else num_threads
    if num_threads < 0:
        raise ValueError(f"num_threads is {num_threads}; expected at least 0.")
    options = grain.ReadOptions(
        num_threads=num_threads, prefetch_buffer_size=max(num_threads, _MADE_AHEAD)
    )
    return iter(grain.MapDataset.range(num_steps).map(make_batch).to_iter_dataset(options))
