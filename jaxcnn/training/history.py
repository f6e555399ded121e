"""Where a run of training stands: its epochs so far, the sums of the one under way, its times."""

import dataclasses
import time
from typing import Any

from jaxcnn.training.evaluation import Evaluation, Totals


@dataclasses.dataclass
class Progress:
    """Where a run stands, beside its arrays: JSON values, saved in each checkpoint.

    Attributes:
      epoch: the epoch under way, counted from 0.
      step_in_epoch: steps of it done.
      totals: sums over its examples so far.
      history: a row for each finished epoch.
      best_step: the step with the best validation accuracy; 0 before the first epoch ends.
      train_seconds: time spent in training, over all starts of the run, validation left out.
      stopped_early: whether early stopping ended the run.
      first_epoch: the epoch that the phase under way began with.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    totals: Totals = dataclasses.field(default_factory=Totals)
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best_step: int = 0
    train_seconds: float = 0.0
    stopped_early: bool = False
    first_epoch: int = 0

    def next_phase(self) -> "Progress":
        """Start a phase of training after this one: the history and the best so far stay."""
        return dataclasses.replace(self, stopped_early=False, first_epoch=self.epoch)

    def end_epoch(self, row: dict[str, Any]) -> bool:
        """Take in the row of the epoch that ended; tell whether it is the best so far."""
        is_best = all(rank(row) > rank(other) for other in self.history)
        self.history.append(row)
        if is_best:
            self.best_step = row["step"]
        self.epoch += 1
        self.step_in_epoch, self.totals = 0, Totals()
        return is_best

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values; floats keep every bit."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Progress":
        """Read what `to_json` wrote."""
        return cls(**{**value, "totals": Totals(**value["totals"])})


class Clock:
    """Times the steps of one epoch."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds = 0.0
        self._images = 0
        self.waited_seconds = 0.0

    def tick(self, images: int) -> float:
        """Count the images of a step that ended now, and give its seconds."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        self._seconds += seconds
        self._images += images
        return seconds

    def images_per_second(self) -> float:
        """Give the throughput so far."""
        return self._images / self._seconds if self._seconds else 0.0

    def wait_share(self) -> float:
        """Give the share of the time that was spent waiting for data."""
        return min(1.0, self.waited_seconds / self._seconds) if self._seconds else 0.0


def epoch_row(
    progress: Progress, validation: Evaluation, clock: Clock, *, step: int, learning_rate: float
) -> dict[str, Any]:
    """Write down an epoch that ends: JSON values, a row of `metrics.jsonl`."""
    totals = progress.totals
    return {
        "epoch": progress.epoch + 1,
        "step": step,
        "learning_rate": learning_rate,
        "train_loss": totals.loss_sum / totals.count,
        "train_accuracy": totals.correct / totals.count,
        "validation_loss": validation.loss,
        "validation_accuracy": validation.accuracy,
        "images_per_second": clock.images_per_second(),
        "data_wait_share": clock.wait_share(),
    }


def rank(row: dict[str, Any]) -> tuple[float, float]:
    """Order epochs by validation accuracy, then by the lower loss."""
    return row["validation_accuracy"], -row["validation_loss"]
