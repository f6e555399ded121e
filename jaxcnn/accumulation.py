"""A large batch's gradient from small parts of it, one after the other, to need less memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.types import PyTree

# (batch_stats, number of the part, its rows) -> (gradients, (logits, batch_stats))
PartGradient = Callable[[PyTree, jax.Array, PyTree], tuple[PyTree, tuple[jax.Array, PyTree]]]


def accumulate_gradients(
    gradient_fn: PartGradient, batch_stats: PyTree, rows: PyTree, *, num_parts: int
) -> tuple[PyTree, tuple[jax.Array, PyTree]]:
    """Add up the gradients of the parts of a batch.

    Part p has the rows p, p + num_parts, p + 2 num_parts, ..., so that a batch that is split over
    devices keeps its rows where they are. BatchNorm normalises each part by its own statistics, and
    its averages take in one part after the other; without BatchNorm and dropout the result is the
    whole batch's, up to rounding.

    Args:
      gradient_fn: (batch_stats, number of the part, rows) to (gradients, (logits, batch_stats));
        what it gives for all parts must sum to the gradient of the whole.
      batch_stats: before the first part.
      rows: tree of (B, ...) arrays.
      num_parts: divides B.

    Returns:
      The sum of the gradients, and ((B, K) logits in the batch's order, batch_stats).

    Raises:
      ValueError: if num_parts does not divide B.
    """
    if num_parts == 1:
        return gradient_fn(batch_stats, jnp.int32(0), rows)
    parts = jax.tree.map(lambda x: jnp.moveaxis(_in_columns(x, num_parts), 1, 0), rows)
    part = jax.tree.map(lambda x: x[0], parts)
    shapes, _ = jax.eval_shape(gradient_fn, batch_stats, jnp.int32(0), part)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def add(carry: tuple[PyTree, PyTree], each: Any) -> tuple[tuple[PyTree, PyTree], jax.Array]:
        total, stats = carry
        gradients, (logits, stats) = gradient_fn(stats, *each)
        return (jax.tree.map(jnp.add, total, gradients), stats), logits

    each = (jnp.arange(num_parts, dtype=jnp.int32), parts)
    (gradients, stats), logits = jax.lax.scan(add, (zeros, batch_stats), each)
    return gradients, (jnp.moveaxis(logits, 0, 1).reshape(-1, *logits.shape[2:]), stats)


def _in_columns(x: jax.Array, num_parts: int) -> jax.Array:
    if x.shape[0] % num_parts:
        raise ValueError(
            f"accumulate_steps (={num_parts}) must divide the batch of {x.shape[0]} examples."
        )
    return x.reshape(-1, num_parts, *x.shape[1:])
