"""What was taken for what, from the confusion matrix, and which classes are known least."""

import numpy as np

from jaxcnn.metrics.classification import most_confused
from jaxcnn.runs.summary import ClassRow


def worst_first(rows: list[ClassRow]) -> list[ClassRow]:
    """Order classes by F1, the lowest first; those that no photo speaks of come last.

    Example:
      >>> rows = [ClassRow(n, 5, 5, f, f) for n, f in (("a", 1.0), ("b", 0.5))]
      >>> [row.name for row in worst_first(rows)]
      ['b', 'a']
    """
    return sorted(rows, key=lambda row: (row.f1 is None, row.f1 or 0.0, -(row.labels or 0)))


def mostly_taken_for(confusion: np.ndarray, class_names: list[str]) -> dict[str, tuple[str, int]]:
    """Give the class that most of a class's missed photos are taken for, and how many are."""
    wrong = np.where(np.eye(len(confusion), dtype=bool), 0, confusion)
    return {
        class_names[label]: (class_names[taken], int(wrong[label, taken]))
        for label, taken in enumerate(wrong.argmax(axis=1))
        if wrong[label, taken]
    }


def confused_pairs(
    confusion: np.ndarray, class_names: list[str], *, most: int
) -> list[tuple[str, str, int, float]]:
    """List the pairs of classes that are confused most often.

    Args:
      confusion: (K, K) integers, rows are labels and columns predictions.
      class_names: (K,) in the order of the labels.
      most: how many pairs.

    Returns:
      Label, what it was taken for, count and share of the label's photos; most frequent first.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return [
        (class_names[row], class_names[column], int(confusion[row, column]), shares[row, column])
        for row, column in most_confused(confusion, count=most)
    ]


def confusion_rows(
    confusion: np.ndarray, class_names: list[str]
) -> list[tuple[str, list[tuple[int, float]]]]:
    """Give the rows of the confusion matrix: a class, then each cell's count and share of the row.

    Args:
      confusion: (K, K) integers; K is small, for K * K cells come of it.
      class_names: (K,) in the order of the labels.

    Returns:
      One row per class.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return [
        (name, list(zip(counts.tolist(), parts.tolist(), strict=True)))
        for name, counts, parts in zip(class_names, confusion, shares, strict=True)
    ]
