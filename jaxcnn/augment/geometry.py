"""Flip, turn, shift and slant an image inside its frame, one at a time."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import check_image, check_range
from jaxcnn.augment.warp import Box, affine_matrix, affine_warp, shifted


def _frame(image: jax.Array) -> tuple[Box, tuple[int, int]]:
    """Give the box around the whole image, and its (height, width)."""
    check_image(image)
    height, width, _ = image.shape
    return (0.0, 0.0, width, height), (height, width)


def flip(image: jax.Array) -> jax.Array:
    """Mirror an image left and right.

    Args:
      image: (H, W, C) floating.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating.

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
      ValueError: if `image` is not (H, W, C) floating, or `probability` is outside [0, 1].

    Example:
      >>> random_flip(jax.random.key(0), jnp.zeros((8, 8, 3))).shape
      (8, 8, 3)
    """
    check_range("probability", probability, 0, 1)
    return jnp.where(jax.random.bernoulli(key, probability), flip(image), image)


def rotate(
    image: jax.Array, angle_radians: ArrayLike, *, edge: str = "reflect", fill: float = 0.0
) -> jax.Array:
    """Turn an image about its centre.

    Args:
      image: (H, W, C) floating.
      angle_radians: () counter-clockwise turn.
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or `edge` is unknown.

    Example:
      >>> quarter = rotate(jnp.array([[[1.0], [2.0]], [[3.0], [4.0]]]), jnp.pi / 2)
      >>> jnp.round(quarter[..., 0]).tolist()
      [[2.0, 4.0], [1.0, 3.0]]
    """
    box, size = _frame(image)
    matrix = affine_matrix(box, size, angle_radians=angle_radians)
    return affine_warp(image, matrix, size, edge=edge, fill=fill)


def random_rotation(
    key: jax.Array,
    image: jax.Array,
    *,
    max_radians: float,
    edge: str = "reflect",
    fill: float = 0.0,
) -> jax.Array:
    """`rotate` by an angle uniform in [-max_radians, max_radians].

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      max_radians: greatest turn either way, in [0, pi].
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or an option is out of bounds.

    Example:
      >>> random_rotation(jax.random.key(0), jnp.zeros((8, 8, 3)), max_radians=0.25).shape
      (8, 8, 3)
    """
    check_range("max_radians", max_radians, 0, math.pi)
    angle = jax.random.uniform(key, minval=-max_radians, maxval=max_radians)
    return rotate(image, angle, edge=edge, fill=fill)


def translate(
    image: jax.Array, right: ArrayLike, down: ArrayLike, *, edge: str = "reflect", fill: float = 0.0
) -> jax.Array:
    """Shift the picture inside its frame.

    Args:
      image: (H, W, C) floating.
      right: () shift to the right, as a fraction of the width.
      down: () shift downwards, as a fraction of the height.
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or `edge` is unknown.

    Example:
      >>> image = jnp.arange(1.0, 5.0).reshape(1, 4, 1)
      >>> translate(image, 0.25, 0.0, edge="constant").ravel().tolist()
      [0.0, 1.0, 2.0, 3.0]
    """
    box, size = _frame(image)
    matrix = affine_matrix(shifted(box, right, down), size)
    return affine_warp(image, matrix, size, edge=edge, fill=fill)


def random_translation(
    key: jax.Array,
    image: jax.Array,
    *,
    max_fraction: float,
    edge: str = "reflect",
    fill: float = 0.0,
) -> jax.Array:
    """`translate` by fractions of the sides uniform in [-max_fraction, max_fraction].

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      max_fraction: greatest shift in each direction as a fraction of that side, in [0, 1].
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or an option is out of bounds.

    Example:
      >>> random_translation(jax.random.key(0), jnp.zeros((8, 8, 3)), max_fraction=0.1).shape
      (8, 8, 3)
    """
    check_range("max_fraction", max_fraction, 0, 1)
    right, down = jax.random.uniform(key, (2,), minval=-max_fraction, maxval=max_fraction)
    return translate(image, right, down, edge=edge, fill=fill)


def shear(
    image: jax.Array, shear_radians: ArrayLike, *, edge: str = "reflect", fill: float = 0.0
) -> jax.Array:
    """Slant an image sideways about its centre.

    Args:
      image: (H, W, C) floating.
      shear_radians: () lean of vertical lines, to the right at their upper ends.
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or `edge` is unknown.

    Example:
      >>> post = jnp.zeros((3, 3, 1)).at[:, 1].set(1.0)
      >>> jnp.round(shear(post, jnp.pi / 4)[..., 0], 3).tolist()
      [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    box, size = _frame(image)
    matrix = affine_matrix(box, size, shear_radians=shear_radians)
    return affine_warp(image, matrix, size, edge=edge, fill=fill)


def random_shear(
    key: jax.Array,
    image: jax.Array,
    *,
    max_radians: float,
    edge: str = "reflect",
    fill: float = 0.0,
) -> jax.Array:
    """`shear` by an angle uniform in [-max_radians, max_radians].

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      max_radians: greatest lean either way, in [0, 1].
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or an option is out of bounds.

    Example:
      >>> random_shear(jax.random.key(0), jnp.zeros((8, 8, 3)), max_radians=0.1).shape
      (8, 8, 3)
    """
    check_range("max_radians", max_radians, 0, 1)
    angle = jax.random.uniform(key, minval=-max_radians, maxval=max_radians)
    return shear(image, angle, edge=edge, fill=fill)
