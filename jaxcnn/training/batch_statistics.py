"""BatchNorm's averages for parameters that were not trained, such as the mean of several epochs."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.training.evaluation import compile_evaluation
from jaxcnn.training.sharding import Layout
from jaxcnn.training.step import Prepare
from jaxcnn.types import Batch, PyTree


def recompute_batch_stats(
    model: Any,
    variables: PyTree,
    batches: Iterable[Batch],
    *,
    prepare: Prepare,
    key: jax.Array,
    layout: Layout,
) -> PyTree:
    """Average the statistics of batches, each of which counts alike.

    Statistics that training leaves as they are, such as those of frozen stages, stay so.

    Args:
      model: a Flax module called as `model(inputs, train=True)`.
      variables: {"params": ..., "batch_stats": ...}.
      batches: of the training data; where there is none, nothing changes.
      prepare: (batch, key) to inputs and labels, as a training step does.
      key: decides augmentation and dropout.
      layout: of the devices.

    Returns:
      The new "batch_stats".

    Source: Izmailov et al. 2018, arXiv:1803.05407, section 3.2; batches counted alike as in Wu &
    Johnson 2021, arXiv:2105.07576, section 3.
    """

    def step(variables: PyTree, batch: Batch, key: jax.Array) -> PyTree:
        prepare_key, dropout_key = jax.random.split(key)
        inputs, _ = prepare(batch, prepare_key)
        _, updated = model.apply(
            variables,
            inputs,
            train=True,
            mutable=["batch_stats", "auxiliary"],
            rngs={"dropout": dropout_key},
        )
        return {**variables["batch_stats"], **updated.get("batch_stats", {})}

    old, batches = variables["batch_stats"], iter(batches)
    first = next(batches, None)
    if first is None or not jax.tree.leaves(old):
        return old
    compiled = compile_evaluation(step, layout, variables, first, layout.put_key(key))

    def statistics(stats: PyTree, batch: Batch, number: int) -> PyTree:
        own_key = layout.put_key(jax.random.fold_in(key, number))
        return compiled({**variables, "batch_stats": layout.put_state(stats)}, batch, own_key)

    # An average a moves to m a + (1 - m) b. Outputs do not depend on averages that move.
    moves = jax.tree.map(lambda a, b: bool((a != b).any()), statistics(old, first, 0), old)
    zeros, ones = (_filled(old, moves, value) for value in (0.0, 1.0))
    total, count = statistics(zeros, first, 0), 1
    kept = jax.tree.map(lambda a, b: (a - b).mean(), statistics(ones, first, 0), total)
    for count, batch in enumerate(batches, 2):
        total = jax.tree.map(jnp.add, total, statistics(zeros, batch, count - 1))
    return jax.tree.map(
        lambda a, m, s, moved: s / np.float32(count) / (1 - m) if moved else a,
        old,
        kept,
        total,
        moves,
    )


def _filled(stats: PyTree, moves: PyTree, value: float) -> PyTree:
    return jax.tree.map(lambda a, moved: jnp.full_like(a, value) if moved else a, stats, moves)
