"""The numbers by which a page judges a run; `templates/` says in words what they mean."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.metrics.overfitting import (
    CURES,
    LEAST_EPOCHS,
    LEAST_GAP,
    LEAST_GROWTH,
    find_overfitting,
    may_be_chance,
    window_means,
)
from jaxcnn.runs.report.answers import Bin, CachedAnswers, calibration_error
from jaxcnn.runs.summary import ClassRow
from jaxcnn.runs.summary_text import doubt

_LEAST_PHOTOS = 30  # of a test; fewer say nothing of calibration
LEAST_OF_CLASS = 10  # test photos; fewer say nothing of a class
WIDEST_INTERVAL = 0.2  # of a class's recall, at 95 %


def judge_answers(
    labels: np.ndarray, answers: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Judge whether a test shows more than one fixed answer would, see `report.html.jinja`.

    Args:
      labels: (N,) int32, of the test photos.
      answers: (N,) int32, the most probable classes.
      class_names: in the order of the labels.

    Returns:
      The class that all photos of several classes are given, or None; the sentence of
      `summary_text.doubt`; and the classes that have no test photo.
    """
    low, _ = wilson_interval(int((answers == labels).sum()), len(labels))
    is_one_answer = len(set(answers.tolist())) == 1 < len(set(labels.tolist()))
    counts = np.bincount(labels, minlength=len(class_names))
    return {
        "only_answer": class_names[int(answers[0])] if is_one_answer else None,
        "doubt": doubt(labels, class_names, low),
        "untested": [name for name, count in zip(class_names, counts, strict=True) if not count],
    }


def too_small(rows: Sequence[ClassRow]) -> list[str]:
    """Name the classes whose recall is not known well: few test photos, or a wide interval.

    Args:
      rows: a row per class; those without a test photo are left out.

    Returns:
      The classes' names, in order.

    Example:
      >>> rows = [ClassRow("cat", 400, 400, 0.95, 0.95), ClassRow("lynx", 8, 8, 1.0, 1.0)]
      >>> too_small(rows)
      ['lynx']
    """
    return [
        row.name
        for row in rows
        if row.labels
        and row.recall_interval is not None
        and (
            row.labels < LEAST_OF_CLASS
            or row.recall_interval[1] - row.recall_interval[0] > WIDEST_INTERVAL
        )
    ]


def judge_fit(
    history: Sequence[Mapping[str, Any]],
    *,
    best_epoch: int,
    num_validation: int | None = None,
    is_one_answer: bool = False,
    is_doubted: bool = False,
    is_mixed: bool = False,
    is_augmented: bool = True,
    stops_early: bool = False,
    stopped_early: bool = False,
    cures: str = CURES,
    underfitting_cures: str = "a larger network",
) -> dict[str, Any]:
    """Judge whether the network learned or memorised, see `fit.html.jinja`.

    Args:
      history: one row per epoch, as in `metrics.jsonl`; at least one.
      best_epoch: the epoch whose parameters were tested, counted from 1.
      num_validation: photos of the validation split; None where it is unknown.
      is_one_answer: whether all test photos were given one class.
      is_doubted: whether the test does not show that the network beats one fixed answer.
      is_mixed: whether training photos were blended or patched with others, so that the accuracy
        on them is no measure.
      is_augmented: whether training photos were augmented.
      stops_early: whether early stopping is on.
      stopped_early: whether it ended this run.
      cures: what may keep this network from memorising, in words.
      underfitting_cures: what may make it right on more training photos, in words.

    Returns:
      What the template calls `fit`.
    """
    find = functools.partial(find_overfitting, num_validation=num_validation, cures=cures)
    seen = (find(history[:end]) for end in range(1, len(history) + 1))
    since = next((found.epoch for found in seen if found is not None), None)
    train, validation = (
        float(np.mean([row[f"{split}_accuracy"] for row in history[-3:]]))
        for split in ("train", "validation")
    )
    overfitting = find(history)
    can_see_trend = len(history) >= LEAST_EPOCHS
    return {
        "num_epochs": len(history),
        "can_see_trend": can_see_trend,
        "may_be_rising": not can_see_trend or (overfitting is None and _is_rising(history)),
        "has_gap": train - validation >= LEAST_GAP,
        "num_validation": num_validation,
        "may_be_chance": may_be_chance(train, validation, num_validation),
        "is_one_answer": is_one_answer,
        "is_doubted": is_doubted,
        "last_epoch": int(history[-1]["epoch"]),
        "best_epoch": best_epoch,
        "is_mixed": is_mixed,
        "train": train,
        "validation": validation,
        "overfitting": overfitting,
        "cures": cures,
        "is_augmented": is_augmented,
        "stops_early": stops_early,
        "stopped_early": stopped_early,
        "underfitting_cures": underfitting_cures,
        "since": since,
    }


def _is_rising(history: Sequence[Mapping[str, Any]]) -> bool:
    before, last = window_means(history, "train_accuracy")
    return last - before >= LEAST_GROWTH


def judge_calibration(
    bins: Sequence[Bin], scaled: Sequence[Bin], temperature: float
) -> dict[str, Any]:
    """Judge whether the network is as often right as it is sure, see `calibration.html.jinja`.

    Args:
      bins: of the test photos by confidence, those that hold some.
      scaled: the same with the logits divided by the temperature.
      temperature: as fitted on the validation split.

    Returns:
      What the template calls `calibration`.
    """
    count = sum(b.count for b in bins)
    num_right = round(sum(b.count * b.accuracy for b in bins))
    return {
        "count": count,
        "least": _LEAST_PHOTOS,
        "can_tell": count >= _LEAST_PHOTOS,
        "sure": sum(b.count * b.confidence for b in bins) / count,
        "right": num_right / count,
        "interval": wilson_interval(num_right, count),
        "error": calibration_error(bins),
        "scaled_error": calibration_error(scaled),
        "temperature": temperature,
    }


def judge_unknown(answers: CachedAnswers) -> dict[str, Any] | None:
    """Count the test photos that are taken for one of the classes, see `unknown.html.jinja`.

    Args:
      answers: to the test photos.

    Returns:
      What the template calls `none_of_these`; None where no known photos were kept.
    """
    if answers.scores is None or answers.threshold is None:
        return None
    count, unknown = len(answers.scores), answers.unknown
    kept = np.ones(count, bool)
    kept[unknown] = False
    return {
        "threshold": float(answers.threshold),
        "count": count,
        "num_kept": int(kept.sum()),
        "interval": wilson_interval(int(kept.sum()), count),
        "accuracy": float(answers.right[kept].mean()) if kept.any() else None,
        "num_unknown": len(unknown),
        "num_unknown_wrong": int((~answers.right[unknown]).sum()),
    }


def judge_promised_sets(answers: CachedAnswers) -> dict[str, Any] | None:
    """Measure the sets of classes on the test photos, see `unknown.html.jinja`.

    Args:
      answers: to the test photos.

    Returns:
      What the template calls `sets`; None where there are none.
    """
    if answers.set_sizes is None or answers.set_holds is None:
        return None
    num_held, count = int(answers.set_holds.sum()), len(answers.set_holds)
    return {
        "coverage": num_held / count,
        "interval": wilson_interval(num_held, count),
        "mean_size": float(answers.set_sizes.mean()),
        "singles": float((answers.set_sizes == 1).mean()),
    }
