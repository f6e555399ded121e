"""A large batch's gradient from small parts of it, one after the other, to need less memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.types import PyTree

# (trained params, batch_stats, key, *rows) -> (mean loss of rows that count, (logits, batch_stats))
Objective = Callable[..., tuple[jax.Array, tuple[jax.Array, PyTree]]]


def accumulate_gradients(
    objective: Objective,
    params: PyTree,
    batch_stats: PyTree,
    key: jax.Array,
    *rows: PyTree,
    num_parts: int,
) -> tuple[tuple[jax.Array, tuple[jax.Array, PyTree]], PyTree]:
    """Compute a batch's loss and gradient as the sums of its parts', see `jax.value_and_grad`.

    Part p has the rows p, p + num_parts, p + 2 num_parts, ..., so that a batch that is split over
    devices keeps its rows where they are. BatchNorm normalises each part by its own statistics, and
    its averages take in one part after the other; without BatchNorm and dropout the result is the
    whole batch's, up to rounding.

    Args:
      objective: (params, batch_stats, key, *rows) to (mean loss, (logits, batch_stats)).
      params: to differentiate by.
      batch_stats: before the first part.
      key: for dropout; each part folds in its number.
      *rows: trees of (B, ...) arrays; the last is the mask, (B,) bool, of the rows that the mean
        counts.
      num_parts: divides B.

    Returns:
      (mean loss of the whole batch, ((B, K) logits, batch_stats)), and the gradient of that loss.

    Raises:
      ValueError: if num_parts does not divide B.
    """
    differentiate = jax.value_and_grad(objective, has_aux=True)
    if len(rows[-1]) % num_parts:
        raise ValueError(
            f"accumulate_steps (={num_parts}) must divide the batch of {len(rows[-1])} examples."
        )
    parts = jax.tree.map(lambda x: jnp.moveaxis(x.reshape(-1, num_parts, *x.shape[1:]), 1, 0), rows)
    count = jnp.sum(rows[-1], dtype=jnp.float32)

    def add(carry: tuple[PyTree, PyTree], each: Any) -> tuple[tuple[PyTree, PyTree], jax.Array]:
        total, stats = carry
        number, part = each
        part_key = jax.random.fold_in(key, number)
        (loss, (logits, stats)), gradient = differentiate(params, stats, part_key, *part)
        # Each part counts as many times as it has examples.
        share = jnp.sum(part[-1], dtype=jnp.float32) / jnp.maximum(count, 1)
        found = jax.tree.map(lambda t, x: t + share * x, total, (loss, gradient))
        return (found, stats), logits

    zero = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
    numbers = jnp.arange(num_parts, dtype=jnp.int32)
    carried, logits = jax.lax.scan(add, (zero, batch_stats), (numbers, parts))
    (loss, gradient), stats = carried
    return (loss, (jnp.moveaxis(logits, 0, 1).reshape(-1, *logits.shape[2:]), stats)), gradient
