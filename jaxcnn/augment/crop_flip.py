"""Crops and flips, which copy pixels; what resamples them is in `affine`."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import Size, as_height_width, check_image, check_range


def _size_inside(image: jax.Array, size_px: Size) -> tuple[int, int]:
    """Read the size of a crop, (height, width), which must fit into the image."""
    height, width = as_height_width("size_px", size_px)
    if height > image.shape[-3] or width > image.shape[-2]:
        raise ValueError(
            f"size_px (={height} x {width}) exceeds the image "
            f"(={image.shape[-3]} x {image.shape[-2]}); store larger images or lower size_px."
        )
    return height, width


def center_crop(image: jax.Array, size_px: Size) -> jax.Array:
    """Cut the middle out of an image, or of each image of a batch.

    Where the margin is odd, the extra pixel is cut at the bottom and the right.

    Args:
      image: (..., H, W, C), any dtype.
      size_px: side of the square to keep, or (height, width), in pixels.

    Returns:
      (..., height, width, C), dtype of `image`.

    Raises:
      ValueError: if `size_px` exceeds the image.

    Example:
      >>> center_crop(jnp.arange(5.0).reshape(1, 5, 1), (1, 3)).ravel().tolist()
      [1.0, 2.0, 3.0]
    """
    if image.ndim < 3:
        raise ValueError(f"image has shape {image.shape}; expected (..., H, W, C).")
    height, width = _size_inside(image, size_px)
    top = (image.shape[-3] - height) // 2
    left = (image.shape[-2] - width) // 2
    return image[..., top : top + height, left : left + width, :]


def crop(image: jax.Array, top: ArrayLike, left: ArrayLike, size_px: Size) -> jax.Array:
    """Cut a rectangle out of an image.

    Args:
      image: (H, W, C) floating.
      top: () integer, rows to skip; moved inwards where the rectangle would stick out.
      left: () integer, columns to skip; moved inwards too.
      size_px: side of the square to keep, or (height, width), in pixels.

    Returns:
      (height, width, C), dtype of `image`.

    Raises:
      ValueError: if `size_px` exceeds the image.

    Example:
      >>> crop(jnp.arange(5.0).reshape(1, 5, 1), 0, 1, (1, 2)).ravel().tolist()
      [1.0, 2.0]
    """
    check_image(image)
    height, width = _size_inside(image, size_px)
    # dynamic_slice would count negative starts from the far side.
    rows = jnp.maximum(jnp.asarray(top, jnp.int32), 0)
    columns = jnp.maximum(jnp.asarray(left, jnp.int32), 0)
    size = (height, width, image.shape[-1])
    return jax.lax.dynamic_slice(image, (rows, columns, jnp.int32(0)), size)


def random_crop(key: jax.Array, image: jax.Array, *, size_px: Size) -> jax.Array:
    """`crop` at a position drawn uniformly from all whole pixels that fit.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      size_px: side of the square to keep, or (height, width), in pixels; at the size of the image
        the crop is the image.

    Returns:
      (height, width, C), dtype of `image`.

    Raises:
      ValueError: if `size_px` exceeds the image.

    Example:
      >>> random_crop(jax.random.key(0), jnp.zeros((8, 8, 3)), size_px=6).shape
      (6, 6, 3)
    """
    check_image(image)
    height, width = _size_inside(image, size_px)
    places = jnp.array([image.shape[0] - height + 1, image.shape[1] - width + 1], jnp.float32)
    # Rounding down a uniform draw costs half of randint, which guards ranges near 2**32.
    top, left = jnp.floor(jax.random.uniform(key, (2,)) * places).astype(jnp.int32)
    return crop(image, top, left, size_px)


def flip(image: jax.Array) -> jax.Array:
    """Mirror an image left and right.

    Args:
      image: (H, W, C) floating.

    Returns:
      (H, W, C), dtype of `image`.

    Example:
      >>> flip(jnp.arange(3.0).reshape(1, 3, 1)).ravel().tolist()
      [2.0, 1.0, 0.0]
    """
    check_image(image)
    return image[:, ::-1]


def random_flip(key: jax.Array, image: jax.Array, *, probability: float = 0.5) -> jax.Array:
    """`flip` with a given probability.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      probability: chance of a flip, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `probability` is outside [0, 1].

    Example:
      >>> random_flip(jax.random.key(0), jnp.zeros((8, 8, 3))).shape
      (8, 8, 3)
    """
    check_range("probability", probability, 0, 1)
    return jnp.where(jax.random.bernoulli(key, probability), flip(image), image)


def vertical_flip(image: jax.Array) -> jax.Array:
    """Mirror an image top and bottom.

    Args:
      image: (H, W, C) floating.

    Returns:
      (H, W, C), dtype of `image`.

    Example:
      >>> vertical_flip(jnp.arange(3.0).reshape(3, 1, 1)).ravel().tolist()
      [2.0, 1.0, 0.0]
    """
    check_image(image)
    return image[::-1]


def random_vertical_flip(
    key: jax.Array, image: jax.Array, *, probability: float = 0.5
) -> jax.Array:
    """`vertical_flip` with a given probability, for images without a top, such as aerial photos.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      probability: chance of a flip, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `probability` is outside [0, 1].

    Example:
      >>> random_vertical_flip(jax.random.key(0), jnp.zeros((8, 8, 3))).shape
      (8, 8, 3)
    """
    check_range("probability", probability, 0, 1)
    return jnp.where(jax.random.bernoulli(key, probability), vertical_flip(image), image)
