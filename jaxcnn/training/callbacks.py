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
from jaxcnn.metrics.overfitting import find_overfitting
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.training.history import Progress, Row, epochs_without_gain, make_rank
from jaxcnn.training.sharding import fetch
from jaxcnn.training.state import evaluation_variables
from jaxcnn.types import PyTree, TrainState

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
      best: by which metric rows are compared, see `history.make_rank`.
      num_epochs: epochs in all at most, earlier phases included.
      steps_per_epoch: steps of each epoch; None if not known beforehand.
      batch_size: examples per step, of all networks together.
      phase: name of the phase of training; "" where there is but one.
      measures: the metrics, by name.
      step_seconds: how long the steps since the last call took.
      images_per_second: of the epoch so far.
      wait_share: share of the epoch's time that was spent waiting for data.
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
      class Logger(Callback):
          def on_epoch_end(self, view):
              print(view.history[-1])
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


class OverfittingWarning(Callback):
    """Warns in the log when the network begins to memorise, once for each time it begins."""

    def __init__(self) -> None:
        self._warned = False

    def on_epoch_end(self, view: View) -> None:
        """Look at the history, see `metrics.find_overfitting`."""
        if not {"train_accuracy", "validation_accuracy"} <= view.history[-1].keys():
            return
        found = find_overfitting(view.history)
        if found is not None and not self._warned:
            logger.warning(str(found))
        self._warned = found is not None


class TensorBoard(Callback):
    """Writes each epoch's numbers for TensorBoard.

    Args:
      folder: where the events go; those after the step at which a run is resumed are void.
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
    """

    def __init__(self, path: Path | str, members: Sequence[Path] = ()) -> None:
        self._path, self._members = Path(path), members

    def on_epoch_end(self, view: View) -> None:
        """Write the rows."""
        if not is_first():
            return
        for path, member in zip(self._members, view.progress.members, strict=False):
            write_rows(path, member.history)
        write_rows(self._path, list(view.history))


