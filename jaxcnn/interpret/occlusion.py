"""Occlusion: what a network loses when a part of the photo is covered."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.interpret.scores import class_scores
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
    """Cover each part of an image in turn, and map by how much the class's logit falls.

    A pixel's value is the mean fall over all the patches that cover it.

    Args:
      model: a network with a head.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      classes: (B,) integers in [0, K), the class asked about.
      patch_px: side of the square that covers; None for an eighth of the image's shorter side.
      stride_px: distance between patches; None for half of one. The last patch of a row ends with
        the image. The network runs about (H / stride_px) * (W / stride_px) times.
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

    Source: Zeiler & Fergus 2014, arXiv:1311.2901, section 4.2; deviation: the fall of the logit, in
    place of the probability, which saturates.
    """
    height, width = images.shape[1:3]
    patch = patch_px or max(1, min(height, width) // 8)
    step = stride_px or max(1, patch // 2)
    if not (1 <= patch <= min(height, width) and 1 <= step <= patch):
        raise ValueError(
            f"patch_px (={patch}) must lie in [1, {min(height, width)}], the image's side, and "
            f"stride_px (={step}) in [1, patch_px]."
        )
    rows, columns = (_covers(side, patch, step) for side in (height, width))
    whole = class_scores(model, variables, images, classes)

    def fall(cover: tuple[jax.Array, jax.Array]) -> jax.Array:
        hidden = (cover[0][:, None] & cover[1][None, :])[None, :, :, None]
        covered = jnp.where(hidden, jnp.asarray(fill, images.dtype), images)
        return whole - class_scores(model, variables, covered, classes)

    grid = [part.ravel() for part in np.indices((len(rows), len(columns)))]
    falls = jax.lax.map(fall, (jnp.asarray(rows)[grid[0]], jnp.asarray(columns)[grid[1]]))
    falls = falls.reshape(len(rows), len(columns), -1)
    weights = (rows / rows.sum(axis=0), columns / columns.sum(axis=0))
    return jnp.einsum("pqb,ph,qw->bhw", falls, *(jnp.asarray(w, jnp.float32) for w in weights))


def _covers(side_px: int, patch_px: int, stride_px: int) -> np.ndarray:
    """List which px of a side each patch covers: (P, side_px) bool, every px at least once."""
    starts = sorted({*range(0, side_px - patch_px, stride_px), side_px - patch_px})
    place = np.arange(side_px) - np.array(starts)[:, None]
    return (place >= 0) & (place < patch_px)
