"""Choose what a run's pictures show, and have `plots` draw them into the run's folder."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn import plots
from jaxcnn.augment.mixing import Mixing
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.data.label_sets import label_sets
from jaxcnn.data.random_crops import RandomCrops
from jaxcnn.host.compilation_cache import options_for_few_calls
from jaxcnn.host.processes import is_first
from jaxcnn.metrics.classification import confusion_matrix
from jaxcnn.metrics.multi_label import predicted_sets
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.phase_training import Training
from jaxcnn.training.callbacks import Callback, View
from jaxcnn.training.evaluation import Evaluation
from jaxcnn.training.step import Augment, draw_view
from jaxcnn.types import Batch

_SAMPLE_ROWS = 6
_SAMPLE_VIEWS = 6
_SHEET_PHOTOS = 96
_PREDICTED_PHOTOS = 25


class SamplePictures(Callback):
    """Draws what the network is about to see, before it does.

    Args:
      run: whose training photos they are, and whose folder takes the pictures.
      training: of the phase that trains on photos.
    """

    def __init__(self, run: RunContext, training: Training) -> None:
        self._run, self._training = run, training

    def on_train_begin(self, view: View) -> None:
        """Draw the photos, see `draw_samples`."""
        if is_first():
            draw_samples(
                self._run.folder.pictures,
                self._training.train,
                self._training.options["augment"],
                key=self._run.key,
                mixing=self._training.options["mixing"],
            )


def draw_samples(
    folder: Path,
    split: ImageSplit,
    augment: Augment,
    *,
    key: jax.Array,
    mixing: Mixing | None = None,
) -> None:
    """Draw what the network is about to see: photos of each class, and augmented views of some.

    Args:
      folder: where the pictures go.
      split: the training split.
      augment: (key, image) to image.
      key: decides the views.
      mixing: (key, batch) to batch, of what is augmented; None mixes nothing.
    """
    sets = label_sets(split.labels)
    sheet = in_turn(sets, shuffled=True)[:_SHEET_PHOTOS]
    plots.plot_contact_sheet(
        folder / "training_photos.png",
        split.gather(sheet)[0],
        split.labels[sheet],
        split.class_names,
    )
    rows = in_turn(sets, shuffled=True)[:_SAMPLE_ROWS]
    originals, present = split.gather(rows)
    labels, index = split.labels[rows].astype(np.int32), rows.astype(np.int32)
    draw = jax.jit(
        functools.partial(draw_view, augment=augment, mixing=mixing),
        compiler_options=options_for_few_calls(),
    )
    keys = jax.random.split(key, _SAMPLE_VIEWS)

    def view(number: int, key: jax.Array) -> Batch:
        images = split.draw(rows, (number,))[0] if isinstance(split, RandomCrops) else originals
        return jax.tree.map(np.asarray, draw(Batch(images, labels, present, index), key))

    views = [view(*each) for each in enumerate(keys)]
    shares = None
    if mixing is not None:
        shares = np.stack([view.label for view in views], axis=1)
    plots.plot_augmented_samples(
        folder / "augmented_samples.png",
        originals,
        np.stack([view.image for view in views], axis=1),
        class_names=split.class_names,
        labels=split.labels[rows],
        shares=shares,
    )


def draw_results(
    folder: Path,
    split: ImageSplit,
    found: Evaluation,
    history: Sequence[Mapping[str, Any]],
    *,
    accuracies: Mapping[str, float],
    thresholds: np.ndarray | None = None,
) -> None:
    """Draw what the network learned: its curves, and its answers to the test photos.

    Args:
      folder: where the pictures go.
      split: the test split.
      found: the network's answers to it.
      history: one row per epoch.
      accuracies: test accuracy of each baseline and of the network; one alone is not drawn.
      thresholds: (K,) where photos have several labels; None where they have one.
    """
    names = split.class_names
    if thresholds is not None:
        draw_sets(folder, split, found, history, thresholds)
        return
    plots.plot_learning_curves(folder / "learning_curves.png", list(history))
    matrix = confusion_matrix(found.labels, found.probabilities.argmax(1), len(names))
    plots.plot_confusion_matrix(folder / "confusion_matrix.png", matrix, names)
    if len(accuracies) > 1:
        chance = float(np.bincount(found.labels).max() / len(found.labels))
        bars = {k.removesuffix("_histogram").replace("_", " "): v for k, v in accuracies.items()}
        plots.plot_baselines(folder / "baselines.png", bars, chance=chance)
    shown = in_turn(found.labels, shuffled=True)[:_PREDICTED_PHOTOS]
    plots.plot_predictions(
        folder / "predictions.png",
        split.gather(found.index[shown])[0],
        found.labels[shown],
        found.probabilities[shown],
        names,
    )
    path = folder / "most_confidently_wrong.png"
    draw_mistakes(path, split, found.index, found.labels, found.probabilities)


def draw_sets(
    folder: Path,
    split: ImageSplit,
    found: Evaluation,
    history: Sequence[Mapping[str, Any]],
    thresholds: np.ndarray,
) -> None:
    """Draw what a network learned of photos with several labels, see `draw_results`."""
    plots.plot_learning_curves(
        folder / "learning_curves.png", list(history), measure="mean_average_precision"
    )
    shown = in_turn(label_sets(found.labels), shuffled=True)[:_PREDICTED_PHOTOS]
    plots.plot_predicted_sets(
        folder / "predictions.png",
        split.gather(found.index[shown])[0],
        found.labels[shown],
        predicted_sets(found.probabilities[shown], thresholds),
        split.class_names,
    )
    plots.plot_most_wrong_sets(
        folder / "most_confidently_wrong.png",
        _SplitPhotos(split, found.index),
        found.labels,
        found.probabilities,
        thresholds,
        split.class_names,
        names=[split.names[i] for i in found.index],
    )


def draw_mistakes(
    path: Path, split: ImageSplit, index: np.ndarray, labels: np.ndarray, probabilities: np.ndarray
) -> Path:
    """Draw the most confident errors of photos of a split, of which only those drawn are read.

    Args:
      path: where the picture goes.
      split: the photos.
      index: (N,) positions in the split.
      labels: (N,) their classes.
      probabilities: (N, K) the network's.

    Returns:
      `path`.
    """
    names = [split.names[i] for i in index]
    photos = _SplitPhotos(split, index)
    return plots.plot_most_confidently_wrong(
        path, photos, labels, probabilities, split.class_names, names=names
    )


class _SplitPhotos(Sequence[np.ndarray]):
    """Some of a split's photos as a sequence; only those that are drawn are read."""

    def __init__(self, split: ImageSplit, index: np.ndarray) -> None:
        self._split, self._index = split, index

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, i: Any) -> Any:
        return self._split.gather(self._index[[i]])[0][0]


def in_turn(labels: np.ndarray, *, shuffled: bool = False) -> np.ndarray:
    """Order examples so that the first of each class come first, then the second of each.

    Args:
      labels: (N,) integers.
      shuffled: whether a class's examples come in an order spread over all, always the same.

    Returns:
      (N,) int64 positions.
    """
    turns = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        own = np.arange(len(members))
        turns[members] = np.random.default_rng(0).permutation(own) if shuffled else own
    return np.argsort(turns, kind="stable")
