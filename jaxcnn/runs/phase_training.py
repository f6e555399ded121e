"""One phase of a run's training: its steps compiled, its data fed, its progress shown and saved."""

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
from jaxcnn.training import device_scan, features, loop
from jaxcnn.training.compilation import CompiledStep, compile_step
from jaxcnn.training.eval_step import make_eval_step_of_views
from jaxcnn.training.history import Progress
from jaxcnn.training.progress_line import ProgressLine
from jaxcnn.training.state import start_state
from jaxcnn.training.step import TrainStep, make_step, make_train_step
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
      injected: as for `build.build_parts`.

    Attributes:
      steps_per_epoch: steps of an epoch.
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
        self.steps_per_epoch = batches_lib.steps_per_epoch(
            len(data.train), self._config.training.batch_size
        )
        counts = np.bincount(data.train.labels, minlength=len(data.class_names))
        self._parts = build.build_parts(
            self._config,
            phase,
            class_counts=counts.tolist(),
            steps_per_epoch=self.steps_per_epoch,
            injected=injected,
        )

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
        train_step = make_train_step(
            self._parts.model,
            self._parts.optimizer,
            self._parts.loss_fn,
            self._parts.augment,
            mixing=self._parts.mixing,
            mean=self._config.data.pixel_mean,
            std=self._config.data.pixel_std,
            **self._step_options(),
        )
        return Prepared(
            train_step,
            self._run.eval_step,
            lambda variables: self._state(variables, progress, frozen=self._parts.frozen),
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
        train_step = make_step(
            classifier,
            self._parts.optimizer,
            self._parts.loss_fn,
            features.pick_view,
            **self._step_options(),
        )

        def head_of(variables: PyTree) -> PyTree:
            return {"params": {HEAD: variables["params"][HEAD]}, "batch_stats": {}}

        eval_step = self._run.compile(
            make_eval_step_of_views(
                classifier,
                self._parts.plain_loss_fn,
                features.all_views,
                head=self._config.network.head,
            ),
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

    def split_features(
        self, name: str, split: ImageSplit, variables: PyTree, *, num_augmented: bool = False
    ) -> features.FeatureSplit:
        """Compute a split's features, or read those that an earlier start of the run left.

        Args: as for `features_cache.split_features`.
        """
        return features_cache.split_features(
            self._run,
            self._parts.model,
            self._parts.augment,
            name,
            split,
            variables,
            num_augmented=num_augmented,
        )

    def _step_options(self) -> dict[str, Any]:
        return {
            "head": self._config.network.head,
            "ema_decay": self._config.training.ema_decay or None,
            "reported_loss_fn": self._parts.plain_loss_fn,
            "frozen": () if self._phase.on_features else self._parts.frozen,
            "num_parts": self._config.training.accumulate_steps,
            "rematerialize": self._config.training.rematerialize,
            "private": self._parts.private,
        }

    def _state(
        self, variables: PyTree, progress: Progress, *, frozen: tuple[str, ...] = ()
    ) -> TrainState:
        state = start_state(
            variables,
            self._parts.optimizer,
            frozen=frozen,
            with_ema=bool(self._config.training.ema_decay),
            step=progress.first_epoch * self.steps_per_epoch,
        )
        return self._run.layout.put_state(state)

    def _fit(self, prepared: Prepared, state: TrainState, progress: Progress) -> Progress:
        config, run = self._config, self._run
        step, eval_step, _, train, validation, export = prepared
        assert self._stores is not None
        key = run.layout.put_key(run.key)
        train_step = self._compile(step, state, train, key)
        logger.info(self._heading(state, train_step.seconds + eval_step.seconds))
        scanned, batches = self._feed(step, train_step, state, train, key)
        state, progress = loop.restore_run(self._stores, state, batches, progress)
        done = progress.epoch - progress.first_epoch
        if done or progress.step_in_epoch:
            logger.info(f"resuming at step {int(state.step)}")
        first_step = progress.first_epoch * self.steps_per_epoch
        with epoch_writer(run.folder, int(state.step)) as on_epoch:
            _, progress = loop.Fit(
                train_step=scanned or train_step,
                eval_step=eval_step,
                batches=batches,
                chunk_steps=scanned.chunk_steps if scanned else 1,
                validation=lambda: run.eval_batches(validation),
                key=key,
                plan=loop.Plan(
                    num_epochs=self._phase.num_epochs,
                    steps_per_epoch=self.steps_per_epoch,
                    early_stopping_epochs=config.training.early_stopping_epochs,
                    checkpoint_every_steps=config.run.checkpoint_every_steps,
                ),
                stores=self._stores,
                best_metadata={
                    "config": config_lib.to_json(config),
                    "class_names": list(run.data.class_names),
                },
                export=export,
                phase=self._phase.name,
                learning_rate=lambda s: self.learning_rate(s - first_step),
                line=ProgressLine(
                    num_epochs=progress.first_epoch + self._phase.num_epochs,
                    steps_per_epoch=self.steps_per_epoch,
                    batch_size=config.training.batch_size,
                    phase=self._phase.name,
                    visible=run.progress and is_first(),
                ),
                on_epoch=on_epoch,
                await_each=run.layout.is_host and not run.layout.is_single,
            ).run(state, progress)
        return progress

    def _compile(
        self, step: Any, state: TrainState, train: ImageSplit, key: jax.Array
    ) -> CompiledStep:
        layout = self._run.layout
        shapes = layout.batch_shapes(batch_shapes(train, self._config.training.batch_size))
        with layout.tracing():
            return compile_step(
                layout.gathered(step),
                layout.state_shapes(state),
                shapes,
                key,
                donate_argnums=0,
                out_shardings=(layout.shardings(state), layout.replicated),
            )

    def _feed(
        self,
        step: Any,
        compiled: CompiledStep,
        state: TrainState,
        train: ImageSplit,
        key: jax.Array,
    ) -> tuple[device_scan.ScannedSteps | None, Any]:
        """Choose how steps get their images: scanned on the device, or batch by batch."""
        options = {"batch_size": self._config.training.batch_size, "seed": self._config.run.seed}

        def make_batches() -> Any:
            put = self._run.layout.put_batch
            return batches_lib.train_batches(train, to_device=put, **own_share(), **options)

        scanned = device_scan.choose_steps(
            self._config.run.epoch_scan,
            step,
            compiled,
            state,
            train,
            make_batches,
            key,
            batch_size=self._config.training.batch_size,
            steps_per_epoch=self.steps_per_epoch,
        )
        if scanned is None:
            return None, make_batches()
        return scanned, device_scan.position_batches(train, **options)

    def learning_rate(self, step: int) -> float:
        """Give the learning rate of a step, counted from this phase's first."""
        return float(self._parts.schedule(step))

    def _heading(self, state: TrainState, compile_seconds: float) -> str:
        config, run = self._config, self._run
        total = count_parameters(run.shapes["params"])
        frozen = set() if self._phase.on_features else set(self._parts.frozen)
        trained = count_parameters({k: v for k, v in state.params.items() if k not in frozen})
        parameters = f"{total:,} parameters"
        if trained < total:
            parameters = f"{trained:,} of {total:,} parameters trained"
        name = f"{self._phase.name}: " if self._phase.name else ""
        return (
            f"{name}{config.network.model}: {parameters}, "
            f"{config.data.image_size()} images, "
            f"{self._phase.num_epochs * self.steps_per_epoch:,} steps of "
            f"{config.training.batch_size} on "
            f"{run.layout.describe()}; compiled in "
            f"{compile_seconds:.1f} s"
        )
