"""Upright boxes in an image: which pixels they cover."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.warp import Box


def inside_box(image_size_px: tuple[int, int], box: Box) -> jax.Array:
    """Tell which pixels of an image have their centre inside a box.

    Args:
      image_size_px: (height, width) of the image, in pixels.
      box: (left, top, right, bottom) in pixels, not necessarily whole; may stick out of the image,
        and holds nothing where right <= left or bottom <= top.

    Returns:
      (height, width) bool.

    Example:
      >>> inside_box((1, 4), (0.6, 0.0, 2.6, 1.0)).tolist()
      [[False, True, True, False]]
    """
    left, top, right, bottom = box
    rows = _between(image_size_px[0], top, bottom)
    columns = _between(image_size_px[1], left, right)
    return rows[:, None] & columns[None, :]


def _between(side_px: int, first: ArrayLike, last: ArrayLike) -> jax.Array:
    """Tell which pixel centres along a side lie in [first, last): (side_px,)."""
    centre = jnp.arange(side_px, dtype=jnp.float32) + 0.5
    return (jnp.asarray(first, jnp.float32) <= centre) & (centre < jnp.asarray(last, jnp.float32))
