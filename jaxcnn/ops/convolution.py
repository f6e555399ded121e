"""Convolution with the semantics of `lax.conv_general_dilated`, and faster on the CPU.

How it is computed is chosen when the program is lowered: on the CPU, in float32 and where oneDNN
takes it in bfloat16, as `jaxcnn.ops.cpu.convolution` says, on every other platform and in other
precisions as XLA does.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.cpu import convolution as cpu_convolution, onednn, pointwise
from jaxcnn.ops.cpu.geometry import DIMENSIONS, Geometry, by_xla
from jaxcnn.ops.lowering import uses_calls, uses_stock_ops

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
      that dtype. What the CPU does not compute in its own way (see the module) is `lax`'s own
      operation.
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
    dilation = _as_pair(rhs_dilation or 1)
    strides = _as_pair(strides)
    spans = tuple((n - 1) * d + 1 for n, d in zip(kernel.shape[:2], dilation, strict=True))
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], spans, strides, padding)
    top, left = ((int(before), int(after)) for before, after in padding)
    room = [n + sum(p) - s for n, p, s in zip(images.shape[1:3], (top, left), spans, strict=True)]
    if min(*room, *top, *left) < 0 or 0 in images.shape:
        return plain(images, narrow)
    _check_channels(images, kernel, feature_group_count)
    usable = onednn.is_usable(images.dtype)
    geometry = Geometry(strides, (top, left), dilation, feature_group_count, usable)
    # Rows serve the gradient too; a program that leaves has none, and other platforms no rows.
    if geometry.is_pointwise(kernel) and strides == (1, 1) and uses_calls():
        size = images.shape[:3]
        rows = _apart(images.reshape(-1, images.shape[3]))
        return _conv_of_rows(rows, kernel[0, 0], size, usable).reshape(*size, kernel.shape[3])
    return _conv(images, kernel, geometry)


def rounded(kernel: jax.Array, images: jax.Array) -> jax.Array:
    """Round a float32 kernel to the dtype of images of half precision.

    Args:
      kernel: floating.
      images: floating.

    Returns:
      The kernel, in bfloat16 or float16 if it was float32 and the images are.
    """
    is_wider = kernel.dtype == jnp.float32 and images.dtype in (jnp.bfloat16, jnp.float16)
    return kernel.astype(images.dtype) if is_wider else kernel


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
    own = _over_batches(functools.partial(cpu_convolution.forward, geometry=geometry))
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
            cpu=_over_batches(to_images),
            default=functools.partial(cpu_convolution.images_gradient_by_xla, **of_images),
        ),
        lax.platform_dependent(
            images,
            gradient,
            cpu=jax.custom_batching.sequential_vmap(_in(dtype, to_kernel)),
            default=_in(dtype, stock_kernel),
        ),
    )


_conv.defvjp(_conv_forward, _conv_backward)


@jax.jit
def _apart(x: jax.Array) -> jax.Array:
    """Keep what made an array out of the products that read it, on the CPU alone."""
    return lax.platform_dependent(x, cpu=lax.optimization_barrier, default=lambda x: x)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@functools.partial(jax.jit, static_argnums=(2, 3))
def _conv_of_rows(
    rows: jax.Array, kernel: jax.Array, size: tuple[int, ...], by_onednn: bool
) -> jax.Array:
    """Convolve pixels in rows, (B * H * W, C), with a pointwise kernel, (C, features)."""
    product = functools.partial(pointwise.product, size=size, by_onednn=by_onednn)
    own, stock = _over_batches(product), functools.partial(_rows_by_xla, size=size)
    kernel = rounded(kernel, rows)
    return lax.platform_dependent(rows, kernel, cpu=own, default=stock)


def _rows_by_xla(rows: jax.Array, kernel: jax.Array, size: tuple[int, ...]) -> jax.Array:
    if size[:2] == (1, 1):  # a fully connected layer
        return rows @ kernel
    geometry = Geometry((1, 1), ((0, 0), (0, 0)))
    images = rows.reshape(*size, rows.shape[1])
    return by_xla(images, kernel[None, None], geometry).reshape(rows.shape[0], -1)


def _rows_forward(
    rows: jax.Array, kernel: jax.Array, size: tuple[int, ...], by_onednn: bool
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _conv_of_rows(rows, kernel, size, by_onednn), (rows, kernel)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _rows_backward(
    size: tuple[int, ...],
    by_onednn: bool,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    rows, kernel = residuals
    dtype, kernel = kernel.dtype, rounded(kernel, rows)
    gradient = _apart(gradient)
    to_rows = functools.partial(pointwise.product_with_transposed, size=size, by_onednn=by_onednn)
    to_kernel = functools.partial(pointwise.product_over_rows, by_onednn=by_onednn)

    def stock_rows(gradient: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda x: _rows_by_xla(x, kernel, size), rows)(gradient)[0]

    def stock_kernel(rows: jax.Array, gradient: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda w: _rows_by_xla(rows, w, size), kernel)(gradient)[0]

    return (
        lax.platform_dependent(gradient, kernel, cpu=_over_batches(to_rows), default=stock_rows),
        lax.platform_dependent(
            rows,
            gradient,
            cpu=jax.custom_batching.sequential_vmap(_in(dtype, to_kernel)),
            default=_in(dtype, stock_kernel),
        ),
    )


_conv_of_rows.defvjp(_rows_forward, _rows_backward)


def _in(dtype: Any, function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Cast what a function gives."""
    return lambda *arrays: function(*arrays).astype(dtype)


def _over_batches(
    function: Callable[[jax.Array, jax.Array], jax.Array],
) -> Callable[..., jax.Array]:
    """Make `vmap` over images alone one larger batch, and over kernels one call after the other."""
    mapped = jax.custom_batching.custom_vmap(function)

    @mapped.def_vmap
    def rule(
        size: int, is_mapped: Sequence[bool], images: jax.Array, kernel: jax.Array
    ) -> tuple[jax.Array, bool]:
        if all(is_mapped):
            return lax.map(lambda both: mapped(*both), (images, kernel)), True
        if is_mapped[1]:
            return lax.map(lambda kernel: mapped(images, kernel), kernel), True
        result = mapped(images.reshape(-1, *images.shape[2:]), kernel)
        return result.reshape(size, -1, *result.shape[1:]), True

    return mapped
