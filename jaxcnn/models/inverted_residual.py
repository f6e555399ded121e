"""Inverted residual blocks: narrow between blocks, wide and depthwise inside.

MobileNet v2 and v3 and EfficientNet-Lite are stages of these.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import layers

HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class Block(NamedTuple):
    """What one inverted residual block is made of."""

    name: str  # of its variables inside the stage
    width: int  # channels of the output
    hidden_width: int  # channels inside; the expansion is left out where the input has as many
    kernel_size: int = 3  # of the depthwise convolution, px
    stride: int = 1  # of the depthwise convolution, px
    squeeze_width: int = 0  # of squeeze-and-excitation after the depthwise convolution; 0: none
    activation: str = "relu6"  # a name in layers.ACTIVATIONS
    drop_path_rate: float = 0.0  # probability that training drops the branch, in [0, 1)


class InvertedResidual(nn.Module, kw_only=True):
    """Expand by a 1x1 kernel, filter each channel apart, project by a 1x1 kernel, add the input.

    The input is added where the stride is 1 and the widths agree. No activation follows the
    projection.

    Attributes:
      block: what it is made of.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      bn: the constants of BatchNorm.
      depthwise_init: initial kernel of the depthwise convolution.
      dtype: of the computation; parameters are float32.

    Source: Sandler et al. 2018, arXiv:1801.04381, section 3.3 and table 1; with squeeze-and-
    excitation: Howard et al. 2019, arXiv:1905.02244, figure 4.
    """

    block: Block
    padding: str = "symmetric"
    bn: layers.BatchNorm = layers.BatchNorm()
    depthwise_init: nn.initializers.Initializer = HE_FAN_OUT
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width)."""
        block, x = self.block, inputs
        if block.hidden_width != x.shape[-1]:
            x = self._pointwise(block.hidden_width, block.activation, "expand")(x, train=train)
        x = self._depthwise()(x, train=train)
        if block.squeeze_width:
            x = layers.SqueezeExcite(width=block.squeeze_width, dtype=self.dtype, name="se")(x)
        x = self._pointwise(block.width, "linear", "project")(x, train=train)
        if block.stride != 1 or x.shape[-1] != inputs.shape[-1]:
            return x
        return inputs + layers.DropPath(rate=block.drop_path_rate)(x, train=train)

    @nn.nowrap
    def _pointwise(self, width: int, activation: str, name: str) -> layers.ConvBlock:
        return layers.ConvBlock(
            width=width,
            kernel_size=1,
            activation=activation,
            use_batch_norm=True,
            bn=self.bn,
            kernel_init=HE_FAN_OUT,
            dtype=self.dtype,
            name=name,
        )

    @nn.nowrap
    def _depthwise(self) -> layers.ConvBlock:
        return layers.ConvBlock(
            width=self.block.hidden_width,
            kernel_size=self.block.kernel_size,
            strides=self.block.stride,
            padding=self.padding,
            groups=self.block.hidden_width,
            activation=self.block.activation,
            use_batch_norm=True,
            bn=self.bn,
            kernel_init=self.depthwise_init,
            dtype=self.dtype,
            name="depthwise",
        )


class InvertedResidualStage(nn.Module, kw_only=True):
    """Inverted residual blocks in a row.

    Attributes:
      blocks: what they are made of, the first first.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      bn: the constants of BatchNorm.
      depthwise_init: initial kernel of the depthwise convolutions.
      dtype: of the computation; parameters are float32.
    """

    blocks: tuple[Block, ...]
    padding: str = "symmetric"
    bn: layers.BatchNorm = layers.BatchNorm()
    depthwise_init: nn.initializers.Initializer = HE_FAN_OUT
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width of the last block)."""
        for block in self.blocks:
            x = InvertedResidual(
                block=block,
                padding=self.padding,
                bn=self.bn,
                depthwise_init=self.depthwise_init,
                dtype=self.dtype,
                name=block.name,
            )(x, train=train)
        return x


def split_by_resolution(blocks: Iterable[Block]) -> list[tuple[Block, ...]]:
    """Cut a row of blocks before each that strides.

    Args:
      blocks: of a whole network, the first first.

    Returns:
      The blocks of each stage; within a stage all feature maps have one resolution.
    """
    stages: list[list[Block]] = []
    for block in blocks:
        if block.stride > 1 or not stages:
            stages.append([])
        stages[-1].append(block)
    return [tuple(stage) for stage in stages]
