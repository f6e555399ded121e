"""Train a small network in memory, by the library's own parts, and follow its accuracy."""

from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from experiments.lessons.course import Arrays, Course
from jaxcnn.data.batches import steps_per_epoch
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.metrics.metric import ACCURACY
from jaxcnn.models import StagedNetwork
from jaxcnn.runs import build, config
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.phases import plan_phases
from jaxcnn.training.callbacks import Callback, View
from jaxcnn.training.evaluation import Evaluation, Evaluator
from jaxcnn.training.fitting import fit
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.sharding import Layout
from jaxcnn.training.state import evaluation_variables
from jaxcnn.types import PyTree

_EVAL_BATCH_SIZE = 250
_ARRAYS = ("accuracy", "right", "probabilities")


class Trained(NamedTuple):
    """A network after training.

    Attributes:
      model: the network.
      variables: {"params": ..., "batch_stats": ...} after the last epoch.
      accuracy: (evaluations, splits) share of each evaluated split that was right.
      right: (evaluations, N) bool, which photos of all evaluated splits together were right.
      probabilities: (N, K) float32 of the last evaluated split, after the last epoch.
    """

    model: StagedNetwork
    variables: PyTree
    accuracy: np.ndarray
    right: np.ndarray
    probabilities: np.ndarray


def settings(course: Course, **given: Any) -> TrainConfig:
    """Complete settings of a small network: four convolutions, so that it learns in seconds."""
    small: dict[str, Any] = {
        "image_size_px": course.sizes.image_px,
        "stored_size_px": course.sizes.image_px,
        "seed": course.seed,
        "augment": "none",
        "dropout_rate": 0.0,
        "label_smoothing": 0.0,
        "flip_average": False,
        "baselines": False,
        "weight_decay": 0.0,
        "depth": 4,
    }
    return config.resolve(make_config(**{**small, **given}))


def train_cached(
    course: Course, name: str, settings: TrainConfig, photos: DecodedSplit, **how: Any
) -> Trained:
    """Train a network, or take it from the course's folder; see `train` for the arguments."""

    def make() -> Arrays:
        found = train(settings, photos, **how)._asdict()
        variables = flatten_dict({"variables": found.pop("variables")}, sep="/")
        return {**variables, **{name: found[name] for name in _ARRAYS}}

    cached = course.cached(f"trained_{name}", make, settings, len(photos))
    arrays = [cached.pop(name) for name in _ARRAYS]
    model = build.build_model(settings, len(photos.class_names))
    return Trained(model, unflatten_dict(cached, sep="/")["variables"], *arrays)


def train(
    settings: TrainConfig,
    photos: DecodedSplit,
    *,
    evaluated: tuple[DecodedSplit, ...],
    each_epoch: bool = True,
) -> Trained:
    """Train a network on photos, and evaluate it as it learns.

    Args:
      settings: complete settings.
      photos: to learn from, of the stored size.
      evaluated: splits that are evaluated, for the curves alone.
      each_epoch: evaluate after each epoch, else after the last alone.

    Returns:
      The network and its curves.
    """
    num_classes, num_epochs = len(photos.class_names), settings.training.num_epochs
    batch_size = min(settings.training.batch_size, len(photos))
    parts = build.build_parts(
        settings,
        plan_phases(settings)[0],
        class_counts=np.bincount(photos.labels, minlength=num_classes).tolist(),
        steps_per_epoch=steps_per_epoch(len(photos), batch_size),
    )
    step = build.build_eval_step(settings, parts.model, num_classes, {"accuracy": ACCURACY})
    layout = Layout.make("data:1")
    evaluator = Evaluator(step, {"accuracy": ACCURACY}, layout, _EVAL_BATCH_SIZE)
    follow = Follow(evaluator, evaluated, each_epoch=each_epoch)
    result = fit(
        parts.model,
        photos,
        optimizer=parts.optimizer,
        loss=parts.loss_fn,
        num_epochs=num_epochs,
        batch_size=batch_size,
        key=settings.run.seed,
        callbacks=[follow],
        mesh=layout,
        **parts.options,
    )
    variables = jax.tree.map(np.asarray, evaluation_variables(result.state))
    accuracy = np.array([[each.accuracy for each in row] for row in follow.found])
    right = [[x.probabilities.argmax(axis=1) == x.labels for x in row] for row in follow.found]
    all_right = np.array([np.concatenate(row) for row in right])
    return Trained(parts.model, variables, accuracy, all_right, follow.found[-1][-1].probabilities)


class Follow(Callback):
    """Evaluates some splits after each epoch, or after the last alone."""

    def __init__(
        self, evaluator: Evaluator, splits: tuple[DecodedSplit, ...], *, each_epoch: bool
    ) -> None:
        self._evaluator, self._splits, self._each_epoch = evaluator, splits, each_epoch
        self.found: list[list[Evaluation]] = []

    def on_epoch_end(self, view: View) -> None:
        """Evaluate."""
        if self._each_epoch or view.epoch == view.num_epochs:
            variables = evaluation_variables(view.states[0])
            self.found.append(
                [self._evaluator(SplitInput(split), variables) for split in self._splits]
            )
