"""Cut-out and random erasing: hide a box, so that a network learns to do without any one part."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import check_image, check_interval, check_range
from jaxcnn.augment.resampling import Box

_BYTES_OF_A_WORD = 4


def erase(image: jax.Array, box: Box, paint: jax.Array) -> jax.Array:
    """Paint over a box of an image.

    Args:
      image: (H, W, C) floating in [0, 1].
      box: (left, top, right, bottom) in pixels; pixels whose centre lies inside are painted.
      paint: (H, W, C) values to put there, or any shape of rank 3 that broadcasts to it.

    Returns:
      (H, W, C), dtype of `image`.

    Example:
      >>> erase(jnp.ones((1, 4, 1)), (1, 0, 3, 1), jnp.zeros((1, 1, 1))).ravel().tolist()
      [1.0, 0.0, 0.0, 1.0]
    """
    check_image(image)
    hidden = inside_box((image.shape[0], image.shape[1]), box)
    return jnp.where(hidden[..., None], paint.astype(image.dtype), image)


def random_cutout(
    key: jax.Array,
    image: jax.Array,
    *,
    max_fraction: float,
    probability: float = 1.0,
    fill: float = 0.5,
) -> jax.Array:
    """`erase` a square of random size, its middle anywhere in the image.

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1].
      max_fraction: greatest side of the square as a fraction of the image's shorter side, in
        [0, 1]; the side is uniform between half of that and all of it.
      probability: chance of a square, in [0, 1].
      fill: the paint; mid-grey by default, near zero once the network's input is standardised.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if an option is out of bounds.

    Example:
      >>> random_cutout(jax.random.key(0), jnp.zeros((8, 8, 3)), max_fraction=0.5).shape
      (8, 8, 3)

    Source: DeVries and Taylor 2017, arXiv:1708.04552, section 3; deviations: the size varies, and
    the paint is mid-grey rather than the data set's mean.
    """
    check_image(image)
    check_range("max_fraction", max_fraction, 0, 1)
    check_range("probability", probability, 0, 1)
    H, W, _ = image.shape
    chance, x, y, size = jax.random.uniform(key, (4,))
    size_px = jnp.where(chance < probability, max_fraction * min(H, W) * (1 + size) / 2, 0.0)
    x, y, half = x * W, y * H, size_px / 2
    box = (x - half, y - half, x + half, y + half)
    return erase(image, box, jnp.full((1, 1, 1), fill))


def random_erasing(
    key: jax.Array,
    image: jax.Array,
    *,
    probability: float = 0.5,
    scale: tuple[float, float] = (0.02, 0.4),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
    fill: float | None = None,
) -> jax.Array:
    """`erase` a box of random area, shape and place inside the image.

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1].
      probability: chance of a box, in [0, 1].
      scale: least and greatest area of the box, as a fraction of the image's, in (0, 1]; uniform.
      aspect: least and greatest height / width of the box, relative to that of the image, > 0;
        log-uniform among those at which a box of the area fits.
      fill: the paint; None paints each value of each pixel by chance, one of 256 levels.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if an option is out of bounds.

    Example:
      >>> random_erasing(jax.random.key(0), jnp.zeros((8, 8, 3)), probability=1.0).shape
      (8, 8, 3)

    Source: Zhong et al. 2020, arXiv:1708.04896, section 3.2; deviations: the shape is drawn among
    those that fit, instead of drawing until one does, and is log-uniform.
    """
    check_image(image)
    check_range("probability", probability, 0, 1)
    check_interval("scale", scale, above=0, high=1)
    check_interval("aspect", aspect, above=0)
    box_key, noise_key = jax.random.split(key)
    chance, *draws = jax.random.uniform(box_key, (5,))
    height, width, left, top = _place_box(draws, scale, aspect)
    height = jnp.where(chance < probability, height, 0.0)
    H, W, _ = image.shape
    box = (left * W, top * H, (left + width) * W, (top + height) * H)
    paint = _noise(noise_key, image.shape) if fill is None else jnp.full((1, 1, 1), fill)
    return erase(image, box, paint)


def _place_box(
    draws: list[jax.Array], scale: tuple[float, float], aspect: tuple[float, float]
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Turn four draws in [0, 1) into a box's height, width, left and top, in parts of the image."""
    area_draw, aspect_draw, x, y = draws
    area = scale[0] + (scale[1] - scale[0]) * area_draw
    # In parts of the image, height = sqrt(area aspect) and width = sqrt(area / aspect) are at most
    # 1 where the aspect lies between the area and its inverse.
    least, greatest = (jnp.clip(jnp.float32(end), area, 1 / area) for end in aspect)
    stretch = least * (greatest / least) ** aspect_draw
    height, width = jnp.sqrt(area * stretch), jnp.sqrt(area / stretch)
    return height, width, x * (1 - width), y * (1 - height)


def _noise(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw one of 256 levels in [0, 1] for each value; a word of the generator serves four."""
    height, width, channels = shape
    words = jax.random.bits(key, (height, width, -(-channels // _BYTES_OF_A_WORD)), jnp.uint32)
    shifts = jnp.arange(0, 8 * _BYTES_OF_A_WORD, 8, dtype=jnp.uint32)
    levels = (words[..., None] >> shifts[None, None, None]) & jnp.uint32(255)
    return levels.reshape(height, width, -1)[..., :channels].astype(jnp.float32) / 255


def inside_box(image_size_px: tuple[int, int], box: Box) -> jax.Array:
    """Tell which pixels of an image have their centre inside a box.

    Args:
      image_size_px: (height, width) of the image, in pixels.
      box: (left, top, right, bottom) in pixels, not necessarily whole; may stick out of the image,
        and holds nothing where right <= left or bottom <= top.

    Returns:
      (height, width) bool.

    Example:
      >>> inside_box((1, 4), (0.6, 0.0, 2.6, 1.0)).tolist()
      [[False, True, True, False]]
    """
    left, top, right, bottom = box
    rows = _between(image_size_px[0], top, bottom)
    columns = _between(image_size_px[1], left, right)
    return rows[:, None] & columns[None, :]


def _between(side_px: int, first: ArrayLike, last: ArrayLike) -> jax.Array:
    """Tell which pixel centres along a side lie in [first, last): (side_px,)."""
    centre = jnp.arange(side_px, dtype=jnp.float32) + 0.5
    return (jnp.asarray(first, jnp.float32) <= centre) & (centre < jnp.asarray(last, jnp.float32))
