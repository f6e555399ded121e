"""Sets of classes that hold the right one with a promised probability: split conformal prediction.

Each class of an example has a score: how badly it fits what the network says. Among calibration
examples, which trained nothing and chose nothing, the promised share has a right class that scores
at most as much as a limit, `calibrate`; the set of a new example holds the classes that do. The
promise is kept on average over examples from the same source, not for each class or kind of photo.

On the host, in NumPy. None of the scores is randomised, so the same photo always has the same set;
then `adaptive` sets hold the right class somewhat more often than promised.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jaxcnn.metrics.calibration import check_probabilities
from jaxcnn.metrics.classification import wilson_interval


def least_ambiguous(probabilities: np.ndarray) -> np.ndarray:
    """Score each class by 1 less its probability ("LAC", "THR"): the smallest sets on average.

    Args:
      probabilities: (N, K), rows that sum to 1.

    Returns:
      (N, K) float64 in [0, 1].

    Example:
      >>> least_ambiguous(np.array([[0.75, 0.25]])).tolist()
      [[0.25, 0.75]]

    Source: Sadinle, Lei & Wasserman 2019, arXiv:1609.00451.
    """
    return 1 - np.asarray(probabilities, np.float64)


def adaptive(probabilities: np.ndarray) -> np.ndarray:
    """Score each class by the sum of the probabilities down to its own ("APS"), not randomised.

    Sets are larger where the network is less sure, more so than those of `least_ambiguous`.

    Args:
      probabilities: (N, K), rows that sum to 1.

    Returns:
      (N, K) float64 in [0, 1]; of equal probabilities the lower class comes first.

    Example:
      >>> adaptive(np.array([[0.25, 0.125, 0.625]])).tolist()
      [[0.875, 1.0, 0.625]]

    Source: Romano, Sesia & Candès 2020, arXiv:2006.02544; deviation: not randomised, so the class
    itself always counts whole.
    """
    probabilities = np.asarray(probabilities, np.float64)
    order, ranks = _ranked(probabilities)
    sums = np.take_along_axis(probabilities, order, axis=1).cumsum(axis=1)
    return np.take_along_axis(sums, ranks, axis=1)


def regularized(
    probabilities: np.ndarray, *, weight: float = 0.01, num_free: int = 5
) -> np.ndarray:
    """Score each class as `adaptive` does, with a penalty for low ranks ("RAPS").

    The class of rank r, from 1, has `weight` max(0, r - `num_free`) added, which keeps sets of many
    classes small.

    Args:
      probabilities: (N, K), rows that sum to 1.
      weight: of the penalty, at least 0.
      num_free: ranks without a penalty, at least 0.

    Returns:
      (N, K) float64, at least 0.

    Raises:
      ValueError: if an argument is below 0.

    Example:
      >>> regularized(np.array([[0.5, 0.25, 0.25]]), weight=1, num_free=1).tolist()
      [[0.5, 1.75, 3.0]]

    Source: Angelopoulos, Bates, Malik & Jordan 2021, arXiv:2009.14193, not randomised; `weight` and
    `num_free` are its lambda and k_reg.
    """
    if weight < 0 or num_free < 0:
        raise ValueError(f"weight (={weight}) and num_free (={num_free}) must be at least 0.")
    probabilities = np.asarray(probabilities, np.float64)
    _, ranks = _ranked(probabilities)
    return adaptive(probabilities) + weight * np.maximum(0, ranks + 1 - num_free)


SCORES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"least_ambiguous": least_ambiguous, "adaptive": adaptive, "regularized": regularized}
)
"""Scores by name: (N, K) probabilities to (N, K), lower fits better."""


def label_scores(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Take the score of each example's right class.

    Args:
      scores: (N, K), as one of `SCORES` gives.
      labels: (N,) integers in [0, K).

    Returns:
      (N,) float64.

    Raises:
      ValueError: if shapes differ, there is no example or a label is out of range.

    Example:
      >>> label_scores(least_ambiguous(np.array([[0.75, 0.25]])), np.array([1])).tolist()
      [0.75]
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    check_probabilities(scores, labels)
    return np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]


def calibrate_sets(scores: np.ndarray, level: float) -> float:
    """Find the highest score of a class that is in a set.

    Of N scores of right classes it is the ceil((N + 1) level)-th lowest; then the set of another
    example from the same source holds its right class with at least the probability `level`, and at
    most 1 / (N + 1) more if no two scores are equal.

    Args:
      scores: (N,) of the right classes of calibration examples; NaN counts as the highest.
      level: the promised share, in (0, 1).

    Returns:
      The limit; infinity where N is too small to promise `level` with fewer than all classes.

    Raises:
      ValueError: if there is no score, or the level is out of range.

    Example:
      >>> calibrate_sets(np.arange(1.0, 10.0), 0.9), calibrate_sets(np.arange(1.0, 9.0), 0.9)
      (9.0, inf)

    Source: Vovk, Gammerman & Shafer 2005; in this form Angelopoulos & Bates 2021, arXiv:2107.07511,
    section 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level (={level}) must be a share between 0 and 1.")
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"scores must be (N,) of at least 1 example, got {scores.shape}.")
    # Rounded first, since 10 * 0.9 may be a little above 9.
    rank = math.ceil(round((len(scores) + 1) * level, 9))
    if rank > len(scores):
        return math.inf
    return float(np.sort(np.where(np.isnan(scores), np.inf, scores))[rank - 1])


def prediction_sets(scores: np.ndarray, limit: float) -> np.ndarray:
    """Give the classes that are in each example's set.

    The class that fits best is always in it: an empty set would be of no use, and one more class
    breaks no promise.

    Args:
      scores: (N, K), as one of `SCORES` gives.
      limit: as `calibrate_sets` gives.

    Returns:
      (N, K) bool.

    Example:
      >>> scores = least_ambiguous(np.array([[0.9, 0.1], [0.6, 0.4]]))
      >>> prediction_sets(scores, 0.65).tolist()
      [[True, False], [True, True]]
    """
    scores = np.asarray(scores)
    chosen = scores <= limit
    chosen[np.arange(len(scores)), scores.argmin(axis=1)] = True
    return chosen


class SetQuality(NamedTuple):
    """How good sets of classes are."""

    coverage: float  # share of the examples whose set holds the right class
    interval: tuple[float, float]  # its 95 % Wilson interval
    mean_size: float  # classes in a set
    singles: float  # share of the sets that hold one class


def set_quality(sets: np.ndarray, labels: np.ndarray) -> SetQuality:
    """Measure how often sets hold the right class, and how large they are.

    Args:
      sets: (N, K) bool, as `prediction_sets` gives.
      labels: (N,) integers in [0, K).

    Returns:
      The measures.

    Raises:
      ValueError: if shapes differ, there is no example or a label is out of range.

    Example:
      >>> sets = np.array([[True, False], [True, True]])
      >>> found = set_quality(sets, np.array([1, 1]))
      >>> found.coverage, found.mean_size, found.singles
      (0.5, 1.5, 0.5)
    """
    right = label_scores(sets, labels)
    sizes = np.asarray(sets).sum(axis=1)
    interval = wilson_interval(int(right.sum()), len(right))
    return SetQuality(
        float(right.mean()), interval, float(sizes.mean()), float((sizes == 1).mean())
    )


def _ranked(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give classes by rank, and ranks by class, (N, K) each, the most probable at 0."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return order, np.argsort(order, axis=1, kind="stable")
