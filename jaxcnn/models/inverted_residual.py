"""Blocks with a depthwise convolution, and what the networks made of them have in common.

The MobileNets, MNASNet and the EfficientNets are a strided convolution and stages of these blocks:
a family is its table of blocks, and what is its own.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class Squeeze(NamedTuple):
    """The squeeze-and-excitation of a block, see `layers.SqueezeExcite`."""

    width: int
    activation: str = "relu"
    gate: str = "hard_sigmoid"


class Block(NamedTuple):
    """What one block is made of."""

    kernel_size: int  # of the depthwise or fused convolution, px
    hidden_width: int  # channels inside
    width: int  # channels of the output
    stride: int = 1  # of the depthwise or fused convolution, px
    activation: str = "relu6"  # a name in layers.ACTIVATIONS
    squeeze: Squeeze | None = None  # after the depthwise convolution
    kind: str = "inverted"  # a key of KINDS
    drop_path_rate: float = 0.0  # probability that training drops the branch, in [0, 1)

    def layer_names(self, input_width: int) -> tuple[str, ...]:
        """List the layers in order: those of its kind, less what its widths leave out."""
        left_out = {
            "expand": self.hidden_width == input_width,
            "se": self.squeeze is None,
            "project": self.kind == "fused" and self.hidden_width == self.width,
        }
        return tuple(name for name in KINDS[self.kind] if not left_out.get(name))


# "separable" is MobileNet v1's: an activation after the last kernel, no sum; "fused" is
# EfficientNetV2's, one convolution in place of two.
KINDS: Mapping[str, tuple[str, ...]] = {
    "inverted": ("expand", "depthwise", "se", "project"),
    "separable": ("depthwise", "pointwise"),
    "fused": ("fused", "project"),
}


class Repeat(NamedTuple):
    """Blocks of one width, a row of a paper's table."""

    expansion: int  # channels inside the first block over those of its input
    width: int
    num_blocks: int
    stride: int  # of the first block, px
    kernel_size: int = 3  # px
    kind: str = "inverted"  # a key of KINDS


