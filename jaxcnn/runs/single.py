"""One run: its phases of training, its one test at the end, and what it writes down."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.extras import versions
from jaxcnn.host.files import write_json
from jaxcnn.host.processes import is_first
from jaxcnn.metrics.baselines import histogram_baselines
from jaxcnn.optim import differential_privacy
from jaxcnn.runs import build, figures, summary as summary_lib, transfer
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.context import RunContext, batch_shapes, count_parameters
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.phase_training import PhaseTrainer
from jaxcnn.runs.phases import Phase, plan_phases
from jaxcnn.runs.report.run_page import cache_and_write
from jaxcnn.runs.summary import Tested
from jaxcnn.training import features, loop
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.training.evaluation import Evaluation, evaluate
from jaxcnn.training.history import Progress
from jaxcnn.training.sharding import Layout
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)


class Run:
    """The parts of one run, and its acts: train, finish, test again.

    Args:
      config: complete settings.
      folder: where it writes.
      data: the three splits.
      start: the weights it starts from; None for random ones, or where it only evaluates.
      progress: show moving lines, and a line per epoch.

    Attributes:
      context: what the phases of the run share.
    """

    networks_folder = "checkpoints/"  # where its networks are, in its folder

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
        self.context = run._replace(eval_step=run.compile(step, shapes, batch))

    def train(self) -> list[Progress]:
        """Go through the phases, from where an earlier start of the run left off."""
        phases = plan_phases(self.config)
        stores = [
            CheckpointStore(self._last_folder(phase, phases), max_to_keep=2) for phase in phases
        ]
        begun = [number for number, store in enumerate(stores) if store.steps()]
        progress = Progress()
        for phase, store in list(zip(phases, stores, strict=True))[max(begun, default=0) :]:
            trainer = PhaseTrainer(self.context, phase, loop.Stores(store, self._best))
            progress = progress.next_phase()
            if progress.history:
                variables, _ = self.best_variables(progress.best_step)
            else:
                variables = self.start_variables()
            progress = trainer.train(variables, progress)
        return [progress]

    def finish(self, progress: Sequence[Progress]) -> dict[str, Any]:
        """Test the parameters chosen on validation, once, and write down what came of it.

        Args:
          progress: as `train` gives.

        Returns:
          The summary, as written to `summary.json`.
        """
        (own,) = progress
        variables, step = self.best_variables(own.best_step)
        tested = self.test(variables)
        result = {
            **summary_lib.result(tested, self.data.class_names),
            "best_step": step,
            "stopped_early": own.stopped_early,
            **self._about_privacy(own.history[-1]["step"]),
        }
        return self._conclude(result, tested, progress, own.history, variables)

    def _conclude(
        self,
        result: dict[str, Any],
        tested: Tested,
        progress: Sequence[Progress],
        history: list[dict[str, Any]],
        variables: PyTree,
    ) -> dict[str, Any]:
        """Write the summary, the pictures and the page, and tell the result."""
        config, data, folder = self.config, self.data, self.folder
        accuracies = self._baselines() | {config.network.model: tested.test.accuracy}
        seconds, steps = progress[0].train_seconds, history[-1]["step"]
        packages = ("jaxcnn", "jax", "flax", "optax")
        summary = {
            **result,
            "num_parameters": count_parameters(self.context.shapes["params"]),
            "train_seconds": seconds,
            "images_per_second": steps * config.training.batch_size * len(progress) / seconds,
            "steps": steps,
            "weights": self._start.name if self._start else None,
            "baseline_test_accuracies": accuracies,
            "num_train": len(data.train),
            "num_validation": len(data.validation),
            "num_test": len(data.test),
            "num_skipped_files": len(data.skipped),
            "num_duplicates_across_splits": len(data.duplicates),
            "versions": versions(packages),
            "device": self.context.layout.describe(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if is_first():
            write_json(folder.summary, summary)
            figures.draw_results(
                folder.pictures, data.test, tested.test, history, accuracies=accuracies
            )
            self._write_page(tested, variables)
        for name, accuracy in accuracies.items():
            if name != config.network.model:
                logger.info(f"  {name:<32} {accuracy:6.1%} of test images right")
        for line in summary_lib.result_lines(summary):
            logger.info(line)
        logger.info(f"results in {folder.path}: summary.json, pictures/, {self.networks_folder}")
        logger.info(f"look at it: {folder.report}")
        return summary

    def test_again(self) -> dict[str, Any]:
        """Test the best variables of a run that was trained before; see `evaluate_classifier`."""
        variables, step = self.best_variables()
        return {"step": step, **summary_lib.split_scores(self.test(variables))}

    def write_page_again(self) -> None:
        """Test the best variables again, and write the page of a run that ended from that."""
        variables, _ = self.best_variables()
        self._write_page(self.test(variables), variables)

    def _write_page(self, tested: Tested, variables: PyTree) -> None:
        cache_and_write(
            self.folder,
            self.config,
            self.data.test,
            test=tested.test,
            validation=tested.validation,
            model=self._model,
            variables=variables,
        )

    def start_variables(self) -> PyTree:
        """Give the variables that the run starts from."""
        return self._make_start()(self._init_key)

    def _make_start(self) -> Callable[[jax.Array], PyTree]:
        """Make the function from a key to the variables that training starts from."""
        shape, start = self.config.preprocessing.image_shape, self._start
        if start is None:
            return make_initial(self._model, shape)
        return lambda key: transfer.transfer_variables(
            start.variables, self._model, shape, key=key, head_init=self.config.network.head_init
        )

    def best_variables(
        self, step: int | None = None, store: CheckpointStore | None = None
    ) -> tuple[PyTree, int]:
        """Restore the best variables so far, or those of a step, and their step.

        Args:
          step: the step; None for the newest.
          store: where to look; None for the run's own best checkpoints.

        Returns:
          The variables and their step.

        Raises:
          CheckpointError: if there is no checkpoint, or none that can be read.
        """
        store = store or self._best
        shapes = self.context.layout.state_shapes(self.context.shapes)
        found = store.restore(shapes, step=step)
        if found is None:
            raise CheckpointError(f"{store.directory} holds no checkpoint to evaluate.")
        return found.state, found.step

    def evaluate(self, split: ImageSplit, variables: PyTree) -> Evaluation:
        """Classify a split with the whole network."""
        return evaluate(self.context.eval_step, variables, self.context.eval_batches(split))

    def test(self, variables: PyTree) -> Tested:
        """Classify the two splits that the network is not trained on."""
        held_out = (self.data.validation, self.data.test)
        return Tested(*(self.evaluate(split, variables) for split in held_out))

    def train_features(self, variables: PyTree) -> features.FeatureSplit:
        """Give what the layers below the last make of the training photos, kept in the folder."""
        phase = plan_phases(self.config)[-1]
        trainer = PhaseTrainer(self.context, phase, None)
        if phase.on_features:  # training has kept them already
            return trainer.split_features("train", self.data.train, variables, num_augmented=True)
        return trainer.split_features("train_best", self.data.train, variables)

    def _last_folder(self, phase: Phase, phases: list[Phase]) -> Path:
        last = self.folder.last_checkpoints
        return last if phase is phases[-1] else last.with_name(f"{last.name}_{phase.name}")

    def _baselines(self) -> dict[str, float]:
        if not self.config.run.baselines:
            return {}
        splits = (self.data.train, self.data.validation, self.data.test)
        pairs = [(s.gather(np.arange(len(s)))[0], s.labels) for s in splits]
        found = histogram_baselines(*pairs, num_classes=len(self.data.class_names))
        return {name: result.test_accuracy for name, result in found.items()}

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


def make_initial(model: Any, image_shape: tuple[int, int, int]) -> Callable[[jax.Array], PyTree]:
    """Make the function from a key to a network's first variables, compiled once for all keys."""
    images = np.zeros((1, *image_shape), np.float32)

    @jax.jit
    def initial(key: jax.Array) -> PyTree:
        variables = model.init(key, images, train=False)
        return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}

    return initial
