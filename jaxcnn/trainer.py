"""A whole run, from settings to a tested classifier: data, training, test, pictures, summary."""

import time
from collections.abc import Callable, Iterator
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn import build, loop, pictures
from jaxcnn import config as config_lib
from jaxcnn import summary as summary_lib
from jaxcnn.baselines import histogram_baselines
from jaxcnn.checkpoint import CheckpointError, CheckpointStore
from jaxcnn.compilation import compile_step
from jaxcnn.config import TrainConfig
from jaxcnn.data import batches as batches_lib
from jaxcnn.data.datasets import DRAWN_PETS, ImageSplits, load_images, load_splits
from jaxcnn.data.memory import ImageSplit, write_skipped_csv
from jaxcnn.evaluation import Evaluation, evaluate
from jaxcnn.progress import ProgressLine, format_duration
from jaxcnn.train import evaluation_variables, init_state, make_train_step
from jaxcnn.types import Batch, PyTree, TrainState
from jaxcnn.workdir import Workdir, open_workdir, write_json, write_rows

Say = Callable[[str], None]


def check(config: TrainConfig) -> TrainConfig:
    """Complete the settings and try every name and size in them, before any data is read.

    Args:
      config: settings, some of them None.

    Returns:
      Complete settings.

    Raises:
      ValueError: naming what is wrong, what was expected, and what is known.
    """
    config = config_lib.resolve(config)
    # The classes are not known yet; two stand in for them, or as many as there are weights.
    num_classes = max(2, config.class_weights.count(",") + 1)
    build.build_parts(config, class_counts=[1] * num_classes, steps_per_epoch=1)
    return config


def load_data(config: TrainConfig, *, say: Say = print) -> ImageSplits:
    """Load the images that the settings name.

    Args:
      config: complete settings.
      say: called with each line for the person who waits.

    Returns:
      Three splits of images, and what was noticed while reading them.

    Raises:
      ValueError: if the data cannot be used.
    """
    splits = load_splits(
        config.dataset,
        data_dir=config.data_dir,
        size_px=config.stored_size_px,
        max_train_examples=config.max_train_examples,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
        say=say,
    )
    sizes = ", ".join(f"{name} {len(s):,}" for name, s in splits._asdict().items())
    say(f"{config.dataset}: {sizes}; classes: {_listed(splits.train.class_names)}")
    return load_images(
        splits,
        size_px=config.stored_size_px,
        resize_mode=config.resize_mode,
        num_channels=config.num_channels,
        num_workers=config.num_workers,
        max_bad_share=config.max_bad_share,
        memory_limit_bytes=round(config.memory_limit_gib * 2**30),
        look_for_duplicates=config.dataset != DRAWN_PETS,  # drawn anew for each split
        say=say,
    )


def train_classifier(
    config: TrainConfig,
    workdir: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    say: Say = print,
) -> dict[str, Any]:
    """Train a classifier, test it once, and leave everything worth keeping in a folder.

    Args:
      config: the settings; None fields take the data set's preset.
      workdir: the run's folder; see `jaxcnn.workdir` for what it will hold.
      resume: continue the run in the folder where there is one.
      overwrite: remove the run in the folder first.
      say: called with each line for the person who waits.

    Returns:
      The summary, as written to `summary.json`.

    Raises:
      ValueError: for settings, folders or data that cannot be used.
      loop.NonFiniteLossError: if training diverges.
      interrupt.Interrupted: on SIGTERM or Ctrl-C, after saving.
    """
    started = time.perf_counter()
    config = check(config)
    folder = open_workdir(workdir, config_lib.to_json(config), resume=resume, overwrite=overwrite)
    data = load_data(config, say=say)
    if data.skipped:
        write_skipped_csv(folder.skipped_files, data.skipped)
        say(f"{len(data.skipped)} files could not be read; see {folder.skipped_files}")
    run = _Run(config, folder, data, say=say)
    state, progress = run.train()
    summary = run.finish(progress, num_parameters=_num_parameters(state.params))
    say(f"total time {format_duration(time.perf_counter() - started)}")
    return summary


