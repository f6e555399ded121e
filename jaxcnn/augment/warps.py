"""Perspective and elastic warps, which no single (2, 3) matrix describes."""

import math

import jax
import jax.numpy as jnp

from jaxcnn.augment.blur import gaussian_blur
from jaxcnn.augment.checks import check_image, check_interval, check_range
from jaxcnn.augment.resampling import resample

# Ahead of the horizon; what lies behind it is read from far outside the image.
_LEAST_DEPTH = 1e-3
# Of the weights of a normal distribution, one in 16,000 lies beyond.
_RADIUS_PER_SIGMA = 4


def perspective_warp(
    image: jax.Array, corners: jax.Array, *, edge: str = "reflect", fill: float = 0.0
) -> jax.Array:
    """Move an image's corners, as if its plane were seen from elsewhere.

    Args:
      image: (H, W, C) floating.
      corners: (4, 2) float32, where the top left, top right, bottom right and bottom left corner
        go, (x, y) in pixels; a convex quadrilateral, in this order.
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`; bilinear, without antialiasing.

    Raises:
      ValueError: if `corners` is not (4, 2), or `edge` is unknown.

    Example:
      >>> image = jnp.arange(4.0).reshape(1, 4, 1)
      >>> wide = jnp.array([[0.0, 0.0], [8.0, 0.0], [8.0, 1.0], [0.0, 1.0]])
      >>> perspective_warp(image, wide).ravel().tolist()
      [0.0, 0.25, 0.75, 1.25]

    Source: the map from a square to a quadrilateral is that of Heckbert 1989, "Fundamentals of
    Texture Mapping and Image Warping", section 2.2.3; deviations: none.
    """
    check_image(image)
    if corners.shape != (4, 2):
        raise ValueError(f"corners has shape {corners.shape}; expected (4, 2), an (x, y) each.")
    height, width = image.shape[:2]
    inverse = _inverse(_from_unit_square(corners.astype(jnp.float32)))
    y = jnp.arange(height, dtype=jnp.float32)[:, None] + 0.5
    x = jnp.arange(width, dtype=jnp.float32)[None] + 0.5
    u, v, depth = (row[0] * x + row[1] * y + row[2] for row in inverse)
    depth = jnp.maximum(depth, _LEAST_DEPTH)
    return resample(image, u / depth * width, v / depth * height, edge=edge, fill=fill)


def _from_unit_square(corners: jax.Array) -> jax.Array:
    """Make the (3, 3) matrix that takes the unit square's corners to these, in the same order."""
    first, second, third, fourth = corners
    (x1, y1), (x2, y2), (sx, sy) = second - third, fourth - third, first - second + third - fourth
    area = x1 * y2 - x2 * y1
    g, h = (sx * y2 - x2 * sy) / area, (x1 * sy - sx * y1) / area
    right, down = second - first + g * second, fourth - first + h * fourth
    rows = jnp.stack([right, down, first], axis=1)
    return jnp.concatenate([rows, jnp.stack([g, h, jnp.ones_like(g)])[None]])


def _inverse(matrix: jax.Array) -> jax.Array:
    """Invert a (3, 3) matrix by cross products, which cost less than a solver under `vmap`."""
    a, b, c = matrix
    adjugate = jnp.stack([jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)], axis=1)
    return adjugate / jnp.sum(a * jnp.cross(b, c))


