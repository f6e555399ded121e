"""Gaussian blur, as two passes of one row of weights."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import check_image, check_interval, check_range


def gaussian_blur(image: jax.Array, sigma_px: ArrayLike, *, radius_px: int) -> jax.Array:
    """Average each pixel's surroundings with the weights of a normal distribution.

    Beyond its edges the image is mirrored about the middle of the edge pixels.

    Args:
      image: (H, W, C) floating.
      sigma_px: () standard deviation in pixels, > 0.
      radius_px: how far the weights reach; the kernel has 2 radius_px + 1 weights per side.

    Returns:
      (H, W, C), dtype of `image`; within the values of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or `radius_px` is below 0 or not below the
        image's shorter side.

    Example:
      >>> dot = jnp.zeros((3, 3, 1)).at[1, 1].set(1.0)
      >>> gaussian_blur(dot, 1.0, radius_px=1)[1, 1].item()
      0.20...

    Source: torchvision's `gaussian_blur`.
    """
    check_image(image)
    if not 0 <= radius_px < min(image.shape[:2]):
        raise ValueError(
            f"radius_px (={radius_px}) must be at least 0 and below the image's shorter side "
            f"(={min(image.shape[:2])}); lower it or pass larger images."
        )
    offsets = jnp.arange(-radius_px, radius_px + 1, dtype=jnp.float32)
    weights = jax.nn.softmax(-0.5 * (offsets / jnp.asarray(sigma_px, jnp.float32)) ** 2)
    return _weighted(_weighted(image, weights, 0), weights, 1)


def _weighted(image: jax.Array, weights: jax.Array, axis: int) -> jax.Array:
    """Add up shifted copies along an axis: weights that differ per image make convolutions slow."""
    side_px, radius_px = image.shape[axis], len(weights) // 2
    margins = [(radius_px, radius_px) if i == axis else (0, 0) for i in range(3)]
    padded = jnp.pad(image, margins, mode="reflect")
    shifted = [jax.lax.slice_in_dim(padded, i, i + side_px, axis=axis) for i in range(len(weights))]
    parts = [part * weights[i].astype(image.dtype) for i, part in enumerate(shifted)]
    return sum(parts[1:], start=parts[0])


def random_gaussian_blur(
    key: jax.Array,
    image: jax.Array,
    *,
    probability: float = 0.5,
    sigma_px: tuple[float, float] = (0.1, 2.0),
    radius_px: int | None = None,
) -> jax.Array:
    """`gaussian_blur` by a uniform standard deviation, with a given probability.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      probability: chance of a blur, in [0, 1].
      sigma_px: least and greatest standard deviation in pixels, > 0.
      radius_px: how far the weights reach; None for a twentieth of the image's height, at least 1.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if an option is out of bounds.

    Example:
      >>> random_gaussian_blur(jax.random.key(0), jnp.zeros((8, 8, 3))).shape
      (8, 8, 3)

    Source: Chen et al. 2020, arXiv:2002.05709, appendix A (SimCLR); deviations: the edges are
    mirrored instead of black, and a kernel of a tenth of the height has at least 3 pixels.
    """
    check_image(image)
    check_range("probability", probability, 0, 1)
    check_interval("sigma_px", sigma_px, above=0)
    chance_key, sigma_key = jax.random.split(key)
    sigma = jax.random.uniform(sigma_key, minval=sigma_px[0], maxval=sigma_px[1])
    if radius_px is None:
        radius_px = min(max(1, image.shape[0] // 20), min(image.shape[:2]) - 1)
    blurred = gaussian_blur(image, sigma, radius_px=radius_px)
    return jnp.where(jax.random.bernoulli(chance_key, probability), blurred, image)
