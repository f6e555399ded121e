"""Many networks of one shape in one program: their states side by side, one call a step for all.

A member is a network with its own state, key and, unless they are shared, its own batches. Members
take a step in one of two ways, with the same results to rounding:

    vmap      one program whose arrays have a leading axis of members, which fills an accelerator
              that a single small network leaves idle
    in_turn   the compiled step of one network, called for each member

On a CPU a convolution mapped over kernels is computed one kernel after the other all the same,
while each array of the step grows by the number of members and falls out of the caches.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.host.names import unknown_name
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.step import TrainStep
from jaxcnn.types import Batch, Metrics, PyTree

MEMBERS_MODES = ("auto", "vmap", "in_turn")
# What `MembersStep.pack` makes: a tree with a leading axis of members, or a tuple of trees.
Packed: TypeAlias = Any


def stack_members(members: Sequence[PyTree]) -> PyTree:
    """Put trees of one structure side by side.

    Args:
      members: K trees of arrays, or of keys, with equal shapes.

    Returns:
      One such tree, each leaf with a leading axis of K.

    Example:
      >>> stack_members([{"w": jnp.zeros(2)}, {"w": jnp.ones(2)}])["w"].tolist()
      [[0.0, 0.0], [1.0, 1.0]]
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)


def unstack_members(stacked: PyTree) -> list[PyTree]:
    """Take apart what `stack_members` made.

    Args:
      stacked: a tree of arrays with a leading axis of K.

    Returns:
      K trees.
    """
    return [take_member(stacked, k) for k in range(len(jax.tree.leaves(stacked)[0]))]


def take_member(stacked: PyTree, k: int) -> PyTree:
    """Take the k-th tree, from 0, out of what `stack_members` made."""
    return jax.tree.map(lambda leaf: leaf[k], stacked)


def init_members(init: Callable[[jax.Array], PyTree], keys: jax.Array) -> PyTree:
    """Draw the first values of many members in one program.

    Args:
      init: key to tree, e.g. `lambda key: init_state(key, model, optimizer, image_shape)`.
      keys: (K,) keys.

    Returns:
      The tree with a leading axis of K: member k's is `init(keys[k])`, to rounding.
    """
    return jax.jit(jax.vmap(init))(keys)


def make_members_step(train_step: TrainStep, *, shared_batch: bool = False) -> TrainStep:
    """Build one update of many members as a pure function; the caller compiles it.

    Args:
      train_step: (state, batch, key) to (state, metrics), as `step.make_train_step` makes.
      shared_batch: whether all members see the same batch, which then has no axis of members.

    Returns:
      members_step(states, batches, keys) to (states, metrics): states, batches unless shared, keys
      and metrics have a leading axis of members. Compile it with
      `jax.jit(members_step, donate_argnums=0)`.
    """
    return jax.vmap(train_step, in_axes=(0, None if shared_batch else 0, 0))


def choose_mode(setting: str, *, platform: str | None = None) -> str:
    """Choose how members take their steps.

    Args:
      setting: "vmap", "in_turn", or "auto": in turn on CPUs, where it is measured to be faster
        (BUILD_NOTES.md has the figures), by `vmap` elsewhere.
      platform: "cpu", "gpu" or "tpu"; None for that of the default device.

    Returns:
      "vmap" or "in_turn".

    Raises:
      ValueError: if the setting is none of `MEMBERS_MODES`.

    Example:
      >>> choose_mode("auto", platform="cpu"), choose_mode("auto", platform="gpu")
      ('in_turn', 'vmap')
    """
    if setting not in MEMBERS_MODES:
        raise unknown_name("members_mode", setting, MEMBERS_MODES)
    if setting != "auto":
        return setting
    return "in_turn" if (platform or jax.default_backend()) == "cpu" else "vmap"


class MembersStep:
    """A compiled training step of many members: (states, batches, keys) to (states, metrics).

    States and keys are given and returned packed, see `pack`; the states' memory is taken over.

    Args:
      train_step: a pure function, as `step.make_train_step` makes.
      state: one member's state, or its shapes.
      batch: one member's batch, or its shapes.
      key: one member's run key.
      num_members: K.
      mode: "vmap" or "in_turn".
      shared_batch: whether all members see the same batch.

    Attributes:
      mode: as given.
      seconds: how long tracing and compiling took.
    """

    def __init__(
        self,
        train_step: TrainStep,
        state: PyTree,
        batch: PyTree,
        key: jax.Array,
        *,
        num_members: int,
        mode: str,
        shared_batch: bool = False,
    ) -> None:
        self.mode, self._shared_batch = mode, shared_batch
        arguments = [state, batch, key]
        if mode == "vmap":
            train_step = make_members_step(train_step, shared_batch=shared_batch)
            arguments = [_shapes(argument, num_members) for argument in arguments]
            arguments[1] = batch if shared_batch else arguments[1]
        self._compiled = compile_step(train_step, *arguments, donate_argnums=0)
        self.seconds = self._compiled.seconds

    def pack(self, members: Iterable[PyTree]) -> Packed:
        """Make of K states, or K keys, what the step takes; copies them."""
        if self.mode == "vmap":
            return stack_members(list(members))
        return tuple(jax.tree.map(jnp.copy, member) for member in members)

    def unpack(self, packed: Packed) -> list[PyTree]:
        """Take apart what `pack` made."""
        return unstack_members(packed) if self.mode == "vmap" else list(packed)

    def __call__(
        self, states: Packed, batches: Batch | Sequence[Batch], keys: Packed
    ) -> tuple[Packed, Metrics]:
        """Take a step.

        Args:
          states: as `pack` or the last step gave; not to be used again.
          batches: a batch for each member; one batch where they are shared.
          keys: the run keys, packed.

        Returns:
          The new states, packed, and metrics of shape (K,).
        """
        if self.mode == "vmap":
            one = batches if self._shared_batch else _stack_batches(batches)
            return self._compiled(states, one, keys)
        each = [batches] * len(states) if self._shared_batch else batches
        done = [self._compiled(*member) for member in zip(states, each, keys, strict=True)]
        metrics = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(counted for _, counted in done))
        return tuple(state for state, _ in done), metrics


def _stack_batches(batches: Any) -> Batch:
    return Batch(*(np.stack(parts) for parts in zip(*batches, strict=True)))


def _shapes(tree: PyTree, num_members: int) -> PyTree:
    """Give the shapes of a stack of members."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((num_members, *leaf.shape), leaf.dtype), tree
    )
