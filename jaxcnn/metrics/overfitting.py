"""Read a run's history as a teacher would, and name what goes wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxcnn.metrics.classification import wilson_interval

CURES = (
    "more photos, stronger augmentation, a higher dropout_rate or weight_decay, "
    "or a smaller network (width_multiplier, depth)"
)
_WINDOW_EPOCHS = 3
LEAST_EPOCHS = 2 * _WINDOW_EPOCHS  # fewer show no trend
LEAST_GAP, LEAST_GROWTH = 0.05, 0.01  # of the accuracies, as shares; less may be noise


class Overfitting(NamedTuple):
    """A gap between training and validation that keeps growing."""

    epoch: int  # counted from 1, the epoch at which it was seen
    gap: float  # train accuracy - validation accuracy, as a share, over the last epochs
    gap_before: float  # the same over as many epochs before those
    cures: str = CURES  # what may help, in words

    def __str__(self) -> str:
        """Say it in words, with the cures."""
        return (
            f"Overfitting: the network does {self.gap:.1%} better on the photos it trains on than "
            f"on validation photos, up from {self.gap_before:.1%}: it begins to memorise. "
            f"Cures: {self.cures}."
        )


def find_overfitting(
    history: Sequence[Mapping[str, Any]],
    *,
    num_validation: int | None = None,
    cures: str = CURES,
) -> Overfitting | None:
    """Tell whether the newest epoch shows a network that memorises.

    It does where, over the last three epochs compared with the three before them, the gap in
    accuracy between training and validation grew by a point or more to at least five points, while
    the training loss fell. Means over windows keep one noisy epoch from raising the alarm, and a
    gap that so few validation photos may show by chance raises none. The validation loss is no
    witness: with label smoothing it may stay low while a network memorises.

    Args:
      history: rows with epoch, train_loss, train_accuracy, validation_accuracy.
      num_validation: photos of the validation split; None where it is unknown.
      cures: what may help this network, in words.

    Returns:
      What was found, or None.

    Example:
      >>> history = [
      ...     {
      ...         "epoch": epoch,
      ...         "train_loss": 1 / epoch,
      ...         "train_accuracy": 0.6 + 0.05 * epoch,
      ...         "validation_accuracy": 0.7,
      ...     }
      ...     for epoch in range(1, 7)
      ... ]
      >>> found = find_overfitting(history)
      >>> found.epoch, round(found.gap, 2), round(found.gap_before, 2)
      (6, 0.15, 0.0)
    """
    if len(history) < LEAST_EPOCHS:
        return None
    train, validation, loss = (
        window_means(history, name)
        for name in ("train_accuracy", "validation_accuracy", "train_loss")
    )
    gap_before, gap = (t - v for t, v in zip(train, validation, strict=True))
    is_learning = loss[1] < loss[0]
    if not (is_learning and gap >= LEAST_GAP and gap - gap_before >= LEAST_GROWTH):
        return None
    if may_be_chance(train[1], validation[1], num_validation):
        return None
    return Overfitting(history[-1]["epoch"], gap, gap_before, cures)


def may_be_chance(train: float, validation: float, num_validation: int | None) -> bool:
    """Tell whether so few validation photos may come from a network as right as in training.

    Args:
      train: accuracy, as a share.
      validation: the same on the validation split.
      num_validation: photos of that split; None where it is unknown.

    Returns:
      Whether `train` lies within the 95 % interval of `validation`, or below it.
    """
    if not num_validation:
        return False
    _, high = wilson_interval(round(validation * num_validation), num_validation)
    return train <= high


def window_means(history: Sequence[Mapping[str, Any]], name: str) -> tuple[float, float]:
    """Average a figure over the last three epochs, and over the three before them.

    Args:
      history: at least `LEAST_EPOCHS` rows.
      name: of the figure.

    Returns:
      (before, last).
    """
    before, last = history[-LEAST_EPOCHS:-_WINDOW_EPOCHS], history[-_WINDOW_EPOCHS:]
    return _mean(before, name), _mean(last, name)


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(row[name] for row in rows)) / len(rows)
