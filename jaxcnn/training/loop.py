"""The host's side of training: feed the compiled step, watch it, save, and show progress."""

import dataclasses
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import jax

from jaxcnn.host.processes import agree_on_signal
from jaxcnn.host.signals import Interrupted, SignalWatch
from jaxcnn.metrics.overfitting import find_overfitting
from jaxcnn.training.checkpoints import CheckpointStore
from jaxcnn.training.eval_step import EvalStep
from jaxcnn.training.evaluation import evaluate
from jaxcnn.training.history import Clock, Progress, epoch_row, rank
from jaxcnn.training.state import evaluation_variables
from jaxcnn.types import Batch, Metrics, PyTree, TrainState

if TYPE_CHECKING:
    from jaxcnn.training.progress_line import ProgressLine

logger = logging.getLogger(__name__)

# Calls under way: their metrics, and how many steps each is of.
Pending: TypeAlias = deque[tuple[Metrics, int]]


class NonFiniteLossError(FloatingPointError):
    """The loss became infinite or not a number; the message names the step and what to do."""


class BatchIterator(Protocol):
    """Training batches without end, whose position can be saved and set again."""

    def __next__(self) -> Batch:
        """Give the next batch."""

    def get_state(self) -> dict[str, Any]:
        """Give the position as JSON values."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Go to a position."""


