"""Depthwise convolution in `jax.numpy`, for the CPU.

XLA's CPU backend runs a grouped convolution group by group. As a sum of the kernel's taps, each a
shifted image times one number a channel, it is elementwise code that fuses into one loop: at
(32, 112, 112, 96) with a 3 x 3 kernel about a tenth of the time. The gradients are of the same
form, and written out here, since those that JAX derives for strided slices scatter.

The gradient of the kernel is, for each tap, the sum of a product over all pixels. XLA's reductions
over pixels run element by element, so the sum is taken in two steps that it runs as vector code:
images are added up as one expression for each row of the kernel, pixels by a product with a row of
ones. Maps go through it a few rows at a time, and find the processor's cache large enough.
Milliseconds on two cores, batch 16, 3 x 3, by XLA's reductions and so:

    image, channels      reductions      here
    112 px,  32              55            29
     56 px, 144              59            19
     28 px, 192              27             6
     14 px, 384              19             3

The barriers matter: without them XLA fuses the layers around (BatchNorm, the activation and their
gradients) into the loop and computes them again for each tap.
"""

import functools
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.cpu.geometry import Geometry, Pair, take_pixels
from jaxcnn.ops.cpu.row_windows import row_windows
from jaxcnn.ops.cpu.sums import sum_rows

_IMAGES_AT_ONCE = 16  # added up in one expression
_ROWS_BYTES = 2**19


