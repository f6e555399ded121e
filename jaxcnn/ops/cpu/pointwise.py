"""Pointwise (1 x 1) convolution as a matrix product over the pixels, for the CPU.

Forward pass and gradients take the pixels in the same form, as rows of a matrix, so that what made
them (BatchNorm, an activation) is computed once. Were one to take images and the other rows, XLA
would fuse what made them into both, and pass over memory once more.

The barriers matter where oneDNN is not at hand: without them XLA fuses the layers around into
transposed copies that its products of the gradients read.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.cpu.geometry import Geometry, Pair, take_pixels

_NO_PADS = ((0, 0), (0, 0))


def pointwise_conv(images: jax.Array, kernel: jax.Array, strides: Pair) -> jax.Array:
    """Mix the channels of each pixel.

    Args:
      images: (B, H, W, C) floating.
      kernel: (1, 1, C, features), dtype of `images`.
      strides: of the pixels that are kept, px.

    Returns:
      (B, ceil(H / strides[0]), ceil(W / strides[1]), features).
    """
    height, width = (-(-n // step) for n, step in zip(images.shape[1:3], strides, strict=True))
    seen = take_pixels(images, (0, 0), (height, width), strides)
    return (rows_of_pixels(seen) @ kernel[0, 0]).reshape(*seen.shape[:3], -1)


def images_gradient(
    gradient: jax.Array, kernel: jax.Array, strides: Pair, image_size: Pair
) -> jax.Array:
    """Mix the channels of the gradient by the transposed kernel; pixels not kept get zeros.

    Args:
      gradient: (B, H', W', features), of the output.
      kernel: (1, 1, C, features).
      strides: of the pixels that were kept, px.
      image_size: H and W.

    Returns:
      (B, H, W, C).
    """
    rows = product_with_transposed(
        rows_of_pixels(gradient), kernel[0, 0], size=gradient.shape[:3], by_onednn=False
    )
    return spread(rows.reshape(*gradient.shape[:3], -1), strides, image_size)


def spread(images: jax.Array, strides: Pair, image_size: Pair) -> jax.Array:
    """Put pixels that were kept with strides back in their places, zeros between them.

    Args:
      images: (B, H', W', C).
      strides: of the pixels that were kept, px.
      image_size: H and W.

    Returns:
      (B, H, W, C).
    """
    if strides == (1, 1):
        return images
    edges = [
        (0, n - (m - 1) * step - 1, step - 1)
        for n, m, step in zip(image_size, images.shape[1:3], strides, strict=True)
    ]
    return lax.pad(images, jnp.zeros((), images.dtype), [(0, 0, 0), *edges, (0, 0, 0)])


def rows_of_pixels(images: jax.Array) -> jax.Array:
    """Lay pixels in rows, (B, H, W, C) to (B * H * W, C), apart from what made them."""
    return lax.optimization_barrier(images.reshape(-1, images.shape[-1]))


def product(
    rows: jax.Array, kernel: jax.Array, *, size: tuple[int, ...], by_onednn: bool
) -> jax.Array:
    """Mix the channels of pixels: (N, C) times (C, features), N a multiple of images of `size`."""
    if by_onednn and rows.dtype == jnp.bfloat16:
        return _as_convolution(rows, kernel, size, Geometry((1, 1), _NO_PADS))
    return onednn.matrix_product(rows, kernel) if by_onednn else rows @ kernel


def product_with_transposed(
    rows: jax.Array, kernel: jax.Array, *, size: tuple[int, ...], by_onednn: bool
) -> jax.Array:
    """Mix the channels of gradients: (N, features) times the transpose of (C, features)."""
    if by_onednn and rows.dtype == jnp.bfloat16:
        swapped = Geometry((1, 1), _NO_PADS, swap_channels=True)
        return _as_convolution(rows, kernel, size, swapped)
    if by_onednn:
        return onednn.matrix_product(rows, kernel, transpose_b=True)
    return lax.dot_general(rows, kernel, (((1,), (1,)), ((), ())))


def _as_convolution(
    rows: jax.Array, kernel: jax.Array, size: tuple[int, ...], geometry: Geometry
) -> jax.Array:
    """Multiply by oneDNN's convolution, whose bfloat16 works on every processor."""
    images = rows.reshape(-1, *size[1:], rows.shape[1])
    return onednn.convolution(images, kernel[None, None], geometry).reshape(rows.shape[0], -1)
