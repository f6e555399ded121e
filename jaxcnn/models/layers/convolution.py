"""Convolutions, and the block of convolution, BatchNorm and activation."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.models.layers.batch_norm import ACTIVATIONS, BatchNorm, batch_norm
from jaxcnn.ops.conv_layer import ACTIVATIONS as FUSED, conv_layer
from jaxcnn.ops.convolution import conv_general_dilated

# With a stride of 2 these two differ: PyTorch pads both sides alike, TensorFlow so that the output
# is the input over the stride, rounded up, with more at the end. Weights keep to what they had.
PADDINGS_OF_ORIGINS = ("symmetric", "same")


def promote(*arrays: jax.Array | None, dtype: Any = None, inexact: bool = True) -> list[Any]:
    """Cast inputs, kernel and bias to a dtype, but for a float32 kernel that would be rounded.

    The operation rounds it, so that its gradient is added up in float32 and stays so.
    """
    kernel = arrays[1]
    cast = nn.dtypes.promote_dtype(*arrays, dtype=dtype, inexact=inexact)
    keeps = kernel is not None and kernel.dtype == jnp.float32 and cast[1].dtype.itemsize < 4
    return [cast[0], kernel if keeps else cast[1], cast[2]]


Conv = functools.partial(nn.Conv, conv_general_dilated=conv_general_dilated, promote_dtype=promote)


class ConvLayer(nn.Module):
    """A convolution with a bias, and its activation, in one pass: for evaluation.

    Attributes, with the variables of Flax's `nn.Conv`:
      features: number of output channels.
      kernel_size: height and width, px.
      activation: a name in `ACTIVATIONS`.
      strides: step of the kernel, px.
      padding: as `conv_layer.conv_layer` takes it.
      feature_group_count: number of groups of channels.
      kernel_init: initial kernel.
      dtype: of the computation; parameters are float32.
    """

    features: int
    kernel_size: tuple[int, int]
    activation: str
    strides: int
    padding: str | tuple[tuple[int, int], tuple[int, int]]
    feature_group_count: int
    kernel_init: nn.initializers.Initializer
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, addend: jax.Array | None = None) -> jax.Array:
        """Map (B, H, W, C), and what is added before the activation, to (B, H', W', features)."""
        shape = (*self.kernel_size, x.shape[-1] // self.feature_group_count, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, shape[3:])
        fused = self.activation if self.activation in FUSED else "linear"
        x, kernel, bias = promote(x, kernel, bias, dtype=self.dtype)
        result = conv_layer(
            x,
            kernel,
            bias,
            self.strides,
            self.padding,
            groups=self.feature_group_count,
            addend=addend,
            activation=fused,
        )
        return result if fused == self.activation else ACTIVATIONS[self.activation](result)


def kernel_init(activation: str) -> nn.initializers.Initializer:
    """Choose the initial weights that keep the signal's variance through `activation`.

    Args:
      activation: a name in `ACTIVATIONS`.

    Returns:
      Glorot uniform for the saturating tanh and sigmoid, He normal for the others.

    Source: He et al. 2015, arXiv:1502.01852, section 2.2; Glorot & Bengio 2010, section 4.2.1.
    """
    if activation in ("tanh", "sigmoid"):
        return nn.initializers.glorot_uniform()
    return nn.initializers.he_normal()


class ConvBlock(nn.Module, kw_only=True):
    """Convolution, optional BatchNorm, activation.

    Attributes:
      width: number of output channels.
      kernel_size: height and width of the kernel in px, one int for both.
      strides: step of the kernel in px.
      padding: "same" (TensorFlow's), "valid", "symmetric" (PyTorch's: (kernel - 1) // 2 px on every
        side), or that number of px for every side.
      groups: number of groups of channels that are convolved separately.
      activation: a name in `ACTIVATIONS`; "linear" for none.
      use_batch_norm: whether BatchNorm stands between the two; the convolution then has no bias,
        since BatchNorm would subtract it again.
      use_bias: whether the convolution has a bias; None for "where there is no BatchNorm".
      bn: the constants of BatchNorm.
      zero_init_scale: whether BatchNorm's scale starts at zero.
      kernel_init: initial kernel; by default as suits the activation.
      dtype: of the computation; parameters are float32.
    """

    width: int
    kernel_size: int | tuple[int, int] = 3
    strides: int = 1
    padding: str | int = "same"
    groups: int = 1
    activation: str = "relu"
    use_batch_norm: bool = False
    use_bias: bool | None = None
    bn: BatchNorm = BatchNorm()
    zero_init_scale: bool = False
    kernel_init: nn.initializers.Initializer | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, addend: jax.Array | None = None) -> jax.Array:
        """Map (B, H, W, C), and what is added before the activation, to (B, H', W', width)."""
        height, width = np.broadcast_to(self.kernel_size, 2).tolist()
        options: dict[str, Any] = {
            "strides": self.strides,
            "padding": conv_padding(self.padding, (height, width)),
            "feature_group_count": self.groups,
            "kernel_init": self.kernel_init or kernel_init(self.activation),
            "dtype": self.dtype,
            "name": "conv",
        }
        use_bias = not self.use_batch_norm if self.use_bias is None else self.use_bias
        if self.bn.folded if self.use_batch_norm else use_bias and not train:
            options["activation"] = self.activation
            return ConvLayer(self.width, (height, width), **options)(x, addend)
        x = Conv(self.width, (height, width), use_bias=use_bias, **options)(x)
        activation = self.activation if addend is None else "linear"
        if self.use_batch_norm:
            x = batch_norm(
                x,
                train=train,
                name="bn",
                constants=self.bn,
                activation=activation,
                scale_init=nn.initializers.zeros if self.zero_init_scale else nn.initializers.ones,
            )
        else:
            x = ACTIVATIONS[activation](x)
        return x if addend is None else ACTIVATIONS[self.activation](x + addend)


conv_bn = functools.partial(ConvBlock, use_batch_norm=True)


def conv_padding(
    padding: str | int, kernel_size: tuple[int, int]
) -> str | tuple[tuple[int, int], tuple[int, int]]:
    """Turn a name of padding, or px, into what convolutions take.

    Args:
      padding: "same", "valid", "symmetric", or px on every side.
      kernel_size: height and width, px.

    Returns:
      "SAME", "VALID", or (before, after) for each of H and W, px.

    Example:
      >>> conv_padding("symmetric", (1, 7))
      ((0, 0), (3, 3))
    """
    if isinstance(padding, int):
        return ((padding, padding), (padding, padding))
    if padding != "symmetric":
        return padding.upper()
    height, width = ((size - 1) // 2 for size in kernel_size)
    return ((height, height), (width, width))
