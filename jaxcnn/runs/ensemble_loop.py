"""The host's side of training many networks at once: one loop, a history for each member."""

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn.host.files import write_rows
from jaxcnn.host.signals import Interrupted, SignalWatch
from jaxcnn.runs.folder import Workdir
from jaxcnn.training.checkpoints import CheckpointStore
from jaxcnn.training.eval_step import EvalStep
from jaxcnn.training.evaluation import evaluate
from jaxcnn.training.history import Clock, Progress, epoch_row, rank
from jaxcnn.training.loop import BatchIterator, NonFiniteLossError, Plan
from jaxcnn.training.members import MembersStep, Packed
from jaxcnn.training.progress_line import ProgressLine
from jaxcnn.training.state import evaluation_variables
from jaxcnn.types import Batch, Metrics, PyTree, TrainState


class Member(NamedTuple):
    """One of the networks that train side by side."""

    seed: int
    key: jax.Array  # the run key, the same at every start of the run
    folder: Workdir
    best: CheckpointStore
    best_metadata: Mapping[str, Any]  # saved with each best checkpoint


def member_names(count: int) -> list[str]:
    """Name members as their folders are named.

    Example:
      >>> member_names(3)
      ['00', '01', '02']
    """
    return [f"{number:02d}" for number in range(count)]


def restore_members(
    last: CheckpointStore,
    states: Sequence[TrainState],
    batches: BatchIterator,
) -> tuple[list[TrainState], list[Progress]]:
    """Go back to the newest good checkpoint of all members, or to the start.

    Args:
      last: the run's checkpoints to resume from.
      states: the states that a new run would start from.
      batches: the training batches; set to the position of the checkpoint.

    Returns:
      A state and a progress for each member.

    Raises:
      CheckpointError: if the checkpoints are of other networks, or all damaged.
    """
    names = member_names(len(states))
    found = last.restore(dict(zip(names, states, strict=True)))
    if found is None:
        return list(states), [Progress() for _ in states]
    batches.set_state(found.metadata["data"])
    progress = [Progress.from_json(each) for each in found.metadata["progress"]]
    return [found.state[name] for name in names], progress


