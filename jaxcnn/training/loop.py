"""The loop: feed the compiled step, count what it gives, validate, and call the callbacks."""

import contextlib
import dataclasses
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import optax

from jaxcnn.host.processes import agree_on_signal
from jaxcnn.host.signals import Interrupted, SignalWatch
from jaxcnn.metrics.metric import GatheredMetric, Metric, add_sums, values
from jaxcnn.training.callbacks import Callback, View
from jaxcnn.training.checkpointing import Checkpoint, member_names
from jaxcnn.training.evaluation import Evaluation
from jaxcnn.training.history import Clock, Member, Progress, Row, make_rank
from jaxcnn.training.state import evaluation_variables
from jaxcnn.types import PyTree, TrainState

logger = logging.getLogger(__name__)


class NonFiniteLossError(FloatingPointError):
    """The loss became infinite or not a number; the message names the step and what to do."""


class BatchIterator(Protocol):
    """Training batches, whose position can be saved and set again.

    It goes on without end where the steps of an epoch are counted; else it ends with each epoch,
    and begins the next when it is called again.
    """

    def __next__(self) -> Any:
        """Give the next batch."""

    def get_state(self) -> Any:
        """Give the position as JSON values."""

    def set_state(self, state: Any) -> None:
        """Go to a position."""


