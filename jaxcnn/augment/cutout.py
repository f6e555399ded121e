"""Cut-out: hide a square, so that a network learns to do without any one part."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.boxes import inside_box
from jaxcnn.augment.checks import check_image, check_range


def cutout(
    image: jax.Array,
    center_x: ArrayLike,
    center_y: ArrayLike,
    size_px: ArrayLike,
    *,
    fill: float = 0.5,
) -> jax.Array:
    """Paint a square over an image.

    Args:
      image: (H, W, C) floating in [0, 1].
      center_x: () middle of the square, in pixels from the left edge; the square may stick out.
      center_y: () middle of the square, in pixels from the top edge.
      size_px: () side of the square; pixels whose centre lies inside are painted, so 0 paints none.
      fill: the paint; mid-grey by default, near zero once the network's input is standardised.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating.

    Example:
      >>> cutout(jnp.ones((1, 4, 1)), 1.0, 0.5, 2.0, fill=0.0).ravel().tolist()
      [0.0, 0.0, 1.0, 1.0]
    """
    check_image(image)
    x, y = jnp.asarray(center_x, jnp.float32), jnp.asarray(center_y, jnp.float32)
    half = jnp.asarray(size_px, jnp.float32) / 2
    hidden = inside_box((image.shape[0], image.shape[1]), (x - half, y - half, x + half, y + half))
    return jnp.where(hidden[..., None], jnp.asarray(fill, image.dtype), image)


def random_cutout(
    key: jax.Array,
    image: jax.Array,
    *,
    max_fraction: float,
    probability: float = 1.0,
    fill: float = 0.5,
) -> jax.Array:
    """`cutout` of a square of random size, its middle anywhere in the image.

    Args:
      key: PRNG key.
      image: (H, W, C) floating in [0, 1].
      max_fraction: greatest side of the square as a fraction of the image's shorter side, in
        [0, 1]; the side is uniform between half of that and all of it.
      probability: chance of a square, in [0, 1].
      fill: the paint.

    Returns:
      (H, W, C), dtype of `image`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or an option is out of bounds.

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
    return cutout(image, x * W, y * H, size_px, fill=fill)
