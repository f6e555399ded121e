"""How well probabilities rank the examples of a class above the others: exact areas under curves.

On the host, in NumPy, from the probabilities of all examples. Both metrics compare each class with
the rest and average over the classes that occur; of two classes they are those of class 1.
"""

from collections.abc import Callable

import numpy as np

from jaxcnn.metrics.calibration import check_probabilities
from jaxcnn.metrics.classification import share


def auroc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute the area under the ROC curve.

    It is the probability that a random example of the class has a higher probability of it than a
    random example of another class; ties count half.

    Args:
      labels: (N,) integers in [0, K).
      probabilities: (N, K).

    Returns:
      For K = 2 the area of class 1, else the mean over the classes that occur, in [0, 1]; NaN if
      only one class occurs or a probability is NaN.

    Raises:
      ValueError: if shapes differ, there is no example or a label is out of range.

    Example:
      >>> ones = np.array([0.1, 0.4, 0.35, 0.8])
      >>> auroc(np.array([0, 0, 1, 1]), np.stack([1 - ones, ones], axis=1))
      0.75

    Source: Fawcett 2006, "An introduction to ROC analysis", Pattern Recognition Letters 27(8);
    ties, and the mean over classes, as in scikit-learn's roc_auc_score(multi_class="ovr").
    """
    return _one_vs_rest(_area_under_roc, labels, probabilities)


def average_precision(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute the average precision, which summarises the precision-recall curve.

    With precision P and recall R of the examples whose probability is at least the n-th highest:

        sum over n of (R_n - R_{n-1}) P_n

    Args:
      labels: (N,) integers in [0, K).
      probabilities: (N, K).

    Returns:
      For K = 2 that of class 1, else the mean over the classes that occur, in [0, 1]; NaN if K = 2
      and class 1 does not occur, or if a probability is NaN.

    Raises:
      ValueError: if shapes differ, there is no example or a label is out of range.

    Example:
      >>> ones = np.array([0.1, 0.4, 0.35, 0.8])
      >>> round(average_precision(np.array([0, 0, 1, 1]), np.stack([1 - ones, ones], axis=1)), 3)
      0.833

    Source: scikit-learn's average_precision_score, which does not interpolate; deviation: NaN where
    no example is of class 1, rather than 0.
    """
    return _one_vs_rest(_average_precision, labels, probabilities)


def _one_vs_rest(
    measure: Callable[[np.ndarray, np.ndarray], float],
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> float:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    check_probabilities(probabilities, labels)
    if np.isnan(probabilities).any():
        return float("nan")
    num_classes = probabilities.shape[1]
    occur = np.unique(labels)
    classes = occur[occur == 1] if num_classes == 2 else occur
    found = [measure(*_hits_and_misses(labels == c, probabilities[:, c])) for c in classes]
    return float(np.mean(found)) if found else float("nan")


def _hits_and_misses(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count positives and negatives at or above each distinct score, the highest score first."""
    order = np.argsort(-scores)
    scores = scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # of equal scores
    hits = np.cumsum(positive[order])[last]
    return hits, last + 1 - hits


def _area_under_roc(hits: np.ndarray, misses: np.ndarray) -> float:
    # In whole numbers, so that nothing is rounded before the division.
    twice = np.sum(np.diff(misses, prepend=0) * (hits + np.append(0, hits[:-1])))
    return float(share(twice, 2 * hits[-1] * misses[-1]))


def _average_precision(hits: np.ndarray, misses: np.ndarray) -> float:
    precision = hits / (hits + misses)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])
