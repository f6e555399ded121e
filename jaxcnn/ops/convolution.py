"""Convolution with the semantics of `lax.conv_general_dilated`, and faster on the CPU.

How it is computed is chosen when the program is lowered: on the CPU, in float32 and where oneDNN
takes it in bfloat16, as `jaxcnn.ops.cpu.convolution` says, on every other platform and in other
precisions as XLA does.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.conv_of_rows import apart, conv_of_rows
from jaxcnn.ops.cpu import convolution as cpu_convolution, onednn
from jaxcnn.ops.cpu.geometry import DIMENSIONS, Geometry, by_xla, rounded
from jaxcnn.ops.lowering import in_dtype, over_batches, uses_calls, uses_stock_ops

IntOrPair = int | Sequence[int]


def conv2d(
    images: jax.Array,
    kernel: jax.Array,
    *,
    strides: IntOrPair = 1,
    padding: str | Sequence[tuple[int, int]] = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> jax.Array:
    """Convolve images with a kernel.

    Args:
      images: (B, H, W, C) floating.
      kernel: (height, width, C / groups, features), dtype of `images`.
      strides: steps of the kernel, px.
      padding: "SAME", "VALID" or (before, after) for each of H and W, px; filled with 0.
      dilation: distance of the kernel's taps, px.
      groups: number of groups of channels that are convolved apart; C for a depthwise kernel.

    Returns:
      (B, H', W', features), dtype of `images`. Reverse-mode derivatives, `jit`, `vmap` and `scan`
      are supported; forward mode is not in float32, nor in bfloat16 by oneDNN.

    Raises:
      ValueError: if the ranks are not 4.
      TypeError: if the channels do not fit.

    Example:
      >>> image, edge = jnp.ones((1, 4, 4, 1)), jnp.array([[1.0, -1.0]]).reshape(1, 2, 1, 1)
      >>> conv2d(image, edge, padding="VALID").shape
      (1, 4, 3, 1)
    """
    if images.ndim != 4 or kernel.ndim != 4:
        raise ValueError(
            f"images must be (B, H, W, C) and kernel (height, width, C / groups, features), got "
            f"shapes {images.shape} and {kernel.shape}; add the missing axes."
        )
    return conv_general_dilated(
        images,
        kernel,
        _as_pair(strides),
        padding,
        rhs_dilation=_as_pair(dilation),
        feature_group_count=groups,
    )


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
      kernel: (height, width, C / feature_group_count, features), dtype of `images`, or float32 for
        images of half precision: then it is rounded to theirs, and its gradient on the CPU is not.
      strides: steps of the kernel, px.
      padding: "SAME", "VALID" or (before, after) for each of H and W, px.
      lhs_dilation: as in `lax`.
      rhs_dilation: as in `lax`.
      dimension_numbers: as in `lax`, for images NHWC and kernels HWIO.
      feature_group_count: as in `lax`.
      precision: as in `lax`.

    Returns:
      (B, H', W', features), dtype of `images`. Values and gradients are `lax`'s to the rounding of
      that dtype. What the CPU does not compute in its own way is `lax`'s own operation.

    Example:
      >>> import flax.linen as nn
      >>> layer = nn.Conv(8, (3, 3), conv_general_dilated=conv_general_dilated)
      >>> images = jnp.ones((1, 16, 16, 3))
      >>> layer.init_with_output(jax.random.key(0), images)[0].shape
      (1, 16, 16, 8)
    """
    plain = functools.partial(
        lax.conv_general_dilated,
        window_strides=strides,
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers or DIMENSIONS,
        feature_group_count=feature_group_count,
        precision=precision,
    )
    narrow = rounded(kernel, images)
    is_plain = (
        uses_stock_ops()
        or any(step != 1 for step in lhs_dilation or ())
        or precision is not None
        or images.ndim != 4
        or images.dtype != narrow.dtype
        or not _has_own_way(images.dtype)
    )
    if is_plain:
        return plain(images, narrow)
    geometry = find_geometry(
        images, kernel, strides, padding, dilation=rhs_dilation or 1, groups=feature_group_count
    )
    if geometry is None:
        return plain(images, narrow)
    # Rows serve the gradient too; a program that leaves has none, and other platforms no rows.
    if geometry.is_pointwise(kernel) and geometry.strides == (1, 1) and uses_calls():
        size = images.shape[:3]
        rows = apart(images.reshape(-1, images.shape[3]))
        mixed = conv_of_rows(rows, kernel[0, 0], size, geometry.by_onednn)
        return mixed.reshape(*size, kernel.shape[3])
    return _conv(images, kernel, geometry)


