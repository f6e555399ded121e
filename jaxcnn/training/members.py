"""Many networks of one shape in one program: their states side by side, one call per step for all.

A member is a network with its own state, key and, unless they are shared, its own batches. Members
take a step in one of two ways, with the same results to rounding:

    vmap      one program whose arrays have a leading axis of members, which fills an accelerator
              that a single small network leaves idle
    in_turn   the compiled step of one network, called for each member

On a CPU a convolution mapped over kernels is computed one kernel after the other all the same,
while each array of the step grows by the number of members and falls out of the caches.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.training.compilation import compile_step
from jaxcnn.training.step import TrainStep
from jaxcnn.types import Batch, PyTree, Sums

MEMBERS_MODES = ("auto", "vmap", "in_turn")
# What `MembersStep.pack` makes: a tree with a leading axis of members, or a tuple of trees.
Packed: TypeAlias = Any


def choose_mode(setting: str, *, platform: str | None = None) -> str:
    """Choose how members take their steps.

    Args:
      setting: one of `MEMBERS_MODES`: "vmap", "in_turn", or "auto": in turn on CPUs, where it is
        measured to be faster (BUILD_NOTES.md has the figures), by `vmap` elsewhere.
      platform: "cpu", "gpu" or "tpu"; None for that of the default device.

    Returns:
      "vmap" or "in_turn".

    Example:
      >>> choose_mode("auto", platform="cpu"), choose_mode("auto", platform="gpu")
      ('in_turn', 'vmap')
    """
    if setting != "auto":
        return setting
    return "in_turn" if (platform or jax.default_backend()) == "cpu" else "vmap"


class MembersStep:
    """A compiled training step of many members: (states, batches, keys) to (states, sums).

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
        self.mode, self._num_members, self._shared_batch = mode, num_members, shared_batch
        arguments = [state, batch, key]
        if mode == "vmap":
            train_step = jax.vmap(train_step, in_axes=(0, None if shared_batch else 0, 0))
            arguments = [_shapes(argument, num_members) for argument in arguments]
            arguments[1] = batch if shared_batch else arguments[1]
        self._compiled = compile_step(train_step, *arguments, donate_argnums=0)
        self.seconds = self._compiled.seconds

    def pack(self, members: Iterable[PyTree]) -> Packed:
        """Make of K states, or K keys, what the step takes; copies them."""
        if self.mode == "vmap":
            return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
        return tuple(jax.tree.map(jnp.copy, member) for member in members)

    def unpack(self, packed: Packed) -> list[PyTree]:
        """Take apart what `pack` made."""
        if self.mode == "in_turn":
            return list(packed)
        return [jax.tree.map(lambda leaf, k=k: leaf[k], packed) for k in range(self._num_members)]

    def __call__(
        self, states: Packed, batches: Batch | Sequence[Batch], keys: Packed
    ) -> tuple[Packed, Sums]:
        """Take a step.

        Args:
          states: as `pack` or the last step gave; not to be used again.
          batches: a batch for each member; one batch where they are shared.
          keys: the run keys, packed.

        Returns:
          The new states, packed, and sums of shape (K,).
        """
        if self.mode == "vmap":
            stacked = batches
            if not self._shared_batch:
                stacked = Batch(*(np.stack(parts) for parts in zip(*batches, strict=True)))
            return self._compiled(states, stacked, keys)
        each = [batches] * len(states) if self._shared_batch else batches
        done = [self._compiled(*member) for member in zip(states, each, keys, strict=True)]
        metrics = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(counted for _, counted in done))
        return tuple(state for state, _ in done), metrics


def _shapes(tree: PyTree, num_members: int) -> PyTree:
    """Give the shapes of a stack of members."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((num_members, *leaf.shape), leaf.dtype), tree
    )