class InvertedResidual(nn.Module, kw_only=True):
    """Expand by a 1x1 kernel, filter each channel alone, project by a 1x1 kernel, add the input.

    The input is added where the stride is 1 and the widths agree. No activation follows the
    projection. A separable block adds nothing; an activation follows its projection, which is
    called pointwise. A fused block expands and filters by one kernel; where it does not expand,
    that is all.

    Attributes:
      block: what it is made of.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      bn: the constants of BatchNorm.
      kernel_init: initial kernels; None for what suits the activation.
      depthwise_init: initial kernel of the depthwise convolution; likewise.
      dtype: of the computation; parameters are float32.

    Source: Sandler et al. 2018, arXiv:1801.04381, section 3.3 and table 1; with squeeze-and-
    excitation: Howard et al. 2019, arXiv:1905.02244, figure 4; separable: Howard et al. 2017,
    arXiv:1704.04861, figure 3; fused: Tan & Le 2021, arXiv:2104.00298, figure 2.
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
        is_residual = (
            block.kind != "separable" and block.stride == 1 and block.width == inputs.shape[-1]
        )
        for name in block.layer_names(inputs.shape[-1]):
            if name == "se":
                assert block.squeeze is not None
                x = layers.SqueezeExcite(**block.squeeze._asdict(), dtype=self.dtype, name=name)(x)
            elif name == "project" and is_residual and self.bn.folded:
                return self.make_layer(name)(x, train=train, addend=inputs)
            else:
                x = self.make_layer(name)(x, train=train)
        if not is_residual:
            return x
        return inputs + layers.DropPath(rate=block.drop_path_rate)(x, train=train)

    @nn.nowrap
    def make_layer(self, name: str) -> layers.ConvBlock:
        """Make the convolution of that name, with its BatchNorm and activation."""
        block = self.block
        convolution = functools.partial(
            layers.conv_bn,
            bn=self.bn,
            activation="linear" if name == "project" else block.activation,
            kernel_init=self.depthwise_init if name == "depthwise" else self.kernel_init,
            dtype=self.dtype,
            name=name,
        )
        if name in ("project", "pointwise"):
            return convolution(width=block.width, kernel_size=1)
        if name == "expand":
            return convolution(width=block.hidden_width, kernel_size=1)
        return convolution(
            width=block.hidden_width,
            kernel_size=block.kernel_size,
            strides=block.stride,
            padding=self.padding,
            groups=block.hidden_width if name == "depthwise" else 1,
        )


class KernelInits(NamedTuple):
    """Initial kernels of a network; None for what suits the activation."""

    others: nn.initializers.Initializer | None = HE_FAN_OUT
    depthwise: nn.initializers.Initializer | None = HE_FAN_OUT


class MobileNetwork(StagedNetwork, kw_only=True):
    """A strided convolution, then stages of blocks, and perhaps a convolution to more channels.

    The stages are stem (stride 2), stage_1, stage_2, ... and conv_head, if there is one. A stage
    ends before each block that strides; blocks are numbered through the network. A family gives
    `stem_width`, `blocks` and, if it has a conv_head, `head_width`.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on the widths.
      padding: "same" (TensorFlow's) or "symmetric" (PyTorch's).
    """

    width_multiplier: float = 1.0
    padding: str = "same"

    # Constants of the class, no attributes.
    activation = "relu6"  # of stem, conv_head and what `make_blocks` makes
    kernel_inits = KernelInits()

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_name("padding", self.padding, layers.PADDINGS_OF_ORIGINS)
        checks.check_positive("width_multiplier", self.width_multiplier)
        super().__post_init__()

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        raise NotImplementedError

    @property
    def head_width(self) -> int:
        """Channels of conv_head; 0 for no conv_head."""
        return 0

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order, without what training drops."""
        raise NotImplementedError

    @nn.nowrap
    def scaled(self, width: int) -> int:
        """Multiply a width, and round it to a multiple of 8."""
        return layers.make_divisible(width * self.width_multiplier)

    @nn.nowrap
    def make_blocks(
        self,
        repeats: Iterable[Repeat],
        *,
        squeeze: Callable[[int], Squeeze] | None = None,
    ) -> list[Block]:
        """List the blocks of a paper's table.

        Args:
          repeats: rows of the table, before `width_multiplier`.
          squeeze: from the channels of a block's input to its squeeze-and-excitation, which
            inverted residual blocks have; None for none.

        Returns:
          The blocks of the whole network.
        """
        blocks: list[Block] = []
        input_width = self.stem_width
        for repeat in repeats:
            width = self.scaled(repeat.width)
            for index in range(repeat.num_blocks):
                expands = repeat.kind != "fused" or repeat.expansion > 1
                block = Block(
                    kernel_size=repeat.kernel_size,
                    hidden_width=repeat.expansion * input_width if expands else width,
                    width=width,
                    stride=repeat.stride if index == 0 else 1,
                    activation=self.activation,
                    squeeze=squeeze(input_width) if squeeze and repeat.kind == "inverted" else None,
                    kind=repeat.kind,
                )
                blocks.append(block)
                input_width = width
        return blocks

    @nn.nowrap
    def blocks_in_training(self) -> list[Block]:
        """List all blocks in order."""
        return self.blocks()

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks and the last convolution."""
        return self.make_stages()

    @nn.nowrap
    def make_stages(self) -> list[Stage]:
        """Make the stages that all families have."""
        options: dict[str, Any] = {"padding": self.padding, "kernel_init": self.kernel_inits.others}
        convolution = functools.partial(self.conv_bn, activation=self.activation, **options)
        make_block = functools.partial(
            InvertedResidual,
            depthwise_init=self.kernel_inits.depthwise,
            bn=self.bn,
            dtype=self.dtype,
            **options,
        )
        stride, numbers = 2, itertools.count(1)
        stem = convolution(width=self.stem_width, strides=stride, name="stem")
        stages = [Stage("stem", stride, stem)]
        for number, group in enumerate(split_by_resolution(self.blocks_in_training()), start=1):
            stride *= group[0].stride
            name = f"stage_{number}"
            make_layers = tuple(
                functools.partial(make_block, block=block, name=f"block_{next(numbers)}")
                for block in group
            )
            stage = layers.InTurn(make_layers=make_layers, name=name)
            stages.append(Stage(name, stride, stage))
        if self.head_width:
            head = convolution(width=self.head_width, kernel_size=1, name="conv_head")
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

    drop_path_reaches_last = True  # whether the last block has the whole rate, or one beyond it

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_rate("drop_path_rate", self.drop_path_rate)
        super().__post_init__()

    @nn.nowrap
    def blocks_in_training(self) -> list[Block]:
        """List all blocks in order, each with the rate at which training drops it."""
        blocks = self.blocks()
        steps = max(1, len(blocks) - self.drop_path_reaches_last)
        rates = (self.drop_path_rate * index / steps for index in range(len(blocks)))
        return [
            block._replace(drop_path_rate=rate) for block, rate in zip(blocks, rates, strict=True)
        ]


def scale_depth(repeats: Iterable[Repeat], depth_multiplier: float) -> list[Repeat]:
    """Multiply the numbers of blocks, and round them up.

    Args:
      repeats: rows of a paper's table.
      depth_multiplier: factor on the numbers of blocks.

    Returns:
      The rows with more, or fewer, blocks.

    Example:
      >>> scale_depth([Repeat(6, 24, 2, 2)], 1.2)[0].num_blocks
      3

    Source: Tan & Le 2019, arXiv:1905.11946, section 4; rounding: its efficientnet_builder.py.
    """
    return [
        repeat._replace(num_blocks=math.ceil(depth_multiplier * repeat.num_blocks))
        for repeat in repeats
    ]


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
