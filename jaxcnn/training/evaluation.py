"""Classify a whole split: every example once, whatever the size of the batches."""

import dataclasses
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import jax
import numpy as np

from jaxcnn.training.eval_step import EvalStep
from jaxcnn.training.sharding import fetch
from jaxcnn.types import Batch, Metrics, PyTree


@dataclasses.dataclass
class Totals:
    """Metrics added up on the host in double precision, in the order of the steps."""

    loss_sum: float = 0.0
    correct: int = 0
    count: int = 0

    def add(self, counted: Metrics) -> None:
        """Add one batch's metrics."""
        self.loss_sum += float(counted.loss_sum)
        self.correct += int(counted.correct)
        self.count += int(counted.count)


class Evaluation(NamedTuple):
    """A network's answers to one split."""

    loss: float  # nats, mean
    accuracy: float  # share
    correct: int
    count: int  # type: ignore[assignment]
    labels: np.ndarray  # (N,) int32
    probabilities: np.ndarray  # (N, K) float32
    index: np.ndarray  # type: ignore[assignment]  # (N,) int32, position in the split


def evaluate(eval_step: EvalStep, variables: PyTree, batches: Iterable[Batch]) -> Evaluation:
    """Classify every example of a split once.

    Args:
      eval_step: a compiled step of `eval_step.make_eval_step`.
      variables: {"params": ..., "batch_stats": ...}.
      batches: as `data.batches.eval_batches` gives; padding is left out by its mask. Where several
        processes share each batch, laid out by `sharding.Layout.put_batch`; all get all answers.

    Returns:
      Exact sums over the split, and each example's probabilities.

    Raises:
      ValueError: if there is no example.
    """
    totals, parts = Totals(), []
    waiting: deque[tuple[Batch, Metrics, jax.Array]] = deque()

    def collect() -> None:
        batch, counted, probabilities = waiting.popleft()
        totals.add(jax.device_get(counted))
        answers = fetch((batch.label, probabilities, batch.index))
        mask = fetch(batch.mask)
        parts.append(tuple(part[mask] for part in answers))

    for batch in batches:
        waiting.append((batch, *eval_step(variables, batch)))
        if len(waiting) > 1:  # one batch in flight while the last one is collected
            collect()
    while waiting:
        collect()
    if not totals.count:
        raise ValueError("the split to evaluate holds no example.")
    labels, probabilities, index = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Evaluation(
        totals.loss_sum / totals.count,
        totals.correct / totals.count,
        totals.correct,
        totals.count,
        labels,
        probabilities,
        index,
    )
