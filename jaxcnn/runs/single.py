"""One run: its phases of training, its one test at the end, and what it writes down."""

import functools
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.files import write_json
from jaxcnn.host.processes import is_first
from jaxcnn.metrics.histogram_baselines import histogram_baselines
from jaxcnn.optim import differential_privacy
from jaxcnn.runs import build, figures, summary as summary_lib, transfer
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.context import RunContext, batch_shapes, count_parameters
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.phase_training import PhaseTrainer
from jaxcnn.runs.phases import Phase, plan_phases
from jaxcnn.runs.report.run_page import keep_and_write
from jaxcnn.training import features, loop
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.training.evaluation import Evaluation, evaluate
from jaxcnn.training.history import Progress
from jaxcnn.training.sharding import Layout
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)


class Run:
    """The parts of one run, and its acts: train, evaluate, finish.

    Args:
      config: complete settings.
      folder: where it writes.
      data: the three splits.
      start: the weights it starts from; None for random ones, or where it only evaluates.
      progress: show moving lines, and a line per epoch.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Workdir,
        data: ImageSplits,
        *,
        start: transfer.Start | None = None,
        progress: bool = True,
    ) -> None:
        self.config, self.folder, self.data = config, folder, data
        self._start = start
        self._model = build.build_model(config, len(data.class_names))
        shapes = build.variable_shapes(config, self._model)
        # One more than `last` keeps: falling back there must still find its best here.
        self._best = CheckpointStore(folder.best_checkpoints, max_to_keep=3)
        self._init_key, key = jax.random.split(jax.random.key(config.run.seed))
        layout = Layout.make(config.run.mesh, batch_size=config.training.batch_size)
        run = RunContext(config, folder, data, shapes, key=key, layout=layout, progress=progress)
        step = build.build_eval_step(config, self._model, len(data.class_names))
        batch = batch_shapes(data.validation, run.eval_batch_size)
        self._run = run._replace(eval_step=run.compile(step, shapes, batch))

    def train(self) -> Progress:
        """Go through the phases, from where an earlier start of the run left off."""
        phases = plan_phases(self.config)
        stores = [
            CheckpointStore(self._last_folder(phase, phases), max_to_keep=2) for phase in phases
        ]
        begun = [number for number, store in enumerate(stores) if store.steps()]
        progress = Progress()
        for phase, store in list(zip(phases, stores, strict=True))[max(begun, default=0) :]:
            trainer = PhaseTrainer(self._run, phase, loop.Stores(store, self._best))
            progress = progress.next_phase()
            progress = trainer.train(self._first_variables(progress), progress)
        return progress

    def finish(self, progress: Progress) -> dict[str, Any]:
        """Test the parameters chosen on validation, once, and write down what came of it."""
        variables, step = self.best_variables(progress.best_step)
        validation = self.evaluate(self.data.validation, variables)
        test = self.evaluate(self.data.test, variables)
        accuracies = self._baselines() | {self.config.network.model: test.accuracy}
        summary = {
            **summary_lib.result(test, validation, self.data.class_names),
            "num_parameters": count_parameters(self._run.shapes["params"]),
            "train_seconds": progress.train_seconds,
            "images_per_second": self._images_trained(progress) / progress.train_seconds,
            "steps": progress.history[-1]["step"],
            "best_step": step,
            "stopped_early": progress.stopped_early,
            "weights": self._start.name if self._start else None,
            "baseline_test_accuracies": accuracies,
            **self._about_data(),
            **about_machine(self._run.layout),
            **self._about_privacy(progress.history[-1]["step"]),
        }
        if is_first():
            write_json(self.folder.summary, summary)
            figures.draw_results(
                self.folder.pictures, self.data.test, test, progress.history, accuracies=accuracies
            )
            self._write_page(test, validation, variables)
        self._tell(summary, accuracies)
        return summary

    def write_page_again(self) -> None:
        """Test the best variables again, and write the page of a run that ended from that."""
        variables, _ = self.best_variables()
        validation = self.evaluate(self.data.validation, variables)
        self._write_page(self.evaluate(self.data.test, variables), validation, variables)

    def _write_page(self, test: Evaluation, validation: Evaluation, variables: PyTree) -> None:
        keep_and_write(
            self.folder,
            self.config,
            self.data.test,
            test=test,
            validation=validation,
            model=self._model,
            variables=variables,
        )

    def _first_variables(self, progress: Progress) -> PyTree:
        """Give the variables that a phase begins with."""
        if progress.history:
            return self.best_variables(progress.best_step)[0]
        return self.start_variables()

    @property
    def context(self) -> RunContext:
        """What the phases of the run share."""
        return self._run

    def start_variables(self) -> PyTree:
        """Give the variables that the run starts from."""
        return self._make_start()(self._init_key)

    def _make_start(self) -> Callable[[jax.Array], PyTree]:
        """Make the function from a key to the variables that training starts from."""
        shape = build.image_shape(self.config)
        if self._start is not None:
            return functools.partial(
                _transferred,
                self._start.variables,
                self._model,
                shape,
                self.config.network.head_init,
            )
        return make_initial(self._model, shape)

    def best_variables(self, step: int | None = None) -> tuple[PyTree, int]:
        """Restore the best variables so far, or those of a step, and their step."""
        shapes = self._run.layout.state_shapes(self._run.shapes)
        found = self._best.restore(shapes, step=step)
        if found is None:
            raise CheckpointError(f"{self.folder.path} holds no checkpoint to evaluate.")
        return found.state, found.step

    def evaluate(self, split: ImageSplit, variables: PyTree) -> Evaluation:
        """Classify a split with the whole network."""
        return evaluate(self._run.eval_step, variables, self._run.eval_batches(split))

    def train_features(self, variables: PyTree) -> features.FeatureSplit:
        """Give what the layers below the last make of the training photos, kept in the folder."""
        phase = plan_phases(self.config)[-1]
        trainer = PhaseTrainer(self._run, phase, loop.Stores(self._best, self._best))
        if phase.on_features:  # training has kept them already
            return trainer.split_features("train", self.data.train, variables, num_augmented=True)
        return trainer.split_features("train_best", self.data.train, variables)

    def _last_folder(self, phase: Phase, phases: list[Phase]) -> Path:
        last = self.folder.last_checkpoints
        return last if phase is phases[-1] else last.with_name(f"{last.name}_{phase.name}")

    def _images_trained(self, progress: Progress) -> int:
        return progress.history[-1]["step"] * self.config.training.batch_size

    def _baselines(self) -> dict[str, float]:
        if not self.config.run.baselines:
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

    def _about_privacy(self, num_steps: int) -> dict[str, Any]:
        config = self.config
        if not config.training.dp_clip_norm:
            return {}
        found, line = differential_privacy.report(
            differential_privacy.Privacy(
                config.training.dp_clip_norm, config.training.dp_noise_multiplier or 0.0
            ),
            num_examples=len(self.data.train),
            batch_size=config.training.batch_size,
            num_steps=num_steps,
        )
        logger.info(line)
        return {"privacy": found}

    def _tell(self, summary: dict[str, Any], accuracies: dict[str, float]) -> None:
        low, high = summary["test_accuracy_interval"]
        for name, accuracy in accuracies.items():
            if name != self.config.network.model:
                logger.info(f"  {name:<32} {accuracy:6.1%} of test images right")
        logger.info(
            f"test accuracy {summary['test_accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%}) "
            f"on {summary['num_test']:,} images never trained on; best step {summary['best_step']}"
        )
        logger.info(f"results in {self.folder.path}: summary.json, pictures/, checkpoints/")
        logger.info(f"look at it: {self.folder.report}")


def _transferred(
    variables: PyTree,
    model: Any,
    image_shape: tuple[int, int, int],
    head_init: str,
    key: jax.Array,
) -> PyTree:
    return transfer.transfer_variables(variables, model, image_shape, key=key, head_init=head_init)


def about_machine(layout: Layout) -> dict[str, Any]:
    """Tell what a run's figures were measured with, and when."""
    packages = ("jaxcnn", "jax", "flax", "optax")
    return {
        "versions": {name: package_metadata.version(name) for name in packages},
        "device": layout.describe(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def initial_variables(key: jax.Array, model: Any, image_shape: tuple[int, int, int]) -> PyTree:
    """Draw a network's first variables: {"params": ..., "batch_stats": ...}."""
    return make_initial(model, image_shape)(key)


def make_initial(model: Any, image_shape: tuple[int, int, int]) -> Callable[[jax.Array], PyTree]:
    """Make the function from a key to a network's first variables, compiled once for all keys."""
    images = np.zeros((1, *image_shape), np.float32)

    @jax.jit
    def initial(key: jax.Array) -> PyTree:
        variables = model.init(key, images, train=False)
        return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}

    return initial
