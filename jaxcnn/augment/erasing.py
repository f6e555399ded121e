"""Random erasing: hide a box behind noise, so that a network learns to do without any one part."""

import jax
import jax.numpy as jnp

from jaxcnn.augment.boxes import inside_box
from jaxcnn.augment.checks import check_image, check_interval, check_range
from jaxcnn.augment.warp import Box

_BYTES_OF_A_WORD = 4


def erase(image: jax.Array, box: Box, paint: jax.Array) -> jax.Array:
    """Paint over a box of an image.

    Args:
      image: (H, W, C) floating in [0, 1].
      box: (left, top, right, bottom) in pixels; pixels whose centre lies inside are painted.
      paint: (H, W, C) values to put there, or any shape of rank 3 that broadcasts to it.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating.

    Example:
      >>> erase(jnp.ones((1, 4, 1)), (1, 0, 3, 1), jnp.zeros((1, 1, 1))).ravel().tolist()
      [1.0, 0.0, 0.0, 1.0]
    """
    check_image(image)
    hidden = inside_box((image.shape[0], image.shape[1]), box)
    return jnp.where(hidden[..., None], paint.astype(image.dtype), image)


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
      ValueError: if `image` is not (H, W, C) floating, or an option is out of bounds.

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
