"""Metrics: sums over batches in the compiled step, made into a number on the host.

Sums add up exactly over ragged and sharded batches, where means would not. A metric that no sums
can give, such as the area under a curve, is computed from the probabilities of all examples.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.types import Array


class Outputs(NamedTuple):
    """A network's outputs for a batch, and the labels."""

    logits: jax.Array  # (B, K), one per class; raw outputs if the network is no classifier
    label: jax.Array  # (B,) int32; (B, K) floating point if mixed; (B, K) int32 if several
    mask: jax.Array  # (B,) bool, False on padding, which must count nowhere
    loss: jax.Array  # (B,) float32


class Metric(NamedTuple):
    """A number over a whole split, computed from sums over its batches.

    Example:
      >>> def right(outputs):
      ...     hits = (outputs.logits.argmax(axis=1) == outputs.label) & outputs.mask
      ...     return {"right": hits.sum(), "count": outputs.mask.sum()}
      >>> accuracy = Metric(right, lambda sums: sums["right"] / sums["count"])
    """

    # Pure, traced into the compiled step: a dict of arrays that add up over batches.
    sums: Callable[[Outputs], dict[str, jax.Array]]
    # On the host, of the added sums in float64 and int64: a number, or an array of one per class.
    value: Callable[[Mapping[str, np.ndarray]], Any]


class GatheredMetric(NamedTuple):
    """A number that needs the probabilities of all examples; only in evaluation.

    Example:
      >>> confidence = GatheredMetric(lambda labels, answers: answers.max(axis=1).mean())
      >>> float(confidence.value(np.array([0, 1]), np.array([[1.0, 0.0], [0.5, 0.5]])))
      0.75
    """

    # (labels (N,) integers, or (N, K) of 0 and 1; probabilities (N, K) float32) -> a number, or an
    # array of one per class
    value: Callable[[np.ndarray, np.ndarray], Any]


def metric_label(label: Array, head: str | None) -> jax.Array:
    """Give labels as metrics take them: several per example as whole numbers, 0 or 1.

    For other heads a table is a mixture of classes, one-hot rows included.
    """
    label = jnp.asarray(label)
    if head == "multi_label":
        return (label.astype(jnp.float32) > 0.5).astype(jnp.int32)
    return label.astype(jnp.float32) if label.ndim == 2 else label


def has_several_labels(outputs: Outputs) -> bool:
    """Tell whether examples have several labels each, rather than one or a mixture."""
    label = jnp.asarray(outputs.label)
    return label.ndim == 2 and not jnp.issubdtype(label.dtype, jnp.floating)


def hard_label(outputs: Outputs) -> jax.Array:
    """Give the (B,) integer label; of a mixed one its most probable class."""
    label = jnp.asarray(outputs.label)
    if has_several_labels(outputs):
        raise ValueError(
            "a metric of the most probable class is for one label per example, and these have "
            "several; take mean_average_precision, macro_f1, micro_f1 or subset_accuracy."
        )
    return label if label.ndim == 1 else jnp.argmax(label, axis=1)


def predicted_class(outputs: Outputs) -> jax.Array:
    """Give the (B,) int32 most probable class; the lowest index wins a tie."""
    return jnp.argmax(outputs.logits, axis=1).astype(jnp.int32)


def _loss_sums(outputs: Outputs) -> dict[str, jax.Array]:
    return {
        "sum": jnp.sum(jnp.where(outputs.mask, outputs.loss, 0.0).astype(jnp.float32)),
        "count": jnp.sum(outputs.mask, dtype=jnp.int32),
    }


def _accuracy_sums(outputs: Outputs) -> dict[str, jax.Array]:
    right = outputs.mask & (predicted_class(outputs) == hard_label(outputs).astype(jnp.int32))
    return {
        "correct": jnp.sum(right, dtype=jnp.int32),
        "count": jnp.sum(outputs.mask, dtype=jnp.int32),
    }


LOSS = Metric(_loss_sums, lambda sums: float(sums["sum"] / sums["count"]))
"""The mean loss in nats. Every step and every evaluation has it."""

ACCURACY = Metric(_accuracy_sums, lambda sums: float(sums["correct"] / sums["count"]))
"""The share of examples whose most probable class is the label."""


def batch_sums(
    metrics: Mapping[str, Metric | GatheredMetric], outputs: Outputs
) -> dict[str, dict[str, jax.Array]]:
    """Sum a batch for each metric that sums can give, and for the loss.

    Args:
      metrics: by name.
      outputs: of the batch.

    Returns:
      {name: sums}, "loss" first.

    Raises:
      ValueError: if the mask is not bool of the shape (B,) of the losses, or there are not B logits
        and B labels.
    """
    if outputs.mask.shape != outputs.loss.shape or outputs.mask.dtype != jnp.bool_:
        raise ValueError(
            f"mask must be bool of the shape (B,) of losses, got {outputs.mask.dtype} of shape "
            f"{outputs.mask.shape} for losses of shape {outputs.loss.shape}."
        )
    if not len(outputs.logits) == len(outputs.label) == len(outputs.mask):
        raise ValueError(
            f"logits and labels must be as many as the {len(outputs.mask)} losses, got "
            f"{len(outputs.logits)} logits and {len(outputs.label)} labels."
        )
    summed = {name: m.sums for name, m in metrics.items() if isinstance(m, Metric)}
    return {name: sums(outputs) for name, sums in ({"loss": LOSS.sums} | summed).items()}


def add_sums(
    total: Mapping[str, Mapping[str, Array]], sums: Mapping[str, Mapping[str, Array]]
) -> dict[str, dict[str, np.ndarray]]:
    """Add a batch's sums to those before it, in double precision.

    Args:
      total: as this function gives; {} before the first batch.
      sums: as `batch_sums` gives, on the host.

    Returns:
      {name: sums} of float64 and int64.
    """

    def wide(x: Array) -> np.ndarray:
        x = np.asarray(x)
        return x.astype(np.float64 if x.dtype.kind == "f" else np.int64)

    return {
        name: {part: wide(x) + total.get(name, {}).get(part, 0) for part, x in parts.items()}
        for name, parts in sums.items()
    }


def values(
    metrics: Mapping[str, Metric | GatheredMetric],
    sums: Mapping[str, Mapping[str, np.ndarray]],
    gathered: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Compute each metric's number.

    Args:
      metrics: by name.
      sums: as `add_sums` gives of all batches.
      gathered: labels (N,) and probabilities (N, K) of all examples; None leaves out those metrics
        that need them.

    Returns:
      {name: number}, "loss" first; of a metric with a number per class a list. None stands where
      the metric is not defined.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # if no example counts: 0 / 0
        return _values(metrics, sums, gathered)


def _values(
    metrics: Mapping[str, Metric | GatheredMetric],
    sums: Mapping[str, Mapping[str, np.ndarray]],
    gathered: tuple[np.ndarray, np.ndarray] | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"loss": LOSS.value(sums["loss"])}
    for name, metric in metrics.items():
        if isinstance(metric, Metric):
            found[name] = plain(metric.value(sums[name]))
        elif gathered is not None:
            found[name] = plain(metric.value(*gathered))
    return found


def plain(value: Any) -> Any:
    """Give a number or a list of them as JSON takes them, None for NaN."""
    found = np.asarray(value)
    if not np.issubdtype(found.dtype, np.floating):
        return found.tolist()
    plain = found.astype(object)
    plain[np.isnan(found)] = None
    return plain.tolist()
