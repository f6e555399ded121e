"""Networks that start alike and differ in hyper-parameters: trained side by side, and dropped."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxcnn import optim
from jaxcnn.data import batches as batches_lib
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.phase_training import prepare_phase
from jaxcnn.runs.phases import Phase
from jaxcnn.training.callbacks import Callback, View
from jaxcnn.training.eval_step import make_eval_step_of_views
from jaxcnn.training.evaluation import Evaluation, Evaluator
from jaxcnn.training.feed import Feed, make_feed
from jaxcnn.training.history import Progress
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.loop import Loop
from jaxcnn.training.members import choose_mode
from jaxcnn.training.state import evaluation_variables, start_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import PyTree, TrainState


class Trials:
    """Members of one program, all from the same start, on the same batches, with the same key.

    Args:
      run: the run that they stand in for.
      phase: its phase of training: how long its schedule is, what is trained.
      variables: that all start from.
      values: hyper-parameters, {name: (P,) values, one for each trial}.

    Attributes:
      steps_per_epoch: steps of an epoch.
      mode: "vmap" or "in_turn", how they take their steps.
    """

    def __init__(
        self,
        run: RunContext,
        phase: Phase,
        variables: PyTree,
        values: Mapping[str, Sequence[float] | np.ndarray],
    ) -> None:
        self._run = run
        self.mode = choose_mode(run.config.run.members_mode)
        training = prepare_phase(run, phase, [variables], injected=tuple(values))
        repeats, sampler = (
            run.config.training.repeated_augmentation,
            run.config.training.sampler,
        )
        self._train = SplitInput(training.train, repeats, sampler)
        self._validation = SplitInput(training.validation)
        batch_size = run.config.training.batch_size
        self.steps_per_epoch = batches_lib.steps_per_epoch(len(training.train), batch_size)
        model, options = training.model, dict(training.options)
        views = options.pop("views", None)
        self._step = make_train_step(model, training.optimizer, training.loss_fn, **options)
        eval_step: Any = training.eval_step
        if eval_step is None:
            loss = options["reported_loss"]
            eval_step = make_eval_step_of_views(model, loss, views, metrics=run.metrics)
        size = run.config.run.eval_batch_size
        self._evaluator = Evaluator(eval_step, run.metrics, run.layout, size)
        start = start_state(
            training.starts[0],
            training.optimizer,
            frozen=options.get("frozen", ()),
            with_ema=bool(options["ema_decay"]),
        )
        trials = zip(*values.values(), strict=True)
        self._states = [_with_values(start, dict(zip(values, t, strict=True))) for t in trials]
        self._feed: Feed | None = None
        self._num_fed = 0

    def train(self, num_steps: int, about: str) -> np.ndarray:
        """Take steps.

        Args:
          num_steps: how many, at least 1.
          about: what a bar says of them.

        Returns:
          (num_steps, P) mean losses of the batches, nats; not finite where a trial diverged.
        """
        run, count = self._run, len(self._states)
        feed = self._feed = self._feed_of(count)
        every: list[Any] = []

        def step(*arguments: Any) -> tuple[Any, Any]:
            states, sums = feed.step(*arguments)
            every.append(sums["loss"])
            return states, sums

        with run.bar(num_steps, about, unit="step") as bar:
            states, _ = Loop(
                state=feed.pack(self._states),
                progress=Progress.of(count),
                train_step=step,
                batches=feed.batches,
                key=feed.pack([run.key] * count),
                num_epochs=1,
                steps_per_epoch=num_steps,
                batch_size=run.config.training.batch_size * count,
                metrics=run.metrics,
                callbacks=[_Bar(bar)],
                unpack=feed.unpack,
                may_diverge=True,
            ).run()
        self._states = feed.unpack(states)
        return np.stack([each["sum"] / each["count"] for each in jax.device_get(every)])

    def _feed_of(self, count: int) -> Feed:
        """Compile the step of a number of trials; one network's program serves any number."""
        if self._feed is not None and (self.mode == "in_turn" or count == self._num_fed):
            return self._feed
        self._num_fed = count
        run = self._run
        feed = make_feed(
            self._step,
            self._states,
            [run.key] * count,
            self._train,
            self._train.shapes(run.config.training.batch_size),
            run.layout,
            seeds=[run.config.run.seed],
            mode=self.mode,
            shared=True,
        )
        if self._feed is not None:  # the batches go on
            feed.batches.set_state(self._feed.batches.get_state())
        return feed

    def evaluate(self) -> list[Evaluation]:
        """Classify the validation split with each trial."""
        return [
            self._evaluator(self._validation, evaluation_variables(state)) for state in self._states
        ]

    def keep(self, positions: Sequence[int]) -> None:
        """Drop all trials but those at the given positions among the ones that are left."""
        self._states = [self._states[position] for position in positions]


class _Bar(Callback):
    """Moves a bar with each step."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar

    def on_step_end(self, view: View) -> None:
        """Move on."""
        self._bar.update()


def _with_values(state: TrainState, values: Mapping[str, float]) -> TrainState:
    return state._replace(opt_state=optim.with_hyperparameters(state.opt_state, values))
