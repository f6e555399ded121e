"""A compiled step and the batches that feed it: of one network, or of several side by side."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxcnn.training.compilation import compile_step
from jaxcnn.training.epoch_scan import choose_steps, position_batches
from jaxcnn.training.inputs import Input, SplitInput
from jaxcnn.training.loop import BatchIterator
from jaxcnn.training.members import MembersStep, choose_mode
from jaxcnn.training.sharding import Layout
from jaxcnn.training.step import TrainStep
from jaxcnn.types import Batch, PyTree, TrainState


@dataclasses.dataclass(frozen=True, eq=False)
class Feed:
    """A compiled step and its batches.

    Attributes:
      step: compiled: (state, batch, key) to (state, sums), of packed states and keys.
      batches: what it takes, on the devices.
      pack: makes of a list of states, or of keys, what the step takes.
      unpack: takes the states apart again.
      about: how the networks take a step, in words; "" of one.
      seconds: how long tracing and compiling took.
      chunk_steps: steps that a call takes, see `loop.Loop`.
    """

    step: Callable[..., Any]
    batches: BatchIterator
    pack: Callable[[Sequence[PyTree]], PyTree]
    unpack: Callable[[PyTree], list[PyTree]]
    about: str
    seconds: float
    chunk_steps: int = 1


def feed_one(
    step: TrainStep,
    state: TrainState,
    key: jax.Array,
    data: Input,
    batch: Batch,
    layout: Layout,
    *,
    seed: int,
    epoch_scan: str = "auto",
) -> Feed:
    """Compile the step of one network, and choose how it gets its batches.

    Args:
      step: a pure function, as `step.make_train_step` makes.
      state: on the devices; left as it is.
      key: the run key, on the devices.
      data: the training data.
      batch: the shapes of a batch.
      layout: of the devices.
      seed: decides the order of the examples.
      epoch_scan: see `epoch_scan.choose_steps`.

    Returns:
      The step and its batches.

    Raises:
      ValueError: for `epoch_scan` "on" where the data are not in memory.
    """
    batch_size = len(batch.mask)
    with layout.tracing():
        compiled = compile_step(
            layout.gathered(step),
            layout.state_shapes(state),
            layout.batch_shapes(batch),
            key,
            donate_argnums=0,
            out_shardings=(layout.shardings(state), layout.replicated),
        )

    def make_batches() -> Any:
        return data.train_batches(batch_size, [seed], layout.put_batch)

    scanned = None
    if epoch_scan != "off" and not (epoch_scan == "auto" and layout.is_host):
        if not isinstance(data, SplitInput):
            raise ValueError("epoch_scan=on needs images in memory; use epoch_scan=auto.")
        scanned = choose_steps(
            epoch_scan,
            step,
            compiled.program,
            state,
            data.split,
            make_batches,
            key,
            batch_size=batch_size,
            steps_per_epoch=data.steps_per_epoch(batch_size) or 1,
        )
    pack, unpack = (lambda trees: trees[0]), (lambda tree: [tree])
    if scanned is None:
        return Feed(compiled.program, make_batches(), pack, unpack, "", compiled.seconds)
    assert isinstance(data, SplitInput)
    batches = position_batches(data.split, batch_size=batch_size, seed=seed)
    chunk = scanned.chunk_steps
    return Feed(scanned, batches, pack, unpack, "", compiled.seconds, chunk)


def feed_several(
    step: TrainStep,
    state: TrainState,
    keys: Sequence[jax.Array],
    data: Input,
    batch: Batch,
    *,
    seeds: Sequence[int],
    mode: str = "auto",
    shared: bool = False,
) -> Feed:
    """Compile the step of several networks of one shape, on one device.

    Args:
      step: a pure function, as `step.make_train_step` makes.
      state: of one network; left as it is.
      keys: the run key of each.
      data: the training data.
      batch: the shapes of a batch of one.
      seeds: decide the order of the examples, of each.
      mode: see `members.choose_mode`.
      shared: whether all see the batches of the first.

    Returns:
      The step and its batches.
    """
    mode = choose_mode(mode)
    members = MembersStep(
        step, state, batch, keys[0], num_members=len(keys), mode=mode, shared_batch=shared
    )
    # What is stacked for `vmap` stays on the host until then.
    to_device = jax.device_put if shared or mode == "in_turn" else (lambda batch: batch)
    way = "in one program by vmap" if mode == "vmap" else "in turn by one program"
    about = f"{way} (members_mode), {'shared batches' if shared else 'batches of their own'}"
    return Feed(
        members,
        data.train_batches(len(batch.mask), seeds[:1] if shared else seeds, to_device),
        members.pack,
        members.unpack,
        about,
        members.seconds,
    )
