"""Train a small network in memory, by the library's own parts, and follow its accuracy."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from experiments.lessons.course import Arrays, Course
from jaxcnn.data.batches import eval_batches, steps_per_epoch, train_batches
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.models import StagedNetwork
from jaxcnn.runs import build, config
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.context import batch_shapes
from jaxcnn.runs.phases import plan_phases
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.evaluation import evaluate
from jaxcnn.training.state import evaluation_variables, init_state
from jaxcnn.training.step import TrainStep, make_train_step
from jaxcnn.types import Batch, PyTree, TrainState

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
    counts = np.bincount(photos.labels, minlength=num_classes)
    batch_size = min(settings.training.batch_size, len(photos))
    steps = steps_per_epoch(len(photos), batch_size)
    phase = plan_phases(settings)[0]
    parts = build.build_parts(settings, phase, class_counts=counts.tolist(), steps_per_epoch=steps)
    init_key, key = jax.random.split(jax.random.key(settings.run.seed))
    state, step = start(parts, init_key, build.image_shape(settings))
    shapes = batch_shapes(photos, batch_size)
    step = compile_step(step, state, shapes, key, donate_argnums=0)
    classify = jax.jit(build.build_eval_step(settings, parts.model, num_classes))
    batches = train_batches(photos, batch_size=batch_size, seed=settings.run.seed)
    accuracy, right, probabilities = [], [], np.empty(0)
    for epoch in range(1, num_epochs + 1):
        state = train_epoch(step, state, batches, key, steps)
        if each_epoch or epoch == num_epochs:
            variables = evaluation_variables(state)
            found = [evaluate(classify, variables, _batches(split)) for split in evaluated]
            accuracy.append([each.accuracy for each in found])
            right.append(
                np.concatenate([each.probabilities.argmax(axis=1) == each.labels for each in found])
            )
            probabilities = found[-1].probabilities
    variables = jax.tree.map(np.asarray, evaluation_variables(state))
    return Trained(parts.model, variables, np.array(accuracy), np.array(right), probabilities)


def _batches(split: DecodedSplit) -> Iterable[Batch]:
    return eval_batches(split, batch_size=_EVAL_BATCH_SIZE, num_threads=0)


def start(
    parts: build.Parts, key: jax.Array, image_shape: tuple[int, int, int]
) -> tuple[TrainState, TrainStep]:
    """Make the state that training starts from, and the step that changes it."""
    model, optimizer = parts.model, parts.optimizer
    state = init_state(key, model, optimizer, image_shape)
    step = make_train_step(model, optimizer, parts.loss_fn, parts.augment)
    return state, step


def train_epoch(
    step: TrainStep, state: TrainState, batches: Iterator[Batch], key: jax.Array, num_steps: int
) -> TrainState:
    """Change the state by each batch of an epoch."""
    for _ in range(num_steps):
        state, _ = step(state, next(batches), key)
    return state
