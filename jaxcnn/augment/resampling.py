"""The one resampling routine under every geometric augmentation.

`resample` reads an image at any points; `affine_warp` takes the points from a matrix. Any mix of
crop, zoom, flip, rotation, translation and shear is one (2, 3) matrix, so an image is resampled
once however many of them apply: it is the cheapest way and the least blurred one.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcnn.augment.checks import Size, as_height_width, check_image
from jaxcnn.host.names import unknown_name

EDGES = ("reflect", "nearest", "constant")

Box = jax.Array | tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]  # left, top, right, bottom


def affine_matrix(
    box: Box,
    output_size_px: Size,
    *,
    angle_radians: ArrayLike = 0.0,
    shear_radians: ArrayLike = 0.0,
    flip: ArrayLike = False,
) -> jax.Array:
    """Make the matrix that fills the output with what a turned and slanted box encloses.

    With (u, v) the offset of an output point from the output's centre, and (c_x, c_y) the centre
    of the box, the matrix takes from the input the point

        (x, y) = (c_x, c_y) + R(angle) S(shear) diag(zoom_x, zoom_y) (u, v)

    where the zooms are the sides of the box over those of the output, zoom_x negative in a flip.

    Args:
      box: (left, top, right, bottom) in pixels of the input, as Pillow's `Image.resize(box=)`; may
        stick out of the image.
      output_size_px: side of the output, or (height, width), in pixels.
      angle_radians: () turn of the picture about the centre of the box, counter-clockwise.
      shear_radians: () lean of the picture's vertical lines, to the right at their upper ends.
      flip: () bool, whether to mirror left and right.

    Returns:
      (2, 3) float32, from output (x, y, 1) to input (x, y), as Pillow's `Image.transform(AFFINE)`.

    Example:
      >>> affine_matrix((0, 0, 8, 8), 4).tolist()
      [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
      >>> affine_matrix((2, 0, 6, 8), 4).tolist()
      [[1.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    height, width = as_height_width("output_size_px", output_size_px)
    left, top, right, bottom = (jnp.asarray(side, jnp.float32) for side in box)
    scale_x = jnp.where(flip, -1.0, 1.0) * (right - left) / width
    scale_y = (bottom - top) / height
    angle = jnp.asarray(angle_radians, jnp.float32)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    slope = jnp.tan(jnp.asarray(shear_radians, jnp.float32))
    xx, xy = cos * scale_x, (cos * slope - sin) * scale_y
    yx, yy = sin * scale_x, (sin * slope + cos) * scale_y
    x0 = (left + right) / 2 - xx * (width / 2) - xy * (height / 2)
    y0 = (top + bottom) / 2 - yx * (width / 2) - yy * (height / 2)
    return jnp.stack([jnp.stack([xx, xy, x0]), jnp.stack([yx, yy, y0])])


def composed(first: jax.Array, second: jax.Array) -> jax.Array:
    """Make the matrix of one warp after another, so that the image is resampled once.

    Args:
      first: (2, 3), as `affine_warp` takes, of the warp that comes first.
      second: (2, 3) of the warp of its output.

    Returns:
      (2, 3), from the output of the second to the input of the first.

    Example:
      >>> double = jnp.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
      >>> right = jnp.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
      >>> composed(double, right).tolist()
      [[2.0, 0.0, 6.0], [0.0, 2.0, 0.0]]
    """
    # Not a matrix product, which accelerators may round to a tenth of a pixel.
    product = jnp.sum(first[:, :2, None] * second[None], axis=1)
    return product + jnp.pad(first[:, 2:], ((0, 0), (2, 0)))


def affine_warp(
    image: jax.Array,
    matrix: jax.Array,
    output_size_px: Size,
    *,
    edge: str = "reflect",
    fill: float = 0.0,
) -> jax.Array:
    """Resample an image through an affine map, with bilinear interpolation.

    There is no antialiasing: where the output has much fewer pixels than the part of the input it
    shows (below about half a side), fine detail aliases; make the image smaller beforehand.

    Args:
      image: (H, W, C) floating.
      matrix: (2, 3) from output (x, y, 1) to input (x, y), both in pixels from the corner of their
        image (pixel centres at .5); see `affine_matrix`.
      output_size_px: side of the output, or (height, width), in pixels.
      edge: what lies outside the image: "reflect" mirrors it (edge pixel repeated), "nearest"
        continues the edge pixel, "constant" is `fill`.
      fill: the value outside, for edge="constant".

    Returns:
      (height, width, C), dtype of `image`; never beyond the values of `image` and `fill`.

    Raises:
      ValueError: if `matrix` is not (2, 3), or `edge` is unknown.

    Example:
      >>> image = jnp.arange(4.0).reshape(1, 4, 1)
      >>> half_right = jnp.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])
      >>> affine_warp(image, half_right, (1, 4)).ravel().tolist()
      [0.5, 1.5, 2.5, 3.0]
    """
    check_image(image)
    if matrix.shape != (2, 3):
        raise ValueError(f"matrix has shape {matrix.shape}; expected (2, 3).")
    size = as_height_width("output_size_px", output_size_px)
    return resample(image, *_source_points(matrix, size), edge=edge, fill=fill)


def resample(
    image: jax.Array, x: jax.Array, y: jax.Array, *, edge: str = "reflect", fill: float = 0.0
) -> jax.Array:
    """Read an image at any points, with bilinear interpolation and no antialiasing.

    Args:
      image: (H, W, C) floating.
      x: (height, width) float32, where each pixel of the output comes from, in pixels from the left
        edge of `image`; pixel centres are at .5.
      y: (height, width) float32, in pixels from its top edge.
      edge: what lies outside the image; see `affine_warp`.
      fill: the value outside, for edge="constant".

    Returns:
      (height, width, C), dtype of `image`; never beyond the values of `image` and `fill`.

    Raises:
      ValueError: if `image` is not (H, W, C) floating, or `edge` is unknown.

    Example:
      >>> image = jnp.arange(4.0).reshape(1, 4, 1)
      >>> resample(image, jnp.array([[1.0, 2.5]]), jnp.array([[0.5, 0.5]])).ravel().tolist()
      [0.5, 2.0]
    """
    check_image(image)
    if edge not in EDGES:
        raise unknown_name("edge", edge, EDGES)
    height, width = image.shape[:2]
    if edge == "reflect":
        warped = _bilinear(image, _reflect(x, width), _reflect(y, height))
    else:
        warped = _bilinear(image, x, y)
    if edge == "constant":
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        warped = jnp.where(inside[..., None], warped, jnp.asarray(fill, image.dtype))
    return warped


def _source_points(matrix: jax.Array, size: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Map each output pixel's centre to x and y, (h, w) each, in pixels from the input's corner."""
    # Always float32: bfloat16 cannot distinguish neighbouring pixels beyond 256.
    matrix = matrix.astype(jnp.float32)
    v = jnp.arange(size[0], dtype=jnp.float32)[:, None] + 0.5
    u = jnp.arange(size[1], dtype=jnp.float32)[None, :] + 0.5
    x = matrix[0, 0] * u + matrix[0, 1] * v + matrix[0, 2]
    y = matrix[1, 0] * u + matrix[1, 1] * v + matrix[1, 2]
    return x, y


def _reflect(position: jax.Array, side_px: int) -> jax.Array:
    """Fold positions into [0, side_px], as between two mirrors on the image's edges."""
    period = 2.0 * side_px
    return jnp.abs(position - period * jnp.round(position / period))


def _bilinear(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Interpolate between the four pixels around each point; outside, the edge pixels go on."""
    height, width, channels = image.shape
    x0, weight_x = _neighbour(x, width)
    y0, weight_y = _neighbour(y, height)
    weight_x = weight_x.astype(image.dtype)[..., None]
    weight_y = weight_y.astype(image.dtype)[..., None]
    # Gathering whole pixels (rows of C values) from the flat image, four times, was the fastest of
    # a dozen ways on CPU: one gather of 2x2 patches takes twice as long, one gather per channel or
    # map_coordinates four to six times, and two matrix products (which cannot rotate) three times.
    pixels = jnp.asarray(image).reshape(height * width, channels)
    first = y0 * width + x0
    right, down = int(width > 1), width * int(height > 1)

    def tap(offset: int) -> jax.Array:
        return pixels.at[first + offset].get(mode="promise_in_bounds")

    upper = (1 - weight_x) * tap(0) + weight_x * tap(right)
    lower = (1 - weight_x) * tap(down) + weight_x * tap(down + right)
    return (1 - weight_y) * upper + weight_y * lower


def _neighbour(position: jax.Array, side_px: int) -> tuple[jax.Array, jax.Array]:
    """Split positions into the index of the pixel centre before and the weight of the one after."""
    position = jnp.clip(position - 0.5, 0, side_px - 1)
    index = jnp.clip(jnp.floor(position), 0, max(side_px - 2, 0))
    return index.astype(jnp.int32), position - index
