"""What a run comes to, of one network or of several: scores and their intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn.host.text import duration, interval, listed, percent
from jaxcnn.metrics.calibration import expected_calibration_error
from jaxcnn.metrics.classification import (
    confusion_matrix,
    per_class_precision_recall,
    wilson_interval,
)
from jaxcnn.metrics.metric import (
    GatheredMetric,
    Metric,
    Outputs,
    add_sums,
    batch_sums,
    values,
)
from jaxcnn.metrics.out_of_distribution import Neighbours
from jaxcnn.runs import multi_label
from jaxcnn.training.evaluation import Evaluation

_ALWAYS = ("loss", "accuracy")  # measured in every run
_LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)


class Tested(NamedTuple):
    """A network's, or the ensemble's, answers to the two splits that it is not trained on."""

    validation: Evaluation
    test: Evaluation
    reference: Neighbours | None = None  # what their scores compare with

    @property
    def splits(self) -> dict[str, Evaluation]:
        """The answers by the name of the split."""
        return {"validation": self.validation, "test": self.test}


def average(
    members: Sequence[Evaluation], metrics: Mapping[str, Metric | GatheredMetric]
) -> Evaluation:
    """Answer by the mean of several networks' probabilities.

    Args:
      members: each network's answers to the same examples in the same order.
      metrics: what is measured beside the loss, by name.

    Returns:
      The ensemble's answers; its loss is the mean of -log of the label's mean probability.

    Raises:
      ValueError: if the members answer different examples, or there is none.

    Source: Lakshminarayanan et al. 2017, arXiv:1612.01474, section 2.4 (the mean of the networks'
    probabilities; each trained on all data, without adversarial examples).
    """
    first = members[0] if members else None
    if first is None or any(not np.array_equal(m.index, first.index) for m in members):
        raise ValueError(
            f"{len(members)} members do not answer the same examples in the same order; evaluate "
            "each on the same split."
        )
    table = np.stack([m.probabilities for m in members])
    exact = np.asarray(table.mean(axis=0, dtype=np.float64))
    # Scores are of features, which networks do not share: those of the first.
    return measure(exact, first.labels, first.index, metrics)._replace(scores=first.scores)


def measure(
    exact: np.ndarray,
    labels: np.ndarray,
    index: np.ndarray,
    metrics: Mapping[str, Metric | GatheredMetric],
) -> Evaluation:
    """Measure answers that are there already, such as those of several networks.

    Args:
      exact: (N, K) floating point, probabilities.
      labels: (N,) int32.
      index: (N,) int32, positions in the split.
      metrics: what is measured beside the loss, by name.

    Returns:
      The answers; the loss is the mean of -log of the label's probability.
    """
    right = np.take_along_axis(exact, labels[:, None], axis=1)[:, 0]
    probabilities = exact.astype(np.float32)
    measured = {
        "loss": float(-np.log(np.maximum(right, _LEAST_PROBABILITY)).mean()),
        "accuracy": float((exact.argmax(1) == labels).mean()),
    }
    everyone = np.ones(len(labels), bool)
    parts = (probabilities, labels, everyone, everyone.astype(np.float32))
    sums = add_sums({}, batch_sums(metrics, Outputs(*map(jnp.asarray, parts))))
    others = values(metrics, sums, (labels, probabilities))
    return Evaluation(others | measured, labels, probabilities, index)


def split_scores(
    tested: Mapping[str, Evaluation], thresholds: np.ndarray | None = None
) -> dict[str, dict[str, Any]]:
    """Write how well each split was classified.

    Args:
      tested: a network's answers, by split.
      thresholds: (K,), where photos have several labels; None where they have one.

    Returns:
      By split: loss (nats), accuracy (share), its 95 % Wilson interval, and the count of examples;
      of several labels those of `multi_label.split_scores`.
    """
    if thresholds is not None:
        return {name: multi_label.split_scores(found, thresholds) for name, found in tested.items()}
    return {
        name: {
            "loss": found.loss,
            "accuracy": found.accuracy,
            "interval": list(wilson_interval(found.correct, found.num_examples)),
            "count": found.num_examples,
        }
        for name, found in tested.items()
    }


def scores(tested: Tested) -> dict[str, float]:
    """Write down how well one network did on both splits: JSON values."""
    validation, test = tested.validation, tested.test
    return {
        "validation_accuracy": validation.accuracy,
        "validation_loss": validation.loss,
        "test_accuracy": test.accuracy,
        "test_loss": test.loss,
        "test_calibration_error": expected_calibration_error(test.probabilities, test.labels),
    }


def result(
    tested: Tested, class_names: tuple[str, ...], thresholds: np.ndarray | None = None
) -> dict[str, Any]:
    """Write the result of a run: its scores, and those of the test split by class.

    Args:
      tested: the network's answers to the test split, and to the one that chose its parameters.
      class_names: the names of the classes.
      thresholds: (K,), where photos have several labels, whose result is that of `multi_label`.

    Returns:
      JSON values, "validation_metrics" and "test_metrics" with what was asked for beside loss and
      accuracy; a class without examples or predictions has None for its precision or recall.
      For intervals of these, "test_labels" and "test_predictions" count both for each class.
    """
    if thresholds is not None:
        return multi_label.result(tested.validation, tested.test, thresholds, class_names)
    test = tested.test
    confusion = confusion_matrix(test.labels, test.probabilities.argmax(1), len(class_names))
    asked_for = {
        f"{split}_metrics": {k: v for k, v in found.metrics.items() if k not in _ALWAYS}
        for split, found in tested.splits.items()
    }
    return {
        **scores(tested),
        **{name: values for name, values in asked_for.items() if values},
        "test_accuracy_interval": list(wilson_interval(test.correct, test.num_examples)),
        **by_class(confusion, class_names),
    }


def by_class(confusion: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Write how well each class is known, as part of a `result`.

    Args:
      confusion: (K, K) integers, rows are labels and columns predictions.
      class_names: (K,) in the order of the labels.

    Returns:
      JSON values, a list of one per class each.
    """
    precision, recall = per_class_precision_recall(confusion)
    return {
        "class_names": list(class_names),
        "test_precision": _numbers(precision),
        "test_recall": _numbers(recall),
        "test_labels": confusion.sum(axis=1).tolist(),
        "test_predictions": confusion.sum(axis=0).tolist(),
    }


