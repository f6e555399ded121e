"""How well probabilities rank the examples of a class above the others: exact areas under curves.

On the host, in NumPy, from the probabilities of all examples. The metrics compare each class with
the rest and average over the classes that occur; of two classes of which one applies, `auroc` and
`average_precision` are those of class 1. Labels are (N,) class indices, or an (N, K) table of 0 and
1 where several may apply.
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
      labels: (N,) integers in [0, K), or (N, K) of 0 and 1.
      probabilities: (N, K).

    Returns:
      For K = 2 and single labels the area of class 1, else the mean over the classes that some
      examples show and others do not, in [0, 1]; NaN if there is none or a probability is NaN.

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
      labels: (N,) integers in [0, K), or (N, K) of 0 and 1.
      probabilities: (N, K).

    Returns:
      For K = 2 and single labels that of class 1, else the mean over the classes that occur, in
      [0, 1]; NaN if that class or all do not occur, or if a probability is NaN.

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


def mean_average_precision(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute the mean over classes of each one's average precision, see `average_precision`.

    Args:
      labels: (N,) integers in [0, K), or (N, K) of 0 and 1.
      probabilities: (N, K).

    Returns:
      The mean over the classes that occur, in [0, 1]; NaN if none does or a probability is NaN.

    Raises:
      ValueError: if shapes differ, there is no example or a label is out of range.

    Example:
      >>> labels = np.array([[1, 0], [0, 1], [1, 1]])
      >>> mean_average_precision(labels, np.array([[0.9, 0.2], [0.3, 0.1], [0.6, 0.8]]))
      0.9166666666666666

    Source: scikit-learn's average_precision_score(average="macro"); deviation: classes that do not
    occur are left out.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 2:
        check_probabilities(probabilities, labels)
        labels = labels[:, None] == np.arange(probabilities.shape[1])
    found = average_precision_per_class(labels, probabilities)
    found = found[~np.isnan(found)]
    has_nan = np.isnan(probabilities).any()
    return float(found.mean()) if len(found) and not has_nan else float("nan")


def average_precision_per_class(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Compute each class's average precision, see `average_precision`.

    Args:
      labels: (N, K) of 0 and 1.
      probabilities: (N, K).

    Returns:
      (K,) float64; NaN of a class that does not occur or has a probability that is NaN.

    Raises:
      ValueError: if the shapes differ, there is no example, or labels are not 0 and 1.

    Example:
      >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.3]])
      >>> average_precision_per_class(np.array([[1, 0], [0, 0]]), probabilities)
      array([ 1., nan])
    """
    labels, probabilities = check_label_table(labels, probabilities)
    found = np.full(labels.shape[1], np.nan)
    for c in np.flatnonzero(labels.any(axis=0) & ~np.isnan(probabilities).any(axis=0)):
        found[c] = _average_precision(*hits_and_misses(labels[:, c], probabilities[:, c]))
    return found


def check_label_table(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give several labels per example as (N, K) bool, and probabilities; ValueError for others."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 2 or labels.shape != probabilities.shape or not labels.size:
        raise ValueError(
            "labels and probabilities must both be (N, K), at least one of each; got "
            f"{labels.shape} and {probabilities.shape}."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels of several classes must be 0 or 1.")
    return labels.astype(bool), probabilities


def _one_vs_rest(
    measure: Callable[[np.ndarray, np.ndarray], float],
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> float:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim == 2:
        table, probabilities = check_label_table(labels, probabilities)
        classes = np.flatnonzero(table.any(axis=0))
    else:
        check_probabilities(probabilities, labels)
        table = labels[:, None] == np.arange(probabilities.shape[1])
        occur = np.unique(labels)
        classes = occur[occur == 1] if probabilities.shape[1] == 2 else occur
    if np.isnan(probabilities).any():
        return float("nan")
    found = [measure(*hits_and_misses(table[:, c], probabilities[:, c])) for c in classes]
    defined = [value for value in found if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def hits_and_misses(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
