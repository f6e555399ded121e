"""The gradient of a dense kernel as matrix products over windows of rows, for the CPU.

XLA's CPU backend computes this gradient as a convolution with a kernel as large as the image,
mostly on one core. It is a matrix product: of what the kernel saw at each output pixel, and the
gradient of that pixel. What a *row* of the kernel saw lies side by side in memory, so a gather
copies it whole; patches of all rows, put together from single pixels, take several times as long.
So there is one product for each row of the kernel. Milliseconds on two cores, batch 16:

    image, channels, kernel            XLA     patches   here
    56 px,   64 ->  64, 3 x 3          117        75       33
    28 px,  128 -> 128, 3 x 3           58        41       30
    224 px,   3 ->  64, 7 x 7, / 2     236        90       50
    75 px,   32 ->  64, 3 x 3, b. 32   480       145       65
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.cpu.geometry import Geometry, Pair

Product = Callable[[jax.Array, jax.Array], jax.Array]

_MOST_BYTES = 2**28  # of windows at a time


def kernel_gradient(
    images: jax.Array, gradient: jax.Array, geometry: Geometry, kernel_size: Pair, product: Product
) -> jax.Array:
    """Compute the gradient of a dense convolution's kernel.

    Args:
      images: (B, H, W, C) floating.
      gradient: (B, H', W', features), of the output.
      geometry: its strides and pads.
      kernel_size: height and width, px.
      product: maps (rows, M) and (rows, N) to (M, N), the sum over rows.

    Returns:
      (height, width, C, features), dtype of the product.
    """

    def of_part(images: jax.Array, gradient: jax.Array) -> jax.Array:
        weights = lax.optimization_barrier(gradient.reshape(-1, gradient.shape[-1]))
        size, width = gradient.shape[1:3], kernel_size[1]
        rows = range(kernel_size[0])
        seen = (_seen_by_row(images, geometry, size, row, width) for row in rows)
        return jnp.concatenate([product(each, weights) for each in seen])

    parts = _num_parts(images.shape[0], gradient.size // gradient.shape[-1], kernel_size[1], images)
    if parts == 1:
        total = of_part(images, gradient)
    else:
        total = _sum_over_parts(of_part, parts, images, gradient)
    return total.reshape(*kernel_size, images.shape[-1], gradient.shape[-1])


def row_windows(images: jax.Array, count: int, width: int, stride: int) -> jax.Array:
    """Lay out what one row of a kernel sees as it goes along the rows of images.

    Args:
      images: (B, H, W, C) floating; W at least (count - 1) * stride + width.
      count: windows in a row.
      width: of the kernel, px.
      stride: step of the kernel, px.

    Returns:
      (B, H, count, width, C).
    """
    batch, height, _, channels = images.shape
    if width == stride == 1:
        return images[:, :, :count, None]
    starts = np.arange(count, dtype=np.int32)[:, None] * (stride * channels)
    dimensions = lax.GatherDimensionNumbers(
        offset_dims=(0, 2), collapsed_slice_dims=(), start_index_map=(1,)
    )
    windows = lax.gather(
        # One array of its own: the gather would compute what makes it again for each window.
        lax.optimization_barrier(images).reshape(batch * height, -1),
        starts,
        dimensions,
        (batch * height, width * channels),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
    # The barrier comes first: with a reshape before it XLA copies what it gathered once more.
    return lax.optimization_barrier(windows).reshape(batch, height, count, width, channels)


def product_over_rows(rows: jax.Array, gradient: jax.Array, *, by_onednn: bool) -> jax.Array:
    """Sum over pixels, in float32: the transpose of (N, C) times (N, features)."""
    if by_onednn and (rows.dtype == jnp.float32 or onednn.multiplies_bfloat16()):
        return onednn.matrix_product(rows, gradient, transpose_a=True)
    dimensions = (((0,), (0,)), ((), ()))
    return lax.dot_general(rows, gradient, dimensions, preferred_element_type=jnp.float32)


def _seen_by_row(
    images: jax.Array, geometry: Geometry, size: tuple[int, ...], row: int, width: int
) -> jax.Array:
    """Lay out what one row of the kernel saw at every pixel: (B * H' * W', width * C)."""
    step, stride = geometry.strides
    padded = jnp.pad(images, ((0, 0), *geometry.pads, (0, 0)))
    lines = padded[:, row : row + (size[0] - 1) * step + 1 : step]
    windows = row_windows(lines, size[1], width, stride)
    return windows.reshape(-1, width * images.shape[3])


def _num_parts(batch: int, positions: int, width: int, images: jax.Array) -> int:
    """Choose into how many equal parts a batch is cut."""
    window_bytes = positions * width * images.shape[-1] * images.dtype.itemsize
    wanted = max(1, min(batch, -(-window_bytes // _MOST_BYTES)))
    return next(n for n in range(wanted, batch + 1) if batch % n == 0)


def _sum_over_parts(
    function: Callable[[jax.Array, jax.Array], jax.Array], parts: int, *arrays: jax.Array
) -> jax.Array:
    cut = tuple(a.reshape(parts, -1, *a.shape[1:]) for a in arrays)
    first = function(*(a[0] for a in cut))

    def add(total: jax.Array, part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        return total + function(*part), None

    return lax.scan(add, first, tuple(a[1:] for a in cut))[0]
