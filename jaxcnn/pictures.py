"""Choose what a run's pictures show, and have `plots` draw them into the run's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn import plots
from jaxcnn.augment import augment_batch
from jaxcnn.data.memory import ImageSplit
from jaxcnn.evaluation import Evaluation
from jaxcnn.metrics import confusion_matrix
from jaxcnn.train import Augment, to_unit_interval

_SAMPLE_ROWS = 6
_SAMPLE_VIEWS = 6
_SHEET_PHOTOS = 96
_PREDICTED_PHOTOS = 25


def draw_samples(folder: Path, split: ImageSplit, augment: Augment, *, key: jax.Array) -> None:
    """Draw what the network is about to see: photos of each class, and augmented views of some.

    Args:
      folder: where the pictures go.
      split: the training split.
      augment: (key, image) to image.
      key: decides the views.
    """
    sheet = _spread(split.labels, _SHEET_PHOTOS)
    plots.plot_contact_sheet(
        folder / "training_photos.png",
        split.gather(sheet)[0],
        split.labels[sheet],
        split.class_names,
    )
    rows = _spread(split.labels, _SAMPLE_ROWS)
    originals, _ = split.gather(rows)
    views = jax.jit(
        lambda key, images, index: augment_batch(augment, key, to_unit_interval(images), index)
    )
    # One row a call repeats an image, so that its views differ by the example index alone.
    index = np.arange(_SAMPLE_VIEWS, dtype=np.int32)
    augmented = [
        np.asarray(
            views(jax.random.fold_in(key, row), np.repeat(image[None], len(index), 0), index)
        )
        for row, image in enumerate(originals)
    ]
    plots.plot_augmented_samples(
        folder / "augmented_samples.png",
        originals,
        np.stack(augmented),
        class_names=split.class_names,
        labels=split.labels[rows],
    )


def draw_results(
    folder: Path,
    split: ImageSplit,
    found: Evaluation,
    history: Sequence[Mapping[str, Any]],
    *,
    accuracies: Mapping[str, float],
) -> None:
    """Draw what the network learned: its curves, and its answers to the test photos.

    Args:
      folder: where the pictures go.
      split: the test split.
      found: the network's answers to it.
      history: a row an epoch.
      accuracies: test accuracy of each baseline and of the network; one alone is not drawn.
    """
    names = split.class_names
    plots.plot_learning_curves(folder / "learning_curves.png", list(history))
    matrix = confusion_matrix(found.labels, found.probabilities.argmax(1), len(names))
    plots.plot_confusion_matrix(folder / "confusion_matrix.png", matrix, names)
    if len(accuracies) > 1:
        chance = float(np.bincount(found.labels).max() / len(found.labels))
        bars = {k.removesuffix("_histogram").replace("_", " "): v for k, v in accuracies.items()}
        plots.plot_baselines(folder / "baselines.png", bars, chance=chance)
    shown = _spread(found.labels, _PREDICTED_PHOTOS)
    plots.plot_predictions(
        folder / "predictions.png",
        split.gather(found.index[shown])[0],
        found.labels[shown],
        found.probabilities[shown],
        names,
    )
    plots.plot_most_confidently_wrong(
        folder / "most_confidently_wrong.png",
        _Photos(split, found.index),
        found.labels,
        found.probabilities,
        names,
        names=[split.names[i] for i in found.index],
    )


class _Photos(Sequence[np.ndarray]):
    """A split's photos as a sequence; only those that are drawn are read."""

    def __init__(self, split: ImageSplit, index: np.ndarray) -> None:
        self._split, self._index = split, index

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, i: Any) -> Any:
        return self._split.gather(self._index[[i]])[0][0]


def _spread(labels: np.ndarray, count: int) -> np.ndarray:
    """Choose examples in turn from each class, spread over the split."""
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.random.default_rng(0).permutation(len(members))
    return np.argsort(rank, kind="stable")[:count]
