"""AugMix: the image blended with a mixture of chains of operations.

The Jensen-Shannon loss between an image and two of its mixtures, which the paper adds, is not here:
a step sees one view of each image.
"""

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

MAX_SEVERITY = 10.0
# The enhancements of the other lists are among the corruptions that the paper tests with.
AUG_MIX_OPERATIONS = (
    *("autocontrast", "equalize", "posterize", "solarize", "rotate"),
    *("shear_x", "shear_y", "translate_x", "translate_y"),
)
# The reference implementation's, github.com/google-research/augmix, augmentations.py.
_RANGES = Ranges(math.radians(30), 0.3, 1 / 3, 0, 0, 4)
_LEAST_LEVEL = 0.1


def aug_mix(
    key: jax.Array,
    image: jax.Array,
    *,
    severity: float = 3.0,
    width: int = 3,
    max_depth: int = 3,
) -> jax.Array:
    """Blend an image with a mixture of chains of random operations.

        m image + (1 - m) (w_1 chain_1(image) + ... + w_n chain_n(image))

    with m from Beta(1, 1) and w from Dirichlet(1, ..., 1). Each chain has one to `max_depth`
    operations of nine: autocontrast, equalize, posterize, solarize, turns, leans and shifts.

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1], grey or RGB.
      severity: how strong the operations are at most, in [0, 10]; at 10, turns are by 30 degrees,
        leans by 0.3, shifts by a third of the side, posterize keeps 4 bits and solarize turns all
        values. Each operation's strength is uniform between 0.1 (or `severity`, if less) and it.
      width: number of chains, at least 1.
      max_depth: greatest number of operations in a chain, at least 1.

    Returns:
      (H, W, C), dtype of `image`, in [0, 1].

    Raises:
      ValueError: if `image` is not (H, W, 1) or (H, W, 3) floating, or an option out of bounds.

    Example:
      >>> aug_mix(jax.random.key(0), jnp.zeros((8, 8, 3)), severity=3.0).shape
      (8, 8, 3)

    Source: Hendrycks et al. 2020, arXiv:1912.02781, section 3; deviations: posterize drops no bits
    at strength 0 (there, 4 of 8 already); in a chain, what moves pixels comes first, in one
    resampling, about the centre; outside is the mirrored image.
    """
    check_color_image(image)
    check_range("severity", severity, 0, MAX_SEVERITY)
    if width < 1 or max_depth < 1:
        raise ValueError(f"width (={width}) and max_depth (={max_depth}) must be at least 1.")
    blend_key, weight_key, chain_key = jax.random.split(key, 3)
    # With parameters of 1, Beta is uniform and Dirichlet is exponentials over their sum.
    share, lengths = jax.random.uniform(blend_key), jax.random.exponential(weight_key, (width,))
    weights = (1 - share) * lengths / jnp.sum(lengths)
    chains = jax.vmap(lambda key: _apply_chain(image, *draw_chain(key, severity, max_depth)))
    ends = chains(jax.random.split(chain_key, width))
    mixed = jnp.sum(weights.astype(image.dtype)[:, None, None, None] * ends, axis=0)
    return jnp.clip(share.astype(image.dtype) * image + mixed, 0, 1)


def draw_chain(key: jax.Array, severity: float, max_depth: int) -> tuple[jax.Array, jax.Array]:
    """Draw one to `max_depth` of `AUG_MIX_OPERATIONS`, and a strength for each.

    Args:
      key: PRNG key.
      severity: as `aug_mix` takes it.
      max_depth: greatest number of operations, at least 1.

    Returns:
      (max_depth,) int32 positions in `RAND_AUGMENT_OPERATIONS`, filled up with the identity, and
      (max_depth,) float32 strengths in [-1, 1].

    Example:
      >>> operations, strengths = draw_chain(jax.random.key(0), 3.0, 3)
      >>> operations.shape, strengths.shape
      ((3,), (3,))
    """
    depth_key, operation_key, level_key, sign_key = jax.random.split(key, 4)
    positions = jnp.array([RAND_AUGMENT_OPERATIONS.index(name) for name in AUG_MIX_OPERATIONS])
    depth = jax.random.randint(depth_key, (), 1, max_depth + 1)
    operations = jax.random.choice(operation_key, positions, (max_depth,))
    least = min(_LEAST_LEVEL, severity)
    levels = jax.random.uniform(level_key, (max_depth,), minval=least, maxval=severity)
    signs = jax.random.rademacher(sign_key, (max_depth,), jnp.float32)
    operations = jnp.where(jnp.arange(max_depth) < depth, operations, IDENTITY)
    return operations, signs * levels / MAX_SEVERITY


def _apply_chain(image: jax.Array, operations: jax.Array, strengths: jax.Array) -> jax.Array:
    size = (image.shape[0], image.shape[1])
    matrix = operations_matrix(operations, strengths, size, ranges=_RANGES)
    return change_colors(affine_warp(image, matrix, size), operations, strengths, ranges=_RANGES)
