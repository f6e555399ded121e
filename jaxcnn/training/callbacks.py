"""Callbacks: small classes that the loop calls at four moments of training.

A callback sees a read-only `View`. Write your own by deriving from `Callback` and filling in the
moments that you need; the loop calls callbacks in their order, but `Checkpoint` always first, so
that an error in another callback loses nothing. Where several processes train together, each calls
its own.
"""

import dataclasses
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcnn.host.files import write_rows
from jaxcnn.host.processes import is_first
from jaxcnn.metrics.metric import GatheredMetric, Metric, add_sums, values
from jaxcnn.metrics.overfitting import CURES, find_overfitting
from jaxcnn.training.history import Progress, Row, epochs_without_gain, make_rank
from jaxcnn.types import TrainState

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """What a callback sees of training; all of it is for reading.

    Attributes:
      progress: as it is saved in checkpoints.
      history: a row for each finished epoch of the run, as in `metrics.jsonl`; of several networks
        the mean of theirs.
      is_best: whether the newest row is the best so far.
      best: by which metric rows are compared; "-" before it if lower is better.
      num_epochs: epochs in all at most, earlier phases included.
      steps_per_epoch: steps of each epoch; None if not known beforehand.
      batch_size: examples per step, of all networks together.
      phase: name of the phase of training; "" where there is but one.
      measures: the metrics, by name.
      step_seconds: how long the steps since the last call took.
      images_per_second: of the epoch so far.
      wait_share: share of the epoch's time that was spent waiting for data.
      area_of_steps: (first, last) to the number of steps from `first` up to `last`, in which steps
        on smaller images count by their area, see `progressive_resizing` of `fit`.
      states: the TrainState of each network, at the end of an epoch, at the end of training, and
        after the steps that `every_steps` names; () after others. Their arrays are overwritten
        by the next step: copy what you keep.
      data_state: the position of the training data, where `states` is given.
      outcome: at the end of training "finished", "stopped" (by a callback), "interrupted" (by a
        signal) or "failed"; before it "".
    """

    progress: Progress
    history: Sequence[Row]
    is_best: bool
    best: str
    num_epochs: int
    steps_per_epoch: int | None
    batch_size: int
    phase: str
    measures: Mapping[str, Metric | GatheredMetric]
    step_seconds: float
    images_per_second: float
    wait_share: float
    area_of_steps: Callable[[int, int], float] = lambda first, last: last - first
    states: Sequence[TrainState] = ()
    data_state: Any = None
    outcome: str = ""

    @property
    def step(self) -> int:
        """Steps done, from the run's start."""
        return self.progress.step

    @property
    def epoch(self) -> int:
        """Epochs done; the one under way has this number, counted from 0."""
        return self.progress.epoch

    @property
    def metrics(self) -> dict[str, Any]:
        """Means over the epoch so far, the loss among them; of several networks over all."""
        totals: dict[str, Any] = {}
        for member in self.progress.members:
            totals = add_sums(totals, member.totals)
        return values(self.measures, totals) if totals else {}


class Callback:
    """Base of callbacks: every method does nothing here.

    Attributes:
      every_steps: N if `on_step_end` needs `view.states` every N steps; None if it does not. The
        loop waits for such a step before it starts the next.

    Example:
      >>> class Logger(Callback):
      ...     def on_epoch_end(self, view):
      ...         print(view.history[-1]["train_loss"])
    """

    every_steps: int | None = None

    def on_train_begin(self, view: View) -> str | None:
        """Act before the first step; return a string to stop training."""

    def on_step_end(self, view: View) -> str | None:
        """Act after a step, or several in one program; return a string to stop training."""

    def on_epoch_end(self, view: View) -> str | None:
        """Act after an epoch and its validation; return a string to stop training."""

    def on_train_end(self, view: View) -> None:
        """Act at the end, however it came about: see `view.outcome`."""


