"""What a page says in sentences: of learning and memorising, and of being sure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.metrics.overfitting import find_overfitting
from jaxcnn.runs.report.answers import Bin, calibration_error

Row = Mapping[str, Any]
_FEW_EPOCHS = 2
_SMALL_GAP, _FAR_FROM_ALL = 0.05, 0.9


class Remark(NamedTuple):
    """A judgement: its kind decides the look, its word says it, its sentences explain it."""

    kind: str  # good, warning or note
    word: str
    sentences: list[str]


def tell_fit(history: Sequence[Row], *, best_epoch: int, is_mixed: bool = False) -> Remark:
    """Say whether the network learned or memorised, and what would help.

    Args:
      history: one row per epoch, as in `metrics.jsonl`; at least one.
      best_epoch: the epoch whose parameters were tested, counted from 1.
      is_mixed: whether training photos were blended or patched with others, so that the accuracy
        on them is no measure.

    Returns:
      The judgement.
    """
    if len(history) < _FEW_EPOCHS:
        said = ["After a single epoch the curves cannot tell learning from memorising."]
        return Remark("note", "Too early to tell", said)
    found = find_overfitting(history)
    train, validation = (
        float(np.mean([row[f"{split}_accuracy"] for row in history[-3:]]))
        for split in ("train", "validation")
    )
    gap = (
        f"Over the last epochs {train:.1%} of the training photos and {validation:.1%} of the "
        "validation photos are right."
    )
    more = _of_length(history, best_epoch)
    if is_mixed:
        said = [
            f"{gap} The first figure is taken on photos that are mixed with others, so the gap "
            "between the two says nothing here."
        ]
        return Remark("note", "Training photos were mixed", said + more)
    if found is not None:
        seen = (find_overfitting(history[:end]) for end in range(1, len(history) + 1))
        since = next(each.epoch for each in seen if each is not None)
        said = [str(found), f"First seen at epoch {since}; tested is epoch {best_epoch}."]
        return Remark("warning", "Overfitting", said + more)
    if train - validation >= _SMALL_GAP:
        said = [
            f"{gap} That gap of {100 * (train - validation):.1f} points is what the network has "
            "memorised; it no longer grows. More photos or stronger augmentation narrow it."
        ]
        return Remark("note", "Some memorising, not growing", said + more)
    said = [gap + _why_close(train, validation)]
    return Remark("good", "No sign of overfitting", said + more)


def _why_close(train: float, validation: float) -> str:
    if train < _FAR_FROM_ALL and train - validation < _SMALL_GAP:
        return (
            " What it gets wrong it gets wrong on its training photos too: a larger network, "
            "more epochs or weaker augmentation would help rather than a cure for memorising."
        )
    if train < validation:
        return (
            " Training photos are harder here, for they are augmented, and taken while the "
            "network still learned."
        )
    return ""


def _of_length(history: Sequence[Row], best_epoch: int) -> list[str]:
    last = int(history[-1]["epoch"])
    if best_epoch == last:
        return ["The last epoch was the best on validation photos: more epochs may help."]
    if best_epoch <= last // 2:
        return [
            f"Epoch {best_epoch} of {last} was the best on validation photos: later ones "
            "brought nothing, so fewer are enough, or early stopping."
        ]
    return []


def tell_calibration(bins: Sequence[Bin], scaled: Sequence[Bin], temperature: float) -> Remark:
    """Say whether the network is well calibrated.

    Args:
      bins: of the test photos by confidence, those that hold some.
      scaled: the same with the logits divided by the temperature.
      temperature: as fitted on the validation split.

    Returns:
      The judgement.
    """
    count = sum(b.count for b in bins)
    sure = sum(b.count * b.confidence for b in bins) / count
    right = sum(b.count * b.accuracy for b in bins) / count
    error, after = calibration_error(bins), calibration_error(scaled)
    scaling = (
        f"Dividing its logits by a temperature of {temperature:.2f}, fitted on the validation "
        "photos, would "
    )
    helps = f"bring that to {after:.1%} and change no answer."
    said = [
        f"Its mean confidence is {sure:.1%}, its accuracy {right:.1%}. The expected calibration "
        f"error is {error:.1%}; 0 is perfect.",
        scaling + (helps if after < error else "not improve that."),
    ]
    if error < 0.02:
        return Remark("good", "Well calibrated", said)
    if sure > right:
        return Remark("note", "Overconfident", said)
    return Remark("note", "Underconfident", said)
