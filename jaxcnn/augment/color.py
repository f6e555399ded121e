"""Brightness, contrast, gamma, saturation and hue: what each pixel's value becomes.

The arithmetic is that of `tf.image`. Pillow's `ImageEnhance` differs where noted. Grey images
(C=1) have no hue and no saturation and pass through those two unchanged.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import check_color_image, check_image, check_range


def adjust_brightness(image: jax.Array, delta: ArrayLike) -> jax.Array:
    """Add a constant: `image + delta`.

    Pillow's brightness multiplies instead.

    Args:
      image: (H, W, C) floating in [0, 1].
      delta: () amount to add, in the unit of `image`; 0 changes nothing.

    Returns:
      (H, W, C), dtype of `image`; not clipped, in [delta, 1 + delta].

    Example:
      >>> adjust_brightness(jnp.full((1, 1, 1), 0.5), 0.25).item()
      0.75
    """
    check_image(image)
    return image + jnp.asarray(delta, image.dtype)


def random_brightness(key: jax.Array, image: jax.Array, *, max_delta: float) -> jax.Array:
    """`adjust_brightness` by a delta uniform in [-max_delta, max_delta].

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1].
      max_delta: greatest shift either way, in the unit of `image`, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`; not clipped.

    Raises:
      ValueError: if `max_delta` is out of bounds.

    Example:
      >>> random_brightness(jax.random.key(0), jnp.zeros((8, 8, 3)), max_delta=0.2).shape
      (8, 8, 3)
    """
    check_range("max_delta", max_delta, 0, 1)
    return adjust_brightness(image, jax.random.uniform(key, minval=-max_delta, maxval=max_delta))


def adjust_contrast(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Stretch values about each channel's mean over the image: `mean + factor (image - mean)`.

    Pillow's stretches about the mean luma of the whole image; on a grey image it is the same.

    Args:
      image: (H, W, C) floating in [0, 1].
      factor: () stretch; 1 changes nothing, 0 leaves the mean colour.

    Returns:
      (H, W, C), dtype of `image`; not clipped.

    Example:
      >>> adjust_contrast(jnp.array([[[0.25], [0.75]]]), 2.0).ravel().tolist()
      [0.0, 1.0]
    """
    check_image(image)
    mean = image.mean((0, 1), keepdims=True)
    return mean + jnp.asarray(factor, image.dtype) * (image - mean)


def random_contrast(key: jax.Array, image: jax.Array, *, max_change: float) -> jax.Array:
    """`adjust_contrast` by a factor uniform in [1 - max_change, 1 + max_change].

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1].
      max_change: greatest change of the factor, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`; not clipped.

    Raises:
      ValueError: if `max_change` is out of bounds.

    Example:
      >>> random_contrast(jax.random.key(0), jnp.zeros((8, 8, 3)), max_change=0.2).shape
      (8, 8, 3)
    """
    check_range("max_change", max_change, 0, 1)
    return adjust_contrast(image, _factor(key, max_change))


def adjust_gamma(image: jax.Array, gamma: ArrayLike) -> jax.Array:
    """Raise values to a power: `clip(image, 0, 1) ** gamma`.

    Args:
      image: (H, W, C) floating in [0, 1].
      gamma: () exponent > 0; 1 changes nothing, more darkens.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> adjust_gamma(jnp.full((1, 1, 1), 0.5), 2.0).item()
      0.25
    """
    check_image(image)
    return jnp.clip(image, 0, 1) ** jnp.asarray(gamma, image.dtype)


def random_gamma(key: jax.Array, image: jax.Array, *, max_change: float) -> jax.Array:
    """`adjust_gamma` by an exponent log-uniform in [1 / (1 + max_change), 1 + max_change].

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1].
      max_change: greatest exponent less one, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Raises:
      ValueError: if `max_change` is out of bounds.

    Example:
      >>> random_gamma(jax.random.key(0), jnp.zeros((8, 8, 3)), max_change=0.2).shape
      (8, 8, 3)
    """
    check_range("max_change", max_change, 0, 1)
    bound = math.log(1 + max_change)
    return adjust_gamma(image, jnp.exp(jax.random.uniform(key, minval=-bound, maxval=bound)))


def adjust_saturation(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Multiply the saturation S of HSV and clip it to [0, 1].

    Pillow's saturation blends with luma instead.

    Args:
      image: (H, W, C) floating in [0, 1], grey or RGB.
      factor: () multiplier >= 0; 1 changes nothing, 0 leaves grey at each pixel's largest channel.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1]; a grey image as it is.

    Example:
      >>> adjust_saturation(jnp.array([[[1.0, 0.5, 0.5]]]), 2.0).ravel().tolist()
      [1.0, 0.0, 0.0]
    """
    check_color_image(image)
    if image.shape[-1] == 1:
        return image
    largest, _, divisor = _range_of_channels(image)
    distance = largest - image
    full = jnp.maximum(largest, 0) * (distance / divisor)  # at S = 1
    return largest - jnp.minimum(distance * jnp.asarray(factor, image.dtype), full)


