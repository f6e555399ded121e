"""A compiled step and the batches that feed it: of one network, or of several side by side."""

import dataclasses
import functools
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
      key: the run keys, packed, on the devices.
      batches: iterator of batches, on the devices.
      pack: from a list of states, or of keys, to the form that the step takes.
      unpack: from that form back to a list of states.
      about: how several networks take a step, for the log; "" for one network.
      seconds: how long tracing and compiling took.
      chunk_steps: steps that a call takes, see `loop.Loop`.
    """

    step: Callable[..., Any]
    key: Any
    batches: BatchIterator
    pack: Callable[[Sequence[PyTree]], PyTree]
    unpack: Callable[[PyTree], list[PyTree]]
    about: str
    seconds: float
    chunk_steps: int = 1


def make_feed(
    step: TrainStep,
    states: Sequence[TrainState],
    keys: Sequence[jax.Array],
    data: Input,
    batch: Batch,
    layout: Layout,
    *,
    seeds: Sequence[int],
    epoch_scan: str = "auto",
    mode: str = "auto",
    shared: bool = False,
) -> Feed:
    """Compile the step of one network or of several, and choose how it gets its batches.

    Args:
      step: a pure function, as `step.make_train_step` makes.
      states: of each network, on the devices; left as they are.
      keys: the run key of each.
      data: the training data.
      batch: the shapes of a batch of one network.
      layout: of the devices; of several networks one device.
      seeds: decide the order of the examples, of each.
      epoch_scan: of one network, see `epoch_scan.choose_steps`.
      mode: of several, see `members.choose_mode`.
      shared: whether several all see the batches of the first.

    Returns:
      The step and its batches.

    Raises:
      ValueError: for `epoch_scan` "on" where the data are not in memory.
    """
    if len(states) == 1:
        return _feed_one(step, states[0], keys[0], data, batch, layout, seeds[0], epoch_scan)
    mode, size = choose_mode(mode), len(batch.mask)
    members = MembersStep(
        step, states[0], batch, keys[0], num_members=len(keys), mode=mode, shared_batch=shared
    )
    # For `vmap` the step stacks the batches, so they stay on the host until then.
    to_device = jax.device_put if shared or mode == "in_turn" else (lambda batch: batch)
    way = "in one program by vmap" if mode == "vmap" else "in turn by one program"
    return Feed(
        step=members,
        key=members.pack(keys),
        batches=data.train_batches(size, seeds[:1] if shared else seeds, to_device),
        pack=members.pack,
        unpack=members.unpack,
        about=f"{way} (members_mode), {'shared batches' if shared else 'batches of their own'}",
        seconds=members.seconds,
    )


def _feed_one(
    step: TrainStep,
    state: TrainState,
    key: jax.Array,
    data: Input,
    batch: Batch,
    layout: Layout,
    seed: int,
    epoch_scan: str,
) -> Feed:
    key, batch_size = layout.put_key(key), len(batch.mask)
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

    feed = functools.partial(
        Feed,
        key=key,
        pack=lambda trees: trees[0],
        unpack=lambda tree: [tree],
        about="",
        seconds=compiled.seconds,
    )
    if epoch_scan == "on" and not isinstance(data, SplitInput):
        raise ValueError("epoch_scan=on needs images in memory; use epoch_scan=auto.")
    may_scan = epoch_scan == "on" or (epoch_scan == "auto" and not layout.is_host)
    if may_scan and isinstance(data, SplitInput):
        scanned = choose_steps(
            epoch_scan,
            step,
            compiled.program,
            state,
            data.split,
            make_batches,
            key,
            batch_size=batch_size,
            steps_per_epoch=data.steps_per_epoch(batch_size),
        )
        if scanned is not None:
            batches = position_batches(
                data.split,
                batch_size=batch_size,
                seed=seed,
                repeats=data.repeats,
                sampler=data.sampler,
            )
            return feed(step=scanned, batches=batches, chunk_steps=scanned.chunk_steps)
    return feed(step=compiled.program, batches=make_batches())