def random_perspective(
    key: jax.Array,
    image: jax.Array,
    *,
    max_distortion: float = 0.5,
    probability: float = 0.5,
    edge: str = "reflect",
) -> jax.Array:
    """`perspective_warp` that moves each corner inwards by a uniform amount.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      max_distortion: greatest move of a corner along each side, as a fraction of half that side,
        in [0, 1].
      probability: chance of a warp, in [0, 1].
      edge: what lies outside the image; see `affine_warp`.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if an option is out of bounds.

    Example:
      >>> random_perspective(jax.random.key(0), jnp.zeros((8, 8, 3)), max_distortion=0.3).shape
      (8, 8, 3)

    Source: torchvision's RandomPerspective; deviations: corners need not be whole pixels, and
    outside is the mirrored image.
    """
    check_image(image)
    check_range("max_distortion", max_distortion, 0, 1)
    check_range("probability", probability, 0, 1)
    chance_key, corner_key = jax.random.split(key)
    active = jax.random.bernoulli(chance_key, probability)
    moves = jax.random.uniform(corner_key, (4, 2)) * jnp.where(active, max_distortion / 2, 0.0)
    places = jnp.array([[0, 0], [1, 0], [1, 1], [0, 1]], jnp.float32)
    sides = jnp.array([image.shape[1], image.shape[0]], jnp.float32)
    corners = (places + (1 - 2 * places) * moves) * sides[None]
    return perspective_warp(image, corners, edge=edge)


def elastic_warp(
    image: jax.Array, shift: jax.Array, *, edge: str = "reflect", fill: float = 0.0
) -> jax.Array:
    """Read each pixel from a place of its own.

    Args:
      image: (H, W, C) floating.
      shift: (H, W, 2) float32, from each pixel to where it is read, (x, y) in pixels.
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (H, W, C), dtype of `image`; bilinear.

    Raises:
      ValueError: if `shift` is not (H, W, 2), or `edge` is unknown.

    Example:
      >>> image = jnp.arange(3.0).reshape(1, 3, 1)
      >>> elastic_warp(image, jnp.full((1, 3, 2), 0.5)).ravel().tolist()
      [0.5, 1.5, 2.0]

    Source: torchvision's elastic_transform, whose displacement is in halves of the sides.
    """
    check_image(image)
    height, width = image.shape[:2]
    if shift.shape != (height, width, 2):
        raise ValueError(f"shift has shape {shift.shape}; expected ({height}, {width}, 2).")
    y = jnp.arange(height, dtype=jnp.float32)[:, None] + 0.5
    x = jnp.arange(width, dtype=jnp.float32)[None] + 0.5
    return resample(image, x + shift[..., 0], y + shift[..., 1], edge=edge, fill=fill)


def random_elastic(
    key: jax.Array,
    image: jax.Array,
    *,
    alpha_px: float = 25.0,
    sigma_px: float = 5.0,
    edge: str = "reflect",
) -> jax.Array:
    """`elastic_warp` by smooth noise: uniform in [-alpha_px, alpha_px], then blurred.

    Neighbours cancel, so the shifts are far below alpha_px: about alpha_px / (6 sigma_px) pixels as
    a standard deviation.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      alpha_px: greatest shift before the blur, in pixels, >= 0.
      sigma_px: standard deviation of the blur, in pixels, > 0; it is cut off after four of them, or
        where the image ends.
      edge: what lies outside the image; see `affine_warp`.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if an option is out of bounds.

    Example:
      >>> random_elastic(jax.random.key(0), jnp.zeros((8, 8, 3)), alpha_px=20.0).shape
      (8, 8, 3)

    Source: Simard et al. 2003, "Best Practices for Convolutional Neural Networks Applied to Visual
    Document Analysis", section 2; torchvision's ElasticTransform, whose alpha is twice this one.
    Deviation: outside is the mirrored image.
    """
    check_image(image)
    check_range("alpha_px", alpha_px, 0, math.inf)
    check_interval("sigma_px", (sigma_px, sigma_px), above=0)
    height, width, _ = image.shape
    radius_px = min(math.ceil(_RADIUS_PER_SIGMA * sigma_px), height - 1, width - 1)
    noise = jax.random.uniform(key, (height, width, 2), minval=-1.0, maxval=1.0)
    shift = alpha_px * gaussian_blur(noise, sigma_px, radius_px=radius_px)
    return elastic_warp(image, shift, edge=edge)
