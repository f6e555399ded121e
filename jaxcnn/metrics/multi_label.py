"""Several labels per example: from each class's probability to a set of labels, and its measures.

Labels are (N, K), 1 where an example shows a class. Classes are judged one by one, each by its own
threshold. On the host, in NumPy; what sums can give during training is in `summed`.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxcnn.metrics.classification import share
from jaxcnn.metrics.ranking import average_precision_per_class, check_label_table, hits_and_misses

DEFAULT_THRESHOLD = 0.5
LEAST_POSITIVES = 5  # of a class; fewer say too little to choose a threshold by


class SetScores(NamedTuple):
    """How well sets of labels are known; a quotient of 0 by 0 is NaN.

    Attributes:
      labels: (K,) examples that show each class.
      predictions: (K,) examples that are given each class.
      precision: (K,) share of the examples given a class that show it.
      recall: (K,) share of the examples that show a class that are given it.
      f1: (K,) 2 right / (labels + predictions).
      average_precision: (K,) of the probabilities, whatever the threshold.
      mean_average_precision: its mean over the classes that occur.
      macro_f1: mean F1 over the classes that occur or are predicted.
      micro_f1: F1 of all answers, yes or no, of all classes together.
      right_sets: (N,) bool, whether the set is exactly that of the labels.
    """

    labels: np.ndarray
    predictions: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    average_precision: np.ndarray
    mean_average_precision: float
    macro_f1: float
    micro_f1: float
    right_sets: np.ndarray

    @property
    def subset_accuracy(self) -> float:
        """Share of the examples whose set is exactly that of the labels."""
        return float(self.right_sets.mean())


def choose_thresholds(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    least_positives: int = LEAST_POSITIVES,
    default: float = DEFAULT_THRESHOLD,
) -> np.ndarray:
    """Choose for each class the threshold of its probability that gives the best F1.

    An example is given a class where its probability is at least the threshold. Of equally good
    thresholds the one nearest to `default` is taken; each lies halfway between two probabilities.

    Args:
      labels: (N, K) of 0 and 1, of examples that the network was not trained on.
      probabilities: (N, K).
      least_positives: a class that fewer examples show keeps `default`; so does one that all do.
      default: of such a class, in (0, 1).

    Returns:
      (K,) float64, in (0, 1).

    Raises:
      ValueError: if the shapes differ, or labels are not 0 and 1.

    Example:
      >>> probabilities = np.array([[0.9], [0.4], [0.3], [0.1]])
      >>> choose_thresholds(np.array([[1], [1], [0], [0]]), probabilities, least_positives=1)
      array([0.35])

    Source: Lipton et al. 2014, arXiv:1402.1892 (thresholds for F1, class by class).
    """
    labels, probabilities = check_label_table(labels, probabilities)
    found = np.full(labels.shape[1], default)
    for k in range(labels.shape[1]):
        positive, scores = labels[:, k], probabilities[:, k]
        enough = least_positives <= positive.sum() < len(positive)
        if enough and not np.isnan(scores).any():
            found[k] = _best_threshold(positive, scores.astype(np.float64), default)
    return found


def _best_threshold(positive: np.ndarray, scores: np.ndarray, default: float) -> float:
    hits, misses = hits_and_misses(positive, scores)
    f1 = 2 * hits / (hits + misses + positive.sum())
    distinct = np.unique(scores)[::-1]  # the highest first, as the counts are
    between = (distinct + np.append(distinct[1:], 0.0)) / 2
    best = np.flatnonzero(f1 == f1.max())
    chosen = best[np.argmin(np.abs(between[best] - default))]
    return float(between[chosen])


def predicted_sets(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Give each example the classes whose probability reaches their threshold.

    Args:
      probabilities: (..., K).
      thresholds: (K,), as `choose_thresholds` gives.

    Returns:
      (..., K) bool; a probability that is NaN reaches nothing.

    Example:
      >>> predicted_sets(np.array([0.6, 0.6]), np.array([0.5, 0.7])).tolist()
      [True, False]
    """
    return np.asarray(probabilities) >= np.asarray(thresholds)


def score_sets(labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray) -> SetScores:
    """Measure the sets that thresholds make of probabilities.

    Args:
      labels: (N, K) of 0 and 1.
      probabilities: (N, K).
      thresholds: (K,).

    Returns:
      The scores.

    Raises:
      ValueError: if the shapes differ, there is no example, or labels are not 0 and 1.

    Example:
      >>> labels, probabilities = np.array([[1, 0], [1, 1]]), np.array([[0.9, 0.2], [0.8, 0.3]])
      >>> found = score_sets(labels, probabilities, np.array([0.5, 0.5]))
      >>> found.subset_accuracy, found.f1.tolist(), found.mean_average_precision
      (0.5, [1.0, 0.0], 1.0)

    Source: scikit-learn's average_precision_score and f1_score of label tables; deviation: a class
    that neither occurs nor is predicted has no F1 and is left out of the mean.
    """
    labels, probabilities = check_label_table(labels, probabilities)
    sets = predicted_sets(probabilities, thresholds)
    right, counted, predicted = (x.sum(axis=0) for x in (sets & labels, labels, sets))
    f1 = share(2 * right, counted + predicted)
    each = average_precision_per_class(labels, probabilities)
    return SetScores(
        labels=counted,
        predictions=predicted,
        precision=share(right, predicted),
        recall=share(right, counted),
        f1=f1,
        average_precision=each,
        mean_average_precision=_mean(each),
        macro_f1=_mean(f1),
        micro_f1=float(share(2 * right.sum(), counted.sum() + predicted.sum())),
        right_sets=(sets == labels).all(axis=1),
    )


def _mean(values: np.ndarray) -> float:
    """Average what is defined; NaN where nothing is."""
    defined: Any = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
