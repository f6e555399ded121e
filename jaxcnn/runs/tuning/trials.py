"""Networks that start alike and differ in hyper-parameters: trained side by side, and dropped."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxcnn import optim
from jaxcnn.data import batches as batches_lib
from jaxcnn.runs.context import RunContext, batch_shapes
from jaxcnn.runs.phase_training import PhaseTrainer
from jaxcnn.runs.phases import Phase
from jaxcnn.training.evaluation import Evaluation, evaluate
from jaxcnn.training.history import Progress
from jaxcnn.training.members import MembersStep, choose_mode
from jaxcnn.training.state import evaluation_variables
from jaxcnn.types import Metrics, PyTree, TrainState


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
        trainer = PhaseTrainer(run, phase, None, injected=tuple(values))
        self.steps_per_epoch = trainer.plan.steps_per_epoch
        self.mode = choose_mode(run.config.run.members_mode)
        self._prepared = trainer.prepare(variables, Progress())
        start = self._prepared.start(variables)
        trials = zip(*values.values(), strict=True)
        states = [_with_values(start, dict(zip(values, trial, strict=True))) for trial in trials]
        self._batches = batches_lib.train_batches(
            self._prepared.train,
            batch_size=run.config.training.batch_size,
            seed=run.config.run.seed,
            to_device=jax.device_put,
        )
        self._place(states)

    def _place(self, states: list[TrainState], step: MembersStep | None = None) -> None:
        """Put the states into a program of their number."""
        config = self._run.config
        self._step = step or MembersStep(
            self._prepared.step,
            states[0],
            batch_shapes(self._prepared.train, config.training.batch_size),
            self._run.key,
            num_members=len(states),
            mode=self.mode,
            shared_batch=True,
        )
        self._states = self._step.pack(states)
        self._keys = self._step.pack([self._run.key] * len(states))

    def train(self, num_steps: int, about: str) -> np.ndarray:
        """Take steps.

        Args:
          num_steps: how many, at least 1.
          about: what a bar says of them.

        Returns:
          (num_steps, P) mean losses of the batches, nats; not finite where a trial diverged.
        """
        every: list[Metrics] = []
        with self._run.bar(num_steps, about, unit="step") as bar:
            for _ in range(num_steps):
                batch = next(self._batches)
                self._states, counted = self._step(self._states, batch, self._keys)
                every.append(counted)
                if len(every) > 1:
                    jax.block_until_ready(every[-2])  # one call in flight, no more
                bar.update()
        return np.stack([each.loss_sum / each.count for each in jax.device_get(every)])

    def evaluate(self) -> list[Evaluation]:
        """Classify the validation split with each trial."""
        config, split = self._run.config, self._prepared.validation
        return [
            evaluate(
                self._prepared.eval_step,
                evaluation_variables(state),
                batches_lib.eval_batches(split, batch_size=config.run.eval_batch_size),
            )
            for state in self._step.unpack(self._states)
        ]

    def keep(self, positions: Sequence[int]) -> None:
        """Drop all trials but those at the given positions among the ones that are left."""
        states: list[Any] = self._step.unpack(self._states)
        # One network's program serves any number; one of all is compiled again.
        same = self._step if self.mode == "in_turn" else None
        self._place([states[position] for position in positions], same)


def _with_values(state: TrainState, values: Mapping[str, float]) -> TrainState:
    return state._replace(opt_state=optim.with_hyperparameters(state.opt_state, values))
