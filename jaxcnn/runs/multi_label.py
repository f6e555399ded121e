"""What a run with several labels per photo comes to: scores, and lines of text."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.host.text import percent
from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.metrics.multi_label import DEFAULT_THRESHOLD, SetScores, score_sets
from jaxcnn.metrics.registry import DEFAULT_METRICS
from jaxcnn.training.evaluation import Evaluation

_ALWAYS = ("loss", *DEFAULT_METRICS[True])  # measured in every run, at thresholds of 0.5


class SetRow(NamedTuple):
    """How well one of several labels is known; None where a quotient is 0 / 0."""

    name: str
    labels: int  # test photos that show the class
    predictions: int  # test photos that are given it
    threshold: float
    average_precision: float | None
    precision: float | None
    recall: float | None
    f1: float | None


def has_several_labels(summary: Mapping[str, Any]) -> bool:
    """Tell whether a summary is of a run with several labels per photo.

    Example:
      >>> has_several_labels({"thresholds": [0.5]}), has_several_labels({"test_accuracy": 0.9})
      (True, False)
    """
    return "thresholds" in summary


def split_scores(found: Evaluation, thresholds: np.ndarray | None = None) -> dict[str, Any]:
    """Write how well the sets of one split are known.

    Args:
      found: the answers to it, of labels (N, K).
      thresholds: (K,); None for 0.5.

    Returns:
      JSON values: loss (nats), mean average precision, macro and micro F1, subset accuracy with its
      95 % Wilson interval, and the count of photos.
    """
    if thresholds is None:
        thresholds = np.full(found.probabilities.shape[1], DEFAULT_THRESHOLD)
    scores = score_sets(found.labels, found.probabilities, thresholds)
    return {"loss": found.loss, **_means(scores), "count": found.num_examples}


def _means(scores: SetScores) -> dict[str, Any]:
    right, count = int(scores.right_sets.sum()), len(scores.right_sets)
    return {
        "mean_average_precision": _number(scores.mean_average_precision),
        "macro_f1": _number(scores.macro_f1),
        "micro_f1": _number(scores.micro_f1),
        "subset_accuracy": right / count,
        "subset_accuracy_interval": list(wilson_interval(right, count)),
    }


def result(
    validation: Evaluation, test: Evaluation, thresholds: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Write the result of a run.

    Args:
      validation: the network's answers to the split that chose its parameters and the thresholds.
      test: its answers to the test split.
      thresholds: (K,).
      class_names: (K,).

    Returns:
      JSON values, the scores of `split_scores` as "test_macro_f1" and so on, and a list of one per
      class each of the test split's; "validation_metrics" and "test_metrics" hold what was asked
      for beside, with F1 at thresholds of 0.5 as in the history.
    """
    found: dict[str, Any] = {}
    for name, split in (("validation", validation), ("test", test)):
        of_split = split_scores(split, thresholds)
        del of_split["count"]
        found |= {f"{name}_{key}": value for key, value in of_split.items()}
        asked_for = {k: v for k, v in split.metrics.items() if k not in _ALWAYS}
        found |= {f"{name}_metrics": asked_for} if asked_for else {}
    scores = score_sets(test.labels, test.probabilities, thresholds)
    return {**found, **by_class(scores, thresholds, class_names)}


def by_class(
    scores: SetScores, thresholds: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Write how well each class is known, as part of a `result`."""
    quotients = ("average_precision", "precision", "recall", "f1")
    return {
        "class_names": list(class_names),
        "thresholds": [float(value) for value in thresholds],
        "test_labels": scores.labels.tolist(),
        "test_predictions": scores.predictions.tolist(),
        **{f"test_{k}": [_number(value) for value in getattr(scores, k)] for k in quotients},
    }


def set_rows(summary: Mapping[str, Any]) -> list[SetRow]:
    """List a run's results by class, in the order of the labels.

    Args:
      summary: as `result` writes it.

    Returns:
      One row per class.
    """
    columns = ("labels", "predictions", "average_precision", "precision", "recall", "f1")
    each = {name: summary[f"test_{name}"] for name in columns}
    each |= {"name": summary["class_names"], "threshold": summary["thresholds"]}
    rows = zip(*(each[name] for name in SetRow._fields), strict=True)
    return [SetRow(*row) for row in rows]


def result_lines(summary: Mapping[str, Any], about_test: str, tested: str) -> list[str]:
    """Tell a run's result in lines.

    Args:
      summary: as written to `summary.json`.
      about_test: what is known of the test images, see `summary_text.about_test`.
      tested: which variables were, see `summary_text.best_step`.

    Returns:
      The lines.
    """
    low, high = summary["test_subset_accuracy_interval"]
    measured = [
        f"  {name:<32} {value:.4f} on the test images"
        for name, value in summary.get("test_metrics", {}).items()
        if isinstance(value, float)
    ]
    return [
        *measured,
        f"  {'macro F1':<32} {percent(summary['test_macro_f1'])}, micro F1 "
        f"{percent(summary['test_micro_f1'])}, at thresholds chosen on validation",
        f"  {'subset accuracy':<32} {summary['test_subset_accuracy']:.1%} of the sets exactly "
        f"right (95% interval {low:.1%} to {high:.1%})",
        f"test mean average precision {percent(summary['test_mean_average_precision'])} on "
        f"{summary['num_test']:,} images {about_test}; {tested}",
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
