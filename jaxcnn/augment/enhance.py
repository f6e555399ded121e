"""Colour, contrast, brightness and sharpness as blends with an image that lacks them.

    clip(plain + factor (image - plain), 0, 1)

These are the definitions of Pillow's `ImageEnhance`, which RandAugment takes over; those of
`jaxcnn.augment.color` differ where noted there. Factor 0 gives the plain image, 1 the image itself,
more than 1 goes beyond it. `to_grayscale` is the plain image of `enhance_color`.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import check_color_image, check_image, check_range

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2, as Pillow turns RGB into grey
_CENTRE, _SUM = 5, 13  # of Pillow's kernel SMOOTH, 3 x 3, whose other weights are 1


def enhance_color(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Blend with the grey image of the same luma.

    Args:
      image: (H, W, C) floating in [0, 1], grey or RGB.
      factor: () 0 leaves grey, 1 changes nothing, more makes colours stronger.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> enhance_color(jnp.array([[[1.0, 0.0, 0.0]]]), 0.0).ravel().tolist()
      [0.29..., 0.29..., 0.29...]
    """
    check_color_image(image)
    return _blend(_luma(image), image, factor)


def enhance_contrast(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Blend with the mean luma of the whole image.

    Args:
      image: (H, W, C) floating in [0, 1], grey or RGB.
      factor: () 0 leaves an even grey, 1 changes nothing, more stretches.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> enhance_contrast(jnp.array([[[0.25], [0.75]]]), 0.5).ravel().tolist()
      [0.375, 0.625]
    """
    check_color_image(image)
    # The luma of the mean colour is the mean luma; in float32, since bfloat16 cannot add thousands.
    mean = jnp.mean(image.astype(jnp.float32), (0, 1), keepdims=True)
    return _blend(_luma(mean).astype(image.dtype), image, factor)


def enhance_brightness(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Blend with black: multiply by the factor.

    Args:
      image: (H, W, C) floating in [0, 1].
      factor: () 0 leaves black, 1 changes nothing, more is lighter.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> enhance_brightness(jnp.array([[[0.25], [0.75]]]), 2.0).ravel().tolist()
      [0.5, 1.0]
    """
    check_image(image)
    return _blend(jnp.zeros((1, 1, 1), image.dtype), image, factor)


def enhance_sharpness(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Blend with the image smoothed over 3 x 3 pixels; those on the edge stay as they are.

    Args:
      image: (H, W, C) floating in [0, 1].
      factor: () 0 leaves the smooth image, 1 changes nothing, more sharpens.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> dot = jnp.zeros((3, 3, 1)).at[1, 1].set(1.0)
      >>> enhance_sharpness(dot, 0.0)[1, 1].item()
      0.38...
    """
    check_image(image)
    return _blend(_smooth(image), image, factor)


def to_grayscale(image: jax.Array) -> jax.Array:
    """Give every channel the luma of its pixel, `0.299 R + 0.587 G + 0.114 B`.

    Args:
      image: (H, W, C) floating in [0, 1], grey or RGB.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1]; a grey image as it is.

    Raises:
      ValueError: if `image` is not (H, W, 1) or (H, W, 3) floating.

    Example:
      >>> to_grayscale(jnp.array([[[1.0, 0.0, 0.0]]])).ravel().tolist()
      [0.29..., 0.29..., 0.29...]

    Source: Pillow's `convert("L")`, ITU-R 601-2; deviation: not rounded.
    """
    check_color_image(image)
    return jnp.broadcast_to(_luma(image), image.shape)


def random_grayscale(key: jax.Array, image: jax.Array, *, probability: float = 0.1) -> jax.Array:
    """`to_grayscale` with a given probability.

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1], grey or RGB.
      probability: chance of a grey image, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Raises:
      ValueError: if `image` is not grey or RGB, or `probability` is outside [0, 1].

    Example:
      >>> random_grayscale(jax.random.key(0), jnp.zeros((8, 8, 3)), probability=0.2).shape
      (8, 8, 3)

    Source: torchvision's RandomGrayscale, whose 0.1 it takes; SimCLR (Chen et al. 2020,
    arXiv:2002.05709, appendix A) takes 0.2.
    """
    check_range("probability", probability, 0, 1)
    return jnp.where(jax.random.bernoulli(key, probability), to_grayscale(image), image)


def _blend(plain: jax.Array, image: jax.Array, factor: ArrayLike) -> jax.Array:
    factor = jnp.asarray(factor, image.dtype)
    return jnp.clip(plain + factor * (image - plain), 0, 1)


def _luma(image: jax.Array) -> jax.Array:
    """Give the grey value of each pixel: (H, W, 1)."""
    if image.shape[-1] == 1:
        return image
    red, green, blue = (image[..., i : i + 1] * weight for i, weight in enumerate(_LUMA))
    return red + green + blue


def _smooth(image: jax.Array) -> jax.Array:
    if min(image.shape[:2]) < 3:  # no pixel has all its neighbours
        return image
    columns = image[:-2] + image[1:-1] + image[2:]
    around = columns[:, :-2] + columns[:, 1:-1] + columns[:, 2:]
    inner = (around + (_CENTRE - 1) * image[1:-1, 1:-1]) / _SUM
    return jax.lax.dynamic_update_slice(image, inner.astype(image.dtype), (1, 1, 0))
