"""Convolution with the semantics of `lax.conv_general_dilated`, and faster on the CPU.

Three kinds of convolution have a lowering of their own there:

- Depthwise: shifted multiply-adds, see `jaxcnn.ops.depthwise`.
- Pointwise (1 x 1): a matrix product over the pixels, see `jaxcnn.ops.pointwise`.
- Dense with stride 1: the gradient of the kernel, which XLA computes as a convolution with a kernel
  as large as the image, mostly on one core, is one matrix product, of the patches that the kernel
  saw and the gradient of its output, and runs on all cores. With few input channels, as in a first
  layer, the forward pass gains from it too. Measured on two cores, batch 32, 3 x 3 kernels,
  milliseconds:

    image, channels      forward: XLA, here      gradient of the kernel: XLA, here
    96 px,   3 ->  32          47, 23                       44, 28
    48 px,  32 ->  64          20 (XLA's kept)             140, 53
    24 px,  64 -> 128          25 (XLA's kept)              46, 33
    12 px, 128 -> 128           9 (XLA's kept)              23, 16

Other platforms keep XLA's own, as do dilations, other groups and half precision.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.depthwise import depthwise_conv
from jaxcnn.ops.pointwise import pointwise_conv

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_FEW_CHANNELS = 4  # up to here a forward pass by patches is the faster one
_MIN_POSITIONS = 2**12  # output pixels of the whole batch; below, XLA's own is as fast
_MAX_PATCH_BYTES = 2**29  # patches take kernel height x width times the input's memory


def conv_general_dilated(
    images: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
) -> jax.Array:
    """Convolve as `lax.conv_general_dilated` does; a drop-in for Flax's `nn.Conv`.

    Args:
      images: (B, H, W, C) floating.
      kernel: (height, width, C / feature_group_count, features).
      strides: steps of the kernel, px.
      padding: "SAME", "VALID" or (before, after) for each of H and W, px.
      lhs_dilation: as in `lax`.
      rhs_dilation: as in `lax`.
      dimension_numbers: as in `lax`, for images NHWC and kernels HWIO.
      feature_group_count: as in `lax`.
      precision: as in `lax`.

    Returns:
      (B, H', W', features). Values and gradients are `lax`'s to the rounding of float32;
      reverse-mode derivatives, `jit` and `vmap` are supported, forward mode is not for depthwise
      kernels and where the faster gradient is used.
    """
    plain = functools.partial(
        lax.conv_general_dilated,
        window_strides=strides,
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers or _DIMENSIONS,
        feature_group_count=feature_group_count,
        precision=precision,
    )
    is_plain = (
        all(step == 1 for step in (*(lhs_dilation or ()), *(rhs_dilation or ())))
        and precision is None
        and images.ndim == 4
        and images.dtype == kernel.dtype == jnp.float32
    )
    if not is_plain:
        return plain(images, kernel)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], strides, padding)
    pads = tuple((int(before), int(after)) for before, after in padding)
    strides = (int(strides[0]), int(strides[1]))
    sizes = _output_size(images.shape, kernel.shape, strides, pads)
    if min(sizes) < 1 or min(min(pad) for pad in pads) < 0:
        return plain(images, kernel)
    if feature_group_count == images.shape[-1] == kernel.shape[-1] > 1:
        return _on_cpu(_depthwise, plain, images, kernel, strides, pads)
    if feature_group_count > 1:
        return plain(images, kernel)
    if kernel.shape[:2] == (1, 1) and not any(map(any, pads)):
        return _on_cpu(_pointwise, plain, images, kernel, strides)
    if strides == (1, 1) and _patches_pay(images.shape[0] * sizes[0] * sizes[1], kernel.shape):
        return _conv(images, kernel, pads)
    return plain(images, kernel)


def _output_size(
    images: Sequence[int], kernel: Sequence[int], strides: Sequence[int], pads: Any
) -> tuple[int, int]:
    height, width = (
        (size + sum(pad) - k) // step + 1
        for size, pad, k, step in zip(images[1:3], pads, kernel, strides, strict=False)
    )
    return height, width


def _on_cpu(
    own: Callable[..., jax.Array],
    plain: Callable[..., jax.Array],
    images: jax.Array,
    kernel: jax.Array,
    *static: Any,
) -> jax.Array:
    """Take `own` where the program is lowered for the CPU, `plain` elsewhere."""
    return lax.platform_dependent(
        images, kernel, cpu=lambda images, kernel: own(images, kernel, *static), default=plain
    )


# Compiled inside too: outside of `jit` these would run, and be traced, tap by tap.
_depthwise = jax.jit(depthwise_conv, static_argnums=(2, 3))
_pointwise = jax.jit(pointwise_conv, static_argnums=2)


def _patches_pay(positions: int, kernel: Sequence[int]) -> bool:
    """Whether products of patches are faster: `positions` output pixels of the whole batch."""
    patch_bytes = 4 * positions * int(np.prod(kernel[:3]))
    return (
        kernel[0] * kernel[1] > 1
        and positions >= _MIN_POSITIONS
        and patch_bytes <= _MAX_PATCH_BYTES
    )


def _plain(images: jax.Array, kernel: jax.Array, pads: Any) -> jax.Array:
    return lax.conv_general_dilated(images, kernel, (1, 1), pads, dimension_numbers=_DIMENSIONS)


def _patches(images: jax.Array, kernel_shape: Sequence[int], pads: Any) -> jax.Array:
    """Lay out what each output pixel sees, (B, H', W', height * width * C), as kernels do."""
    # Without barriers XLA fuses the layers before into the patches and repeats them for each.
    padded = lax.optimization_barrier(jnp.pad(images, ((0, 0), *pads, (0, 0))))
    rows = padded.shape[1] - kernel_shape[0] + 1
    columns = padded.shape[2] - kernel_shape[1] + 1
    return jnp.concatenate(
        [
            padded[:, i : i + rows, j : j + columns]
            for i in range(kernel_shape[0])
            for j in range(kernel_shape[1])
        ],
        axis=-1,
    )


def _by_patches(images: jax.Array, kernel: jax.Array, pads: Any) -> jax.Array:
    patches = _patches(images, kernel.shape, pads)
    return jnp.tensordot(patches, kernel.reshape(-1, kernel.shape[-1]), 1)


def _kernel_gradient(images: jax.Array, gradient: jax.Array, shape: Any, pads: Any) -> jax.Array:
    patches = _patches(images, shape, pads).reshape(-1, int(np.prod(shape[:3])))
    gradient = lax.optimization_barrier(gradient.reshape(-1, shape[3]))
    product = lax.dot_general(patches, gradient, (((0,), (0,)), ((), ())))
    return product.reshape(shape)


# Compiled inside too: outside of `jit` the choice of platform would be traced anew at each call.
@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
@functools.partial(jax.jit, static_argnums=2)
def _conv(images: jax.Array, kernel: jax.Array, pads: Any) -> jax.Array:
    plain = functools.partial(_plain, pads=pads)
    if kernel.shape[2] > _FEW_CHANNELS:
        return plain(images, kernel)
    by_patches = functools.partial(_by_patches, pads=pads)
    return lax.platform_dependent(images, kernel, cpu=by_patches, default=plain)


def _conv_forward(images: jax.Array, kernel: jax.Array, pads: Any) -> tuple[jax.Array, Any]:
    return _conv(images, kernel, pads), (images, kernel)


@functools.partial(jax.jit, static_argnums=0)
def _conv_backward(pads: Any, kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    images, kernel = kept

    def plain(images: jax.Array, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        _, transpose = jax.vjp(lambda kernel: _plain(images, kernel, pads), kernel)
        return transpose(gradient)[0]

    def by_patches(images: jax.Array, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        return _kernel_gradient(images, gradient, kernel.shape, pads)

    _, to_images = jax.vjp(lambda images: _plain(images, kernel, pads), images)
    kernel_gradient = lax.platform_dependent(
        images, kernel, gradient, cpu=by_patches, default=plain
    )
    return to_images(gradient)[0], kernel_gradient


_conv.defvjp(_conv_forward, _conv_backward)
