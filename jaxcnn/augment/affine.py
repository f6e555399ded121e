"""Random crop, zoom, flip, turn, shift and slant, all in a single resampling."""

import math

import jax
import jax.numpy as jnp

from jaxcnn.augment.checks import Size, as_height_width, check_image, check_interval, check_range
from jaxcnn.augment.resampling import affine_matrix, affine_warp, composed

Corners = tuple[jax.Array, jax.Array, jax.Array, jax.Array]  # left, top, right, bottom; in pixels


def random_affine(
    key: jax.Array,
    image: jax.Array,
    *,
    output_size_px: Size | None = None,
    probability: float = 1.0,
    flip_probability: float = 0.5,
    scale: tuple[float, float] | None = None,
    aspect: tuple[float, float] = (1.0, 1.0),
    max_rotation_radians: float = 0.0,
    max_translation: float = 0.0,
    max_shear_radians: float = 0.0,
    then: jax.Array | None = None,
    edge: str = "reflect",
    fill: float = 0.0,
) -> jax.Array:
    """Crop, zoom, flip, rotate, translate and shear at random, in one resampling.

    A box is drawn inside the image, moved by the translation, turned and slanted about its centre,
    and what it encloses fills the output. Each amount is uniform between minus and plus its
    maximum, the area uniform and the aspect log-uniform in their ranges.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      output_size_px: side of the output, or (height, width), in pixels; None for that of `image`.
      probability: chance that anything happens, in [0, 1]; else the output shows the largest
        centred box of its own shape, or with scale=None is the centre crop.
      flip_probability: chance of mirroring left and right, in [0, 1].
      scale: least and greatest area of the box, as a fraction of the image's, in (0, 1]; None for
        a box of the output's size, so that nothing is zoomed.
      aspect: least and greatest width / height of the box, relative to that of the output; > 0.
      max_rotation_radians: greatest turn either way, in [0, pi].
      max_translation: greatest shift in each direction as a fraction of the box, in [0, 1].
      max_shear_radians: greatest lean of vertical lines either way, in [0, 1].
      then: (2, 3) matrix of a further warp, of the output, in the same resampling; see
        `affine_warp`.
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (height, width, C), dtype of `image`; bilinear, without antialiasing.

    Raises:
      ValueError: if an option is out of bounds, or the output exceeds the image where nothing is
        zoomed.

    Example:
      >>> random_affine(
      ...     jax.random.key(0),
      ...     jnp.zeros((112, 112, 3)),
      ...     output_size_px=96,
      ...     scale=(0.55, 1.0),
      ...     max_rotation_radians=0.25,
      ... ).shape
      (96, 96, 3)

    Source: the box is that of Szegedy et al. 2014, arXiv:1409.4842, section 6; deviation: one that
    does not fit is shrunk, at its aspect, until it does, instead of drawn again.
    """
    check_image(image)
    check_range("probability", probability, 0, 1)
    check_range("flip_probability", flip_probability, 0, 1)
    check_range("max_rotation_radians", max_rotation_radians, 0, math.pi)
    check_range("max_translation", max_translation, 0, 1)
    check_range("max_shear_radians", max_shear_radians, 0, 1)
    image_size = (image.shape[0], image.shape[1])
    size = as_height_width(
        "output_size_px", image_size if output_size_px is None else output_size_px
    )

    # One draw for all amounts: each call of the generator costs more than its ten numbers.
    chance, flip_chance, area, stretch, *moves = jax.random.uniform(key, (10,))
    active = chance < probability
    sides = _draw_sides(area, stretch, active, image_size, size, scale, aspect)
    x, y, right, down, turn, lean = (jnp.where(active, 2 * move - 1, 0.0) for move in moves)
    box = _shifted(_place(sides, image_size, x, y), max_translation * right, max_translation * down)
    matrix = affine_matrix(
        box,
        size,
        angle_radians=max_rotation_radians * turn,
        shear_radians=max_shear_radians * lean,
        flip=active & (flip_chance < flip_probability),
    )
    if then is not None:
        matrix = composed(matrix, then)
    return affine_warp(image, matrix, size, edge=edge, fill=fill)


