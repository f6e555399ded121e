"""How well a classifier does without a network: histograms of colours and of edges.

A network that learns shape must beat both. Each turns a picture into a few hundred numbers that
say nothing of where anything is, and logistic regression does the rest.

Sources: colour histograms, Swain and Ballard 1991, "Color Indexing", IJCV 7(1). Orientation
histograms, Freeman and Roth 1995, "Orientation Histograms for Hand Gesture Recognition" (one
histogram of the whole picture, 36 bins of 10 degrees), with the gradient of the strongest colour
channel and linear votes of Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human
Detection". Deviations: no smoothing and no overlapping blocks.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxcnn.metrics.logistic_regression import (
    LogisticRegression,
    fit_logistic_regression,
    predict,
    standardise,
)

L2_CHOICES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_CHUNK = 128  # images at once: bounds memory, and keeps the working set in the cache


class BaselineResult(NamedTuple):
    """How well one kind of feature separates the classes."""

    validation_accuracy: float  # of the chosen l2, in [0, 1]
    test_accuracy: float  # in [0, 1]
    l2: float  # the penalty that did best on the validation images


def color_histogram(images: np.ndarray, *, bins_per_channel: int = 8) -> np.ndarray:
    """Count each image's pixels by colour, over a joint grid of red, green and blue.

    Args:
      images: (N, H, W, C) uint8.
      bins_per_channel: cells of equal width along each channel; 1 to 256.

    Returns:
      (N, bins_per_channel ** C) float32; shares of pixels, each row sums to 1.

    Raises:
      ValueError: if `images` is not uint8 of rank 4, or the bins are out of range.

    Example:
      >>> color_histogram(np.zeros((1, 2, 2, 3), np.uint8), bins_per_channel=2)[0, :2].tolist()
      [1.0, 0.0]

    Source: Swain and Ballard 1991, "Color Indexing"; deviations: RGB axes, not opponent ones.
    """
    _check_images(images)
    if not 1 <= bins_per_channel <= 256:
        raise ValueError(f"bins_per_channel (={bins_per_channel}) must lie in 1 to 256.")
    channels = images.shape[-1]
    num_bins = bins_per_channel**channels
    level_bin = np.arange(256) * bins_per_channel // 256

    def count(chunk: np.ndarray) -> np.ndarray:
        cells = np.zeros(chunk.shape[:3], np.int64)
        for channel in range(channels):
            cells = cells * bins_per_channel + level_bin[chunk[..., channel]]
        return _histogram_per_image(cells, None, num_bins) / cells[0].size

    return _in_chunks(count, images, num_bins)


def edge_orientation_histogram(images: np.ndarray, *, num_bins: int = 36) -> np.ndarray:
    """Sum each image's gradient magnitudes by the gradient's direction.

    Directions run over the full circle, so dark-to-light differs from light-to-dark. A pixel's
    vote is shared between the two nearest bins. The histogram is of the whole image and knows no
    places.

    Args:
      images: (N, H, W, C) uint8, H and W at least 3.
      num_bins: directions; 36 is one for every 10 degrees.

    Returns:
      (N, num_bins) float32; each row sums to 1, or is 0 for an even image.

    Raises:
      ValueError: if `images` is not uint8 of rank 4 or is too small, or num_bins is below 1.

    Example:
      >>> ramp = np.broadcast_to(np.arange(8, dtype=np.uint8)[None, None, :, None], (1, 8, 8, 1))
      >>> edge_orientation_histogram(ramp, num_bins=4)[0].tolist()
      [1.0, 0.0, 0.0, 0.0]

    Source: Freeman and Roth 1995; Dalal and Triggs 2005, section 6; deviations: no smoothing
    and no overlapping blocks.
    """
    _check_images(images)
    if num_bins < 1:
        raise ValueError(f"num_bins (={num_bins}) must be at least 1.")
    if min(images.shape[1:3]) < 3:
        raise ValueError(
            f"images of {images.shape[1]}x{images.shape[2]} pixels have no gradients; expected at "
            "least 3 pixels a side."
        )

    def count(chunk: np.ndarray) -> np.ndarray:
        magnitude, direction = _strongest_gradient(chunk)
        position = direction * num_bins  # bin k is centred on the direction k / num_bins
        low = position.astype(np.int64)
        upper_share = (position - low.astype(np.float32)) * magnitude
        # Two bins too many: both go round the circle to the first ones.
        padded = num_bins + 2
        found = _histogram_per_image(low, magnitude - upper_share, padded)
        found[:, 1:] += _histogram_per_image(low, upper_share, padded)[:, :-1]
        votes = found[:, :num_bins].copy()
        for extra in range(num_bins, padded):
            votes[:, extra % num_bins] += found[:, extra]
        return votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-12)

    return _in_chunks(count, images, num_bins)


def baseline_accuracy(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    num_classes: int,
    l2_choices: Sequence[float] = L2_CHOICES,
) -> BaselineResult:
    """Fit on the training features, choose l2 on the validation ones, report on the test ones.

    Args:
      train: features (N, F) float32 and labels (N,) integers; not yet standardised.
      validation: features and labels that choose l2.
      test: features and labels, looked at once, with the chosen l2.
      num_classes: number of classes.
      l2_choices: penalties to choose from; among equals the largest wins.

    Returns:
      Accuracies and the chosen penalty.

    Raises:
      ValueError: if there is no penalty to choose from, or shapes and labels do not fit.

    Example:
      >>> features, labels = np.array([[0.0], [1.0]] * 8, np.float32), np.array([0, 1] * 8)
      >>> split = features, labels
      >>> baseline_accuracy(split, split, split, num_classes=2).test_accuracy
      1.0
    """
    if not l2_choices:
        raise ValueError("l2_choices is empty; expected at least one penalty.")
    inputs, labels = standardise(train[0], train[0]), train[1]

    def accuracy(model: LogisticRegression, split: tuple[np.ndarray, np.ndarray]) -> float:
        return float(np.mean(predict(model, standardise(split[0], train[0])) == split[1]))

    fitted = []
    for l2 in l2_choices:
        model = fit_logistic_regression(inputs, labels, num_classes=num_classes, l2=l2)
        fitted.append((accuracy(model, validation), l2, model))
    validation_accuracy, l2, model = max(fitted, key=lambda entry: entry[:2])
    return BaselineResult(validation_accuracy, accuracy(model, test), l2)


def histogram_baselines(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    num_classes: int,
) -> dict[str, BaselineResult]:
    """Measure the colour and the edge-orientation baseline with their default settings.

    Args:
      train: images (N, H, W, C) uint8 and labels (N,) integers.
      validation: images and labels that choose the penalty.
      test: images and labels, looked at once.
      num_classes: number of classes.

    Returns:
      Results under "color_histogram" and "edge_orientation_histogram".

    Raises:
      ValueError: if images or labels are not as stated.

    Example:
      >>> images = np.repeat(np.array([0, 255], np.uint8), 4 * 4 * 3).reshape(2, 4, 4, 3)
      >>> split = np.tile(images, (8, 1, 1, 1)), np.array([0, 1] * 8)  # black and white images
      >>> found = histogram_baselines(split, split, split, num_classes=2)
      >>> found["color_histogram"].test_accuracy, found["edge_orientation_histogram"].test_accuracy
      (1.0, 0.5)
    """

    def measure(describe: Callable[[np.ndarray], np.ndarray]) -> BaselineResult:
        features = ((describe(images), labels) for images, labels in (train, validation, test))
        return baseline_accuracy(*features, num_classes=num_classes)

    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "color_histogram": color_histogram,
        "edge_orientation_histogram": edge_orientation_histogram,
    }
    with ThreadPoolExecutor(len(ways)) as pool:  # one is compiled while the other counts
        return dict(zip(ways, pool.map(measure, ways.values()), strict=True))


def _strongest_gradient(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each inner pixel's gradient magnitude and direction, in turns from 0 to 1."""
    right = down = square = np.zeros((), np.float32)
    for channel in range(images.shape[-1]):
        levels = images[..., channel].astype(np.float32)
        dx = levels[:, 1:-1, 2:] - levels[:, 1:-1, :-2]
        dy = levels[:, 2:, 1:-1] - levels[:, :-2, 1:-1]
        stronger = dx * dx + dy * dy > square
        right, down = np.where(stronger, dx, right), np.where(stronger, dy, down)
        square = right * right + down * down
    turns = np.arctan2(down, right) * np.float32(0.5 / np.pi)
    return np.sqrt(square), np.where(turns < 0, turns + np.float32(1.0), turns)


def _histogram_per_image(
    cells: np.ndarray, weights: np.ndarray | None, num_cells: int
) -> np.ndarray:
    offset = np.arange(len(cells)).reshape(-1, 1, 1) * num_cells
    flat_weights = None if weights is None else weights.ravel()
    counts = np.bincount((cells + offset).ravel(), flat_weights, len(cells) * num_cells)
    return counts.reshape(len(cells), num_cells)


def _in_chunks(
    count: Callable[[np.ndarray], np.ndarray], images: np.ndarray, features: int
) -> np.ndarray:
    result = np.empty((len(images), features), np.float32)
    for start in range(0, len(images), _CHUNK):
        result[start : start + _CHUNK] = count(images[start : start + _CHUNK])
    return result


def _check_images(images: np.ndarray) -> None:
    if images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise ValueError(
            f"images are {images.dtype} of shape {images.shape}; expected uint8 (N, H, W, C)."
        )
