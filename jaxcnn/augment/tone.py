"""Autocontrast, equalize, solarize and posterize: what becomes of each channel's levels.

The definitions are those of Pillow's `ImageOps`, whose images hold the levels 0 to 255; here a
level is 255 times a value. Each channel is treated by itself.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import check_image

_LEVELS = 256  # of 8-bit images, on which equalize and posterize are defined


def autocontrast(image: jax.Array) -> jax.Array:
    """Stretch each channel so that its darkest value becomes 0 and its lightest 1.

    Args:
      image: (H, W, C) floating in [0, 1].

    Returns:
      (H, W, C), dtype of `image`, in [0, 1]; a channel of a single value as it is.

    Example:
      >>> autocontrast(jnp.array([[[0.25], [0.5], [0.75]]])).ravel().tolist()
      [0.0, 0.5, 1.0]
    """
    check_image(image)
    darkest, lightest = image.min((0, 1), keepdims=True), image.max((0, 1), keepdims=True)
    spread = lightest - darkest
    stretched = (image - darkest) / jnp.where(spread > 0, spread, 1)
    return jnp.where(spread > 0, stretched, image)


def equalize(image: jax.Array) -> jax.Array:
    """Spread each channel's levels so that all of [0, 1] is used about equally often.

    Args:
      image: (H, W, C) floating in [0, 1]; rounded to levels.

    Returns:
      (H, W, C), dtype of `image`, levels in [0, 1]; a channel of a single level as it is.

    Example:
      >>> equalize(jnp.array([[[0.4], [0.4], [0.5], [0.6]]])).shape
      (1, 4, 1)
    """
    check_image(image)
    num_channels = image.shape[-1]
    # Counted and looked up by one number per pixel; on CPU, two numbers take three times as long.
    places = _as_levels(image) + _LEVELS * jnp.arange(num_channels)[None, None]
    counts = jnp.zeros(_LEVELS * num_channels, jnp.int32)
    counts = counts.at[places.reshape(-1)].add(1, mode="promise_in_bounds")
    table = jax.vmap(_equalizing_table)(counts.reshape(num_channels, _LEVELS))
    equal = table.reshape(-1).at[places].get(mode="promise_in_bounds")
    return (equal.astype(jnp.float32) / (_LEVELS - 1)).astype(image.dtype)


def _equalizing_table(counts: jax.Array) -> jax.Array:
    """Give the new level of each old one, (256,) int32, of how often each occurs."""
    total = jnp.sum(counts)
    lightest = jnp.max(jnp.where(counts > 0, jnp.arange(_LEVELS), 0))
    step = (total - counts[lightest]) // (_LEVELS - 1)
    below = jnp.cumsum(counts) - counts
    spread = jnp.minimum((step // 2 + below) // jnp.maximum(step, 1), _LEVELS - 1)
    return jnp.where(step > 0, spread, jnp.arange(_LEVELS))


def solarize(image: jax.Array, threshold: ArrayLike) -> jax.Array:
    """Turn the values from a threshold on into their negative, `1 - value`.

    Args:
      image: (H, W, C) floating in [0, 1].
      threshold: () least value that is turned, in the unit of `image`; above 1 changes nothing.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> solarize(jnp.array([[[0.25], [0.5], [1.0]]]), 0.5).ravel().tolist()
      [0.25, 0.5, 0.0]
    """
    check_image(image)
    return jnp.where(image < jnp.asarray(threshold, image.dtype), image, 1 - image)


def posterize(image: jax.Array, bits: ArrayLike) -> jax.Array:
    """Keep the highest bits of each level, so that few levels remain.

    Args:
      image: (H, W, C) floating in [0, 1]; rounded to levels.
      bits: () whole number of bits to keep of 8, in [0, 8]; 8 changes no level.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> (posterize(jnp.array([[[0.2], [0.6]]]), 1) * 255).ravel().tolist()
      [0.0, 128.0]
    """
    check_image(image)
    dropped = 8 - jnp.asarray(bits, jnp.int32)
    levels = (_as_levels(image) >> dropped) << dropped
    return (levels.astype(jnp.float32) / (_LEVELS - 1)).astype(image.dtype)


def _as_levels(image: jax.Array) -> jax.Array:
    """Round values in [0, 1] to levels, (H, W, C) int32 in [0, 255]."""
    levels = jnp.round(image.astype(jnp.float32) * (_LEVELS - 1)).astype(jnp.int32)
    return jnp.clip(levels, 0, _LEVELS - 1)
