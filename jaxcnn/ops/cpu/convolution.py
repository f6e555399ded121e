"""Convolution and its gradients on the CPU: which way of computing suits which kernel.

By rule, for float32, and for bfloat16 where oneDNN takes it (added up in float32 throughout):

- With jaxlib's oneDNN (`jaxcnn.ops.cpu.onednn`): every forward pass is one call of it. The
  gradient of the images is made of forward passes too, one for each of the kernel's phases
  against the stride.
- Without it: depthwise kernels as shifted multiply-adds, pointwise ones as matrix products, and the
  others as XLA has them.
- The gradient of the kernel: depthwise by `jaxcnn.ops.cpu.depthwise`, pointwise one matrix product,
  dense by `jaxcnn.ops.cpu.row_windows`; other groups and dilations as XLA has it.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.cpu import depthwise, onednn, pointwise, row_windows
from jaxcnn.ops.cpu.geometry import Geometry, Pair, by_xla


def images_gradient_by_xla(
    gradient: jax.Array, kernel: jax.Array, geometry: Geometry, image_shape: tuple[int, ...]
) -> jax.Array:
    """Compute the gradient of images of this shape, (H, W, C), as XLA does."""
    images = jax.ShapeDtypeStruct((gradient.shape[0], *image_shape), gradient.dtype)
    return jax.linear_transpose(lambda x: by_xla(x, kernel, geometry), images)(gradient)[0]


def kernel_gradient_by_xla(
    images: jax.Array, gradient: jax.Array, geometry: Geometry, kernel: jax.ShapeDtypeStruct
) -> jax.Array:
    """Compute the gradient of a kernel of this shape as XLA does."""
    kernel = jax.ShapeDtypeStruct(kernel.shape, images.dtype)
    return jax.linear_transpose(lambda w: by_xla(images, w, geometry), kernel)(gradient)[0]


def forward(images: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve (B, H, W, C) with (height, width, C / groups, features)."""
    if geometry.by_onednn and onednn.takes(images.dtype, kernel.shape[:2], geometry):
        return onednn.convolution(images, kernel, geometry)
    if geometry.swap_channels:
        kernel, geometry = jnp.swapaxes(kernel, 2, 3), geometry._replace(swap_channels=False)
    if images.dtype.itemsize < 4:  # widened once here, not for each tap or product
        wide = forward(images.astype(jnp.float32), kernel.astype(jnp.float32), geometry)
        return wide.astype(images.dtype)
    if geometry.is_depthwise(kernel) and geometry.dilation == (1, 1):
        return depthwise.depthwise_conv(images, kernel, geometry)
    if geometry.is_pointwise(kernel):
        return pointwise.pointwise_conv(images, kernel, geometry.strides)
    return by_xla(images, kernel, geometry)


def images_gradient(
    gradient: jax.Array, kernel: jax.Array, geometry: Geometry, image_shape: tuple[int, ...]
) -> jax.Array:
    """Compute the gradient of images of this shape, (H, W, C), from that of the output."""
    size = (image_shape[0], image_shape[1])
    if geometry.by_onednn and (geometry.dilation == (1, 1) or geometry.strides == (1, 1)):
        if geometry.is_pointwise(kernel):
            kept = geometry._replace(strides=(1, 1), swap_channels=True)
            return pointwise.spread(forward(gradient, kernel, kept), geometry.strides, size)
        return _images_gradient_by_phases(gradient, kernel, geometry, size)
    if geometry.is_depthwise(kernel) and geometry.dilation == (1, 1):
        return depthwise.images_gradient(gradient, kernel, geometry, size)
    if geometry.is_pointwise(kernel):
        return pointwise.images_gradient(gradient, kernel, geometry.strides, size)
    return images_gradient_by_xla(gradient, kernel, geometry, image_shape)


def kernel_gradient(
    images: jax.Array, gradient: jax.Array, geometry: Geometry, kernel: jax.ShapeDtypeStruct
) -> jax.Array:
    """Compute the gradient of a kernel of this shape, in float32, from that of the output."""
    size = (kernel.shape[0], kernel.shape[1])
    product = functools.partial(row_windows.product_over_rows, by_onednn=geometry.by_onednn)
    if geometry.is_pointwise(kernel):
        seen = images[:, :: geometry.strides[0], :: geometry.strides[1]]
        rows = pointwise.rows_of_pixels(seen), pointwise.rows_of_pixels(gradient)
        return product(*rows).reshape(kernel.shape)
    if geometry.dilation == (1, 1) and geometry.is_depthwise(kernel):
        return depthwise.kernel_gradient(images, gradient, geometry, size)
    if geometry.dilation == (1, 1) and geometry.groups == 1:
        return row_windows.kernel_gradient(images, gradient, geometry, size, product)
    images, gradient = (a.astype(jnp.float32) for a in (images, gradient))
    return kernel_gradient_by_xla(images, gradient, geometry, kernel)


def _images_gradient_by_phases(
    gradient: jax.Array, kernel: jax.Array, geometry: Geometry, size: Pair
) -> jax.Array:
    """Convolve the gradient with the kernel turned around, once for each phase of the strides.

    A pixel that lies r px beyond a multiple of the stride was met by every stride-th tap from the
    r-th on. Those taps alone, turned around, give its gradient; no zeros are put between pixels.
    """
    if geometry.groups > 1:
        kernel = _swap_channels(kernel, geometry.groups)
    counts = [
        -(-(n + pad[0]) // step)
        for n, pad, step in zip(size, geometry.pads, geometry.strides, strict=True)
    ]
    rows, columns = geometry.strides
    lines = []
    for i in range(rows):
        taps = (kernel[i::rows, j::columns] for j in range(columns))
        lines.append(_interleave([_phase(gradient, t, geometry, counts) for t in taps], axis=2))
    top, left = (pad[0] for pad in geometry.pads)
    whole = _interleave(lines, axis=1)
    return whole[:, top : top + size[0], left : left + size[1]]


def _phase(
    gradient: jax.Array, taps: jax.Array, geometry: Geometry, counts: list[int]
) -> jax.Array:
    """Compute the gradient of every stride-th pixel of the padded image."""
    if 0 in taps.shape[:2]:  # a kernel smaller than its stride misses pixels
        channels = taps.shape[2 if geometry.groups == 1 else 3]
        return jnp.zeros((gradient.shape[0], *counts, channels), gradient.dtype)
    pads, crops = [], [(0, 0, 0)]
    for axis in (0, 1):
        before = (taps.shape[axis] - 1) * geometry.dilation[axis]
        after = counts[axis] - gradient.shape[axis + 1]
        pads.append((before, max(0, after)))
        crops.append((0, min(0, after), 0))  # what only padding saw
    if any(after for _, after, _ in crops):
        gradient = lax.pad(gradient, jnp.zeros((), gradient.dtype), [*crops, (0, 0, 0)])
    inner = geometry._replace(
        strides=(1, 1), pads=(pads[0], pads[1]), swap_channels=geometry.groups == 1
    )
    return forward(gradient, taps[::-1, ::-1], inner)


def _swap_channels(kernel: jax.Array, groups: int) -> jax.Array:
    """Exchange input and output channels within each group."""
    height, width, inputs, outputs = kernel.shape
    grouped = kernel.reshape(height, width, inputs, groups, outputs // groups)
    return grouped.transpose(0, 1, 4, 3, 2).reshape(height, width, outputs // groups, -1)


def _interleave(parts: list[jax.Array], *, axis: int) -> jax.Array:
    """Take elements of an axis from each part in turn."""
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] *= len(parts)
    return jnp.stack(parts, axis + 1).reshape(shape)
