"""Residual blocks of full convolutions: those of the ResNets and their relatives, and of RegNet."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import layers
from jaxcnn.ops.pooling import avg_pool

EXPANSIONS = {"basic": 1, "bottleneck": 4}  # channels that a block gives for one of its width
SHORTCUTS = ("projection", "padding", "pooling")
# "We initialize the weights as in [13]", He et al. 2015, by the number of outputs as in the code
# that goes with the weights.
CONV_OPTIONS: dict[str, Any] = {
    "padding": "symmetric",
    "kernel_init": nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
}


class ResidualBlock(nn.Module, kw_only=True):
    """Two or three convolutions, whose result is added to the block's input.

    Attributes:
      kind: "basic" for two 3x3 convolutions; "bottleneck" for 1x1, 3x3 and 1x1.
      width: channels of the convolutions, but for the last.
      output_width: channels of the last convolution; None for the width, or for four times the
        width in a bottleneck.
      groups: number of groups of channels of a bottleneck's 3x3 convolution.
      strides: step of the (first) 3x3 convolution in px.
      shortcut: how the input is brought to the shape of the result, see `ResNet`.
      squeeze_ratio: channels of the squeezed vector for each channel, see `squeezes_last`; 0 for no
        squeeze and excitation.
      squeezes_last: True: squeeze and excitation acts on the last convolution's result, by the
        ratio to its channels, rounded to a multiple of 8 (SE-ResNet). False: on that of the
        convolution before, by the ratio to the channels of the block's input (RegNet Y).
      drop_path_rate: probability that the convolutions' result is dropped in training.
      zero_init: whether the last BatchNorm's scale starts at zero.
      is_folded: whether the convolutions do BatchNorm's work, see `models.folding`.
      conv_bn: makes a convolution with BatchNorm, `layers.ConvBlock` with its options set.

    Source: He et al. 2015, arXiv:1512.03385, figures 2 and 5; groups: Xie et al. 2016,
    arXiv:1611.05431, figure 3 (c); squeeze and excitation: Hu et al. 2018, arXiv:1709.01507,
    figure 3.
    """

    kind: str
    width: int
    output_width: int | None = None
    groups: int = 1
    strides: int = 1
    shortcut: str = "projection"
    squeeze_ratio: float = 0.0
    squeezes_last: bool = True
    drop_path_rate: float = 0.0
    zero_init: bool = True
    is_folded: bool = False
    conv_bn: Callable[..., layers.ConvBlock] = functools.partial(layers.conv_bn, **CONV_OPTIONS)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', output_width)."""
        *convolutions, last = self._convolutions()
        if self.squeeze_ratio and not self.squeezes_last:
            width = max(1, round(self.squeeze_ratio * x.shape[-1]))
            convolutions.append(self._squeeze(width, x.dtype))
        branch = layers.in_turn(*convolutions)(x, train=train)
        if self._adds_in_convolution:
            return last(branch, train=train, addend=self._shortcut(x, train=train))
        branch = last(branch, train=train)
        if self.squeeze_ratio and self.squeezes_last:
            width = layers.make_divisible(self.squeeze_ratio * self._output_width)
            branch = self._squeeze(width, x.dtype)(branch)
        branch = layers.DropPath(rate=self.drop_path_rate, name="drop_path")(branch, train=train)
        return nn.relu(branch + self._shortcut(x, train=train))

    @property
    def _adds_in_convolution(self) -> bool:
        """Whether the last convolution adds the input, and applies the activation of the sum."""
        return self.is_folded and not (self.squeeze_ratio and self.squeezes_last)

    @property
    def _output_width(self) -> int:
        return self.output_width or self.width * EXPANSIONS[self.kind]

    @nn.nowrap
    def _convolutions(self) -> list[nn.Module]:
        conv, width = self.conv_bn, self.width
        last = functools.partial(
            conv,
            width=self._output_width,
            activation="relu" if self._adds_in_convolution else "linear",
            zero_init_scale=self.zero_init,
        )
        if self.kind == "basic":
            return [conv(width=width, strides=self.strides, name="conv_1"), last(name="conv_2")]
        return [
            conv(width=width, kernel_size=1, name="conv_1"),
            conv(width=width, strides=self.strides, groups=self.groups, name="conv_2"),
            last(kernel_size=1, name="conv_3"),
        ]

    @nn.nowrap
    def _squeeze(self, width: int, dtype: Any) -> layers.SqueezeExcite:
        return layers.SqueezeExcite(width=width, gate="sigmoid", dtype=dtype, name="se")

    @nn.nowrap
    def _shortcut(self, x: jax.Array, *, train: bool) -> jax.Array:
        num_channels, strides = self._output_width, self.strides
        if strides == 1 and x.shape[-1] == num_channels:
            return x
        if self.shortcut == "padding":
            return _subsample_and_pad(x, strides, num_channels)
        if self.shortcut == "pooling" and strides > 1:
            x = avg_pool(x, window=strides, padding="SAME", count_include_pad=False)
            strides = 1
        projection = self.conv_bn(
            width=num_channels,
            kernel_size=1,
            strides=strides,
            activation="linear",
            name="shortcut",
        )
        return projection(x, train=train)


def residual_stage(
    block: Callable[..., ResidualBlock], name: str, strides: int, drop_path_rates: Sequence[float]
) -> layers.InTurn:
    """Put blocks one after the other, of which the first strides.

    Args:
      block: makes a block, given its strides, drop_path_rate and name.
      name: of the stage.
      strides: of the first block, px.
      drop_path_rates: one for each block.

    Returns:
      The stage; its blocks are block_1, block_2, ...
    """
    make_layers = tuple(
        functools.partial(
            block,
            strides=strides if number == 1 else 1,
            drop_path_rate=rate,
            name=f"block_{number}",
        )
        for number, rate in enumerate(drop_path_rates, start=1)
    )
    return layers.InTurn(make_layers=make_layers, name=name)


def _subsample_and_pad(x: jax.Array, strides: int, num_channels: int) -> jax.Array:
    """Take every `strides`-th pixel, and put channels of zeros before and after those there are."""
    missing = num_channels - x.shape[-1]
    before = missing // 2
    sampled = x[:, ::strides, ::strides]
    return jnp.pad(sampled, ((0, 0), (0, 0), (0, 0), (before, missing - before)))