def depthwise_conv(images: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve each channel with its own kernel.

    Args:
      images: (B, H, W, C) floating.
      kernel: (height, width, 1, C), dtype of `images`.
      geometry: its strides and pads, at least 0.

    Returns:
      (B, H', W', C).
    """
    padded = lax.optimization_barrier(jnp.pad(images, ((0, 0), *geometry.pads, (0, 0))))
    taps = (
        shifted * kernel[i, j].reshape(1, 1, 1, -1)
        for i, j, shifted in _shifts(padded, kernel.shape[:2], geometry.strides)
    )
    return functools.reduce(jnp.add, taps)


def images_gradient(
    gradient: jax.Array, kernel: jax.Array, geometry: Geometry, image_size: Pair
) -> jax.Array:
    """Convolve the gradient, spread to the images' grid, with the kernel turned around.

    Args:
      gradient: (B, H', W', C), of the output.
      kernel: (height, width, 1, C).
      geometry: its strides and pads.
      image_size: H and W.

    Returns:
      (B, H, W, C).
    """
    edges = []
    for axis in (0, 1):
        size, k, step = image_size[axis], kernel.shape[axis], geometry.strides[axis]
        before = k - 1 - geometry.pads[axis][0]
        spread = (gradient.shape[axis + 1] - 1) * step + 1
        # May be negative, which crops: pixels that no window covers, or padding's own gradient.
        edges.append((before, size + k - 1 - spread - before, step - 1))
    zero = jnp.zeros((), gradient.dtype)
    gradient = lax.optimization_barrier(gradient)
    spread_out = lax.pad(gradient, zero, [(0, 0, 0), *edges, (0, 0, 0)])
    return depthwise_conv(spread_out, kernel[::-1, ::-1], Geometry((1, 1), ((0, 0), (0, 0))))


def kernel_gradient(
    images: jax.Array, gradient: jax.Array, geometry: Geometry, kernel_size: Pair
) -> jax.Array:
    """Sum, for each tap, the pixels that it met times the gradient of what came of them.

    Args:
      images: (B, H, W, C).
      gradient: (B, H', W', C), of the output.
      geometry: its strides and pads.
      kernel_size: height and width, px.

    Returns:
      (height, width, 1, C) float32.
    """
    batch = images.shape[0]
    group = min(batch, _IMAGES_AT_ONCE)
    whole = batch // group * group
    sums = _sum_groups(images[:whole], gradient[:whole], geometry, kernel_size, group)
    if whole < batch:
        rest = (images[whole:], gradient[whole:])
        sums = sums + _sum_groups(*rest, geometry, kernel_size, batch - whole)
    return sums.reshape(*kernel_size, 1, images.shape[3])


def _shifts(
    padded: jax.Array, kernel_size: tuple[int, ...], strides: Pair
) -> Iterator[tuple[int, int, jax.Array]]:
    """Give, for each tap of the kernel, the pixels it meets: (i, j, (B, H', W', C))."""
    rows, columns = (
        (n - k) // step + 1
        for n, k, step in zip(padded.shape[1:3], kernel_size, strides, strict=True)
    )
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            yield i, j, take_pixels(padded, (i, j), (rows, columns), strides)


def _sum_groups(
    images: jax.Array, gradient: jax.Array, geometry: Geometry, kernel_size: Pair, group: int
) -> jax.Array:
    """Sum over a batch that is a multiple of `group`: (height, width, C) of the kernel."""
    strides, pads = geometry.strides, geometry.pads
    rows = _rows_at_once(images, gradient, group)
    blocks = -(-gradient.shape[1] // rows)
    seen_rows = (rows - 1) * strides[0] + kernel_size[0]
    # Rows of zeros fill up the last block; what they meet does not count.
    gradient = jnp.pad(gradient, ((0, 0), (0, blocks * rows - gradient.shape[1]), (0, 0), (0, 0)))
    room = (blocks - 1) * rows * strides[0] + seen_rows - images.shape[1] - pads[0][0]
    images = lax.pad(
        images,
        jnp.zeros((), images.dtype),
        [(0, 0, 0), (pads[0][0], room, 0), (*pads[1], 0), (0, 0, 0)],
    )
    images, gradient = lax.optimization_barrier((images, gradient))

    def add(index: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        image, row = index // blocks * group, index % blocks * rows
        seen = _cut(images, image, row * strides[0], group, seen_rows)
        weight = _cut(gradient, image, row, group, rows)[:, :, :, None]
        windows = row_windows(seen, gradient.shape[2], kernel_size[1], strides[1])
        last = (rows - 1) * strides[0] + 1
        return tuple(
            _sum_images(total, windows[:, i : i + last : strides[0]], weight)
            for i, total in enumerate(sums)
        )

    zeros = jnp.zeros((1, rows, gradient.shape[2], kernel_size[1], images.shape[3]), jnp.float32)
    count = images.shape[0] // group * blocks
    sums = (zeros,) * kernel_size[0]
    sums = add(jnp.int32(0), sums) if count == 1 else lax.fori_loop(0, count, add, sums)
    return jnp.stack([_sum_pixels(total) for total in sums])


def _sum_images(total: jax.Array, seen: jax.Array, weight: jax.Array) -> jax.Array:
    seen, weight = seen.astype(jnp.float32), weight.astype(jnp.float32)
    products = (seen[n : n + 1] * weight[n : n + 1] for n in range(seen.shape[0]))
    return functools.reduce(jnp.add, products, total)


def _rows_at_once(images: jax.Array, gradient: jax.Array, group: int) -> int:
    """Choose how many of the gradient's rows go through the sums together."""
    height = gradient.shape[1]
    group_bytes = (images.size + gradient.size) * images.dtype.itemsize * group // images.shape[0]
    return max(1, min(height, _ROWS_BYTES * height // group_bytes))


def _cut(array: jax.Array, image: jax.Array, row: jax.Array, group: int, rows: int) -> jax.Array:
    sizes = (group, rows, *array.shape[2:])
    if sizes == array.shape:
        return array
    start = (image, row, jnp.int32(0), jnp.int32(0))
    return lax.optimization_barrier(lax.dynamic_slice(array, start, sizes))


def _sum_pixels(total: jax.Array) -> jax.Array:
    """Sum (1, H, W, width, C) over the pixels: (width, C)."""
    width_and_channels = total.shape[3:]
    return sum_rows(total.reshape(-1, math.prod(width_and_channels))).reshape(width_and_channels)
