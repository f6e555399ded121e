"""One phase of a run's training: its steps compiled, its data fed, its progress shown and saved."""

import functools
import logging
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn.data import batches as batches_lib
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.processes import is_first
from jaxcnn.models import HEAD, split_at_head
from jaxcnn.runs import build, config as config_lib, features_cache, figures
from jaxcnn.runs.context import RunContext, batch_shapes, count_parameters, epoch_writer, own_share
from jaxcnn.runs.phases import Phase
from jaxcnn.training import epoch_scan, features, loop
from jaxcnn.training.compilation import CompiledStep, compile_step
from jaxcnn.training.eval_step import make_eval_step_of_views
from jaxcnn.training.history import Progress
from jaxcnn.training.progress_line import ProgressLine
from jaxcnn.training.state import start_state
from jaxcnn.training.step import TrainStep
from jaxcnn.types import PyTree, TrainState

logger = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """What a phase's training takes, before anything is compiled for it but evaluation."""

    step: TrainStep  # pure
    eval_step: CompiledStep
    start: Callable[[PyTree], TrainState]  # of the whole network's variables
    train: ImageSplit
    validation: ImageSplit
    export: Callable[[PyTree], PyTree]  # what is trained to the whole network's variables


class PhaseTrainer:
    """Trains one phase of a run.

    Args:
      run: what it shares with the other phases.
      phase: the phase.
      stores: its checkpoints; None where it only prepares.
      injected: hyper-parameters that are to be arrays in the optimizer's state.

    Attributes:
      plan: how long it trains, when it stops and when it saves.
      learning_rate: step, counted from this phase's first, to learning rate.
      split_features: (name, split, variables) to the features of a split, see `features_cache`.
    """

    def __init__(
        self,
        run: RunContext,
        phase: Phase,
        stores: loop.Stores | None,
        *,
        injected: Collection[str] = (),
    ) -> None:
        self._run, self._phase, self._stores = run, phase, stores
        self._config, data = run.config, run.data
        batch_size = self._config.training.batch_size
        self.plan = loop.Plan(
            num_epochs=phase.num_epochs,
            steps_per_epoch=batches_lib.steps_per_epoch(len(data.train), batch_size),
            early_stopping_epochs=self._config.training.early_stopping_epochs,
            checkpoint_every_steps=self._config.run.checkpoint_every_steps,
        )
        counts = np.bincount(data.train.labels, minlength=len(data.class_names))
        self._parts = build.build_parts(
            self._config,
            phase,
            class_counts=counts.tolist(),
            steps_per_epoch=self.plan.steps_per_epoch,
            injected=injected,
        )
        self.learning_rate = self._parts.schedule
        self.split_features = functools.partial(
            features_cache.split_features, run, self._parts.model, self._parts.augment
        )
        self._frozen = () if phase.on_features else self._parts.frozen

    def train(self, variables: PyTree, progress: Progress) -> Progress:
        """Train from variables and a progress on, or from this phase's own last checkpoint."""
        self.draw_samples()
        prepared = self.prepare(variables, progress)
        return self._fit(prepared, prepared.start(variables), progress)

    def draw_samples(self) -> None:
        """Draw what the network is about to see, unless that is features."""
        run = self._run
        if not self._phase.on_features and is_first():
            figures.draw_samples(
                run.folder.pictures,
                run.data.train,
                self._parts.augment,
                key=run.key,
                mixing=self._parts.mixing,
            )

    def prepare(self, variables: PyTree, progress: Progress) -> Prepared:
        """Build the phase's steps, and compute the features that it trains on, if any."""
        if self._phase.on_features:
            return self._prepare_head(variables, progress)
        data = self._run.data
        train_step = self._train_step(
            self._parts.model,
            augment=self._parts.augment,
            mixing=self._parts.mixing,
        )
        return Prepared(
            train_step,
            self._run.eval_step,
            lambda variables: self._state(variables, progress),
            data.train,
            data.validation,
            lambda variables: variables,
        )

    def _prepare_head(self, variables: PyTree, progress: Progress) -> Prepared:
        """Prepare to train the last layer alone, on what the backbone gives."""
        data = self._run.data
        train = self.split_features("train", data.train, variables, num_augmented=True)
        validation = self.split_features("validation", data.validation, variables)
        _, classifier = split_at_head(self._parts.model)
        train_step = self._train_step(classifier, prepare=features.pick_view)

        def head_of(variables: PyTree) -> PyTree:
            return {"params": {HEAD: variables["params"][HEAD]}, "batch_stats": {}}

        eval_step = self._run.compile(
            make_eval_step_of_views(classifier, self._parts.plain_loss_fn, features.all_views),
            head_of(variables),
            batch_shapes(validation, self._run.eval_batch_size),
        )
        whole = self._run.layout.put_state(variables)

        def export(trained: PyTree) -> PyTree:
            params = {**whole["params"], **trained["params"]}
            return {"params": params, "batch_stats": whole["batch_stats"]}

        def start(variables: PyTree) -> TrainState:
            return self._state(head_of(variables), progress)

        return Prepared(train_step, eval_step, start, train, validation, export)

    def _train_step(self, model: Any, **inputs: Any) -> TrainStep:
        return build.build_train_step(
            self._config, self._parts, model, frozen=self._frozen, **inputs
        )

    def _state(self, variables: PyTree, progress: Progress) -> TrainState:
        state = start_state(
            variables,
            self._parts.optimizer,
            frozen=self._frozen,
            with_ema=bool(self._config.training.ema_decay),
            step=progress.first_epoch * self.plan.steps_per_epoch,
        )
        return self._run.layout.put_state(state)

    def _fit(self, prepared: Prepared, state: TrainState, progress: Progress) -> Progress:
        config, run, layout = self._config, self._run, self._run.layout
        assert self._stores is not None
        key = layout.put_key(run.key)
        train_step = self._compile(prepared, state, key)
        frozen = set(self._frozen)
        trained = count_parameters({k: v for k, v in state.params.items() if k not in frozen})
        total = count_parameters(run.shapes["params"])
        parameters = f"{total:,} parameters"
        if trained < total:
            parameters = f"{trained:,} of {total:,} parameters trained"
        name = f"{self._phase.name}: " if self._phase.name else ""
        seconds = train_step.seconds + prepared.eval_step.seconds
        logger.info(self.heading(f"{name}{config.network.model}", parameters, seconds))
        scanned, batches = self._feed(prepared, train_step, state, key)
        state, progress = loop.restore_run(self._stores, state, batches, progress)
        if progress.epoch > progress.first_epoch or progress.step_in_epoch:
            logger.info(f"resuming at step {int(state.step)}")
        first_step = progress.first_epoch * self.plan.steps_per_epoch
        with epoch_writer(run.folder, int(state.step)) as on_epoch:
            _, progress = loop.Fit(
                train_step=scanned or train_step,
                eval_step=prepared.eval_step,
                batches=batches,
                chunk_steps=scanned.chunk_steps if scanned else 1,
                validation=lambda: run.eval_batches(prepared.validation),
                key=key,
                plan=self.plan,
                stores=self._stores,
                best_metadata={
                    "config": config_lib.to_json(config),
                    "class_names": list(run.data.class_names),
                },
                export=prepared.export,
                phase=self._phase.name,
                learning_rate=lambda step: self.learning_rate(step - first_step),
                line=self.line(first_epoch=progress.first_epoch),
                on_epoch=on_epoch,
                await_each=layout.is_host and not layout.is_single,
            ).run(state, progress)
        return progress

    def _compile(self, prepared: Prepared, state: TrainState, key: jax.Array) -> CompiledStep:
        layout, batch_size = self._run.layout, self._config.training.batch_size
        with layout.tracing():
            return compile_step(
                layout.gathered(prepared.step),
                layout.state_shapes(state),
                layout.batch_shapes(batch_shapes(prepared.train, batch_size)),
                key,
                donate_argnums=0,
                out_shardings=(layout.shardings(state), layout.replicated),
            )

    def _feed(
        self, prepared: Prepared, compiled: CompiledStep, state: TrainState, key: jax.Array
    ) -> tuple[epoch_scan.ScannedSteps | None, Any]:
        """Choose how steps get their images: scanned on the device, or batch by batch."""
        batch_size, train = self._config.training.batch_size, prepared.train
        options = {"batch_size": batch_size, "seed": self._config.run.seed}

        def make_batches() -> Any:
            put = self._run.layout.put_batch
            return batches_lib.train_batches(train, to_device=put, **own_share(), **options)

        scanned = epoch_scan.choose_steps(
            self._config.run.epoch_scan,
            prepared.step,
            compiled,
            state,
            train,
            make_batches,
            key,
            batch_size=batch_size,
            steps_per_epoch=self.plan.steps_per_epoch,
        )
        if scanned is None:
            return None, make_batches()
        return scanned, epoch_scan.position_batches(train, **options)

    def line(self, *, first_epoch: int = 0, num_members: int = 1) -> ProgressLine:
        """Make the line that shows how training goes, of one network or of several."""
        return ProgressLine(
            num_epochs=first_epoch + self.plan.num_epochs,
            steps_per_epoch=self.plan.steps_per_epoch,
            batch_size=self._config.training.batch_size * num_members,
            phase=self._phase.name,
            visible=self._run.progress and is_first(),
        )

    def heading(
        self, name: str, parameters: str, compile_seconds: float, *, num_members: int = 1
    ) -> str:
        """Say what is about to be trained, how long and on what."""
        members = f"{num_members} x " if num_members > 1 else ""
        num_steps = self.plan.num_epochs * self.plan.steps_per_epoch
        return (
            f"{name}: {parameters}, {self._config.data.image_size()} images, {num_steps:,} steps "
            f"of {members}{self._config.training.batch_size} on {self._run.layout.describe()}; "
            f"compiled in {compile_seconds:.1f} s"
        )