class EarlyStopping(Callback):
    """Stops training when epochs go by without a better one.

    Args:
      patience: epochs without a better one before it stops, at least 1.
      metric: by which epochs are compared, as `best` of `fit`; None for that itself.

    Raises:
      ValueError: if patience is below 1.

    Example:
      >>> callbacks = [EarlyStopping(5, metric="-loss")]  # for `fit`

    Source: Prechelt 1998, "Early Stopping - But When?", Neural Networks: Tricks of the Trade.
    """

    def __init__(self, patience: int, *, metric: str | None = None) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience}.")
        self._patience, self._metric = patience, metric

    def on_train_begin(self, view: View) -> str | None:
        """Stop a run at once that was resumed where it should have stopped."""
        return self.on_epoch_end(view)

    def on_epoch_end(self, view: View) -> str | None:
        """Stop where the newest epochs bring nothing."""
        best = self._metric or view.best
        rank = make_rank(best, view.measures)
        # Another phase's best is no reason to stop this one.
        rows = view.history[view.progress.first_epoch :]
        waited = epochs_without_gain(rows, rank)
        if waited < self._patience:
            return None
        split = "validation" if f"validation_{best.removeprefix('-')}" in rows[-1] else "training"
        return (
            f"no better {split} {best.removeprefix('-')} in {self._patience} epochs; the best was "
            f"at step {rows[-1 - waited]['step']}"
        )


_ACCURACIES = {"train_accuracy", "validation_accuracy"}


class OverfittingWarning(Callback):
    """Warns in the log, once, when the network begins to memorise.

    Args:
      cures: what may help this network, in words.
      num_validation: photos of the validation split; None where it is unknown.

    Example:
      >>> callbacks = [OverfittingWarning(cures="more photos, or a smaller network")]  # for `fit`
    """

    def __init__(self, cures: str = CURES, num_validation: int | None = None) -> None:
        self._cures, self._num_validation, self._warned = cures, num_validation, False

    def on_epoch_end(self, view: View) -> None:
        """Look at the history, see `jaxcnn.metrics.find_overfitting`."""
        if self._warned or not view.history[-1].keys() >= _ACCURACIES:
            return
        found = find_overfitting(
            view.history, num_validation=self._num_validation, cures=self._cures
        )
        if found is not None:
            logger.warning(str(found))
            self._warned = True


class TensorBoard(Callback):
    """Writes each epoch's numbers for TensorBoard.

    Args:
      folder: where the events go; those after the step at which a run is resumed are void.

    Example:
      >>> callbacks = [TensorBoard("runs/mine/tensorboard")]  # for `fit`
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._writer: SummaryWriter | None = None

    def on_train_begin(self, view: View) -> None:
        """Open the log."""
        if not is_first():
            return
        # tensorboardX imports torch where it is installed, which takes seconds and is not needed.
        hidden = {} if "torch" in sys.modules else {"torch": None}
        sys.modules.update(hidden)  # type: ignore[arg-type]
        try:
            from tensorboardX import SummaryWriter
        finally:
            for name in hidden:
                del sys.modules[name]
        self._writer = SummaryWriter(
            str(self._folder), purge_step=view.step + 1 if view.step else None
        )

    def on_epoch_end(self, view: View) -> None:
        """Write the newest row."""
        if self._writer is not None:
            for name, value in view.history[-1].items():
                if isinstance(value, (int, float)):
                    self._writer.add_scalar(name, value, view.step)

    def on_train_end(self, view: View) -> None:
        """Close the log."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class HistoryFile(Callback):
    """Writes the history as JSON lines, one row per epoch, whole after each.

    Args:
      path: of the file of all, of several networks of their mean.
      members: paths of the files of each, where several networks train.

    Example:
      >>> import flax.linen as nn
      >>> import numpy as np
      >>> import optax
      >>> from jaxcnn.training import fit
      >>> data = np.zeros((8, 4, 4, 3), np.uint8), np.arange(8) % 2
      >>> model = nn.Sequential([lambda x, train: x.mean((1, 2)), nn.Dense(2)])
      >>> result = fit(
      ...     model,
      ...     data,
      ...     optimizer=optax.sgd(0.1),
      ...     batch_size=8,
      ...     callbacks=[HistoryFile("history.jsonl")],
      ... )
      >>> len(Path("history.jsonl").read_text().splitlines())
      1
    """

    def __init__(self, path: Path | str, members: Sequence[Path] = ()) -> None:
        self._path, self._members = Path(path).expanduser(), members

    def on_train_begin(self, view: View) -> None:
        """Refuse a folder that is not there before the first step."""
        for path in (self._path, *self._members):
            if not path.parent.is_dir():
                raise ValueError(f"HistoryFile: {path.parent} is not a folder; make it first.")

    def on_epoch_end(self, view: View) -> None:
        """Write the rows."""
        if not is_first():
            return
        for path, member in zip(self._members, view.progress.members, strict=False):
            write_rows(path, member.history)
        write_rows(self._path, list(view.history))
