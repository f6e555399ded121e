"""One phase of a run's training: its steps compiled, its data fed, its progress shown and saved."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from jaxcnn import build, epoch_scan, features, loop, pictures
from jaxcnn import config as config_lib
from jaxcnn.augment.policy import parse_policy
from jaxcnn.compilation import CompiledStep, compile_step
from jaxcnn.config import TrainConfig
from jaxcnn.data import batches as batches_lib
from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.memory import ImageSplit
from jaxcnn.models import HEAD, fold_batch_norm, split_at_head
from jaxcnn.parallel import Layout, is_first
from jaxcnn.phases import Phase
from jaxcnn.progress import ProgressLine
from jaxcnn.train import (
    TrainStep,
    make_eval_step_of_views,
    make_step,
    make_train_step,
    start_state,
)
from jaxcnn.types import Batch, PyTree, TrainState
from jaxcnn.workdir import Workdir, write_rows

_FEATURE_BATCH = 32


class RunContext(NamedTuple):
    """What the phases of a run share."""

    config: TrainConfig
    folder: Workdir
    data: ImageSplits
    shapes: PyTree  # of the whole network's variables
    key: jax.Array  # of all draws in training, the same at every start of the run
    layout: Layout  # of all arrays on the devices
    say: Callable[[str], None]
    eval_step: Any = None  # of the whole network, compiled

    def eval_batches(self, split: ImageSplit, batch_size: int | None = None) -> Iterator[Batch]:
        """Give a split's batches on the devices, each example once."""
        size = batch_size or self.eval_batch_size
        batches = batches_lib.eval_batches(split, batch_size=size, **_own_share())
        return map(self.layout.put_batch, batches)

    @property
    def eval_batch_size(self) -> int:
        """Give the size of evaluation's batches, rounded up to what the devices divide."""
        return self.layout.round_up(self.config.eval_batch_size)

    def compile(self, step: Any, state: PyTree, batch: Any, *others: Any) -> CompiledStep:
        """Compile a step of variables and a batch; what it gives lies on every device."""
        layout = self.layout
        shapes = (layout.state_shapes(state), layout.batch_shapes(batch))
        with layout.tracing():
            step = layout.gathered(step)
            return compile_step(step, *shapes, *others, out_shardings=layout.replicated)


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
        self.steps_per_epoch = batches_lib.steps_per_epoch(len(data.train), self._config.batch_size)
        counts = np.bincount(data.train.labels, minlength=len(data.class_names))
        self._parts = build.build_parts(
            self._config,
            phase,
            class_counts=counts.tolist(),
            steps_per_epoch=self.steps_per_epoch,
            injected=injected,
        )

    def train(self, variables: PyTree, progress: loop.Progress) -> loop.Progress:
        """Train from variables and a progress on, or from this phase's own last checkpoint."""
        self.draw_samples()
        prepared = self.prepare(variables, progress)
        return self._fit(prepared, prepared.start(variables), progress)

    def draw_samples(self) -> None:
        """Draw what the network is about to see, unless that is features."""
        run = self._run
        if not self._phase.on_features and is_first():
            pictures.draw_samples(
                run.folder.pictures,
                run.data.train,
                self._parts.augment,
                key=run.key,
                mixing=self._parts.mixing,
            )

    def prepare(self, variables: PyTree, progress: loop.Progress) -> Prepared:
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
            mean=self._config.pixel_mean,
            std=self._config.pixel_std,
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

    def _prepare_head(self, variables: PyTree, progress: loop.Progress) -> Prepared:
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
                classifier, self._parts.plain_loss_fn, features.all_views, head=self._config.head
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

        Args:
          name: of the file that keeps them in the run's folder.
          split: the images.
          variables: of the whole network.
          num_augmented: whether its views are those that training draws from.

        Returns:
          The split, images replaced by features.
        """
        config, key = self._config, self._run.key
        flips = parse_policy(config.augment).get("flip", 0) > 0
        options: dict[str, Any] = {
            "image_size_px": config.image_size_px,
            "mean": config.pixel_mean,
            "std": config.pixel_std,
            "mirrored": flips if num_augmented else config.flip_average,
            "num_augmented": config.feature_views if num_augmented else 0,
        }
        backbone = {**variables, "params": {**variables["params"], HEAD: {}}}
        about = features.fingerprint(
            backbone, options, config.augment, config.seed, config.stored_size_px, list(split.names)
        )
        path = self._run.folder.features / f"{name}.npz"
        found = features.load_features(path, about)
        if found is None:
            model, folded = fold_batch_norm(self._parts.model, variables)
            step = features.make_feature_step(model, augment=self._parts.augment, **options)
            shapes = batch_shapes(split, self._run.layout.round_up(_FEATURE_BATCH))
            folded, key = self._run.layout.put_state(folded), self._run.layout.put_key(key)
            compiled = self._run.compile(step, folded, shapes, key)
            found = self._extract(name, split, compiled, folded, key)
            if is_first():
                features.save_features(path, *found, about)
        return features.FeatureSplit(*found, split.labels, split.names, split.class_names)

    def _extract(
        self,
        name: str,
        split: ImageSplit,
        compiled: CompiledStep,
        variables: PyTree,
        key: jax.Array,
    ) -> tuple[np.ndarray, np.ndarray]:
        started = time.perf_counter()
        size = self._run.layout.round_up(_FEATURE_BATCH)
        batches = self._run.eval_batches(split, size)
        with tqdm(total=len(split), unit="image", desc=f"features of {name}", disable=None) as bar:
            found, present = features.extract(
                compiled, variables, batches, len(split), key=key, on_batch=bar.update
            )
        seconds = time.perf_counter() - started
        num_views = found.shape[1]
        self._run.say(
            f"{self._config.model} ran once over {len(split):,} {name} images, {num_views} views of"
            f" each: {num_views * len(split) / seconds:.0f} img/s; {found.shape[2]:,} features kept"
        )
        return found, present

    def _step_options(self) -> dict[str, Any]:
        return {
            "head": self._config.head,
            "ema_decay": self._config.ema_decay or None,
            "reported_loss_fn": self._parts.plain_loss_fn,
            "frozen": () if self._phase.on_features else self._parts.frozen,
            "num_parts": self._config.accumulate_steps,
            "rematerialize": self._config.rematerialize,
            "private": self._parts.private,
        }

    def _state(
        self, variables: PyTree, progress: loop.Progress, *, frozen: tuple[str, ...] = ()
    ) -> TrainState:
        state = start_state(
            variables,
            self._parts.optimizer,
            frozen=frozen,
            with_ema=bool(self._config.ema_decay),
            step=progress.first_epoch * self.steps_per_epoch,
        )
        return self._run.layout.put_state(state)

    def _fit(self, prepared: Prepared, state: TrainState, progress: loop.Progress) -> loop.Progress:
        config, run = self._config, self._run
        step, eval_step, _, train, validation, export = prepared
        assert self._stores is not None
        key = run.layout.put_key(run.key)
        train_step = self._compile(step, state, train, key)
        run.say(self._heading(state, train_step.seconds + eval_step.seconds))
        scanned, batches = self._feed(step, train_step, state, train, key)
        state, progress = loop.restore_run(self._stores, state, batches, progress)
        done = progress.epoch - progress.first_epoch
        if done or progress.step_in_epoch:
            run.say(f"resuming at step {int(state.step)}")
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
                    early_stopping_epochs=config.early_stopping_epochs,
                    checkpoint_every_steps=config.checkpoint_every_steps,
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
                    batch_size=config.batch_size,
                    phase=self._phase.name,
                    visible=is_first(),
                ),
                on_epoch=on_epoch,
                await_each=run.layout.is_host and not run.layout.is_single,
            ).run(state, progress)
        return progress

    def _compile(
        self, step: Any, state: TrainState, train: ImageSplit, key: jax.Array
    ) -> CompiledStep:
        layout = self._run.layout
        shapes = layout.batch_shapes(batch_shapes(train, self._config.batch_size))
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
    ) -> tuple[epoch_scan.ScannedSteps | None, Any]:
        """Choose how steps get their images: scanned on the device, or batch by batch."""
        options = {"batch_size": self._config.batch_size, "seed": self._config.seed}

        def make_batches() -> Any:
            put = self._run.layout.put_batch
            return batches_lib.train_batches(train, to_device=put, **_own_share(), **options)

        scanned = epoch_scan.choose_steps(
            self._config.epoch_scan,
            step,
            compiled,
            state,
            train,
            make_batches,
            key,
            batch_size=self._config.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            say=self._run.say,
        )
        if scanned is None:
            return None, make_batches()
        return scanned, epoch_scan.position_batches(train, **options)

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
            f"{name}{config.model}: {parameters}, "
            f"{config.image_size_px} x {config.image_size_px} x {config.num_channels} images, "
            f"{self._phase.num_epochs * self.steps_per_epoch:,} steps of {config.batch_size} on "
            f"{run.layout.describe()}; compiled in "
            f"{compile_seconds:.1f} s"
        )


def _own_share() -> dict[str, int]:
    """Say which part of each batch this process makes."""
    return {"process_index": jax.process_index(), "process_count": jax.process_count()}


@contextmanager
def epoch_writer(
    folder: Workdir, first_step: int
) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Give what writes the table of epochs, and its last row to TensorBoard's log."""
    if not is_first():
        yield lambda history: None
        return
    with folder.summary_writer(first_step=first_step) as writer:

        def write(history: list[dict[str, Any]]) -> None:
            write_rows(folder.metrics, history)
            for name, value in history[-1].items():
                if not isinstance(value, str):
                    writer.add_scalar(name, value, history[-1]["step"])

        yield write


def count_parameters(params: PyTree) -> int:
    """Count the numbers in a tree of arrays or their shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def batch_shapes(split: ImageSplit, batch_size: int) -> Any:
    """Give the shapes of a split's batches, to compile a step for."""

    def shape(dtype: Any, *dimensions: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((batch_size, *dimensions), dtype)

    return Batch(  # shapes in the stead of arrays
        image=shape(split.dtype, *split.image_shape),  # type: ignore[arg-type]
        label=shape(np.int32),  # type: ignore[arg-type]
        mask=shape(bool),  # type: ignore[arg-type]
        index=shape(np.int32),  # type: ignore[arg-type]
    )
