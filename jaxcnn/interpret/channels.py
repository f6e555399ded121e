"""Channels of a network: its first filters, what a photo becomes in them, what excites them."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.host.names import unknown_name
from jaxcnn.interpret.receptive_field import ReceptiveField
from jaxcnn.models import StagedNetwork, stage_infos
from jaxcnn.types import Array, PyTree


def stage_maps(model: StagedNetwork, variables: PyTree, images: jax.Array) -> dict[str, jax.Array]:
    """Compute what each stage that has pixels makes of images, in its own dtype.

    Args:
      model: a network.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.

    Returns:
      {stage: (B, h, w, C)}, in the order of the stages.

    Raises:
      ValueError: if no stage has pixels.
    """
    found = model.clone(features_only=True).apply(variables, images, train=False)
    assert isinstance(found, Mapping)
    if not found:
        raise ValueError("no stage of this network gives a feature map to look at.")
    return dict(found)


def feature_maps(
    model: StagedNetwork, variables: PyTree, images: jax.Array
) -> dict[str, jax.Array]:
    """Compute what comes out of each stage.

    Args:
      model: a network.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.

    Returns:
      {stage name: (B, h, w, c) float32} of the stages that give feature maps, in their order
      unless it comes out of `jax.jit`, which sorts names.

    Raises:
      ValueError: if no stage gives one.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 10), jnp.ones((1, 32, 32, 1))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> {name: x.shape[1:] for name, x in feature_maps(model, variables, images).items()}["s2"]
      (14, 14, 6)
    """
    found = stage_maps(model, variables, images)
    return {name: x.astype(jnp.float32) for name, x in found.items()}


def strongest_channels(feature_map: Array, *, count: int = 8) -> np.ndarray:
    """Choose the channels of a photo's feature map that say most about where things are.

    Args:
      feature_map: (h, w, C) floating, h * w > 1 for an order that means something.
      count: the most to give.

    Returns:
      (min(count, C),) int64, the channel of the greatest standard deviation over the pixels first.

    Example:
      >>> strongest_channels(np.array([[[0.0, 0.0], [1.0, 5.0]]]), count=1).tolist()
      [1]
    """
    spread = np.asarray(feature_map, np.float64).std(axis=(0, 1))
    return np.argsort(-spread, kind="stable")[:count]


def first_layer_filters(
    model: StagedNetwork, variables: PyTree, image_shape: tuple[int, int, int]
) -> np.ndarray:
    """Take the kernel of the first convolution, whose filters can be looked at as small images.

    Args:
      model: a network.
      variables: {"params": ...}; with BatchNorm folded, its factors are in the filters.
      image_shape: (H, W, C) of an image that it takes.

    Returns:
      (height, width, C, F) float32.

    Raises:
      ValueError: if the first stage has no convolution of the image's channels.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 10), jnp.ones((1, 32, 32, 1))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> first_layer_filters(model, variables, (32, 32, 1)).shape
      (5, 5, 1, 6)
    """
    first = stage_infos(model, image_shape)[0].name
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"].get(first, {})):
        if path[-1].key == "kernel" and leaf.ndim == 4 and leaf.shape[2] == image_shape[2]:
            return np.asarray(leaf, np.float32)
    raise ValueError(f"the first stage, {first}, has no convolution of {image_shape[2]} channels.")


class Excitation(NamedTuple):
    """The greatest output of each channel for each image, and where in the feature map it is."""

    peak: Array  # (B, C) float32
    row: Array  # (B, C) int32
    column: Array  # (B, C) int32


def excitations(
    model: StagedNetwork, variables: PyTree, images: jax.Array, *, stage: str
) -> Excitation:
    """Find each channel's greatest output for each image.

    Args:
      model: a network.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      stage: name of a stage that gives a feature map.

    Returns:
      The peaks; concatenate those of several batches along the first axis.

    Raises:
      ValueError: if the stage is unknown.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("six_conv", 2, depth=1), jnp.ones((1, 8, 8, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> found = excitations(model, variables, images, stage="block_1")
      >>> found.peak.shape, found.row.shape
      ((1, 32), (1, 32))

    Source: Zeiler & Fergus 2014, arXiv:1311.2901, figure 2, in which photos are chosen so.
    """
    maps = feature_maps(model, variables, images)
    if stage not in maps:
        raise unknown_name("stage with a feature map", stage, maps)
    batch, _, width, channels = maps[stage].shape
    flat = maps[stage].reshape(batch, -1, channels)
    place = flat.argmax(axis=1).astype(jnp.int32)
    return Excitation(flat.max(axis=1), place // width, place % width)


def top_images(peaks: Array, channel: int, *, count: int = 8) -> np.ndarray:
    """Rank the images of a set by a channel's output.

    Args:
      peaks: (N, C) floating, as `excitations` gives.
      channel: in [0, C).
      count: the most to give.

    Returns:
      (min(count, N),) int64 positions, the strongest first; ties in the order of the images.

    Example:
      >>> top_images(np.array([[1.0], [3.0], [2.0]]), 0, count=2).tolist()
      [1, 2]
    """
    return np.argsort(-np.asarray(peaks)[:, channel], kind="stable")[:count]


def most_selective_channels(peaks: Array, *, count: int = 8) -> np.ndarray:
    """Choose the channels that are high for few images, and for those very high.

    Args:
      peaks: (N, C) floating, as `excitations` gives.
      count: the most to give.

    Returns:
      (M,) int64, the channel first whose greatest peak is most standard deviations above its mean;
      channels that are never above 0 are none of them.

    Example:
      >>> peaks = np.array([[0.0, 1.0], [0.0, 1.1], [5.0, 0.9], [0.0, 1.0]])
      >>> most_selective_channels(peaks, count=1).tolist()
      [0]
    """
    peaks = np.asarray(peaks, np.float64)
    spread = peaks.std(axis=0)
    alive = np.flatnonzero((spread > 1e-6 * np.abs(peaks).max()) & (peaks.max(axis=0) > 0))
    selectivity = (peaks.max(axis=0) - peaks.mean(axis=0))[alive] / spread[alive]
    return alive[np.argsort(-selectivity, kind="stable")][:count]


def cut_field(image: np.ndarray, field: ReceptiveField, row: int, column: int) -> np.ndarray:
    """Cut out what a pixel of a feature map sees of the image.

    Args:
      image: (H, W, C), at the size that the network sees.
      field: of the stage, see `receptive_fields`.
      row: of the pixel in the feature map.
      column: likewise.

    Returns:
      (h, w, C), dtype of `image`.

    Example:
      >>> from jaxcnn.interpret import Span
      >>> side = Span(start_px=-1, size_px=3, stride_px=2, first_px=0, end_px=6)
      >>> cut_field(np.zeros((6, 6, 3)), ReceptiveField("stem", side, side, False), 0, 1).shape
      (2, 3, 3)
    """
    (top, bottom), (left, right) = field.rows.interval(row), field.columns.interval(column)
    return image[top:bottom, left:right]
