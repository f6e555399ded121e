"""What was taken for what, and how well each class is known; sparse, for any number of classes."""

from typing import NamedTuple

import numpy as np

from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.runs.report.answers import KeptAnswers


class ClassRow(NamedTuple):
    """How well one class is known; None where a quotient is 0 / 0."""

    name: str
    count: int  # type: ignore[assignment]  # test photos of the class
    precision: float | None  # share of the photos that are called so that are so
    recall: float | None  # share of its photos that are found
    recall_interval: tuple[float, float] | None  # 95 %
    f1: float | None  # harmonic mean of the two
    mostly_taken_for: str  # the class that most of its missed photos are taken for; "" for none
    mostly_taken_count: int


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
      A row a class, in that order.
    """
    num_classes = len(class_names)
    predicted = np.bincount(answers.classes[:, 0], minlength=num_classes)
    support = np.bincount(answers.labels, minlength=num_classes)
    right = np.bincount(answers.labels[answers.right], minlength=num_classes)
    worst: dict[int, tuple[int, int]] = {}
    for label, taken_for, count in _wrong_pairs(answers, num_classes):
        worst.setdefault(label, (taken_for, count))
    return [
        _row(name, int(right[i]), int(support[i]), int(predicted[i]), worst.get(i), class_names)
        for i, name in enumerate(class_names)
    ]


def _row(
    name: str,
    right: int,
    support: int,
    predicted: int,
    worst: tuple[int, int] | None,
    class_names: list[str],
) -> ClassRow:
    return ClassRow(
        name=name,
        count=support,
        precision=right / predicted if predicted else None,
        recall=right / support if support else None,
        recall_interval=wilson_interval(right, support) if support else None,
        f1=2 * right / (support + predicted) if support + predicted else None,
        mostly_taken_for=class_names[worst[0]] if worst else "",
        mostly_taken_count=worst[1] if worst else 0,
    )


def worst_first(rows: list[ClassRow]) -> list[ClassRow]:
    """Order classes by F1, the lowest first; those that no photo speaks of come last.

    Example:
      >>> rows = [ClassRow(n, 5, f, f, (0, 1), f, "", 0) for n, f in (("a", 1.0), ("b", 0.5))]
      >>> [row.name for row in worst_first(rows)]
      ['b', 'a']
    """
    return sorted(rows, key=lambda row: (row.f1 is None, row.f1 or 0.0, -row.count))


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
    """Count what each class was taken for: the confusion matrix, a row a class.

    Args:
      answers: to the test photos.
      class_names: K names in the order of the labels; K is small, for K * K cells come of it.

    Returns:
      A row a class, each with a cell a class.
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