class Stores(NamedTuple):
    """The two folders of checkpoints of a run."""

    last: CheckpointStore  # whole states, to resume from
    best: CheckpointStore  # variables only, to evaluate and predict with


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, when to stop, and when to save.

    Attributes:
      num_epochs: epochs at most, of the phase under way.
      steps_per_epoch: steps of each.
      early_stopping_epochs: epochs without a better validation before it stops; None: never.
      checkpoint_every_steps: steps between saves, beside the end of each epoch; None: no more.
    """

    num_epochs: int
    steps_per_epoch: int
    early_stopping_epochs: int | None = None
    checkpoint_every_steps: int | None = None

    def step(self, progress: Progress) -> int:
        """Give the number of steps done."""
        return progress.epoch * self.steps_per_epoch + progress.step_in_epoch

    def save_is_due(self, progress: Progress) -> bool:
        """Tell whether to save after this step, within an epoch."""
        every = self.checkpoint_every_steps
        return every is not None and self.step(progress) % every == 0


def restore_run(
    stores: Stores,
    state: TrainState,
    batches: BatchIterator,
    progress: Progress | None = None,
) -> tuple[TrainState, Progress]:
    """Go back to the newest good checkpoint, or to the start where there is none.

    Args:
      stores: the run's checkpoints.
      state: the state that a new run would start from.
      batches: the training batches; set to the position of the checkpoint.
      progress: the progress that a new run would start from; None for that of the very start.

    Returns:
      The state and the progress to go on with.

    Raises:
      CheckpointError: if the checkpoints are of another network, or all damaged.
    """
    found = stores.last.restore(state)
    if found is None:
        return state, progress or Progress()
    batches.set_state(found.metadata["data"])
    return found.state, Progress.from_json(found.metadata["progress"])


@dataclasses.dataclass(kw_only=True, eq=False)
class Fit:
    """One run of training: `Fit(...).run(state, progress)`.

    Attributes:
      train_step: compiled by the caller; see `compile_step`.
      eval_step: compiled by the caller; see `make_eval_step`.
      batches: training batches; their position is saved with each checkpoint.
      chunk_steps: steps that a call of `train_step` takes; above 1 it is called with a list of so
        many batches, or of one, and its metrics are (steps,), see `epoch_scan.ScannedSteps`.
      validation: gives the validation split's batches, from the first, at each call.
      key: the run key, the same at every start of the run.
      plan: how long to train, when to stop and when to save.
      stores: where checkpoints go; None keeps none.
      best_metadata: JSON values saved with each best checkpoint, enough to predict from it alone.
      export: makes the variables that are saved as best of those that are evaluated, where the two
        differ: where the head alone is trained, it adds the backbone.
      phase: name of the phase of training, for the record; "" where there is but one.
      learning_rate: step to learning rate, for the record.
      line: where progress is shown.
      on_epoch: called with the history after each epoch.
      await_each: let no step begin before the last one has ended; several CPU devices in one
        process may wait for each other for ever otherwise.
    """

    train_step: Callable[[TrainState, Any, jax.Array], tuple[TrainState, Metrics]]
    eval_step: EvalStep
    batches: BatchIterator
    chunk_steps: int = 1
    validation: Callable[[], Iterable[Batch]]
    key: jax.Array
    plan: Plan
    stores: Stores | None = None
    best_metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    export: Callable[[PyTree], PyTree] = lambda variables: variables
    phase: str = ""
    learning_rate: Callable[[int], Any]
    line: "ProgressLine"
    on_epoch: Callable[[list[dict[str, Any]]], None] = lambda history: None
    await_each: bool = False
    _warned_of_overfitting: bool = dataclasses.field(default=False, init=False)

    def run(self, state: TrainState, progress: Progress) -> tuple[TrainState, Progress]:
        """Train from a state on, to the plan's end.

        Args:
          state: as `state.init_state` or `restore_run` gives; its buffers are donated.
          progress: `Progress()` for a new run.

        Returns:
          The last state and the progress with the history.

        Raises:
          NonFiniteLossError: if a step's loss is not finite.
          Interrupted: on SIGTERM or Ctrl-C, after saving.
        """
        with SignalWatch() as signals:
            try:
                last_epoch = progress.first_epoch + self.plan.num_epochs
                while progress.epoch < last_epoch and not progress.stopped_early:
                    state, clock = self._train_epoch(state, progress, signals)
                    self._end_epoch(state, progress, clock)
            finally:
                self.line.close()
            received = agree_on_signal(signals.received, 0)
            if received is not None:  # it came after the last step, when all was saved
                raise Interrupted(received, step=self.plan.step(progress))
        return state, progress

    def _train_epoch(
        self, state: TrainState, progress: Progress, signals: SignalWatch
    ) -> tuple[TrainState, Clock]:
        self.line.start_epoch(progress.epoch, step_in_epoch=progress.step_in_epoch)
        clock = Clock()
        pending: Pending = deque()
        while progress.step_in_epoch < self.plan.steps_per_epoch:
            num_steps = self._steps_of_next_call(progress)
            batch = self._next_batch(pending, clock, num_steps)
            state, counted = self.train_step(state, batch, self.key)
            pending.append((counted, num_steps))
            progress.step_in_epoch += num_steps
            if self.await_each or len(pending) > 1:  # one call in flight while the last one is read
                self._count(pending, progress, clock)
            received = agree_on_signal(signals.received, self.plan.step(progress))
            if received is not None or self.plan.save_is_due(progress):
                while pending:
                    self._count(pending, progress, clock)
                self._save(state, progress)
            if received is not None:
                raise Interrupted(received, step=self.plan.step(progress))
        while pending:
            self._count(pending, progress, clock)
        return state, clock

    def _steps_of_next_call(self, progress: Progress) -> int:
        """Take a whole chunk unless the epoch's end or a checkpoint lies within it."""
        room = self.plan.steps_per_epoch - progress.step_in_epoch
        every = self.plan.checkpoint_every_steps
        if every is not None:
            room = min(room, every - self.plan.step(progress) % every)
        return self.chunk_steps if room >= self.chunk_steps else 1

    def _next_batch(self, pending: Pending, clock: Clock, num_steps: int) -> Any:
        started = time.perf_counter()
        batches = [next(self.batches) for _ in range(num_steps)]
        # Only time in which the device had nothing to do counts as waiting.
        if not pending or pending[-1][0].loss_sum.is_ready():  # type: ignore[union-attr]
            clock.waited_seconds += time.perf_counter() - started
        return batches[0] if self.chunk_steps == 1 else batches

    def _count(self, pending: Pending, progress: Progress, clock: Clock) -> None:
        counted, num_steps = jax.device_get(pending.popleft())
        step = self.plan.step(progress) - sum(steps for _, steps in pending)
        each = (
            [counted] if self.chunk_steps == 1 else map(Metrics._make, zip(*counted, strict=True))
        )
        images = 0
        for number, one in enumerate(each, start=step - num_steps + 1):
            if not math.isfinite(float(one.loss_sum)):
                raise self._non_finite(number)
            progress.totals.add(one)
            images += int(one.count)
        seconds = clock.tick(images)
        progress.train_seconds += seconds
        totals = progress.totals
        self.line.update(
            loss=totals.loss_sum / totals.count,
            accuracy=totals.correct / totals.count,
            step=step,
            num_steps=int(num_steps),
            seconds=seconds,
            wait_share=clock.wait_share(),
        )

    def _end_epoch(self, state: TrainState, progress: Progress, clock: Clock) -> None:
        step = self.plan.step(progress)
        validation = evaluate(self.eval_step, evaluation_variables(state), self.validation())
        if not math.isfinite(validation.loss):  # the last update broke the parameters
            raise self._non_finite(step)
        rate = float(self.learning_rate(step - 1))
        row = epoch_row(progress, validation, clock, step=step, learning_rate=rate)
        row = {"phase": self.phase, **row} if self.phase else row
        is_best = progress.end_epoch(row)
        patience = self.plan.early_stopping_epochs
        # Another phase's best is no reason to stop this one.
        rows = progress.history[progress.first_epoch :]
        waited = len(rows) - 1 - max(range(len(rows)), key=lambda i: rank(rows[i]))
        progress.stopped_early = patience is not None and waited >= patience
        if self.stores is not None and is_best:
            metadata = {**self.best_metadata, "step": step, "validation": row}
            variables = self.export(evaluation_variables(state))
            self.stores.best.save(step, variables, metadata)
        # The best is saved first: whatever `last` tells of is then on disk already.
        self._save(state, progress)
        self.on_epoch(progress.history)
        self._report(progress, is_best=is_best)

    def _report(self, progress: Progress, *, is_best: bool) -> None:
        self.line.end_epoch(progress.history[-1], is_best=is_best)
        overfitting = find_overfitting(progress.history)
        if overfitting is not None and not self._warned_of_overfitting:
            logger.warning(str(overfitting))
        self._warned_of_overfitting = overfitting is not None
        if progress.stopped_early:
            logger.info(
                f"Stopped early: no better validation accuracy in "
                f"{self.plan.early_stopping_epochs} epochs; the best was at step "
                f"{progress.best_step}."
            )

    def _save(self, state: TrainState, progress: Progress) -> None:
        if self.stores is None:
            return
        metadata = {"progress": progress.to_json(), "data": self.batches.get_state()}
        self.stores.last.save(self.plan.step(progress), state, metadata)

    def _non_finite(self, step: int) -> NonFiniteLossError:
        saved = self.stores.last.steps() if self.stores is not None else []
        last_good = (
            f"the last good checkpoint is of step {saved[-1]} in {self.stores.last.directory}"
            if saved and self.stores is not None
            else "there is no checkpoint yet"
        )
        return NonFiniteLossError(
            f"the loss is not finite at step {step}; {last_good}. Lower learning_rate, lengthen "
            "warmup_epochs, or set gradient_clip_norm, and start the run again."
        )
