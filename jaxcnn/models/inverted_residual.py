"""Blocks with a depthwise convolution, and what the networks made of them have in common.

The MobileNets and EfficientNet-Lite are a strided convolution and stages of these blocks.
"""

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class Block(NamedTuple):
    """What one inverted residual block is made of."""

    kernel_size: int  # of the depthwise convolution, px
    hidden_width: int  # channels inside; the expansion is left out where the input has as many
    width: int  # channels of the output
    squeezes: bool = False  # squeeze-and-excitation after the depthwise convolution
    activation: str = "relu6"  # a name in layers.ACTIVATIONS
    stride: int = 1  # of the depthwise convolution, px
    drop_path_rate: float = 0.0  # probability that training drops the branch, in [0, 1)
    is_separable: bool = False  # MobileNet v1's: an activation after the last kernel, no sum


class Repeat(NamedTuple):
    """Blocks of one width, a row of a paper's table."""

    expansion: int  # channels inside the first block over those of its input
    width: int
    num_blocks: int
    stride: int  # of the first block, px
    kernel_size: int = 3  # px


class InvertedResidual(nn.Module, kw_only=True):
    """Expand by a 1x1 kernel, filter each channel alone, project by a 1x1 kernel, add the input.

    The input is added where the stride is 1 and the widths agree. No activation follows the
    projection. A separable block adds nothing; an activation follows its projection, which is
    called pointwise.

    Attributes:
      block: what it is made of.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      bn: the constants of BatchNorm.
      kernel_init: initial 1x1 kernels; None for what suits the activation.
      depthwise_init: initial kernel of the depthwise convolution; likewise.
      dtype: of the computation; parameters are float32.

    Source: Sandler et al. 2018, arXiv:1801.04381, section 3.3 and table 1; with squeeze-and-
    excitation: Howard et al. 2019, arXiv:1905.02244, figure 4; separable: Howard et al. 2017,
    arXiv:1704.04861, figure 3.
    """

    block: Block
    padding: str = "symmetric"
    bn: layers.BatchNorm = layers.BatchNorm()
    kernel_init: nn.initializers.Initializer | None = HE_FAN_OUT
    depthwise_init: nn.initializers.Initializer | None = HE_FAN_OUT
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width)."""
        block, x = self.block, inputs
        convolution = functools.partial(layers.conv_bn, bn=self.bn, dtype=self.dtype)
        pointwise = functools.partial(convolution, kernel_size=1, kernel_init=self.kernel_init)
        if block.hidden_width != x.shape[-1]:
            expand = pointwise(width=block.hidden_width, activation=block.activation, name="expand")
            x = expand(x, train=train)
        depthwise = convolution(
            width=block.hidden_width,
            kernel_size=block.kernel_size,
            strides=block.stride,
            padding=self.padding,
            groups=block.hidden_width,
            activation=block.activation,
            kernel_init=self.depthwise_init,
            name="depthwise",
        )
        x = depthwise(x, train=train)
        if block.squeezes:
            width = layers.make_divisible(block.hidden_width // 4)
            x = layers.SqueezeExcite(width=width, dtype=self.dtype, name="se")(x)
        if block.is_separable:
            last = pointwise(width=block.width, activation=block.activation, name="pointwise")
            return last(x, train=train)
        project = pointwise(width=block.width, activation="linear", name="project")
        is_residual = block.stride == 1 and block.width == inputs.shape[-1]
        if is_residual and self.bn.folded:
            return project(x, train=train, addend=inputs)
        x = project(x, train=train)
        if not is_residual:
            return x
        return inputs + layers.DropPath(rate=block.drop_path_rate)(x, train=train)


class MobileNetwork(StagedNetwork, kw_only=True):
    """A strided convolution, then stages of blocks, and perhaps a convolution to more channels.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on the widths.
      padding: "same" (TensorFlow's) or "symmetric" (PyTorch's).
    """

    width_multiplier: float = 1.0
    padding: str = "same"

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_name("padding", self.padding, layers.PADDINGS_OF_ORIGINS)
        checks.check_positive("width_multiplier", self.width_multiplier)
        super().__post_init__()

    @nn.nowrap
    def scaled(self, width: int) -> int:
        """Multiply a width, and round it to a multiple of 8."""
        return layers.make_divisible(width * self.width_multiplier)

    @nn.nowrap
    def make_blocks(
        self,
        repeats: Sequence[Repeat],
        *,
        stem_width: int,
        drop_path_rate: float = 0.0,
        drop_path_steps: int = 1,
        is_separable: bool = False,
    ) -> list[Block]:
        """List all blocks in order.

        Args:
          repeats: rows of the paper's table.
          stem_width: channels that the first block gets.
          drop_path_rate: to which that of the blocks grows, from 0 for the first.
          drop_path_steps: number of blocks over which it grows.
          is_separable: whether the blocks are MobileNet v1's.

        Returns:
          The blocks of the whole network.
        """
        blocks: list[Block] = []
        input_width = stem_width
        for repeat in repeats:
            width = self.scaled(repeat.width)
            for index in range(repeat.num_blocks):
                block = Block(
                    kernel_size=repeat.kernel_size,
                    hidden_width=repeat.expansion * input_width,
                    width=width,
                    stride=repeat.stride if index == 0 else 1,
                    drop_path_rate=drop_path_rate * len(blocks) / drop_path_steps,
                    is_separable=is_separable,
                )
                blocks.append(block)
                input_width = width
        return blocks

    @nn.nowrap
    def make_stages(
        self,
        stem_width: int,
        blocks: Iterable[Block],
        *,
        head_width: int = 0,
        activation: str = "relu6",
        kernel_init: nn.initializers.Initializer | None = HE_FAN_OUT,
        depthwise_init: nn.initializers.Initializer | None = HE_FAN_OUT,
    ) -> list[Stage]:
        """List stem, stage_1, stage_2, ... and conv_head; blocks are numbered through the network.

        Args:
          stem_width: channels of the stem.
          blocks: of the whole network, in order.
          head_width: channels of conv_head; 0 for no conv_head.
          activation: of stem and conv_head, a name in `layers.ACTIVATIONS`.
          kernel_init: initial kernels; None for what suits the activation.
          depthwise_init: initial depthwise kernels; likewise.

        Returns:
          The stages; a stage ends before each block that strides.
        """
        options: dict[str, Any] = {"padding": self.padding, "kernel_init": kernel_init}
        convolution = functools.partial(self.conv_bn, activation=activation, **options)
        make_block = functools.partial(
            InvertedResidual, depthwise_init=depthwise_init, bn=self.bn, dtype=self.dtype, **options
        )
        stride, numbers = 2, itertools.count(1)
        stem = convolution(width=stem_width, strides=stride, name="stem")
        stages = [Stage("stem", stride, stem)]
        for number, group in enumerate(split_by_resolution(blocks), start=1):
            stride *= group[0].stride
            name = f"stage_{number}"
            make_layers = tuple(
                functools.partial(make_block, block=block, name=f"block_{next(numbers)}")
                for block in group
            )
            stage = layers.InTurn(make_layers=make_layers, name=name)
            stages.append(Stage(name, stride, stage))
        if head_width:
            head = convolution(width=head_width, kernel_size=1, name="conv_head")
            stages.append(Stage("conv_head", stride, head))
        return stages


class InvertedResidualNetwork(MobileNetwork, kw_only=True):
    """A mobile network whose blocks are residual, so that training can drop their branches.

    It has the attributes of `MobileNetwork`, and these.

    Attributes:
      drop_path_rate: probability that training drops a block's branch, growing linearly from 0 for
        the first block, in [0, 1).
    """

    drop_path_rate: float = 0.0

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_rate("drop_path_rate", self.drop_path_rate)
        super().__post_init__()


def split_by_resolution(blocks: Iterable[Block]) -> list[tuple[Block, ...]]:
    """Cut a row of blocks before each that strides.

    Args:
      blocks: of a whole network, in order.

    Returns:
      The blocks of each stage; within a stage all feature maps have one resolution.
    """
    stages: list[list[Block]] = []
    for block in blocks:
        if block.stride > 1 or not stages:
            stages.append([])
        stages[-1].append(block)
    return [tuple(stage) for stage in stages]
