"""What `fit` returns: the last state, the history, the best epoch, and the network in use."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.training.checkpointing import Checkpoint, KeepBest
from jaxcnn.training.evaluation import Evaluation, Evaluator
from jaxcnn.training.fit_arguments import check_same_kind
from jaxcnn.training.history import Progress, Row
from jaxcnn.training.inputs import open_input
from jaxcnn.training.state import evaluation_variables
from jaxcnn.training.task import Task, check_labels
from jaxcnn.types import PyTree, TrainState


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FitResult:
    """The result of training.

    Attributes:
      states: the last state of each network, usually one.
      progress: where training stands; give the whole result to `fit` as `after` for a next phase.
    """

    states: Sequence[TrainState]
    progress: Progress
    _task: Task
    _evaluator: Evaluator
    _preprocessing: Preprocessing | None
    _keeper: Checkpoint | KeepBest
    _after: "FitResult | None"

    @property
    def state(self) -> TrainState:
        """The last state; of several networks that of the first."""
        return self.states[0]

    @property
    def history(self) -> list[Row]:
        """A row for each epoch: JSON values; of several networks the mean of theirs."""
        return self.progress.history

    @functools.cached_property
    def best(self) -> "Best":
        """The best epoch; of several networks that of the first."""
        return self.best_of(0)

    def best_of(self, member: int) -> "Best":
        """Give the best epoch of one of several networks, counted from 0."""
        found = self.progress.members[member]
        if not found.history:
            raise ValueError("no epoch has ended yet, so there is no best one.")
        row = next(row for row in found.history if row["step"] == found.best_step)
        return Best(found.best_step, row, self._best_variables(member))

    def evaluate(self, data: Any, variables: PyTree | None = None) -> Evaluation:
        """Measure the network on other data.

        Args:
          data: of any kind that `fit` takes.
          variables: {"params": ..., "batch_stats": ...}; None for those of the best epoch.

        Returns:
          Its metrics, and its probabilities, (N, K) float32.

        Raises:
          ValueError: if images are floating point where training had uint8, or the other way round,
            or if labels are no classes of the network.
        """
        if variables is None and self.history:
            variables = self._best_variables(0)
        elif variables is None:
            variables = evaluation_variables(self.state)
        found = open_input(data, self._preprocessing)
        if self._task.prepares_images:
            images = found.shapes(self._evaluator.batch_size).image
            check_same_kind(images, self._task.batch.image)
        check_labels(found, self._task.network, self._task.outputs)
        return self._evaluator(found, variables)

    def predict(self, images: Any, variables: PyTree | None = None) -> np.ndarray:
        """Give the probability of each class; if the network does not classify, its outputs.

        Args:
          images: (N, H, W, C), prepared as in validation.
          variables: as `evaluate` takes.

        Returns:
          (N, K) float32.
        """
        label = self._task.batch.label
        labels = np.zeros((len(images), *label.shape[1:]), label.dtype)
        return self.evaluate((images, labels), variables).probabilities

    def own_trees(self, variables: PyTree) -> tuple[PyTree, PyTree]:
        """Split variables into the (params, state) that your `apply` takes."""
        split = getattr(self._task.network, "own_trees", None)
        return split(variables) if split else (variables["params"], variables["batch_stats"])

    def _best_variables(self, member: int) -> PyTree:
        step = self.progress.members[member].best_step
        if step <= self.progress.first_step and self._after is not None:
            return self._after.best_of(member).variables
        shapes = self._evaluator.layout.state_shapes(evaluation_variables(self.state))
        return self._keeper.best_variables(shapes, member=member, step=step)

    def __repr__(self) -> str:
        """Say how far training came, without the arrays."""
        best_step = self.progress.members[0].best_step
        return f"FitResult({len(self.history)} epochs, best at step {best_step})"

    def _repr_html_(self) -> str:
        """Show the history in a notebook."""
        from jaxcnn.host.html import table  # only notebooks ask

        best_step = self.progress.members[0].best_step
        heads = list(dict.fromkeys(name for row in self.history for name in row))
        rows = [[*map(row.get, heads), "*" * (row["step"] == best_step)] for row in self.history]
        return table([*heads, "best"], rows)


@dataclasses.dataclass(frozen=True, eq=False)
class Best:
    """The best epoch.

    Attributes:
      step: steps done at its end.
      row: of the history.
      variables: {"params": ..., "batch_stats": ...}, to evaluate and predict with.
    """

    step: int
    row: Row
    variables: PyTree = dataclasses.field(repr=False)
