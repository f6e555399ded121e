"""Pointwise convolution of pixels in rows."""

import functools

import jax
from jax import lax

from jaxcnn.ops.cpu import pointwise, row_windows
from jaxcnn.ops.cpu.geometry import Geometry, by_xla, rounded
from jaxcnn.ops.lowering import in_dtype, over_batches


@jax.jit
def apart(x: jax.Array) -> jax.Array:
    """Keep what made an array out of the products that read it, on the CPU alone."""
    return lax.platform_dependent(x, cpu=lax.optimization_barrier, default=lambda x: x)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@functools.partial(jax.jit, static_argnums=(2, 3))
def conv_of_rows(
    rows: jax.Array, kernel: jax.Array, size: tuple[int, ...], by_onednn: bool
) -> jax.Array:
    """Convolve with a pointwise kernel.

    Args:
      rows: (B * H * W, C), the pixels.
      kernel: (C, features), dtype of `rows`, or float32 for rows of bfloat16.
      size: B, H and W.
      by_onednn: whether the CPU may call oneDNN.

    Returns:
      (B * H * W, features), dtype of `rows`.
    """
    product = functools.partial(pointwise.product, size=size, by_onednn=by_onednn)
    own, stock = over_batches(product), functools.partial(_rows_by_xla, size=size)
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
    return conv_of_rows(rows, kernel, size, by_onednn), (rows, kernel)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _rows_backward(
    size: tuple[int, ...],
    by_onednn: bool,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    rows, kernel = residuals
    dtype, kernel = kernel.dtype, rounded(kernel, rows)
    gradient = apart(gradient)
    to_rows = functools.partial(pointwise.product_with_transposed, size=size, by_onednn=by_onednn)
    to_kernel = functools.partial(row_windows.product_over_rows, by_onednn=by_onednn)

    def stock_rows(gradient: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda x: _rows_by_xla(x, kernel, size), rows)(gradient)[0]

    def stock_kernel(rows: jax.Array, gradient: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda w: _rows_by_xla(rows, w, size), kernel)(gradient)[0]

    return (
        lax.platform_dependent(gradient, kernel, cpu=over_batches(to_rows), default=stock_rows),
        lax.platform_dependent(
            rows,
            gradient,
            cpu=jax.custom_batching.sequential_vmap(in_dtype(dtype, to_kernel)),
            default=in_dtype(dtype, stock_kernel),
        ),
    )


conv_of_rows.defvjp(_rows_forward, _rows_backward)
