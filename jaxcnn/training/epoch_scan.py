"""Many training steps as one compiled program, on a split that lies on the device.

Where a step takes the device less time than the host takes to send it, the host is what limits
training; here it sends the positions of a second's examples and no pixel. On CPUs nothing is
gained: host and device are one.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.training.compilation import compile_step
from jaxcnn.training.features import FeatureSplit
from jaxcnn.training.step import TrainStep
from jaxcnn.types import Array, Batch, PyTree, Sums, TrainState

if TYPE_CHECKING:
    from jaxcnn.data.image_splits import ImageSplit

logger = logging.getLogger(__name__)

EPOCH_SCANS = ("auto", "on", "off")

_CHUNK_SECONDS = 1.0  # so long a signal may wait, and the progress stand still
_LEAST_CHUNK = 2  # steps
_TIMED_STEPS = 20
_SHARE_OF_FREE_MEMORY = 0.5  # the rest is for the steps themselves


def make_epoch_step(train_step: TrainStep) -> Callable[..., tuple[TrainState, Sums]]:
    """Build several training steps as one pure function; the caller compiles it.

    Args:
      train_step: (state, batch, key) to (state, sums), as `step.make_train_step` makes.

    Returns:
      epoch_step(state, data, order, key) to (state, sums). `data` is a whole split as one
      batch of N rows, see `whole_split`; `order`, (steps, B) int32, the indices of each step's
      examples, whose positions in it are the remainders by N. Leaves of the sums are
      (steps,). The result is that of `train_step` on one batch after the other, up to rounding.

    Example:
      epoch_step = jax.jit(make_epoch_step(train_step), donate_argnums=0)
      state, sums = epoch_step(state, data, order, key)
    """

    def epoch_step(
        state: TrainState, data: Batch, order: Array, key: jax.Array
    ) -> tuple[TrainState, Sums]:
        def step(state: TrainState, index: jax.Array) -> tuple[TrainState, Sums]:
            positions = index % len(data.mask)
            batch = Batch(*(jnp.asarray(part)[positions] for part in data))
            return train_step(state, batch._replace(index=index), key)

        return jax.lax.scan(step, state, jnp.asarray(order))

    return epoch_step


def whole_split(split: "ImageSplit") -> Batch:
    """Make one batch of a whole split, in its order.

    Args:
      split: N images in memory.

    Returns:
      A batch of N rows, on the host.
    """
    index = np.arange(len(split), dtype=np.int32)
    images, present = split.gather(index)
    return Batch(images, split.labels.astype(np.int32), present, index)


class ScannedSteps:
    """Compiled rows of training steps on a split that lies on the device.

    Args:
      train_step: a pure function, as `step.make_train_step` makes.
      state: as the steps will take it, or its shapes.
      data: the split on the device, see `whole_split`.
      key: the run key.
      batch_size: examples per step.
      chunk_steps: steps of a call, at least 2; a call may also take a single step, to reach the
        epoch's end.
    """

    def __init__(
        self,
        train_step: TrainStep,
        state: PyTree,
        data: Batch,
        key: jax.Array,
        *,
        batch_size: int,
        chunk_steps: int,
    ) -> None:
        self.chunk_steps, self._data = chunk_steps, data
        self._programs = {
            steps: compile_step(
                make_epoch_step(train_step),
                *(state, data, jax.ShapeDtypeStruct((steps, batch_size), np.int32), key),
                donate_argnums=0,
            )
            for steps in {1, chunk_steps}
        }

    def __call__(
        self, state: TrainState, batches: Sequence[Batch], key: jax.Array
    ) -> tuple[TrainState, Sums]:
        """Take one step or `chunk_steps` steps, by the positions in `batches`."""
        order = np.stack([np.asarray(batch.index) for batch in batches])
        return self._programs[len(batches)](state, self._data, order, key)


def position_batches(
    split: "ImageSplit",
    *,
    batch_size: int,
    seed: int,
    repeats: int = 1,
    sampler: str = "none",
) -> Any:
    """Make the iterator of `data.batches.train_batches`, with positions and without images.

    Args:
      split: the training split.
      batch_size: examples per step.
      seed: decides the order of the examples.
      repeats: copies of each example in a batch.
      sampler: how often classes come.

    Returns:
      An iterator of Batch whose images are empty. Its state is that of the iterator with images:
      either goes on where the other stopped.
    """
    from jaxcnn.data.batches import train_batches  # grain, which steps do without

    count = len(split)
    nothing = FeatureSplit(
        np.zeros((count, 0), np.uint8),
        np.ones(count, bool),
        split.labels,
        split.names,
        split.class_names,
    )
    return train_batches(
        nothing,
        batch_size=batch_size,
        seed=seed,
        repeats=repeats,
        sampler=sampler,
        num_threads=0,
    )


def choose_steps(
    setting: str,
    train_step: TrainStep,
    compiled_step: TrainStep,
    state: TrainState,
    split: "ImageSplit",
    batches: Callable[[], Iterator[Batch]],
    key: jax.Array,
    *,
    batch_size: int,
    steps_per_epoch: int,
) -> ScannedSteps | None:
    """Choose between steps one by one and scanned ones.

    Args:
      setting: "on", "off", or "auto": on where an accelerator has room for the split, and a short
        trial says that it is faster there.
      train_step: a pure function, as `step.make_train_step` makes.
      compiled_step: the same, compiled; it may take over its state's memory.
      state: the state to train from; it is left as it is.
      split: the training split.
      batches: makes an iterator of its batches, for the trial.
      key: the run key.
      batch_size: examples per step.
      steps_per_epoch: steps per epoch.

    Returns:
      Compiled rows of steps; None for steps one by one.

    Raises:
      ValueError: for "on" where the split is not in memory.
    """
    if setting == "off" or (setting == "auto" and not _fits(split, jax.local_devices())):
        return None
    if not _is_in_memory(split):
        raise ValueError(
            "epoch_scan=on needs the training images in memory; raise memory_limit_gib, or use "
            "epoch_scan=auto."
        )
    data = jax.device_put(whole_split(split))
    steps = max(_LEAST_CHUNK, min(_TIMED_STEPS, steps_per_epoch))

    def scanned_by(chunk_steps: int) -> ScannedSteps:
        return ScannedSteps(
            train_step, state, data, key, batch_size=batch_size, chunk_steps=chunk_steps
        )

    plain, scanned = _try_both(compiled_step, scanned_by(steps), state, batches(), key)
    if setting == "auto":
        faster = scanned < plain
        logger.info(
            f"steps take {plain * 1e3:.2f} ms one by one, {scanned * 1e3:.2f} ms scanned on the "
            f"device: {'scanned' if faster else 'one by one'} (epoch_scan)"
        )
        if not faster:
            return None
    return scanned_by(max(_LEAST_CHUNK, min(int(_CHUNK_SECONDS / scanned), steps_per_epoch)))


def _is_in_memory(split: "ImageSplit") -> bool:
    from jaxcnn.data.image_splits import StreamedSplit

    return not isinstance(split, StreamedSplit)


def _fits(split: "ImageSplit", devices: Sequence[Any]) -> bool:
    """Tell whether there is one accelerator with room for a split."""
    if len(devices) > 1 or jax.process_count() > 1 or devices[0].platform == "cpu":
        return False
    if not _is_in_memory(split):
        return False
    memory = devices[0].memory_stats() or {}
    free = memory.get("bytes_limit", 0) - memory.get("bytes_in_use", 0)
    needed = len(split) * int(np.prod(split.image_shape)) * split.dtype.itemsize
    return needed < _SHARE_OF_FREE_MEMORY * free


def _try_both(
    compiled_step: TrainStep,
    scanned: ScannedSteps,
    state: TrainState,
    batches: Iterator[Batch],
    key: jax.Array,
) -> tuple[float, float]:
    """Give the seconds of a step each way, from a copy of the same state, each warmed up once."""

    def one_by_one(state: TrainState) -> TrainState:
        for _ in range(scanned.chunk_steps):
            state, _ = compiled_step(state, next(batches), key)
        return state

    def in_a_row(state: TrainState) -> TrainState:
        return scanned(state, [next(batches) for _ in range(scanned.chunk_steps)], key)[0]

    def seconds_of(way: Callable[[TrainState], TrainState]) -> float:
        ready = jax.block_until_ready(way(jax.tree.map(jnp.copy, state)))
        started = time.perf_counter()
        jax.block_until_ready(way(ready))
        return (time.perf_counter() - started) / scanned.chunk_steps

    return seconds_of(one_by_one), seconds_of(in_a_row)