def random_resized_crop(
    key: jax.Array,
    image: jax.Array,
    *,
    output_size_px: Size,
    scale: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> jax.Array:
    """Cut a box of random area, shape and place out of an image and resize it.

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      output_size_px: side of the output, or (height, width), in pixels.
      scale: least and greatest area of the box, as a fraction of the image's; uniform.
      aspect: least and greatest width / height of the box, relative to that of the output;
        log-uniform.

    Returns:
      (height, width, C), dtype of `image`; bilinear, without antialiasing.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or a range is empty or out of bounds.

    Example:
      >>> random_resized_crop(jax.random.key(0), jnp.zeros((9, 9, 3)), output_size_px=8).shape
      (8, 8, 3)

    Source: as `random_affine`, whose box it is.
    """
    return random_affine(
        key, image, output_size_px=output_size_px, flip_probability=0.0, scale=scale, aspect=aspect
    )


def random_rotation(
    key: jax.Array, image: jax.Array, *, max_radians: float, edge: str = "reflect"
) -> jax.Array:
    """Turn an image about its centre by an angle uniform in [-max_radians, max_radians].

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      max_radians: greatest turn either way, in [0, pi].
      edge: what lies outside the image; see `affine_warp`.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or an option is out of bounds.

    Example:
      >>> random_rotation(jax.random.key(0), jnp.zeros((8, 8, 3)), max_radians=0.25).shape
      (8, 8, 3)
    """
    return random_affine(
        key, image, flip_probability=0.0, max_rotation_radians=max_radians, edge=edge
    )


def random_translation(
    key: jax.Array, image: jax.Array, *, max_fraction: float, edge: str = "reflect"
) -> jax.Array:
    """Shift an image by fractions of its sides, uniform in [-max_fraction, max_fraction].

    Args:
      key: PRNG key.
      image: (H, W, C) floating.
      max_fraction: greatest shift in each direction as a fraction of that side, in [0, 1].
      edge: what lies outside the image; see `affine_warp`.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or an option is out of bounds.

    Example:
      >>> random_translation(jax.random.key(0), jnp.zeros((8, 8, 3)), max_fraction=0.1).shape
      (8, 8, 3)
    """
    return random_affine(key, image, flip_probability=0.0, max_translation=max_fraction, edge=edge)


def _draw_sides(
    area_draw: jax.Array,
    aspect_draw: jax.Array,
    active: jax.Array,
    image_size: tuple[int, int],
    output_size: tuple[int, int],
    scale: tuple[float, float] | None,
    aspect: tuple[float, float],
) -> jax.Array:
    """Turn draws in [0, 1) into a box's (height, width), the largest that fits if not active."""
    if scale is None:
        if output_size[0] > image_size[0] or output_size[1] > image_size[1]:
            raise ValueError(
                f"output_size_px (={output_size}) exceeds the image (={image_size}); "
                "lower it, or pass scale=(1.0, 1.0) to enlarge."
            )
        if aspect != (1.0, 1.0):
            raise ValueError(f"aspect (={aspect}) needs scale; pass scale=(1.0, 1.0).")
        return jnp.array(output_size, jnp.float32)
    check_interval("scale", scale, above=0, high=1)
    check_interval("aspect", aspect, above=0)
    area = scale[0] + (scale[1] - scale[0]) * area_draw
    stretch = aspect[0] * (aspect[1] / aspect[0]) ** aspect_draw
    area_px = jnp.where(active, area, 1.0) * (image_size[0] * image_size[1])
    stretch = jnp.where(active, stretch, 1.0) * (output_size[1] / output_size[0])
    sides = jnp.sqrt(area_px * jnp.stack([1 / stretch, stretch]))
    limit = jnp.array(image_size, jnp.float32)
    return sides * jnp.minimum(1.0, jnp.min(limit / sides))


def _place(sides: jax.Array, image_size: tuple[int, int], x: jax.Array, y: jax.Array) -> Corners:
    """Put a box (height, width) into the image: x = -1 at the left edge, 0 centred, 1 right."""
    height, width = sides
    left = (x + 1) / 2 * (image_size[1] - width)
    top = (y + 1) / 2 * (image_size[0] - height)
    return left, top, left + width, top + height


def _shifted(box: Corners, right: jax.Array, down: jax.Array) -> Corners:
    """Move a box by fractions of its sides so that the picture in it goes right and down."""
    x0, y0, x1, y1 = box
    dx, dy = right * (x1 - x0), down * (y1 - y0)
    return x0 - dx, y0 - dy, x1 - dx, y1 - dy