@dataclasses.dataclass(kw_only=True, eq=False)
class Loop:
    """Training from a state on: `Loop(...).run()`. `callbacks.View` says what callbacks see.

    Attributes:
      state: that training starts from; its buffers are donated. Of several networks as
        `members.MembersStep` packs them.
      progress: `Progress()` for a new run.
      train_step: compiled: (state, batch, key) to (state, sums).
      batches: training batches; their position is saved with each checkpoint.
      key: the run key, the same at every start of the run; of several networks packed.
      num_epochs: epochs at most, after those of earlier phases.
      steps_per_epoch: steps of each; None where the batches end with each epoch.
      batch_size: examples per step, of all networks together.
      evaluate: (variables) to the answers to the validation split; None where there is none.
      metrics: by name, as they were given to the steps.
      best: by which metric epochs are compared, see `history.make_rank`.
      callbacks: called in their order, checkpoints first.
      chunk_steps: steps that a call of `train_step` takes; above 1 it is called with a list of so
        many batches, or of one, and its sums are (steps,), see `epoch_scan.ScannedSteps`.
      unpack: takes the states of several networks apart.
      learning_rate: step of the phase to learning rate, for the record; None reads it where the
        optimizer's state has it, as after `optax.inject_hyperparams`.
      phase: name of the phase of training, for the record; "" where there is but one.
      area_of_steps: as `View` has it.
      may_diverge: continue if a loss is not finite.
      await_each: wait for each step before starting the next; several CPU devices in one process
        may deadlock otherwise.
    """

    state: PyTree
    progress: Progress
    train_step: Callable[[PyTree, Any, Any], tuple[PyTree, PyTree]]
    batches: BatchIterator
    key: Any
    num_epochs: int
    steps_per_epoch: int | None
    batch_size: int
    evaluate: Callable[[PyTree], Evaluation] | None = None
    metrics: Mapping[str, Metric | GatheredMetric] = dataclasses.field(default_factory=dict)
    best: str = "-loss"
    callbacks: Sequence[Callback] = ()
    chunk_steps: int = 1
    unpack: Callable[[PyTree], list[PyTree]] = lambda state: [state]
    learning_rate: Callable[[int], Any] | None = None
    phase: str = ""
    area_of_steps: Callable[[int, int], float] = View.area_of_steps
    may_diverge: bool = False
    await_each: bool = False

    def __post_init__(self) -> None:
        self.callbacks = sorted(self.callbacks, key=lambda c: not isinstance(c, Checkpoint))
        self._last_epoch = self.progress.first_epoch + self.num_epochs
        self._rank = make_rank(self.best, self.metrics)
        self._history = self.progress.history
        self._is_best = False
        self._clock, self._step_seconds = Clock(), 0.0
        self._pending: deque[tuple[PyTree, int]] = deque()  # sums, and of how many steps
        self._pauses = [c.every_steps for c in self.callbacks if c.every_steps is not None]

    def run(self) -> tuple[PyTree, Progress]:
        """Train to the end.

        Returns:
          The last state and the progress with the history.

        Raises:
          NonFiniteLossError: if a loss is not finite.
          Interrupted: on SIGTERM or Ctrl-C, after the callbacks have saved.
        """
        progress, outcome = self.progress, "failed"
        with contextlib.ExitStack() as ends, SignalWatch() as signals:
            for callback in reversed(self.callbacks):
                ends.callback(lambda c: c.on_train_end(self._view(outcome, whole=True)), callback)
            try:
                if progress.stop_reason:
                    logger.info(f"The run was stopped before: {progress.stop_reason}.")
                self._tell("on_train_begin", whole=True)
                while progress.epoch < self._last_epoch and not progress.stop_reason:
                    self._train_epoch(signals)
                    self._end_epoch(signals)
                self._raise_if_interrupted(agree_on_signal(signals.received, 0))
                outcome = "stopped" if progress.stop_reason else "finished"
            except Interrupted:
                outcome = "interrupted"
                raise
        return self.state, progress

    def _train_epoch(self, signals: SignalWatch) -> None:
        """Take the steps of an epoch, or those before a callback stops it."""
        progress, pending = self.progress, self._pending
        self._clock = Clock()
        sent = progress.step_in_epoch
        while self.steps_per_epoch is None or sent < self.steps_per_epoch:
            num_steps = self._steps_of_next_call(sent)
            batch = self._next_batch(num_steps)
            if batch is None:
                break
            self.state, sums = self.train_step(self.state, batch, self.key)
            pending.append((sums, num_steps))
            sent += num_steps
            step = progress.step - progress.step_in_epoch + sent
            received = agree_on_signal(signals.received, step)
            stops = received is not None or any(step % every == 0 for every in self._pauses)
            # One call in flight while the last one is read.
            while len(pending) > (0 if self.await_each or stops else 1):
                self._count()
            self._raise_if_interrupted(received)
            if progress.stop_reason:
                break
        while pending:
            self._count()

    def _steps_of_next_call(self, sent: int) -> int:
        """Take a whole chunk unless the epoch's end or a callback's step lies within it."""
        if self.chunk_steps == 1:
            return 1
        assert self.steps_per_epoch is not None
        step = self.progress.step - self.progress.step_in_epoch + sent
        room = min([self.steps_per_epoch - sent, *(n - step % n for n in self._pauses)])
        return self.chunk_steps if room >= self.chunk_steps else 1

    def _next_batch(self, num_steps: int) -> Any:
        """Give the batches of the next call; None at the end of an epoch of unknown length."""
        started = time.perf_counter()
        try:
            batches = [next(self.batches) for _ in range(num_steps)]
        except StopIteration:
            sent = self.progress.step_in_epoch + len(self._pending)
            if self.steps_per_epoch is None and sent:
                return None
            raise ValueError(
                f"the training batches ended in epoch {self.progress.epoch + 1} after {sent} steps;"
                " give data that can be read again for each epoch, such as a list or a loader, and "
                "not an iterator."
            ) from None
        # Only time in which the device had nothing to do counts as waiting.
        if not self._pending or jax.tree.leaves(self._pending[-1][0])[0].is_ready():
            self._clock.waited_seconds += time.perf_counter() - started
        return batches[0] if self.chunk_steps == 1 else batches

    def _count(self) -> None:
        """Read the sums of the oldest call under way, and tell the callbacks."""
        sums, num_steps = self._pending.popleft()
        sums, members, images = jax.device_get(sums), self.progress.members, 0
        for i in range(num_steps):
            one = sums if self.chunk_steps == 1 else _at(sums, i)
            self.progress.step += 1
            self.progress.step_in_epoch += 1
            for number, member in enumerate(members):
                own = one if len(members) == 1 else _at(one, number)
                self._check_finite(own["loss"]["sum"], number)
                member.totals = add_sums(member.totals, own)
                images += int(own["loss"]["count"])
        self._step_seconds = self._clock.tick(images)
        self.progress.train_seconds += self._step_seconds
        is_pause = any(self.progress.step % every == 0 for every in self._pauses)
        self._tell("on_step_end", whole=is_pause)

    def _end_epoch(self, signals: SignalWatch) -> None:
        """Validate each network, write its row, and tell the callbacks."""
        progress, states = self.progress, self.unpack(self.state)
        validated = self._validate(states, signals)
        each_is_best = [
            member.end_epoch(self._row(member, state, found), self._rank)
            for member, state, found in zip(progress.members, states, validated, strict=True)
        ]
        progress.epoch += 1
        progress.step_in_epoch = 0
        self._history = progress.history
        (*before, row), self._is_best = self._history, each_is_best[0]
        if len(each_is_best) > 1:
            self._is_best = all(self._rank(row) > self._rank(other) for other in before)
        self._tell("on_epoch_end", whole=True)

    def _validate(self, states: list[PyTree], signals: SignalWatch) -> list[Evaluation | None]:
        """Evaluate each network; a signal ends that at once, and a resumed run does it again."""
        if self.evaluate is None:
            return [None] * len(states)
        found: list[Evaluation | None] = []
        alone = jax.process_count() == 1  # others would wait for the answers of one that stops
        try:
            with signals.raising() if alone else contextlib.nullcontext():
                for number, state in enumerate(states):
                    found.append(evaluation := self.evaluate(evaluation_variables(state)))
                    # The last update may break the parameters.
                    self._check_finite(evaluation.loss, number)
        except KeyboardInterrupt:
            self._raise_if_interrupted(signals.received)
            raise
        return found

    def _row(self, member: Member, state: TrainState, validation: Evaluation | None) -> Row:
        row: Row = {"phase": self.phase} if self.phase else {}
        row |= {"epoch": self.progress.epoch + 1, "step": self.progress.step}
        rate = self._rate(state)
        row |= {} if rate is None else {"learning_rate": rate}
        for name, value in values(self.metrics, member.totals).items():
            row[f"train_{name}"] = value
        for name, value in (validation.metrics if validation else {}).items():
            row[f"validation_{name}"] = value
        return row | {
            "images_per_second": self._clock.images_per_second(),
            "data_wait_share": self._clock.wait_share(),
        }

    def _rate(self, state: TrainState) -> float | None:
        if self.learning_rate is not None:
            return float(self.learning_rate(self.progress.step - 1 - self.progress.first_step))
        try:
            rate = optax.tree_utils.tree_get(state.opt_state, "learning_rate")
        except KeyError:  # there are several
            return None
        return None if rate is None else float(rate)

    def _tell(self, moment: str, *, whole: bool = False) -> None:
        """Call each callback; the first reason to stop is recorded."""
        view = self._view(whole=whole)
        for callback in self.callbacks:
            reason = getattr(callback, moment)(view)
            if reason is not None and not isinstance(reason, str):
                raise TypeError(
                    f"{type(callback).__name__}.{moment} returned {reason!r}; a callback returns "
                    "None, or a string that says why training stops."
                )
            if reason and not self.progress.stop_reason:
                self.progress.stop_reason = reason
                logger.info(f"Stopped early: {reason}.")

    def _view(self, outcome: str = "", *, whole: bool) -> View:
        return View(
            progress=self.progress,
            history=self._history,
            is_best=self._is_best,
            best=self.best,
            num_epochs=self._last_epoch,
            steps_per_epoch=self.steps_per_epoch,
            batch_size=self.batch_size,
            phase=self.phase,
            measures=self.metrics,
            step_seconds=self._step_seconds,
            images_per_second=self._clock.images_per_second(),
            wait_share=self._clock.wait_share(),
            area_of_steps=self.area_of_steps,
            states=self.unpack(self.state) if whole else (),
            data_state=self.batches.get_state() if whole else None,
            outcome=outcome,
        )

    def _raise_if_interrupted(self, received: int | None) -> None:
        if received is not None:
            is_saved = any(isinstance(c, Checkpoint) for c in self.callbacks)
            raise Interrupted(received, step=self.progress.step, is_saved=is_saved)

    def _check_finite(self, loss: Any, number: int) -> None:
        if self.may_diverge or math.isfinite(float(loss)):
            return
        count = len(self.progress.members)
        whose = f" of member {member_names(count)[number]}" if count > 1 else ""
        saved = [c.last_good() for c in self.callbacks if isinstance(c, Checkpoint)]
        raise NonFiniteLossError(
            f"the loss{whose} is not finite at step {self.progress.step}; "
            f"{saved[0] if saved else 'there is no checkpoint yet'}. Lower learning_rate, lengthen "
            "warmup_epochs, or set gradient_clip_norm, and start the run again. A label that is no "
            "class has this effect too."
        )


def _at(tree: PyTree, position: int) -> PyTree:
    return jax.tree.map(lambda x: x[position], tree)