def members_result(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write what the networks of a run have in common.

    Args:
      members: a row each, with `scores` among its values.

    Returns:
      JSON values: the rows, and the mean and the (sample's) standard deviation of their scores.
    """
    return {"num_members": len(members), **_mean_and_spread(members), "members": list(members)}


def _mean_and_spread(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    columns = {
        name: [row[name] for row in rows]
        for name, value in rows[0].items()
        if isinstance(value, float)
    }
    return {
        "mean": {name: float(np.mean(column)) for name, column in columns.items()},
        "standard_deviation": {
            name: float(np.std(column, ddof=1)) for name, column in columns.items()
        },
    }


def folds_result(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write what the networks of the folds have in common, as `members_result` does.

    Args:
      rows: of each fold, with `scores` among its values.

    Returns:
      JSON values: the rows, and the mean and the (sample's) standard deviation of their scores.
    """
    return {"num_folds": len(rows), **_mean_and_spread(rows), "folds": list(rows)}


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


class RunSummary(dict[str, Any]):
    """A run's summary, as written to `summary.json`; a notebook shows its main figures."""

    def _repr_html_(self) -> str:
        """Show the main figures."""
        from jaxcnn.host.html import table  # only notebooks ask

        several = multi_label.has_several_labels(self)
        measure = "subset_accuracy" if several else "accuracy"
        bounds, seconds = self.get(f"test_{measure}_interval"), self.get("train_seconds") or 0
        within = f" (95% interval {interval(bounds)})" if bounds else ""
        means = [("test mean average precision", percent(self.get("test_mean_average_precision")))]
        rows = [
            *(means if several else ()),
            (f"test {measure.replace('_', ' ')}", percent(self.get(f"test_{measure}")) + within),
            ("test images", self.get("num_test")),
            ("classes", listed(self.get("class_names") or (), 10)),
            ("parameters", self.get("num_parameters")),
        ]
        if seconds > 0 and math.isfinite(seconds):
            rows.append(("training time", duration(seconds)))
        return table([], rows, caption="Run")


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
