"""Metrics from sums over batches: per-class counts, top-K, the confusion matrix, scores.

Each is a `Metric`: its sums are traced into the compiled step, its value is computed on the host.
Where (K,) counts are enough, no (K, K) matrix is made. Metrics that share their counts cost them
once, since the compiler merges equal computations. Padding counts nowhere.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.metrics.classification import share
from jaxcnn.metrics.metric import (
    ACCURACY,
    Metric,
    Outputs,
    hard_label,
    has_several_labels,
    predicted_class,
)

Sums = Mapping[str, np.ndarray]


def class_counts(outputs: Outputs) -> dict[str, jax.Array]:
    """Count for each class its examples, its predictions, and those of them that are right.

    Where examples have several labels, a class is predicted by a probability of at least 0.5.

    Args:
      outputs: of a batch of B examples and K classes.

    Returns:
      "right", "predicted" and "labels", (K,) int32 each.
    """
    if has_several_labels(outputs):
        is_label, is_predicted = _sets(outputs)
    else:
        label, predicted = hard_label(outputs), predicted_class(outputs)
        is_label, is_predicted = _one_hot(label, outputs), _one_hot(predicted, outputs)
    mask = outputs.mask[:, None]

    def count(chosen: jax.Array) -> jax.Array:
        return jnp.sum(chosen & mask, axis=0, dtype=jnp.int32)

    return {
        "right": count(is_label & is_predicted),
        "predicted": count(is_predicted),
        "labels": count(is_label),
    }


def _sets(outputs: Outputs) -> tuple[jax.Array, jax.Array]:
    """Give the classes that each example has and is given, (B, K) bool each."""
    return jnp.asarray(outputs.label) > 0, outputs.logits >= 0


def _one_hot(classes: jax.Array, outputs: Outputs) -> jax.Array:
    """Give (B, K) bool, False everywhere for a class out of range."""
    return classes.astype(jnp.int32)[:, None] == jnp.arange(outputs.logits.shape[1])[None, :]


def _precision(sums: Sums) -> np.ndarray:
    return share(sums["right"], sums["predicted"])


def _recall(sums: Sums) -> np.ndarray:
    return share(sums["right"], sums["labels"])


def _f1(sums: Sums) -> np.ndarray:
    # The harmonic mean of precision and recall, but 0 where one of them is undefined.
    return share(2 * sums["right"], sums["predicted"] + sums["labels"])


def _mean_where(values: np.ndarray, occurs: np.ndarray) -> float:
    """Average over the classes that occur, where an undefined value counts as 0."""
    return float(share(np.nansum(values[occurs]), occurs.sum()))


def _macro(per_class: Callable[[Sums], np.ndarray]) -> Callable[[Sums], float]:
    return lambda sums: _mean_where(per_class(sums), sums["labels"] + sums["predicted"] > 0)


PRECISION = Metric(class_counts, _precision)
"""For each class, the share of its predictions that are right; NaN for one never predicted."""

RECALL = Metric(class_counts, _recall)
"""For each class, the share of its examples that are found; NaN for one without examples."""

F1 = Metric(class_counts, _f1)
"""For each class 2 right / (predicted + labels); NaN for one neither predicted nor there."""

MACRO_PRECISION = Metric(class_counts, _macro(_precision))
"""The mean precision over classes that are labels or predictions; 0 for one never predicted."""

MACRO_RECALL = Metric(class_counts, _macro(_recall))
"""The mean recall over classes that are labels or predictions; 0 for one without examples."""

MACRO_F1 = Metric(class_counts, _macro(_f1))
"""The mean of the F1 scores over classes that are labels or predictions."""

MICRO_F1 = Metric(class_counts, lambda sums: _f1({k: v.sum() for k, v in sums.items()}).item())
"""F1 of the answers of all classes together; with one label per example the accuracy."""


def _subset_sums(outputs: Outputs) -> dict[str, jax.Array]:
    if not has_several_labels(outputs):
        return ACCURACY.sums(outputs)
    labels, predicted = _sets(outputs)
    right = (labels == predicted).all(axis=1) & outputs.mask
    return {
        "correct": jnp.sum(right, dtype=jnp.int32),
        "count": jnp.sum(outputs.mask, dtype=jnp.int32),
    }


SUBSET_ACCURACY = Metric(_subset_sums, lambda sums: float(share(sums["correct"], sums["count"])))
"""The share of examples whose set of labels is exactly right, by probabilities of at least 0.5.

