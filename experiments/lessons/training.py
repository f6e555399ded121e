"""Train a small network in memory, by the library's own parts, and follow its accuracy."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn.data.batches import eval_batches, steps_per_epoch, train_batches
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.models import StagedNetwork
from jaxcnn.runs import build, config
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.phases import plan_phases
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.evaluation import evaluate
from jaxcnn.training.state import init_state
from jaxcnn.training.step import TrainStep, make_train_step
from jaxcnn.types import Batch, PyTree, TrainState

EVAL_BATCH_SIZE = 250


class Trained(NamedTuple):
    """A network after training.

    Attributes:
      model: the network.
      variables: {"params": ..., "batch_stats": ...} after the last epoch.
      accuracy: (evaluations, splits) share of each evaluated split that was right.
      right: for each evaluated split (evaluations, N) bool, which of its photos were.
      probabilities: (N, K) float32 of the last evaluated split, after the last epoch.
    """

    model: StagedNetwork
    variables: PyTree
    accuracy: np.ndarray
    right: list[np.ndarray]
    probabilities: np.ndarray


def settings(**given: Any) -> TrainConfig:
    """Complete settings of a small network: four convolutions, so that it learns in seconds."""
    small: dict[str, Any] = {
        "image_size_px": 48,
        "augment": "none",
        "dropout_rate": 0.0,
        "label_smoothing": 0.0,
        "flip_average": False,
        "baselines": False,
        "weight_decay": 0.0,
        "depth": 4,
    }
    given = small | given
    return config.resolve(make_config(**{"stored_size_px": given["image_size_px"]} | given))


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
    counts = np.bincount(photos.labels, minlength=len(photos.class_names))
    batch_size = min(settings.training.batch_size, len(photos))
    steps = steps_per_epoch(len(photos), batch_size)
    phase = plan_phases(settings)[0]
    parts = build.build_parts(settings, phase, class_counts=counts.tolist(), steps_per_epoch=steps)
    init_key, key = jax.random.split(jax.random.key(settings.run.seed))
    state, step = start(parts, init_key, build.image_shape(settings))
    batches = train_batches(photos, batch_size=batch_size, seed=settings.run.seed)
    step = compile_step(step, state, next(batches), key, donate_argnums=0)
    classify = _Classify(settings, parts.model, evaluated)
    batches = train_batches(photos, batch_size=batch_size, seed=settings.run.seed)
    accuracy, right, probabilities = [], [], np.empty(0)
    for epoch in range(settings.training.num_epochs):
        state = train_epoch(step, state, batches, key, steps)
        if not each_epoch and epoch + 1 < settings.training.num_epochs:
            continue
        found = classify({"params": state.params, "batch_stats": state.batch_stats})
        accuracy.append([each.accuracy for each in found])
        right.append([each.probabilities.argmax(axis=1) == each.labels for each in found])
        probabilities = found[-1].probabilities
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    by_split = [np.array(each) for each in zip(*right, strict=True)]
    return Trained(parts.model, variables, np.array(accuracy), by_split, probabilities)


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


class _Classify:
    """Evaluates splits by one compiled program."""

    def __init__(
        self, settings: TrainConfig, model: StagedNetwork, splits: tuple[DecodedSplit, ...]
    ) -> None:
        self._splits = splits
        self._step = jax.jit(build.build_eval_step(settings, model, len(splits[0].class_names)))

    def __call__(self, variables: PyTree) -> list[Any]:
        """Give an `Evaluation` of each split."""
        return [
            evaluate(
                self._step,
                variables,
                eval_batches(split, batch_size=EVAL_BATCH_SIZE, num_threads=0),
            )
            for split in self._splits
        ]
