"""What was taken for what, and how well each class is known; sparse, for any number of classes."""

from typing import NamedTuple

import numpy as np

from jaxcnn.runs.report.answers import KeptAnswers
from jaxcnn.runs.summary import ClassRow


class Confusion(NamedTuple):
    """Photos of one class that are taken for another."""

    label: str
    taken_for: str
    count: int  # type: ignore[assignment]
    share: float  # of the photos of the label


class ConfusionRow(NamedTuple):
    """A row of the confusion matrix."""

    name: str
    cells: list[tuple[int, float]]  # count, and its share of the row


def class_rows(answers: KeptAnswers, class_names: list[str]) -> list[ClassRow]:
    """Describe how well each class is known.

    Args:
      answers: to the test photos.
      class_names: in the order of the labels.

    Returns:
      One row per class, in that order.
    """
    size = len(class_names)
    support = np.bincount(answers.labels, minlength=size).tolist()
    predicted = np.bincount(answers.classes[:, 0], minlength=size).tolist()
    right = np.bincount(answers.labels[answers.right], minlength=size).tolist()
    return [
        ClassRow(name, labels, given, _quotient(found, labels), _quotient(found, given))
        for name, labels, given, found in zip(class_names, support, predicted, right, strict=True)
    ]


def _quotient(found: int, count: int) -> float | None:
    return found / count if count else None


def mostly_taken_for(answers: KeptAnswers, class_names: list[str]) -> dict[str, tuple[str, int]]:
    """Give the class that most of a class's missed photos are taken for, and how many are."""
    worst: dict[str, tuple[str, int]] = {}
    for label, taken_for, count in _wrong_pairs(answers, len(class_names)):
        worst.setdefault(class_names[label], (class_names[taken_for], count))
    return worst


def worst_first(rows: list[ClassRow]) -> list[ClassRow]:
    """Order classes by F1, the lowest first; those that no photo speaks of come last.

    Example:
      >>> rows = [ClassRow(n, 5, 5, f, f) for n, f in (("a", 1.0), ("b", 0.5))]
      >>> [row.name for row in worst_first(rows)]
      ['b', 'a']
    """
    return sorted(rows, key=lambda row: (row.f1 is None, row.f1 or 0.0, -(row.labels or 0)))


def most_confused(
    answers: KeptAnswers, class_names: list[str], *, most: int = 20
) -> list[Confusion]:
    """List the pairs of classes that are confused most often.

    Args:
      answers: to the test photos.
      class_names: in the order of the labels.
      most: how many pairs.

    Returns:
      Pairs, the most frequent first.
    """
    support = np.bincount(answers.labels, minlength=len(class_names))
    return [
        Confusion(class_names[label], class_names[taken], count, count / int(support[label]))
        for label, taken, count in _wrong_pairs(answers, len(class_names))[:most]
    ]


def confusion_rows(answers: KeptAnswers, class_names: list[str]) -> list[ConfusionRow]:
    """Count what each class was taken for: the confusion matrix, one row per class.

    Args:
      answers: to the test photos.
      class_names: K names in the order of the labels; K is small, for K * K cells come of it.

    Returns:
      One row per class, each with one cell per class.
    """
    size = len(class_names)
    cells = answers.labels.astype(np.int64) * size + answers.classes[:, 0]
    counts = np.bincount(cells, minlength=size**2).reshape(size, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return [
        ConfusionRow(name, list(zip(counts[i].tolist(), shares[i].tolist(), strict=True)))
        for i, name in enumerate(class_names)
    ]


def _wrong_pairs(answers: KeptAnswers, num_classes: int) -> list[tuple[int, int, int]]:
    """Count (label, class it was taken for), the most frequent first."""
    wrong = ~answers.right
    cells = answers.labels[wrong].astype(np.int64) * num_classes + answers.classes[wrong, 0]
    pairs, counts = np.unique(cells, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    labels, taken_for = np.divmod(pairs[order], num_classes)
    return list(zip(labels.tolist(), taken_for.tolist(), counts[order].tolist(), strict=True))
