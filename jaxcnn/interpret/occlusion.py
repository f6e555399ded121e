"""Occlusion: what a network loses when a part of the photo is covered."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.interpret.scores import class_log_odds
from jaxcnn.models import StagedNetwork
from jaxcnn.types import Array, PyTree


def occlusion_maps(
    model: StagedNetwork,
    variables: PyTree,
    images: jax.Array,
    classes: Array,
    *,
    patch_px: int | None = None,
    stride_px: int | None = None,
    fill: float = 0.0,
) -> jax.Array:
    """Cover each part of an image in turn, and map by how much the class's log-odds fall.

    A pixel's value is the mean fall over all the patches that cover it.

    Args:
      model: a network with a head.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      classes: (B,) integers in [0, K), the class asked about.
      patch_px: side of the square that covers; None for a fifth of the image's shorter side.
      stride_px: distance between patches; None for a third of one. The last patch of a row
        ends with the image. The network runs about (H / stride_px) * (W / stride_px) times.
      fill: value of the covered pixels; 0 is the data's mean colour.

    Returns:
      (B, H, W) float32, above 0 where what is covered speaks for the class.

    Raises:
      ValueError: if the patch does not fit the image or leaves gaps.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("six_conv", 2, depth=1), jnp.ones((1, 8, 8, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> occlusion_maps(model, variables, images, jnp.array([1]), patch_px=4).shape
      (1, 8, 8)

    Source: Zeiler & Fergus 2014, arXiv:1311.2901, section 4.2; deviation: the fall of the
    log-odds, log(p / (1 - p)), in place of that of the probability, which saturates. (A logit by
    itself would not do: covering moves those of all classes together.)
    """
    height, width = images.shape[1:3]
    patch = patch_px or max(1, min(height, width) // 5)
    step = stride_px or max(1, patch // 3)
    if not (1 <= patch <= min(height, width) and 1 <= step <= patch):
        raise ValueError(
            f"patch_px (={patch}) must lie in [1, {min(height, width)}], the image's side, and "
            f"stride_px (={step}) in [1, patch_px]."
        )
    starts = [_starts(side, patch, step) for side in (height, width)]
    whole = class_log_odds(model, variables, images, classes)

    def fall(corner: jax.Array) -> jax.Array:
        rows, columns = (
            (jnp.arange(side) >= start) & (jnp.arange(side) < start + patch)
            for side, start in zip((height, width), corner, strict=True)
        )
        hidden = (rows[:, None] & columns[None, :])[None, :, :, None]
        covered = jnp.where(hidden, jnp.asarray(fill, images.dtype), images)
        return whole - class_log_odds(model, variables, covered, classes)

    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1)
    falls = jax.lax.map(fall, jnp.asarray(corners.reshape(-1, 2)))
    falls = falls.reshape(*corners.shape[:2], -1)
    shares = (
        _shares(side, start, patch) for side, start in zip((height, width), starts, strict=True)
    )
    return jnp.einsum("pqb,ph,qw->bhw", falls, *map(jnp.asarray, shares))


def _starts(side_px: int, patch_px: int, stride_px: int) -> np.ndarray:
    """List where patches begin along a side: (P,) int32; the last one ends with the side."""
    last = side_px - patch_px
    return np.array(sorted({*range(0, last, stride_px), last}), np.int32)


def _shares(side_px: int, starts: np.ndarray, patch_px: int) -> np.ndarray:
    """Give the weight of each patch in each px's mean: (P, side_px) float32, columns sum to 1."""
    place = np.arange(side_px) - starts[:, None]
    covers = (place >= 0) & (place < patch_px)
    return (covers / covers.sum(axis=0)).astype(np.float32)
