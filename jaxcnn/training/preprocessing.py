"""Pixels on the device: from the host's bytes to the floats that networks take."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def to_unit_interval(images: jax.Array) -> jax.Array:
    """Turn pixels from the host into the floats that augmentations take.

    Args:
      images: (..., H, W, C) uint8.

    Returns:
      The same shape, float32 in [0, 1].

    Raises:
      TypeError: if `images` is not uint8; floats would be scaled twice.

    Example:
      >>> float(to_unit_interval(jnp.full((1, 1, 1, 3), 255, jnp.uint8)).max())
      1.0
    """
    if images.dtype != jnp.uint8:
        raise TypeError(f"images must be uint8 from the host, got {images.dtype}.")
    return images.astype(jnp.float32) / 255.0


def normalize(
    images: jax.Array,
    *,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
) -> jax.Array:
    """Centre and scale pixels, `(images - mean) / std`, to what networks take.

    Args:
      images: (..., H, W, C) float32 in [0, 1].
      mean: the value that becomes 0, of all channels or of each. One half is close to the mean of
        natural photos.
      std: the spread that becomes 1, likewise.

    Returns:
      The same shape, float32; with the defaults in [-2, 2].

    Example:
      >>> normalize(jnp.full((1, 1, 3), 0.5), mean=(0.5, 0.4, 0.3), std=(0.1, 0.1, 0.1)).tolist()
      [[[0.0, 0.99..., 1.99...]]]
    """
    channels = (1,) * (images.ndim - 1) + (-1,)
    centre, spread = (jnp.asarray(v, jnp.float32).reshape(channels) for v in (mean, std))
    return (images - centre) / spread
