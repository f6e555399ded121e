"""TrivialAugment: one of RandAugment's operations, with a strength drawn for each image."""

import math

import jax
import jax.numpy as jnp

from jaxcnn.augment.checks import check_color_image, check_range
from jaxcnn.augment.randaugment import (
    IDENTITY,
    RAND_AUGMENT_OPERATIONS,
    Ranges,
    change_colors,
    operations_matrix,
)
from jaxcnn.augment.resampling import affine_warp

# The space "wide" (Müller and Hutter 2021, arXiv:2103.10158, table 5).
TRIVIAL_RANGES = Ranges(math.radians(135), 0.99, 0, 32, 0.99, 6)
_NUM_STRENGTHS = 31  # from 0 to 1


def trivial_augment(key: jax.Array, image: jax.Array, *, probability: float = 1.0) -> jax.Array:
    """Apply one operation of fourteen, each as likely as the others, with a random strength.

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1], grey or RGB.
      probability: chance of an operation, in [0, 1].

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Raises:
      ValueError: if `image` is not (H, W, 1) or (H, W, 3) floating, or `probability` is out of
        bounds.

    Example:
      >>> trivial_augment(jax.random.key(0), jnp.zeros((8, 8, 3))).shape
      (8, 8, 3)

    Source: Müller and Hutter 2021, arXiv:2103.10158, TrivialAugment with the space "wide", whose
    greatest strengths are turns by 135 degrees, leans by 0.99, shifts by 32 pixels, factors 0.01 or
    1.99, 2 bits and all values turned; deviations: what moves pixels is about the centre, and
    outside is the mirrored image.
    """
    check_color_image(image)
    size = (image.shape[0], image.shape[1])
    drawn = draw_operation(key, probability=probability)
    moved = affine_warp(image, operations_matrix(*drawn, size, ranges=TRIVIAL_RANGES), size)
    return change_colors(moved, *drawn, ranges=TRIVIAL_RANGES)


def draw_operation(key: jax.Array, *, probability: float = 1.0) -> tuple[jax.Array, jax.Array]:
    """Draw one of `RAND_AUGMENT_OPERATIONS` and a strength, one of 31 evenly spaced.

    Args:
      key: PRNG key.
      probability: chance of an operation, in [0, 1]; else it is the identity.

    Returns:
      (1,) int32 position in `RAND_AUGMENT_OPERATIONS`, and (1,) float32 strength in [-1, 1].

    Raises:
      ValueError: if `probability` is out of bounds.

    Example:
      >>> operations, strengths = draw_operation(jax.random.key(0))
      >>> operations.shape, strengths.shape
      ((1,), (1,))
    """
    check_range("probability", probability, 0, 1)
    chance_key, operation_key, strength_key, sign_key = jax.random.split(key, 4)
    active = jax.random.bernoulli(chance_key, probability)
    operations = jax.random.randint(operation_key, (1,), 0, len(RAND_AUGMENT_OPERATIONS))
    strengths = jax.random.randint(strength_key, (1,), 0, _NUM_STRENGTHS) / (_NUM_STRENGTHS - 1)
    signs = jax.random.rademacher(sign_key, (1,), jnp.float32)
    return jnp.where(active, operations, IDENTITY), signs * strengths
