"""Pointwise (1 x 1) convolution as a matrix product over the pixels, for the CPU.

The barriers matter: without them XLA fuses the layers around into transposed copies that the
products of the gradients read, and their elementwise code, run across memory, takes several times
as long as the products.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def pointwise_conv(images: jax.Array, kernel: jax.Array, strides: tuple[int, int]) -> jax.Array:
    """Mix the channels of each pixel.

    Args:
      images: (B, H, W, C) floating.
      kernel: (1, 1, C, features), dtype of `images`.
      strides: of the pixels that are kept, px.

    Returns:
      (B, ceil(H / strides[0]), ceil(W / strides[1]), features). Reverse-mode derivatives are
      supported, forward mode is not.
    """
    seen = _rows(images[:, :: strides[0], :: strides[1]])
    shape = (
        images.shape[0],
        *(-(-n // s) for n, s in zip(images.shape[1:3], strides, strict=True)),
    )
    return (seen @ kernel[0, 0]).reshape(*shape, kernel.shape[-1])


def _rows(images: jax.Array) -> jax.Array:
    return lax.optimization_barrier(images.reshape(-1, images.shape[-1]))


def _forward(
    images: jax.Array, kernel: jax.Array, strides: tuple[int, int]
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return pointwise_conv(images, kernel, strides), (images, kernel)


def _backward(
    strides: tuple[int, int], kept: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    images, kernel = kept
    rows = _rows(gradient)
    seen = _rows(images[:, :: strides[0], :: strides[1]])
    to_kernel = lax.dot_general(seen, rows, (((0,), (0,)), ((), ())))
    to_seen = lax.dot_general(rows, kernel[0, 0], (((1,), (1,)), ((), ())))
    to_seen = to_seen.reshape(*gradient.shape[:3], images.shape[3])
    if strides != (1, 1):
        edges = [
            (0, n - (m - 1) * step - 1, step - 1)
            for n, m, step in zip(images.shape[1:3], gradient.shape[1:3], strides, strict=True)
        ]
        zero = jnp.zeros((), gradient.dtype)
        to_seen = lax.pad(to_seen, zero, [(0, 0, 0), *edges, (0, 0, 0)])
    return to_seen, to_kernel.reshape(kernel.shape)


pointwise_conv.defvjp(_forward, _backward)