def mean_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average the rows of an epoch over the members.

    Args:
      rows: a row of each member's history, of one epoch.

    Returns:
      One such row, with `validation_accuracy_spread`, the standard deviation over members.

    Example:
      >>> rows = [{"epoch": 1, "validation_accuracy": a} for a in (0.5, 1.0)]
      >>> mean_row(rows)["validation_accuracy"]
      0.75
    """
    row = {name: float(np.mean([each[name] for each in rows])) for name in rows[0]}
    row |= {name: rows[0][name] for name in ("epoch", "step") if name in row}
    spread = np.std([each["validation_accuracy"] for each in rows], ddof=min(1, len(rows) - 1))
    return row | {"validation_accuracy_spread": float(spread)}


@dataclasses.dataclass(kw_only=True, eq=False)
class MembersFit:
    """Training of many networks: `MembersFit(...).run(states, progress)`; as `loop.Fit` for one.

    Attributes:
      step: the compiled step of all members.
      eval_step: the compiled evaluation of one.
      members: their keys and folders.
      batches: gives what `step` takes; its position is saved with each checkpoint.
      validation: gives the validation split's batches, from the first, at each call.
      plan: how long to train and when to save; members do not stop early.
      last: where whole states go, of all members together.
      export: makes the variables that are saved as best of those that are evaluated.
      learning_rate: step to learning rate, for the record.
      line: where progress is shown.
      on_epoch: called with the mean of the members' histories after each epoch.
    """

    step: MembersStep
    eval_step: EvalStep
    members: Sequence[Member]
    batches: BatchIterator
    validation: Callable[[], Iterable[Batch]]
    plan: Plan
    last: CheckpointStore
    export: Callable[[PyTree], PyTree] = lambda variables: variables
    learning_rate: Callable[[int], Any]
    line: ProgressLine
    on_epoch: Callable[[list[dict[str, Any]]], None] = lambda history: None

    def __post_init__(self) -> None:
        self._keys = self.step.pack(member.key for member in self.members)

    def run(
        self, states: Sequence[TrainState], progress: list[Progress]
    ) -> tuple[list[TrainState], list[Progress]]:
        """Train from states on, to the plan's end.

        Args:
          states: a state for each member.
          progress: a progress for each; they stand at the same step.

        Returns:
          The last states, and each member's progress with its history.

        Raises:
          NonFiniteLossError: if a step's loss is not finite for a member.
          Interrupted: on SIGTERM or Ctrl-C, after saving.
        """
        packed = self.step.pack(states)
        with SignalWatch() as signals:
            try:
                while progress[0].epoch < self.plan.num_epochs:
                    packed, clock = self._train_epoch(packed, progress, signals)
                    self._end_epoch(packed, progress, clock)
            finally:
                self.line.close()
            if signals.received is not None:  # it came after the last step, when all was saved
                raise Interrupted(signals.received, step=self.plan.step(progress[0]))
        return self.step.unpack(packed), progress

    def _train_epoch(
        self, packed: Packed, progress: list[Progress], signals: SignalWatch
    ) -> tuple[Packed, Clock]:
        self.line.start_epoch(progress[0].epoch, step_in_epoch=progress[0].step_in_epoch)
        clock, pending = Clock(), deque[Metrics]()
        while progress[0].step_in_epoch < self.plan.steps_per_epoch:
            packed, counted = self.step(packed, next(self.batches), self._keys)
            pending.append(counted)
            for each in progress:
                each.step_in_epoch += 1
            if len(pending) > 1:  # one call in flight while the last one is read
                self._count(pending, progress, clock)
            if signals.received is not None or self.plan.save_is_due(progress[0]):
                while pending:
                    self._count(pending, progress, clock)
                self._save(packed, progress)
                if signals.received is not None:
                    raise Interrupted(signals.received, step=self.plan.step(progress[0]))
        while pending:
            self._count(pending, progress, clock)
        return packed, clock

    def _count(self, pending: deque[Metrics], progress: list[Progress], clock: Clock) -> None:
        counted = jax.device_get(pending.popleft())
        step = self.plan.step(progress[0]) - len(pending)
        for number, each in enumerate(progress):
            one = Metrics(*(sums[number] for sums in counted))
            self._check_finite(float(one.loss_sum), number, step)
            each.totals.add(one)
        seconds = clock.tick(int(counted.count.sum()))
        for each in progress:
            each.train_seconds += seconds
        totals = [each.totals for each in progress]
        count = sum(t.count for t in totals)
        self.line.update(
            loss=sum(t.loss_sum for t in totals) / count,
            accuracy=sum(t.correct for t in totals) / count,
            step=step,
            seconds=seconds,
            wait_share=clock.wait_share(),
        )

    def _end_epoch(self, packed: Packed, progress: list[Progress], clock: Clock) -> None:
        step = self.plan.step(progress[0])
        rate = float(self.learning_rate(step - 1))
        for number, state in enumerate(self.step.unpack(packed)):
            each, member = progress[number], self.members[number]
            variables = evaluation_variables(state)
            found = evaluate(self.eval_step, variables, self.validation())
            self._check_finite(found.loss, number, step)  # the last update broke the parameters
            row = epoch_row(each, found, clock, step=step, learning_rate=rate)
            if each.end_epoch(row):
                metadata = {**member.best_metadata, "step": step, "validation": row}
                member.best.save(step, self.export(variables), metadata)
        # The best are saved first: whatever `last` tells of is then on disk already.
        self._save(packed, progress)
        for member, each in zip(self.members, progress, strict=True):
            write_rows(member.folder.metrics, each.history)
        history = mean_history(progress)
        self.on_epoch(history)
        is_best = all(rank(history[-1]) > rank(row) for row in history[:-1])
        self.line.end_epoch(history[-1], is_best=is_best)

    def _save(self, packed: Packed, progress: list[Progress]) -> None:
        states = self.step.unpack(packed)
        self.last.save(
            self.plan.step(progress[0]),
            dict(zip(member_names(len(states)), states, strict=True)),
            {
                "progress": [each.to_json() for each in progress],
                "data": self.batches.get_state(),
            },
        )

    def _check_finite(self, loss: float, number: int, step: int) -> None:
        if math.isfinite(loss):
            return
        name, seed = member_names(len(self.members))[number], self.members[number].seed
        raise NonFiniteLossError(
            f"the loss of member {name} (seed {seed}) is not finite at step {step}. Lower "
            "learning_rate, lengthen warmup_epochs, or set gradient_clip_norm, and start the run "
            "again."
        )


def mean_history(progress: Sequence[Progress]) -> list[dict[str, Any]]:
    """Average the members' histories, epoch by epoch, see `mean_row`."""
    return [mean_row(rows) for rows in zip(*(each.history for each in progress), strict=True)]