class Checkpoint(Callback):
    """Saves training, so that it can go on where it was cut short, and the best variables.

    `FOLDER/last` holds whole states, saved at the end of each epoch, on a signal, and every
    `every_steps` steps; `fit` resumes from the newest good one. `FOLDER/best` holds the variables
    of the best epoch, to evaluate and predict with; for several networks `FOLDER/members/00/best`
    and so on. Each array is verified by its checksum when it is read.

    Args:
      folder: made when the first checkpoint is saved.
      every_steps: steps between saves, beside those at the end of each epoch; None for no more.
      resume: False refuses a folder that holds checkpoints already.
      last: name of the folder of whole states.
      best: folders of the best variables, one for each network; () for those said above.
      metadata: JSON values saved with the best variables, of each network.
      export: makes the variables that are saved as best of those that are evaluated, where the two
        differ: where the head alone is trained, it adds the backbone.

    Raises:
      ValueError: if every_steps is below 1.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        every_steps: int | None = None,
        resume: bool = True,
        last: str = "last",
        best: Sequence[Path] = (),
        metadata: Sequence[Mapping[str, Any]] = (),
        export: Callable[[PyTree], PyTree] = lambda variables: variables,
    ) -> None:
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"every_steps must be at least 1, got {every_steps}.")
        self.every_steps = every_steps
        self._folder, self._best_folders = Path(folder), best
        self._resume, self._metadata, self._export = resume, metadata, export
        self.last = CheckpointStore(self._folder / last, max_to_keep=2)
        self.best: list[CheckpointStore] = []
        self._saved: tuple[int, str] | None = None
        self._about: Mapping[str, Any] = {}

    def open(self, num_members: int, about: Mapping[str, Any]) -> None:
        """Prepare for a number of networks; `fit` calls it.

        Args:
          num_members: how many.
          about: JSON values that a run must share with one that it resumes, by name.

        Raises:
          CheckpointError: if there are checkpoints, and they are not to be resumed from.
        """
        if not self._resume and self.last.steps():
            raise CheckpointError(
                f"{self._folder} holds checkpoints already; give resume=True or another folder."
            )
        folders = self._best_folders or (
            [self._folder / "best"]
            if num_members == 1
            else [self._folder / "members" / name / "best" for name in member_names(num_members)]
        )
        # One more than `last` keeps: falling back there must still find its best here.
        self.best = [CheckpointStore(folder, max_to_keep=3) for folder in folders]
        self._about = about

    def restore(
        self, states: Sequence[PyTree], step: int = 0
    ) -> tuple[list[PyTree], Progress, Any] | None:
        """Go back to the newest good checkpoint.

        Args:
          states: those that a new run would start from, of each network.
          step: the step that a new run would start at.

        Returns:
          States, progress and the position of the data; None where there is no checkpoint.

        Raises:
          CheckpointError: if the checkpoints are of another network or other data, or all damaged.
        """
        found = self.last.restore(_packed(states))
        if found is None:
            for store in self.best:
                if any(saved > step for saved in store.steps()):
                    raise CheckpointError(
                        f"{store.directory} holds the best of a run whose states are gone from "
                        f"{self.last.directory}; give another folder, or remove it."
                    )
            return None
        there = found.metadata.get("about", {})
        changed = [
            f"{name} {there[name]} there, {value} now"
            for name, value in self._about.items()
            if name in there and there[name] != value
        ]
        if changed:
            raise CheckpointError(
                f"{self.last.directory} holds checkpoints of another run ({'; '.join(changed)}). "
                "Give what they were made with, or another folder."
            )
        progress = Progress.from_json(found.metadata["progress"])
        self._saved = (progress.step, progress.stop_reason)
        return _unpacked(found.state, len(states)), progress, found.metadata["data"]

    def on_step_end(self, view: View) -> None:
        """Save every `every_steps` steps, unless the epoch ends here and is saved as a whole."""
        is_last = view.progress.step_in_epoch == view.steps_per_epoch
        if self.every_steps is not None and view.step % self.every_steps == 0 and not is_last:
            self._save(view)

    def on_epoch_end(self, view: View) -> None:
        """Save the variables that are the best so far, then the state."""
        # The best are saved first: whatever `last` tells of is then on disk already.
        for number, member in enumerate(view.progress.members):
            if member.best_step == view.step:
                metadata = {**(self._metadata[number] if self._metadata else {})}
                metadata |= {"step": view.step, "validation": member.history[-1]}
                variables = self._export(evaluation_variables(view.states[number]))
                self.best[number].save(view.step, variables, metadata)
        self._save(view)

    def on_train_end(self, view: View) -> None:
        """Save what is not on disk yet: a state in mid-epoch, or why the run was stopped."""
        now = (view.step, view.progress.stop_reason)
        if view.outcome in ("interrupted", "stopped") and self._saved != now:
            self._save(view)

    def best_variables(self, shapes: PyTree, *, member: int = 0, step: int | None = None) -> PyTree:
        """Read the best variables.

        Args:
          shapes: of the variables, or the variables themselves.
          member: which network's.
          step: of an earlier best; None for the newest.

        Returns:
          The variables.

        Raises:
          CheckpointError: if there are none, or they are damaged.
        """
        if not self.best:
            raise CheckpointError(f"{self._folder}: give this Checkpoint to `fit` first.")
        found = self.best[member].restore(shapes, step=step)
        if found is None:
            raise CheckpointError(f"{self.best[member].directory} holds no checkpoint.")
        return found.state

    def last_good(self) -> str:
        """Say from where a run could go on."""
        if saved := self.last.steps():
            return f"the last good checkpoint is of step {saved[-1]} in {self.last.directory}"
        return "there is no checkpoint yet"

    def _save(self, view: View) -> None:
        metadata = {
            "progress": view.progress.to_json(),
            "data": view.data_state,
            "about": self._about,
        }
        self.last.save(view.step, _packed(view.states), metadata)
        self._saved = (view.step, view.progress.stop_reason)


class KeepBest(Callback):
    """Keeps the best variables in the host's memory, where no checkpoint does."""

    def __init__(self) -> None:
        self._variables: dict[int, PyTree] = {}

    def open(self, num_members: int, about: Mapping[str, Any]) -> None:
        """Do nothing: as `Checkpoint` has it."""

    def restore(
        self, states: Sequence[PyTree], step: int = 0
    ) -> tuple[list[PyTree], Progress, Any] | None:
        """Give None: nothing outlives the process."""
        return None

    def on_epoch_end(self, view: View) -> None:
        """Copy those that are the best so far."""
        for number, member in enumerate(view.progress.members):
            if member.best_step == view.step:
                self._variables[number] = fetch(evaluation_variables(view.states[number]))

    def best_variables(self, shapes: PyTree, *, member: int = 0, step: int | None = None) -> PyTree:
        """Give the best variables of a network.

        Raises:
          CheckpointError: if none were the best, since those of an earlier phase were.
        """
        if member not in self._variables:
            raise CheckpointError(
                "this phase never beat an earlier one; take the best variables from that one's "
                "result."
            )
        return self._variables[member]


def member_names(count: int) -> list[str]:
    """Name networks that train side by side, as their folders are named.

    Example:
      >>> member_names(3)
      ['00', '01', '02']
    """
    return [f"{number:02d}" for number in range(count)]


def _packed(states: Sequence[PyTree]) -> PyTree:
    if len(states) == 1:
        return states[0]
    return dict(zip(member_names(len(states)), states, strict=True))


def _unpacked(packed: PyTree, count: int) -> list[PyTree]:
    return [packed] if count == 1 else [packed[name] for name in member_names(count)]
