"""Pixels on the device: from the host's bytes to the floats that networks take.

Nothing else crops, scales or normalises what a network takes.
"""

import jax
import jax.numpy as jnp

from jaxcnn.augment import center_crop
from jaxcnn.data.image_size import size_text
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.types import Array


def network_input(images: Array, preprocessing: Preprocessing) -> jax.Array:
    """Make what a network takes of images from the host.

    Args:
      images: (..., H, W, C) uint8, at least of `image_size_px`.
      preprocessing: the size of the crop, the mean and the standard deviation.

    Returns:
      (..., H, W, C) float32: the middle, normalised.

    Raises:
      TypeError: if `images` is not uint8.
      ValueError: if they are smaller than the crop.

    Example:
      >>> black = jnp.zeros((2, 8, 8, 3), jnp.uint8)
      >>> inputs = network_input(black, Preprocessing(image_size_px=6))
      >>> inputs.shape, float(inputs.max())
      ((2, 6, 6, 3), -2.0)
    """
    pixels = to_unit_interval(jnp.asarray(images))
    return normalize(seen_part(pixels, preprocessing), preprocessing)


def views(images: Array, preprocessing: Preprocessing) -> list[jax.Array]:
    """Make the inputs whose answers are averaged: the middle of each image, and what is asked for.

    Args:
      images: (B, H, W, C) uint8, at least of `image_size_px`.
      preprocessing: how they become inputs, and which views of them do.

    Returns:
      One or more of (B, H, W, C) float32: the middle first, then corners, then other scales, each
      with its mirror image after it.

    Raises:
      ValueError: if corners are asked for, and images are no larger than what the network sees.

    Example:
      >>> wanted = Preprocessing(image_size_px=6, flip_average=True, views=("five_crop",))
      >>> len(views(jnp.zeros((1, 8, 8, 3), jnp.uint8), wanted))
      10
    """
    pixels = to_unit_interval(jnp.asarray(images))
    seen = [seen_part(pixels, preprocessing)]
    _, height, width, _ = seen[0].shape
    if "five_crop" in preprocessing.views:
        seen += _corners(pixels, (height, width))
    if "scales" in preprocessing.views:
        seen += _other_scales(pixels, (height, width))
    inputs = [normalize(each, preprocessing) for each in seen]
    if not preprocessing.flip_average:
        return inputs
    return [view for x in inputs for view in (x, x[:, :, ::-1])]


def _corners(pixels: jax.Array, size_px: tuple[int, int]) -> list[jax.Array]:
    """Cut the four corners out of (B, H, W, C)."""
    if pixels.shape[1:3] == size_px:
        raise ValueError(
            f"five_crop needs images larger than the {size_text(size_px)} px that the network "
            "sees; raise stored_size_px, or lower eval_size_px."
        )
    rows, columns = ((slice(None, side), slice(-side, None)) for side in size_px)
    return [pixels[:, row, column] for row in rows for column in columns]


def _other_scales(pixels: jax.Array, size_px: tuple[int, int]) -> list[jax.Array]:
    """Show an eighth less and more of the middle, as far as there is more, at the same size."""
    whole = pixels.shape[1:3]
    closer = tuple(round(side * 7 / 8) for side in size_px)
    farther = tuple(min(m, round(s * 8 / 7)) for m, s in zip(whole, size_px, strict=True))
    shape = (pixels.shape[0], *size_px, pixels.shape[3])
    return [
        jax.image.resize(center_crop(pixels, (height, width)), shape, "linear")
        for height, width in (closer, farther)
        if (height, width) != size_px
    ]


def seen_part(images: Array, preprocessing: Preprocessing) -> jax.Array:
    """Cut out of images what the network sees: the middle, unless they are taken as they come.

    Args:
      images: (..., H, W, C), such as `jaxcnn.Classifier.preprocess` gives.
      preprocessing: how photos become the network's input.

    Returns:
      (..., h, w, C) of `preprocessing.image_size_px`; the images where that is None.

    Example:
      >>> seen_part(jnp.zeros((2, 8, 8, 3), jnp.uint8), Preprocessing(image_size_px=6)).shape
      (2, 6, 6, 3)
    """
    images, size_px = jnp.asarray(images), preprocessing.image_size_px
    if size_px is None or images.shape[-3:-1] == preprocessing.image_shape[:2]:
        return images
    return center_crop(images, size_px)


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


def normalize(images: jax.Array, preprocessing: Preprocessing) -> jax.Array:
    """Centre and scale pixels, `(images - mean) / std`, to what networks take.

    Args:
      images: (..., H, W, C) float32 in [0, 1].
      preprocessing: the mean and the standard deviation.

    Returns:
      The same shape, float32; by the default mean and standard deviation in [-2, 2].

    Example:
      >>> wanted = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.1, 0.1, 0.1))
      >>> normalize(jnp.full((1, 1, 3), 0.5), wanted).tolist()
      [[[0.0, 0.99..., 1.99...]]]
    """
    channels = (1,) * (images.ndim - 1) + (-1,)
    mean, std = (
        jnp.asarray(values, jnp.float32).reshape(channels)
        for values in (preprocessing.mean, preprocessing.std)
    )
    return (images - mean) / std
