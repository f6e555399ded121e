"""Read a run's history as a teacher would, and name what goes wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_CURES = (
    "more photos, stronger --augment, a higher --dropout_rate or --weight_decay, "
    "or a smaller network (--width_multiplier, --depth)"
)


class Overfitting(NamedTuple):
    """A gap between training and validation that keeps growing."""

    epoch: int  # counted from 1, the epoch at which it was seen
    gap: float  # train accuracy - validation accuracy, as a share
    validation_loss: float  # nats, now
    best_validation_loss: float  # nats, the lowest so far

    def __str__(self) -> str:
        """Say it in words, with the cures."""
        return (
            f"Overfitting: the network does {self.gap:.1%} better on photos it trains on than on "
            f"validation photos, the gap keeps growing, and validation loss is up from "
            f"{self.best_validation_loss:.3f} to {self.validation_loss:.3f}. Cures: {_CURES}."
        )


def find_overfitting(
    history: Sequence[Mapping[str, Any]],
    *,
    window_epochs: int = 3,
    min_gap: float = 0.05,
    min_loss_rise: float = 0.02,
) -> Overfitting | None:
    """Tell whether the newest epoch shows a network that memorises.

    It does where, over the last `window_epochs` epochs compared with as many before them, the gap
    in accuracy between training and validation grew, the training loss fell, and the validation
    loss rose, and where the gap is at least `min_gap` and validation loss lies `min_loss_rise` (as
    a share) above its lowest. Means over windows keep one noisy epoch from raising the alarm.

    Args:
      history: rows with epoch, train_loss, train_accuracy, validation_loss, validation_accuracy.
      window_epochs: epochs in each of the two windows.
      min_gap: smallest mean gap in accuracy that counts, as a share.
      min_loss_rise: smallest rise of validation loss over its lowest that counts, as a share.

    Returns:
      What was found, or None.
    """
    if len(history) < 2 * window_epochs:
        return None
    recent, before = history[-window_epochs:], history[-2 * window_epochs : -window_epochs]

    def mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
        return sum(row[name] for row in rows) / len(rows)

    gap = mean(recent, "train_accuracy") - mean(recent, "validation_accuracy")
    gap_before = mean(before, "train_accuracy") - mean(before, "validation_accuracy")
    loss, lowest = mean(recent, "validation_loss"), min(row["validation_loss"] for row in history)
    memorises = (
        gap > gap_before
        and gap >= min_gap
        and mean(recent, "train_loss") < mean(before, "train_loss")
        and loss > mean(before, "validation_loss")
        and loss > (1 + min_loss_rise) * lowest
    )
    if not memorises:
        return None
    return Overfitting(history[-1]["epoch"], gap, history[-1]["validation_loss"], lowest)