With one label per example the accuracy, as scikit-learn's accuracy_score.
"""

BALANCED_ACCURACY = Metric(
    class_counts, lambda sums: _mean_where(_recall(sums), sums["labels"] > 0)
)
"""The mean recall over classes that have examples."""


def _confusion_sums(outputs: Outputs) -> dict[str, jax.Array]:
    num_classes = outputs.logits.shape[1]
    label, predicted = hard_label(outputs).astype(jnp.int32), predicted_class(outputs)
    empty = jnp.zeros((num_classes, num_classes), jnp.int32)
    return {"counts": empty.at[label, predicted].add(outputs.mask.astype(jnp.int32))}


CONFUSION_MATRIX = Metric(_confusion_sums, lambda sums: sums["counts"])
"""(K, K) counts: element [i, j] counts examples of class i predicted as j."""


def top_k_hits(outputs: Outputs, k: int) -> jax.Array:
    """Tell for which examples the label is among the k most probable classes.

    Of equal logits the lowest index comes first, as in `predicted_class`. A NaN counts as above
    every label, so that a network that broke down is never right.

    Args:
      outputs: of a batch of B examples and K classes.
      k: at least 1.

    Returns:
      (B,) bool; undefined where the mask is False.

    Raises:
      ValueError: if k exceeds the number of classes.
    """
    num_classes = outputs.logits.shape[1]
    if k > num_classes:
        raise ValueError(
            f"top{k} needs at least {k} classes, got {num_classes}; choose a smaller K."
        )
    label = hard_label(outputs).astype(jnp.int32)[:, None]
    own = jnp.take_along_axis(outputs.logits, label, axis=1)
    tie = (outputs.logits == own) & (jnp.arange(num_classes)[None, :] < label)
    num_before = jnp.sum(~(outputs.logits <= own) | tie, axis=1)
    return num_before < k


@functools.cache  # one Metric for each k: a new one would compile the step again
def top_k(k: int) -> Metric:
    """Make the metric that counts an example as right if its label is among the k most probable."""

    def sums(outputs: Outputs) -> dict[str, jax.Array]:
        return {
            "correct": jnp.sum(top_k_hits(outputs, k) & outputs.mask, dtype=jnp.int32),
            "count": jnp.sum(outputs.mask, dtype=jnp.int32),
        }

    return Metric(sums, lambda added: float(share(added["correct"], added["count"])))


def _mean_of(of_examples: Callable[[Outputs], jax.Array]) -> Metric:
    """Make the metric that averages a (B,) float32 number of each example."""

    def sums(outputs: Outputs) -> dict[str, jax.Array]:
        return {
            "sum": jnp.sum(jnp.where(outputs.mask, of_examples(outputs), 0.0)),
            "count": jnp.sum(outputs.mask, dtype=jnp.int32),
        }

    return Metric(sums, lambda added: float(share(added["sum"], added["count"])))


def _log_losses(outputs: Outputs) -> jax.Array:
    log_probabilities = jax.nn.log_softmax(outputs.logits.astype(jnp.float32))
    label = hard_label(outputs).astype(jnp.int32)[:, None]
    return -jnp.take_along_axis(log_probabilities, label, axis=1)[:, 0]


def _brier_scores(outputs: Outputs) -> jax.Array:
    probabilities = jax.nn.softmax(outputs.logits.astype(jnp.float32))
    truth = _one_hot(hard_label(outputs), outputs).astype(jnp.float32)
    squares = jnp.sum((probabilities - truth) ** 2, axis=1)
    return squares / 2 if outputs.logits.shape[1] == 2 else squares


LOG_LOSS = _mean_of(_log_losses)
"""The mean negative log-likelihood of the label in nats, whatever loss the network is trained on.

The label is the hard one, and the probabilities are not clipped.
"""

BRIER_SCORE = _mean_of(_brier_scores)
"""The mean squared distance of the probabilities from the one-hot label; half of it for K = 2.

Source: Brier 1950, "Verification of forecasts expressed in terms of probability", Monthly Weather
Review 78(1); for two classes the half, in [0, 1], as scikit-learn has it.
"""
