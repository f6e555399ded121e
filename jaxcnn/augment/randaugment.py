"""RandAugment: two operations drawn from a list of fourteen, both of one magnitude.

`rand_augment` is the whole. `draw_operations` draws them, `operations_matrix` is what they do to
the place of pixels, and `change_colors` what they do to their colours.

Under `vmap` a choice between operations computes all of them. So those that move pixels are not
chosen between: each drawn one gives a matrix, and the product of the matrices resamples the image
once. The others follow in the order drawn. A change of colours before a resampling is the same as
after it, but for interpolation and for what the resampling brings in at the border.

Source: Cubuk et al. 2020, arXiv:1909.13719, section 3; deviations: factors lie on both sides of 1
and solarize and posterize grow with the magnitude (in AutoAugment's tables, some amounts do not);
what moves pixels comes first, in one resampling, about the centre; outside is the mirrored image.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import check_color_image, check_range
from jaxcnn.augment.enhance import (
    enhance_brightness,
    enhance_color,
    enhance_contrast,
    enhance_sharpness,
)
from jaxcnn.augment.resampling import affine_warp, composed
from jaxcnn.augment.tone import autocontrast, equalize, posterize, solarize

MAX_MAGNITUDE = 10.0


class Ranges(NamedTuple):
    """What a strength of 1 stands for."""

    rotation_radians: float
    shear: float  # pixels sideways for a pixel across
    translation: float  # part of the side
    translation_px: float  # added to that
    enhancement: float  # change of the factor
    posterized_bits: int  # dropped


# As in AutoAugment (Cubuk et al. 2019, arXiv:1805.09501, table 6).
RAND_AUGMENT_RANGES = Ranges(math.radians(30), 0.3, 150 / 331, 0, 0.9, 4)

# (image, strength, ranges) to image; only the enhancements know a sign.
_COLOR_OPERATIONS: dict[str, Callable[[jax.Array, jax.Array, Ranges], jax.Array]] = {
    "autocontrast": lambda image, strength, ranges: autocontrast(image),
    "equalize": lambda image, strength, ranges: equalize(image),
    # The threshold falls from just above the lightest level.
    "solarize": lambda image, strength, ranges: solarize(
        image, (1 - jnp.abs(strength)) * 256 / 255
    ),
    "posterize": lambda image, strength, ranges: posterize(
        image, 8 - jnp.round(ranges.posterized_bits * jnp.abs(strength))
    ),
    "color": lambda image, strength, ranges: enhance_color(
        image, 1 + ranges.enhancement * strength
    ),
    "contrast": lambda image, strength, ranges: enhance_contrast(
        image, 1 + ranges.enhancement * strength
    ),
    "brightness": lambda image, strength, ranges: enhance_brightness(
        image, 1 + ranges.enhancement * strength
    ),
    "sharpness": lambda image, strength, ranges: enhance_sharpness(
        image, 1 + ranges.enhancement * strength
    ),
    "identity": lambda image, strength, ranges: image,
}
# Those that leave the colours alone come last, so that the lower of an operation's number and that
# of the identity is what happens to the colours.
RAND_AUGMENT_OPERATIONS = (
    *_COLOR_OPERATIONS,
    *("rotate", "shear_x", "shear_y", "translate_x", "translate_y"),
)
IDENTITY = RAND_AUGMENT_OPERATIONS.index("identity")


def rand_augment(key: jax.Array, image: jax.Array, *, magnitude: float = 9.0) -> jax.Array:
    """Apply two operations of fourteen, each as likely as the others.

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1], grey or RGB.
      magnitude: how strong they are, in [0, 10]. At 10, turns are by 30 degrees, leans by 0.3,
        shifts by 0.45 of the side, factors 0.1 or 1.9, posterize keeps 4 bits and solarize turns
        all values; autocontrast and equalize have no strength, so 0 is not "off".

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Raises:
      ValueError: if `image` is not (H, W, 1) or (H, W, 3) floating, or `magnitude` out of bounds.

    Example:
      >>> rand_augment(jax.random.key(0), jnp.zeros((8, 8, 3)), magnitude=9.0).shape
      (8, 8, 3)

    Source: Cubuk et al. 2020, arXiv:1909.13719, section 3; deviations: factors lie on both
    sides of 1, solarize and posterize grow with the magnitude, and what moves pixels comes first.
    """
    check_color_image(image)
    size = (image.shape[0], image.shape[1])
    operations, strengths = draw_operations(key, magnitude=magnitude)
    moved = affine_warp(image, operations_matrix(operations, strengths, size), size)
    return change_colors(moved, operations, strengths)


def draw_operations(key: jax.Array, *, magnitude: float) -> tuple[jax.Array, jax.Array]:
    """Draw two of `RAND_AUGMENT_OPERATIONS`, each as likely as the others; they may be the same.

    Args:
      key: PRNG key.
      magnitude: as `rand_augment` takes it. Half of the turns, leans, shifts and factors go the
        other way.

    Returns:
      (2,) int32 positions in `RAND_AUGMENT_OPERATIONS`, and (2,) float32 strengths, each
      magnitude / 10 or minus that.

    Raises:
      ValueError: if `magnitude` is out of bounds.

    Example:
      >>> operations, strengths = draw_operations(jax.random.key(0), magnitude=5.0)
      >>> operations.shape, jnp.abs(strengths).tolist()
      ((2,), [0.5, 0.5])
    """
    check_range("magnitude", magnitude, 0, MAX_MAGNITUDE)
    operation_key, sign_key = jax.random.split(key)
    operations = jax.random.randint(operation_key, (2,), 0, len(RAND_AUGMENT_OPERATIONS))
    signs = jax.random.rademacher(sign_key, (2,), jnp.float32)
    return operations, signs * (magnitude / MAX_MAGNITUDE)


def operations_matrix(
    operations: ArrayLike,
    strengths: ArrayLike,
    image_size_px: tuple[int, int],
    *,
    ranges: Ranges = RAND_AUGMENT_RANGES,
) -> jax.Array:
    """Make one matrix of all operations that move pixels.

    Args:
      operations: (N,) int, positions in `RAND_AUGMENT_OPERATIONS`.
      strengths: (N,) floats in [-1, 1]; the sign is the direction.
      image_size_px: (height, width) of the image, in pixels.
      ranges: what a strength of 1 stands for.

    Returns:
      (2, 3) float32, as `affine_warp` takes; the identity where no operation moves pixels.

    Example:
      >>> operations_matrix(jnp.array([0]), jnp.array([0.5]), (4, 4)).tolist()
      [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    operations, strengths = jnp.asarray(operations), jnp.asarray(strengths, jnp.float32)
    matrices = [
        _operation_matrix(operation, strength, image_size_px, ranges)
        for operation, strength in zip(operations, strengths, strict=True)
    ]
    return functools.reduce(composed, matrices)


def _operation_matrix(
    operation: jax.Array, strength: jax.Array, image_size_px: tuple[int, int], ranges: Ranges
) -> jax.Array:
    def amount(name: str) -> jax.Array:
        return jnp.where(operation == RAND_AUGMENT_OPERATIONS.index(name), strength, 0.0)

    angle = ranges.rotation_radians * amount("rotate")
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    linear = jnp.stack(
        [
            jnp.stack([cos, ranges.shear * amount("shear_x") - sin]),
            jnp.stack([ranges.shear * amount("shear_y") + sin, cos]),
        ]
    )
    height, width = image_size_px
    size = jnp.array([width, height], jnp.float32)
    reach = ranges.translation * size + ranges.translation_px
    shift = reach * jnp.stack([amount("translate_x"), amount("translate_y")])
    # About the centre c: c + linear (p - c) + shift.
    moved = size / 2 - jnp.sum(linear * size[None] / 2, axis=1) + shift
    return jnp.concatenate([linear, moved[:, None]], axis=1)


def change_colors(
    image: jax.Array,
    operations: ArrayLike,
    strengths: ArrayLike,
    *,
    ranges: Ranges = RAND_AUGMENT_RANGES,
) -> jax.Array:
    """Apply those operations that change colours, in their order.

    Args:
      image: (H, W, C) floating in [0, 1], grey or RGB.
      operations: (N,) int, positions in `RAND_AUGMENT_OPERATIONS`; others do nothing.
      strengths: (N,) floats in [-1, 1]; the sign is the direction.
      ranges: what a strength of 1 stands for.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Example:
      >>> dim = RAND_AUGMENT_OPERATIONS.index("brightness")
      >>> change_colors(jnp.ones((1, 1, 1)), jnp.array([dim]), jnp.array([-1.0])).item()
      0.10...
    """
    check_color_image(image)
    branches = tuple(_COLOR_OPERATIONS.values())
    operations, strengths = jnp.asarray(operations), jnp.asarray(strengths, jnp.float32)
    for operation, strength in zip(operations, strengths, strict=True):
        image = jax.lax.switch(jnp.minimum(operation, IDENTITY), branches, image, strength, ranges)
    return image
