"""The numbers by which a page judges a run; `templates/` says in words what they mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.metrics.overfitting import CURES, find_overfitting
from jaxcnn.runs.report.answers import Bin, calibration_error


def judge_fit(
    history: Sequence[Mapping[str, Any]],
    *,
    best_epoch: int,
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
    seen = (find_overfitting(history[:end]) for end in range(1, len(history) + 1))
    since = next((found.epoch for found in seen if found is not None), None)
    train, validation = (
        float(np.mean([row[f"{split}_accuracy"] for row in history[-3:]]))
        for split in ("train", "validation")
    )
    return {
        "num_epochs": len(history),
        "last_epoch": int(history[-1]["epoch"]),
        "best_epoch": best_epoch,
        "is_mixed": is_mixed,
        "train": train,
        "validation": validation,
        "overfitting": find_overfitting(history, cures=cures),
        "cures": cures,
        "is_augmented": is_augmented,
        "stops_early": stops_early,
        "stopped_early": stopped_early,
        "underfitting_cures": underfitting_cures,
        "since": since,
    }


def judge_calibration(
    bins: Sequence[Bin], scaled: Sequence[Bin], temperature: float
) -> dict[str, float]:
    """Judge whether the network is as often right as it is sure, see `calibration.html.jinja`.

    Args:
      bins: of the test photos by confidence, those that hold some.
      scaled: the same with the logits divided by the temperature.
      temperature: as fitted on the validation split.

    Returns:
      What the template calls `calibration`.
    """
    count = sum(b.count for b in bins)
    return {
        "sure": sum(b.count * b.confidence for b in bins) / count,
        "right": sum(b.count * b.accuracy for b in bins) / count,
        "error": calibration_error(bins),
        "scaled_error": calibration_error(scaled),
        "temperature": temperature,
    }