def evaluate_classifier(workdir: Path | str, *, say: Say = print) -> dict[str, Any]:
    """Evaluate the best checkpoint of a run on its validation and test splits again.

    Args:
      workdir: the folder of a run.
      say: called with each line for the person who waits.

    Returns:
      {"step": ..., "validation": {...}, "test": {...}} with loss, accuracy, interval and count.

    Raises:
      ValueError: if the folder holds no run that can be evaluated.
    """
    folder = Workdir(Path(workdir))
    if not folder.config.exists():
        raise ValueError(f"{workdir} holds no run (there is no config.json); train one first.")
    config = config_lib.load_config(folder.config)
    run = _Run(config, folder, load_data(config, say=say), say=say)
    variables, step = run.best_variables()
    splits = {"validation": run.data.validation, "test": run.data.test}
    return {"step": step} | {
        n: summary_lib.scores(run.evaluate(s, variables)) for n, s in splits.items()
    }


class _Run:
    """The parts of one run, and its acts: train, evaluate, finish."""

    def __init__(
        self, config: TrainConfig, folder: Workdir, data: ImageSplits, *, say: Say
    ) -> None:
        self.config, self.folder, self.data, self.say = config, folder, data, say
        self.steps_per_epoch = batches_lib.steps_per_epoch(len(data.train), config.batch_size)
        counts = np.bincount(data.train.labels, minlength=len(data.class_names))
        self.parts = build.build_parts(
            config, class_counts=counts.tolist(), steps_per_epoch=self.steps_per_epoch
        )
        self.stores = loop.Stores(
            CheckpointStore(folder.last_checkpoints, max_to_keep=2, say=say),
            # One more than `last` keeps: falling back there must still find its best here.
            CheckpointStore(folder.best_checkpoints, max_to_keep=3, say=say),
        )
        self.init_key, self.run_key = jax.random.split(jax.random.key(config.seed))
        eval_step = build.build_eval_step(config, self.parts.model, len(data.class_names))
        self._eval_step = compile_step(
            eval_step,
            evaluation_variables(self._first_state()),
            self._batch_shapes(data.validation, config.eval_batch_size),
        )

    def train(self) -> tuple[TrainState, loop.Progress]:
        config = self.config
        state = self._first_state()
        train_step = compile_step(
            make_train_step(
                self.parts.model,
                self.parts.optimizer,
                self.parts.loss_fn,
                self.parts.augment,
                head=config.head,
                ema_decay=config.ema_decay or None,
                reported_loss_fn=self.parts.plain_loss_fn,
            ),
            state,
            self._batch_shapes(self.data.train, config.batch_size),
            self.run_key,
            donate_argnums=0,
        )
        self.say(self._heading(state, train_step.seconds + self._eval_step.seconds))
        pictures.draw_samples(
            self.folder.pictures, self.data.train, self.parts.augment, key=self.run_key
        )
        batches = batches_lib.train_batches(
            self.data.train, batch_size=config.batch_size, seed=config.seed
        )
        state, progress = loop.restore_run(self.stores, state, batches)
        if progress.history or progress.step_in_epoch:
            self.say(f"resuming at step {int(state.step)} of {self._total_steps()}")
        return self._fit(train_step, batches, state, progress)

    def finish(self, progress: loop.Progress, *, num_parameters: int) -> dict[str, Any]:
        """Test the parameters chosen on validation, once, and write down what came of it."""
        variables, step = self.best_variables(progress.best_step)
        validation = self.evaluate(self.data.validation, variables)
        test = self.evaluate(self.data.test, variables)
        accuracies = self._baselines() | {self.config.model: test.accuracy}
        summary = {
            **summary_lib.result(test, validation, self.data.class_names),
            "num_parameters": num_parameters,
            "train_seconds": progress.train_seconds,
            "images_per_second": self._images_trained(progress) / progress.train_seconds,
            "steps": progress.history[-1]["step"],
            "best_step": step,
            "stopped_early": progress.stopped_early,
            "baseline_test_accuracies": accuracies,
            **self._about_data(),
            "versions": {
                p: package_metadata.version(p) for p in ("jaxcnn", "jax", "flax", "optax")
            },
            "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        }
        write_json(self.folder.summary, summary)
        pictures.draw_results(
            self.folder.pictures, self.data.test, test, progress.history, accuracies=accuracies
        )
        self._tell(summary, accuracies)
        return summary

    def best_variables(self, step: int | None = None) -> tuple[PyTree, int]:
        found = self.stores.best.restore(evaluation_variables(self._first_state()), step=step)
        if found is None:
            raise CheckpointError(f"{self.folder.path} holds no checkpoint to evaluate.")
        return found.state, found.step

    def evaluate(self, split: ImageSplit, variables: PyTree) -> Evaluation:
        return evaluate(self._eval_step, variables, self._eval_batches(split))

    def _eval_batches(self, split: ImageSplit) -> Iterator[Batch]:
        return batches_lib.eval_batches(split, batch_size=self.config.eval_batch_size)

    def _fit(
        self,
        train_step: Any,
        batches: loop.BatchIterator,
        state: TrainState,
        progress: loop.Progress,
    ) -> tuple[TrainState, loop.Progress]:
        config = self.config
        with self.folder.summary_writer(first_step=int(state.step)) as writer:

            def on_epoch(history: list[dict[str, Any]]) -> None:
                write_rows(self.folder.metrics, history)
                for name, value in history[-1].items():
                    writer.add_scalar(name, value, history[-1]["step"])

            return loop.Fit(
                train_step=train_step,
                eval_step=self._eval_step,
                batches=batches,
                validation=lambda: self._eval_batches(self.data.validation),
                key=self.run_key,
                plan=loop.Plan(
                    num_epochs=config.num_epochs,
                    steps_per_epoch=self.steps_per_epoch,
                    early_stopping_epochs=config.early_stopping_epochs,
                    checkpoint_every_steps=config.checkpoint_every_steps,
                ),
                stores=self.stores,
                best_metadata={
                    "config": config_lib.to_json(config),
                    "class_names": list(self.data.class_names),
                },
                learning_rate=lambda step: float(self.parts.schedule(step)),
                line=ProgressLine(
                    num_epochs=config.num_epochs,
                    steps_per_epoch=self.steps_per_epoch,
                    batch_size=config.batch_size,
                ),
                on_epoch=on_epoch,
            ).run(state, progress)

    def _first_state(self) -> TrainState:
        size, channels = self.config.image_size_px, self.config.num_channels
        return init_state(
            self.init_key,
            self.parts.model,
            self.parts.optimizer,
            (size, size, channels),
            with_ema=bool(self.config.ema_decay),
        )

    def _batch_shapes(self, split: ImageSplit, batch_size: int) -> Any:
        def shape(dtype: Any, *dimensions: int) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((batch_size, *dimensions), dtype)

        return Batch(  # shapes in the stead of arrays
            image=shape(np.uint8, *split.image_shape),  # type: ignore[arg-type]
            label=shape(np.int32),  # type: ignore[arg-type]
            mask=shape(bool),  # type: ignore[arg-type]
            index=shape(np.int32),  # type: ignore[arg-type]
        )

    def _images_trained(self, progress: loop.Progress) -> int:
        return len(progress.history) * self.steps_per_epoch * self.config.batch_size

    def _total_steps(self) -> int:
        return self.config.num_epochs * self.steps_per_epoch

    def _heading(self, state: TrainState, compile_seconds: float) -> str:
        config = self.config
        return (
            f"{config.model}: {_num_parameters(state.params):,} parameters, "
            f"{config.image_size_px} x {config.image_size_px} x {config.num_channels} images, "
            f"{self._total_steps():,} steps of {config.batch_size} on {jax.device_count()} x "
            f"{jax.devices()[0].device_kind}; compiled in {compile_seconds:.1f} s"
        )

    def _baselines(self) -> dict[str, float]:
        if not self.config.baselines:
            return {}
        splits = (self.data.train, self.data.validation, self.data.test)
        pairs = [(s.gather(np.arange(len(s)))[0], s.labels) for s in splits]
        found = histogram_baselines(*pairs, num_classes=len(self.data.class_names))
        return {name: result.test_accuracy for name, result in found.items()}

    def _about_data(self) -> dict[str, Any]:
        data = self.data
        return {
            "num_train": len(data.train),
            "num_validation": len(data.validation),
            "num_test": len(data.test),
            "num_skipped_files": len(data.skipped),
            "num_duplicates_across_splits": len(data.duplicates),
        }

    def _tell(self, summary: dict[str, Any], accuracies: dict[str, float]) -> None:
        low, high = summary["test_accuracy_interval"]
        for name, accuracy in accuracies.items():
            if name != self.config.model:
                self.say(f"  {name:<32} {accuracy:6.1%} of test images right")
        self.say(
            f"test accuracy {summary['test_accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%}) "
            f"on {summary['num_test']:,} images never trained on; best step {summary['best_step']}"
        )
        self.say(f"results in {self.folder.path}: summary.json, pictures/, checkpoints/")


def _num_parameters(params: PyTree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _listed(names: tuple[str, ...], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