def dot_general(
    inputs: jax.Array,
    kernel: jax.Array,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    """Multiply as `lax.dot_general` does; a drop-in for Flax's `nn.Dense`.

    Args:
      inputs: floating.
      kernel: dtype of `inputs`, or float32 for inputs of half precision: then it is rounded.
      dimension_numbers: as in `lax`.
      precision: as in `lax`.
      preferred_element_type: as in `lax`.

    Returns:
      As from `lax`. Where oneDNN takes bfloat16, (B, D) times (D, units) is a pointwise convolution
      in bfloat16, which the CPU computes as the module says.
    """
    is_layer = inputs.ndim == kernel.ndim == 2 and dimension_numbers == (((1,), (0,)), ((), ()))
    is_plain = uses_stock_ops() or precision is not None or preferred_element_type is not None
    if (
        is_layer
        and not is_plain
        and inputs.dtype == jnp.bfloat16
        and onednn.is_usable(inputs.dtype)
    ):
        pixels = inputs[None, None]
        return conv_general_dilated(pixels, kernel[None, None], (1, 1), "VALID")[0, 0]
    return lax.dot_general(
        inputs,
        rounded(kernel, inputs),
        dimension_numbers,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def find_geometry(
    images: jax.Array,
    kernel: jax.Array,
    strides: IntOrPair,
    padding: str | Sequence[tuple[int, int]],
    *,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Geometry | None:
    """Find out how a kernel goes over images, in px.

    Args:
      images: (B, H, W, C).
      kernel: (height, width, C / groups, features).
      strides: steps of the kernel, px.
      padding: "SAME", "VALID" or (before, after) for each of H and W, px.
      dilation: distance of the kernel's taps, px.
      groups: number of groups of channels.

    Returns:
      The geometry; None where the CPU has no way of its own: nothing to convolve, or padding that
      crops.

    Raises:
      TypeError: if the channels do not fit.
    """
    strides, dilation = _as_pair(strides), _as_pair(dilation)
    spans = tuple((n - 1) * d + 1 for n, d in zip(kernel.shape[:2], dilation, strict=True))
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], spans, strides, padding)
    top, left = ((int(before), int(after)) for before, after in padding)
    room = [n + sum(p) - s for n, p, s in zip(images.shape[1:3], (top, left), spans, strict=True)]
    if min(*room, *top, *left) < 0 or 0 in images.shape:
        return None
    _check_channels(images, kernel, groups)
    return Geometry(strides, (top, left), dilation, groups, onednn.is_usable(images.dtype))


def _has_own_way(dtype: Any) -> bool:
    """Tell whether the CPU computes this precision in its own way."""
    if not uses_calls():
        return dtype in (jnp.float32, jnp.bfloat16, jnp.float16)
    return dtype == jnp.float32 or (dtype == jnp.bfloat16 and onednn.is_usable(dtype))


def _as_pair(value: IntOrPair) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return int(first), int(second)


def _check_channels(images: jax.Array, kernel: jax.Array, groups: int) -> None:
    if images.shape[3] != kernel.shape[2] * groups or kernel.shape[3] % groups:
        raise TypeError(
            f"kernel {kernel.shape} in {groups} groups must take {kernel.shape[2]} channels a "
            f"group and share its features out evenly, got images of {images.shape[3]} channels."
        )


# Compiled inside too: outside of `jit` the choice of platform would be traced again at each call.
@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
@functools.partial(jax.jit, static_argnums=2)
def _conv(images: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    own = over_batches(functools.partial(cpu_convolution.forward, geometry=geometry))
    stock = functools.partial(by_xla, geometry=geometry)
    kernel = rounded(kernel, images)
    return lax.platform_dependent(images, kernel, cpu=own, default=stock)


def _conv_forward(
    images: jax.Array, kernel: jax.Array, geometry: Geometry
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _conv(images, kernel, geometry), (images, kernel)


@functools.partial(jax.jit, static_argnums=0)
def _conv_backward(
    geometry: Geometry, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    images, kernel = residuals
    dtype, kernel = kernel.dtype, rounded(kernel, images)
    of_images: dict[str, Any] = {"geometry": geometry, "image_shape": images.shape[1:]}
    shape = jax.ShapeDtypeStruct(kernel.shape, kernel.dtype)
    of_kernel: dict[str, Any] = {"geometry": geometry, "kernel": shape}
    to_images = functools.partial(cpu_convolution.images_gradient, **of_images)
    to_kernel = functools.partial(cpu_convolution.kernel_gradient, **of_kernel)
    stock_kernel = functools.partial(cpu_convolution.kernel_gradient_by_xla, **of_kernel)
    return (
        lax.platform_dependent(
            gradient,
            kernel,
            cpu=over_batches(to_images),
            default=functools.partial(cpu_convolution.images_gradient_by_xla, **of_images),
        ),
        lax.platform_dependent(
            images,
            gradient,
            cpu=jax.custom_batching.sequential_vmap(in_dtype(dtype, to_kernel)),
            default=in_dtype(dtype, stock_kernel),
        ),
    )


_conv.defvjp(_conv_forward, _conv_backward)
