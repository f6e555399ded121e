"""What a run comes to, as JSON values: scores with their intervals, and what they were taken on."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.metrics.calibration import expected_calibration_error
from jaxcnn.metrics.classification import (
    confusion_matrix,
    per_class_precision_recall,
    wilson_interval,
)
from jaxcnn.training.evaluation import Evaluation


def scores(found: Evaluation) -> dict[str, Any]:
    """Write how well one split was classified.

    Args:
      found: a network's answers to the split.

    Returns:
      loss (nats), accuracy (share), its 95 % Wilson interval, and the count of examples.
    """
    return {
        "loss": found.loss,
        "accuracy": found.accuracy,
        "interval": list(wilson_interval(found.correct, found.count)),
        "count": found.count,
    }


def result(
    test: Evaluation, validation: Evaluation, class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Write the result of a run: its test split's scores, overall and by class.

    Args:
      test: the network's answers to the test split.
      validation: its answers to the split that chose its parameters.
      class_names: the names of the classes.

    Returns:
      JSON values; a class without examples or predictions has None for its precision or recall.
      For intervals of these, "test_labels" and "test_predictions" count both for each class.
    """
    confusion = confusion_matrix(test.labels, test.probabilities.argmax(1), len(class_names))
    return {
        "test_accuracy": test.accuracy,
        "test_accuracy_interval": list(wilson_interval(test.correct, test.count)),
        "test_loss": test.loss,
        "validation_accuracy": validation.accuracy,
        "validation_loss": validation.loss,
        **by_class(confusion, class_names),
        "test_calibration_error": expected_calibration_error(test.probabilities, test.labels),
    }


def by_class(confusion: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Write how well each class is known, as part of a `result`.

    Args:
      confusion: (K, K) integers, rows are labels and columns predictions.
      class_names: (K,) in the order of the labels.

    Returns:
      JSON values, a list of one per class each.
    """
    found = per_class_precision_recall(confusion)
    return {
        "class_names": list(class_names),
        "test_precision": _numbers(found.precision),
        "test_recall": _numbers(found.recall),
        "test_labels": confusion.sum(axis=1).tolist(),
        "test_predictions": confusion.sum(axis=0).tolist(),
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


class ClassRow(NamedTuple):
    """How well one class is known; None where a quotient is 0 / 0 or photos were not counted."""

    name: str
    labels: int | None  # test photos of the class
    predictions: int | None  # test photos that are given the class
    recall: float | None  # share of its photos that are found
    precision: float | None  # share of the photos given the class that belong to it

    @property
    def recall_interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval."""
        return _interval(self.recall, self.labels)

    @property
    def precision_interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval."""
        return _interval(self.precision, self.predictions)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision."""
        if self.recall is None and self.precision is None:
            return None
        recall, precision = self.recall or 0.0, self.precision or 0.0
        return 2 * recall * precision / ((recall + precision) or 1.0)


def _interval(share: float | None, count: int | None) -> tuple[float, float] | None:
    if share is None or not count:
        return None
    return wilson_interval(round(share * count), count)


def class_rows(summary: Mapping[str, Any]) -> list[ClassRow]:
    """List a run's results by class, in the order of the labels.

    Args:
      summary: as `result` writes it; an older run did not count photos by class.

    Returns:
      One row per class.
    """
    names = summary["class_names"]
    unknown = [None] * len(names)
    columns = zip(
        names,
        summary.get("test_labels", unknown),
        summary.get("test_predictions", unknown),
        summary["test_recall"],
        summary["test_precision"],
        strict=True,
    )
    return [ClassRow(*values) for values in columns]
