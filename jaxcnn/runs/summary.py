"""What a run comes to, as JSON values: scores with their intervals, and what they were taken on."""

from typing import Any

import numpy as np

from jaxcnn.metrics.calibration import expected_calibration_error
from jaxcnn.training.evaluation import Evaluation
from jaxcnn.metrics.classification import confusion_matrix, per_class_precision_recall, wilson_interval


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
    by_class = per_class_precision_recall(confusion)
    return {
        "test_accuracy": test.accuracy,
        "test_accuracy_interval": list(wilson_interval(test.correct, test.count)),
        "test_loss": test.loss,
        "validation_accuracy": validation.accuracy,
        "validation_loss": validation.loss,
        "class_names": list(class_names),
        "test_precision": _numbers(by_class.precision),
        "test_recall": _numbers(by_class.recall),
        "test_labels": confusion.sum(axis=1).tolist(),
        "test_predictions": confusion.sum(axis=0).tolist(),
        "test_calibration_error": expected_calibration_error(test.probabilities, test.labels),
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
