"""What a run with several labels per photo keeps of its test, and the numbers of its page."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.metrics.multi_label import predicted_sets, score_sets
from jaxcnn.runs.multi_label import SetRow
from jaxcnn.runs.report.answers import MOST_CLASSES
from jaxcnn.training.evaluation import Evaluation


class CachedSets(NamedTuple):
    """The answers to N test photos of K classes: labels, sets, and the T most probable classes.

    Labels and sets are bits, eight classes to a byte.
    """

    names: np.ndarray  # (N,) text
    index: np.ndarray  # type: ignore[assignment]  # (N,) int32, position in the split
    label_bits: np.ndarray  # (N, ceil(K / 8)) uint8
    set_bits: np.ndarray  # (N, ceil(K / 8)) uint8, the classes that each photo is given
    classes: np.ndarray  # (N, T) int32, the most probable first; all classes of the set are there
    probabilities: np.ndarray  # (N, T) float32, of these classes
    furthest: np.ndarray  # (N,) float32, how far a probability lies on the wrong side; 0 if none
    margin: np.ndarray  # (N,) float32, how close the closest probability is to its threshold
    thresholds: np.ndarray  # (K,) float64
    by_class: np.ndarray  # (K, 6) float64, columns as in `SetRow` from labels on, no threshold
    means: np.ndarray  # (3,) float64: mean average precision, macro F1, micro F1

    @property
    def label_table(self) -> np.ndarray:
        """(N, K) bool."""
        return _unpacked(self.label_bits, len(self.thresholds))

    @property
    def set_table(self) -> np.ndarray:
        """(N, K) bool."""
        return _unpacked(self.set_bits, len(self.thresholds))

    @property
    def right(self) -> np.ndarray:
        """(N,) bool, whether a set is exactly that of the labels."""
        return np.asarray((self.label_bits == self.set_bits).all(axis=1))


def _unpacked(bits: np.ndarray, num_classes: int) -> np.ndarray:
    return np.unpackbits(bits, axis=1, count=num_classes).astype(bool)


def shorten_sets(test: Evaluation, thresholds: np.ndarray, names: Sequence[str]) -> CachedSets:
    """Keep of each answer what a page needs.

    Args:
      test: a network's answers to the test split, labels (N, K).
      thresholds: (K,).
      names: names of the test split's photos, by their position in it.

    Returns:
      The answers in the order of `test`.
    """
    table, labels = test.probabilities, test.labels > 0
    sets = predicted_sets(table, thresholds)
    # Those that are given come first of all that are kept, then the most probable of the rest.
    most = min(table.shape[1], max(MOST_CLASSES, int(sets.sum(axis=1).max())))
    first = np.argsort(-(table + 2.0 * sets), axis=1, kind="stable")[:, :most]
    order = np.argsort(-np.take_along_axis(table, first, axis=1), axis=1, kind="stable")
    classes = np.take_along_axis(first, order, axis=1)
    away = np.abs(table - thresholds)
    scores = score_sets(labels, table, thresholds)
    columns = (
        *(scores.labels, scores.predictions, scores.average_precision),
        *(scores.precision, scores.recall, scores.f1),
    )
    return CachedSets(
        names=np.array([names[i] for i in test.index], dtype=np.str_),
        index=test.index.astype(np.int32),
        label_bits=np.packbits(labels, axis=1),
        set_bits=np.packbits(sets, axis=1),
        classes=classes.astype(np.int32),
        probabilities=np.take_along_axis(table, classes, axis=1).astype(np.float32),
        furthest=np.where(sets != labels, away, 0.0).max(axis=1).astype(np.float32),
        margin=away.min(axis=1).astype(np.float32),
        thresholds=np.asarray(thresholds, np.float64),
        by_class=np.stack(columns, axis=1).astype(np.float64),
        means=np.array([scores.mean_average_precision, scores.macro_f1, scores.micro_f1]),
    )


def class_rows(answers: CachedSets, class_names: Sequence[str]) -> list[SetRow]:
    """List the classes, the lowest average precision first; those without a test photo last."""
    rows = [
        SetRow(name, int(counted), int(predicted), float(threshold), *map(_number, rest))
        for name, threshold, (counted, predicted, *rest) in zip(
            class_names, answers.thresholds, answers.by_class, strict=True
        )
    ]
    return sorted(rows, key=lambda row: (row.average_precision is None, row.average_precision or 0))


def judge_sets(answers: CachedSets, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Give the numbers of the page's result, see `several_labels.html.jinja`.

    Args:
      answers: to the test photos.
      summary: of the run, when it ended.

    Returns:
      The figures by name; `tested_again` says whether they are others than the run's own.
    """
    num_right, count = int(answers.right.sum()), len(answers.index)
    found = dict(
        zip(("mean_average_precision", "macro_f1", "micro_f1"), answers.means, strict=True)
    )
    labels = answers.label_table.sum(axis=1)
    return {
        **{name: _number(value) for name, value in found.items()},
        "subset_accuracy": num_right / count,
        "interval": wilson_interval(num_right, count),
        "num_right": num_right,
        "count": count,
        "mean_labels": float(labels.mean()),
        "num_without": int((labels == 0).sum()),
        "untested": [
            name
            for name, row in zip(summary["class_names"], answers.by_class, strict=True)
            if not row[0]
        ],
        "tested_again": abs(num_right / count - summary["test_subset_accuracy"]) > 1e-6,
    }


def as_accuracy(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rename the subset accuracy of rows, for what judges a history by an accuracy."""
    return [
        {name.replace("_subset_accuracy", "_accuracy"): value for name, value in row.items()}
        for row in history
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
