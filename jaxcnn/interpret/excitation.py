"""What excites a channel: the photos of a set, and the places in them, that it answers most to."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.host.names import unknown_name
from jaxcnn.interpret.feature_maps import feature_maps
from jaxcnn.interpret.receptive_field import ReceptiveField
from jaxcnn.models import StagedNetwork
from jaxcnn.types import Array, PyTree


class Excitation(NamedTuple):
    """The greatest answer of each channel to each image, and where in the feature map it is."""

    peak: Array  # (B, C) float32
    row: Array  # (B, C) int32
    column: Array  # (B, C) int32


def excitations(
    model: StagedNetwork, variables: PyTree, images: jax.Array, *, stage: str
) -> Excitation:
    """Find each channel's greatest answer to each image.

    Args:
      model: a network.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      stage: name of a stage that gives a feature map.

    Returns:
      The peaks; concatenate those of several batches along the first axis.

    Raises:
      ValueError: if the stage is unknown.

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
    """Rank the images of a set by a channel's answer.

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
    """Choose the channels that answer to few images, and to those much.

    Args:
      peaks: (N, C) floating, as `excitations` gives.
      count: the most to give.

    Returns:
      (M,) int64, the channel first whose greatest peak is most standard deviations above its mean;
      channels that never answer are none of them.
    """
    peaks = np.asarray(peaks, np.float64)
    spread = peaks.std(axis=0)
    alive = np.flatnonzero((spread > 1e-6 * np.abs(peaks).max()) & (peaks.max(axis=0) > 0))
    choosiness = (peaks.max(axis=0) - peaks.mean(axis=0))[alive] / spread[alive]
    return alive[np.argsort(-choosiness, kind="stable")][:count]


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
      >>> from jaxcnn.interpret.receptive_field import Span
      >>> side = Span(start_px=-1, size_px=3, stride_px=2, first_px=0, end_px=6)
      >>> cut_field(np.zeros((6, 6, 3)), ReceptiveField("stem", side, side, False), 0, 1).shape
      (2, 3, 3)
    """
    (top, bottom), (left, right) = field.rows.interval(row), field.columns.interval(column)
    return image[top:bottom, left:right]
