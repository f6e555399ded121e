"""The callbacks that keep training: checkpoints on disk, or the best variables in memory."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.training.callbacks import Callback, View
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.training.history import Progress
from jaxcnn.training.sharding import fetch
from jaxcnn.training.state import evaluation_variables
from jaxcnn.types import PyTree

_LOADER = "that of a loader"  # in checkpoints, instead of a number of examples


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
      recent: stores of every epoch's variables, one for each network; how many stay is theirs.
      export: makes the variables that are saved as best of those that are evaluated, where the two
        differ: where the head alone is trained, it adds the backbone.

    Raises:
      ValueError: if every_steps is below 1.

    Example:
      >>> callbacks = [Checkpoint("runs/mine", every_steps=1000)]  # for `fit`
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
        recent: Sequence[CheckpointStore] = (),
        export: Callable[[PyTree], PyTree] = lambda variables: variables,
    ) -> None:
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"every_steps must be at least 1, got {every_steps}.")
        self.every_steps = every_steps
        self._folder, self._best_folders = Path(folder), best
        self._resume, self._metadata, self._export = resume, metadata, export
        self._recent = recent
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
        counts = [each.get("number of examples") for each in (there, self._about)]
        if counts[0] != counts[1] and _LOADER in counts:
            one, other = (
                "a loader" if count == _LOADER else f"arrays of {count} examples"
                for count in counts
            )
            raise CheckpointError(
                f"{self.last.directory} holds checkpoints of a run on {one}, and the data are now "
                f"{other}, so its place in the data cannot be found. Give data of the same kind, "
                "or another folder."
            )
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
        for store, state in zip(self._recent, view.states, strict=False):
            store.save(view.step, self._export(evaluation_variables(state)), {"step": view.step})
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