def random_saturation(key: jax.Array, image: jax.Array, *, max_change: float) -> jax.Array:
    """`adjust_saturation` by a factor uniform in [1 - max_change, 1 + max_change].

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1], grey or RGB.
      max_change: greatest change of the factor, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`, in [0, 1]; a grey image as it is.

    Raises:
      ValueError: if `max_change` is out of bounds.

    Example:
      >>> random_saturation(jax.random.key(0), jnp.zeros((8, 8, 3)), max_change=0.2).shape
      (8, 8, 3)
    """
    check_range("max_change", max_change, 0, 1)
    return adjust_saturation(image, _factor(key, max_change))


def adjust_hue(image: jax.Array, delta: ArrayLike) -> jax.Array:
    """Turn the hue H of HSV.

    Args:
      image: (H, W, C) floating in [0, 1], grey or RGB.
      delta: () part of a full turn of the colour circle: 1/3 makes red green; 0 changes nothing.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1]; a grey image as it is.

    Example:
      >>> jnp.round(adjust_hue(jnp.array([[[1.0, 0.0, 0.0]]]), 1 / 3), 3).ravel().tolist()
      [0.0, 1.0, 0.0]
    """
    check_color_image(image)
    if image.shape[-1] == 1:
        return image
    red, green, blue = jnp.split(image, 3, axis=-1)
    largest, spread, divisor = _range_of_channels(image)
    hue_sixths = jnp.select(
        [largest == red, largest == green],
        [(green - blue) / divisor, (blue - red) / divisor + 2],
        (red - green) / divisor + 4,
    )
    turned = hue_sixths + 6 * jnp.asarray(delta, image.dtype)
    place = (turned + jnp.asarray([[[5, 3, 1]]], image.dtype)) % 6
    return largest - spread * jnp.clip(jnp.minimum(place, 4 - place), 0, 1)


def random_hue(key: jax.Array, image: jax.Array, *, max_delta: float) -> jax.Array:
    """`adjust_hue` by a part of a turn uniform in [-max_delta, max_delta].

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1], grey or RGB.
      max_delta: greatest turn either way, in [0, 0.5] full turns.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1]; a grey image as it is.

    Raises:
      ValueError: if `max_delta` is out of bounds.

    Example:
      >>> random_hue(jax.random.key(0), jnp.zeros((8, 8, 3)), max_delta=0.05).shape
      (8, 8, 3)
    """
    check_range("max_delta", max_delta, 0, 0.5)
    return adjust_hue(image, jax.random.uniform(key, minval=-max_delta, maxval=max_delta))


def _factor(key: jax.Array, max_change: float) -> jax.Array:
    return jax.random.uniform(key, minval=1 - max_change, maxval=1 + max_change)


def _range_of_channels(image: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Give each pixel's largest channel, its distance to the smallest, and that to divide by."""
    largest = image.max(-1, keepdims=True)
    spread = largest - image.min(-1, keepdims=True)
    return largest, spread, jnp.where(spread > 0, spread, 1)
