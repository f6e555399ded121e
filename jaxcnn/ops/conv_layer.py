"""Convolution with what follows it, for inference: bias, addition and activation in one pass.

oneDNN does them while its results are in registers, where XLA would read and write them again.
Milliseconds on two busy cores, batch 16, float32, the best of ten, by two steps and by one:

    image, channels, kernel, what follows                two      one
    56 px,  24 -> 144, 1 x 1, bias and ReLU6             9.1      2.6
    56 px, 144, depthwise 3 x 3, bias and ReLU6         31.8     13.7
    56 px, 144 -> 24, 1 x 1, bias and addition          19.1     12.9
    14 px,  96 -> 576, 1 x 1, bias and ReLU6             8.4      3.5
    56 px,  96 -> 384, 1 x 1, bias and GELU            147      116
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.convolution import conv_general_dilated, find_geometry
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.cpu.geometry import Geometry, rounded
from jaxcnn.ops.lowering import uses_stock_ops


def gelu(x: jax.Array) -> jax.Array:
    """Multiply each number by the normal distribution's probability of a smaller one.

    By erf, as PyTorch has it. `jax.nn.gelu` takes erfc, which costs XLA's CPU compiler three times
    as much with its derivative, and is a few 1e-7 nearer below -3.

    Args:
      x: floating, any shape.

    Returns:
      The same shape and dtype, computed in float32 at least.

    Example:
      >>> [f"{number:.3f}" for number in gelu(jnp.array([-1.0, 0.0, 1.0]))]
      ['-0.159', '0.000', '0.841']

    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2.
    """
    wide = x.astype(jnp.float32) if x.dtype.itemsize < 4 else x
    return (0.5 * wide * (1 + lax.erf(wide * math.sqrt(0.5)))).astype(x.dtype)


ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "silu": jax.nn.silu,
    "gelu": gelu,
}


class Operands(NamedTuple):
    """What a layer is computed from, see `conv_layer`."""

    images: jax.Array
    kernel: jax.Array
    bias: jax.Array
    addend: jax.Array | None


def conv_layer(
    images: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    strides: int | Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    groups: int = 1,
    addend: jax.Array | None = None,
    activation: str = "linear",
) -> jax.Array:
    """Compute activation(convolution + bias + addend).

    Args:
      images: (B, H, W, C) floating.
      kernel: (height, width, C / groups, features), dtype of `images`, or float32 for images of
        half precision.
      bias: (features,), likewise.
      strides: steps of the kernel, px.
      padding: "SAME", "VALID" or (before, after) for each of H and W, px.
      groups: number of groups of channels that are convolved apart.
      addend: (B, H', W', features), dtype of `images`; None for nothing.
      activation: a name in `ACTIVATIONS`.

    Returns:
      (B, H', W', features), dtype of `images`. Derivatives are those of the operations in turn.
    """
    operands, geometry = Operands(images, kernel, bias, addend), None
    if images.ndim == 4 and not uses_stock_ops() and onednn.is_usable(images.dtype):
        geometry = find_geometry(images, kernel, strides, padding, groups=groups)
    if geometry is not None and onednn.takes(images.dtype, kernel.shape[:2], geometry):
        return _conv_layer(operands, geometry, activation)
    steps = (strides, strides) if isinstance(strides, int) else strides
    result = conv_general_dilated(images, kernel, steps, padding, feature_group_count=groups)
    return _finish(result, operands, activation)


def _finish(result: jax.Array, operands: Operands, activation: str) -> jax.Array:
    result = result + rounded(operands.bias, result).reshape(1, 1, 1, -1)
    result = result if operands.addend is None else result + operands.addend
    return ACTIVATIONS[activation](result)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
@functools.partial(jax.jit, static_argnums=(1, 2))
def _conv_layer(operands: Operands, geometry: Geometry, activation: str) -> jax.Array:
    def own(operands: Operands) -> jax.Array:
        images, kernel, bias, addend = operands
        return onednn.convolution(
            images, kernel, geometry, bias=bias, addend=addend, activation=activation
        )

    stock = functools.partial(_in_turn, geometry=geometry, activation=activation)
    operands = operands._replace(kernel=rounded(operands.kernel, operands.images))
    return lax.platform_dependent(operands, cpu=own, default=stock)


def _in_turn(operands: Operands, geometry: Geometry, activation: str) -> jax.Array:
    strides, pads, dilation, groups, *_ = geometry
    result = conv_general_dilated(
        operands.images,
        operands.kernel,
        strides,
        pads,
        rhs_dilation=dilation,
        feature_group_count=groups,
    )
    return _finish(result, operands, activation)


def _forward(operands: Operands, geometry: Geometry, activation: str) -> tuple[jax.Array, Any]:
    return jax.vjp(lambda operands: _in_turn(operands, geometry, activation), operands)


def _backward(
    geometry: Geometry, activation: str, transpose: Any, gradient: jax.Array
) -> tuple[Operands]:
    del geometry, activation
    return transpose(gradient)


_conv_layer.defvjp(_forward, _backward)
