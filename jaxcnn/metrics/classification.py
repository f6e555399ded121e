"""What a model got right: statistics of labels against predictions, on the host in float64."""

from statistics import NormalDist

import numpy as np


def wilson_interval(correct: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Bound the accuracy that `correct` of `count` independent examples speak for.

    With p = correct / count, n = count and z the normal quantile of (1 + confidence) / 2:

        (p + z^2 / 2n  -+  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Unlike p -+ z sqrt(p (1 - p) / n) it stays inside [0, 1] and holds near its ends.

    Args:
      correct: number of right predictions, in [0, count].
      count: number of examples, > 0.
      confidence: probability that such an interval covers the truth, in (0, 1).

    Returns:
      (low, high), with 0 <= low <= p <= high <= 1.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> tuple(round(x, 3) for x in wilson_interval(454, 500))
      (0.879, 0.93)

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference",
    JASA 22(158); without continuity correction.
    """
    if count <= 0 or not 0 <= correct <= count:
        raise ValueError(
            f"correct must lie in [0, count] and count be > 0, got {correct} of {count}."
        )
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}.")
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    p = correct / count
    centre = p + z**2 / (2 * count)
    margin = z * (p * (1 - p) / count + z**2 / (4 * count**2)) ** 0.5
    scale = 1 + z**2 / count
    # At p = 0 and p = 1 the bound is exact in theory; rounding must not push it past p.
    return max(0.0, min((centre - margin) / scale, p)), min(1.0, max((centre + margin) / scale, p))


def check_classes(name: str, values: np.ndarray, num_classes: int) -> None:
    """Raise ValueError unless `values` are (N,) integers in [0, num_classes); `name` names them."""
    if values.ndim != 1 or (values.size and not np.issubdtype(values.dtype, np.integer)):
        raise ValueError(f"{name} must be (N,) integers, got {values.dtype} of {values.shape}.")
    if values.size and not 0 <= values.min() <= values.max() < num_classes:
        raise ValueError(
            f"{name} must lie in [0, {num_classes}), got {values.min()} to {values.max()}."
        )


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Count how often each class was taken for each.

    Args:
      labels: (N,) integers in [0, num_classes), the true classes.
      predictions: (N,) integers in [0, num_classes).
      num_classes: K.

    Returns:
      (K, K) int64: element [i, j] counts examples of class i predicted as j.

    Raises:
      ValueError: if shapes differ or a class is out of range.

    Example:
      >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
      [[1, 1], [0, 1]]
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    check_same_length(labels, predictions)
    check_classes("labels", labels, num_classes)
    check_classes("predictions", predictions, num_classes)
    cells = labels.astype(np.int64) * num_classes + predictions.astype(np.int64)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def check_same_length(labels: np.ndarray, answers: np.ndarray) -> None:
    """Raise ValueError unless there is one answer for each label."""
    if len(labels) != len(answers):
        raise ValueError(
            f"one answer must come for each label, got {len(answers)} for {len(labels)} labels."
        )


def most_confused(confusion: np.ndarray, *, count: int = 12) -> list[tuple[int, int]]:
    """Find the pairs of classes that are confused most often.

    Args:
      confusion: (K, K) integers, rows are labels and columns predictions.
      count: the most to give.

    Returns:
      (label, predicted) of different classes, the most frequent first; ties in the order of rows.

    Example:
      >>> most_confused(np.array([[9, 1, 0], [3, 9, 0], [0, 0, 9]]))
      [(1, 0), (0, 1)]
    """
    mistakes = np.where(np.eye(len(confusion), dtype=bool), 0, confusion)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    pairs = zip(*np.unravel_index(order, mistakes.shape), strict=True)
    return [(int(row), int(column)) for row, column in pairs if mistakes[row, column]]


def per_class_precision_recall(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute each class's precision and recall.

    Args:
      confusion: (K, K) counts as `confusion_matrix` gives them, true class by row.

    Returns:
      Two arrays, (K,) float64: the share of the predictions of a class that are right, NaN for a
      class never predicted; and the share of its examples that are found, NaN without examples.

    Raises:
      ValueError: if the matrix is not square.

    Example:
      >>> precision, recall = per_class_precision_recall(np.array([[3, 1], [0, 4]]))
      >>> precision.tolist(), recall.tolist()
      ([1.0, 0.8], [0.75, 1.0])
    """
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion must have shape (K, K), got {confusion.shape}.")
    right = np.diag(confusion)
    return share(right, confusion.sum(axis=0)), share(right, confusion.sum(axis=1))


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide counts by counts; 0 of 0 is NaN."""
    with np.errstate(invalid="ignore"):
        return np.true_divide(part, whole)
