"""Read a run's history as a teacher would, and name what goes wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_CURES = (
    "more photos, stronger augmentation, a higher dropout_rate or weight_decay, "
    "or a smaller network (width_multiplier, depth)"
)


class Overfitting(NamedTuple):
    """A gap between training and validation that keeps growing."""

    epoch: int  # counted from 1, the epoch at which it was seen
    gap: float  # train accuracy - validation accuracy, as a share, over the last epochs
    gap_before: float  # the same over as many epochs before those

    def __str__(self) -> str:
        """Say it in words, with the cures."""
        return (
            f"Overfitting: the network does {self.gap:.1%} better on the photos it trains on than "
            f"on validation photos, up from {self.gap_before:.1%}: it begins to memorise. "
            f"Cures: {_CURES}."
        )


def find_overfitting(
    history: Sequence[Mapping[str, Any]],
    *,
    window_epochs: int = 3,
    min_gap: float = 0.05,
    min_growth: float = 0.01,
) -> Overfitting | None:
    """Tell whether the newest epoch shows a network that memorises.

    It does where, over the last `window_epochs` epochs compared with as many before them, the gap
    in accuracy between training and validation grew by `min_growth` to at least `min_gap` while the
    training loss fell. Means over windows keep one noisy epoch from raising the alarm. The
    validation loss is no witness: with label smoothing it may stay low while a network memorises.

    Args:
      history: rows with epoch, train_loss, train_accuracy, validation_accuracy.
      window_epochs: epochs in each of the two windows.
      min_gap: smallest mean gap in accuracy that counts, as a share.
      min_growth: smallest growth of that gap that counts, as a share.

    Returns:
      What was found, or None.
    """
    if len(history) < 2 * window_epochs:
        return None
    recent, before = history[-window_epochs:], history[-2 * window_epochs : -window_epochs]

    def mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
        return sum(row[name] for row in rows) / len(rows)

    gap, gap_before = (
        mean(rows, "train_accuracy") - mean(rows, "validation_accuracy")
        for rows in (recent, before)
    )
    is_learning = mean(recent, "train_loss") < mean(before, "train_loss")
    if not (is_learning and gap >= min_gap and gap - gap_before >= min_growth):
        return None
    return Overfitting(history[-1]["epoch"], gap, gap_before)
