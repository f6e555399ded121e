"""Which labels look wrong: scores for every example of a split, from a network's answers to it.

Pure NumPy on what any run can give: probabilities and features. In every score more is more
suspicious. What all of them share is that a network learns what many examples agree on before it
learns a label that is wrong.
"""

from typing import NamedTuple

import numpy as np

from jaxcnn.metrics.calibration import softmax
from jaxcnn.metrics.classification import check_classes
from jaxcnn.metrics.logistic_regression import fit_logistic_regression, standardise


class Suspicion(NamedTuple):
    """What out-of-sample probabilities say of each label."""

    suspected: np.ndarray  # (N,) int32, the class that the example seems to be; -1 for its label
    joint: np.ndarray  # (K, K) int64, examples by label and by the class they surely seem to be


def label_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute each example's cross-entropy.

    Args:
      probabilities: (N, K), rows that sum to 1.
      labels: (N,) integers in [0, K).

    Returns:
      (N,) float64, nats, at most 69: a probability of 0 counts as 1e-30.

    Raises:
      ValueError: if the shapes do not agree, or a label is none of the K.

    Example:
      >>> label_losses(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 1])).round(3).tolist()
      [0.693, 2.303]
    """
    of_label = _table(probabilities, labels)[np.arange(len(labels)), labels]
    return -np.log(np.maximum(of_label, 1e-30))


def error_norms(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute the length of the error vector, |p - y| with y the one-hot label.

    Args:
      probabilities: (N, K), rows that sum to 1.
      labels: (N,) integers in [0, K).

    Returns:
      (N,) float64 in [0, sqrt(2)].

    Raises:
      ValueError: if the shapes do not agree, or a label is none of the K.

    Example:
      >>> error_norms(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 0])).round(3).tolist()
      [0.707, 1.414]

    Source: EL2N of Paul et al. 2021, arXiv:2107.07075, section 2.2.
    """
    table = _table(probabilities, labels)
    return np.linalg.norm(table - np.eye(table.shape[1])[labels], axis=1)


def cross_validated_probabilities(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    num_folds: int = 5,
    l2: float = 1.0,
    seed: int = 0,
) -> np.ndarray:
    """Predict each example by a linear classifier that has not seen its label.

    The examples are dealt into folds at random, each class evenly; for each fold, multinomial
    logistic regression on standardised features is fitted to the others.

    Args:
      features: (N, D) float32, as a backbone gives.
      labels: (N,) integers in [0, num_classes).
      num_classes: K >= 2.
      num_folds: at least 2 and at most N.
      l2: penalty of the regression, see `fit_logistic_regression`.
      seed: decides the folds.

    Returns:
      (N, K) float64 probabilities.

    Raises:
      ValueError: if shapes, labels or options do not fit together.

    Example:
      >>> features, labels = np.array([[0.0], [1.0]] * 10, np.float32), np.array([0, 1] * 10)
      >>> labels[0] = 1  # a wrong label
      >>> answers = cross_validated_probabilities(features, labels, num_classes=2)
      >>> int(label_losses(answers, labels).argmax())
      0

    Source: Northcutt et al. 2021, arXiv:1911.00068, section 3 (out-of-sample probabilities).
    """
    count = len(labels)
    if not 2 <= num_folds <= count:
        raise ValueError(
            f"num_folds must be 2 to the number of examples, {count}; got {num_folds}."
        )
    # Shuffled, then sorted by class, then dealt out like cards.
    shuffled = np.random.default_rng(seed).permutation(count)
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(count, np.int64)
    fold[order] = np.arange(count) % num_folds
    logits = np.empty((count, num_classes))
    for number in range(num_folds):
        held_out = fold == number
        seen = features[~held_out]
        model = fit_logistic_regression(
            standardise(seen, seen), labels[~held_out], num_classes=num_classes, l2=l2
        )
        inputs = standardise(features[held_out], seen)
        logits[held_out] = inputs @ np.asarray(model.weights) + np.asarray(model.bias)[None]
    return softmax(logits)


def suspect_labels(probabilities: np.ndarray, labels: np.ndarray) -> Suspicion:
    """Tell which labels seem wrong, and what they should be, by confident learning.

    An example seems surely of class k where p_k reaches t_k, the mean of p_k over the examples
    labelled k; where several classes do, of the most probable of them. It is suspected where that
    class is not its label. Thresholds of each class make up for a network that is surer of some
    classes than of others, and for classes of different size.

    Args:
      probabilities: (N, K) of a classifier that has not seen the example's label.
      labels: (N,) integers in [0, K).

    Returns:
      The suspected classes, and the confident joint: its sum off the diagonal estimates how many
      labels are wrong.

    Raises:
      ValueError: if the shapes do not agree, or a label is none of the K.

    Example:
      >>> answers = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95]])
      >>> suspect_labels(answers, np.array([0, 0, 1, 1, 0])).suspected.tolist()
      [-1, -1, -1, -1, 1]

    Source: Northcutt et al. 2021, arXiv:1911.00068, section 3.1, equations 1 and 2; deviations:
    the joint is not calibrated to the counts of the labels, since only its entries are used.
    """
    table = _table(probabilities, labels)
    num_classes = table.shape[1]
    # A class without examples has no mean, and nothing is surely of it.
    thresholds = [
        table[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(num_classes)
    ]
    sure = table >= np.array(thresholds)[None]
    seems = np.where(sure, table, -1.0).argmax(axis=1)
    counted = sure.any(axis=1)
    joint = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(joint, (labels[counted], seems[counted]), 1)
    suspected = np.where(counted & (seems != labels), seems, -1).astype(np.int32)
    return Suspicion(suspected, joint)


def rank_by(scores: np.ndarray) -> np.ndarray:
    """Order examples by a score, the highest first; NaN last, ties as they come.

    Args:
      scores: (N,) floating.

    Returns:
      (N,) int64 positions.

    Example:
      >>> rank_by(np.array([0.2, 1.5, 0.7]))
      array([1, 2, 0])
    """
    return np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")


def _table(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give the probabilities as (N, K) float64, checked against the labels."""
    table = np.asarray(probabilities, np.float64)
    if table.ndim != 2 or len(table) != len(labels) or table.shape[1] < 2:
        raise ValueError(
            f"answers must be (N, K) for {len(labels)} labels and K >= 2 classes, got "
            f"{table.shape}."
        )
    check_classes("labels", np.asarray(labels), table.shape[1])
    return table
