"""EfficientNet-Lite 0 to 4: EfficientNets for phones, without squeeze-and-excitation or swish."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn

from jaxcnn.models import checks, layers
from jaxcnn.models.inverted_residual import (
    HE_FAN_OUT,
    Block,
    InvertedResidualStage,
    split_by_resolution,
)
from jaxcnn.models.staged import Stage, StagedNetwork

# A depthwise kernel has one input channel, so that this is He's rule for it.
_HE_FAN_IN = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
STEM_WIDTH = 32
HEAD_WIDTH = 1280


class Repeat(NamedTuple):
    """Blocks of one width, a row of table 1 of the EfficientNet paper."""

    num_blocks: int
    width: int
    expansion: int  # channels inside the first block over those of its input
    kernel_size: int  # px
    stride: int  # of the first block, px


REPEATS = (
    Repeat(1, 16, 1, 3, 1),
    Repeat(2, 24, 6, 3, 2),
    Repeat(2, 40, 6, 5, 2),
    Repeat(3, 80, 6, 3, 2),
    Repeat(3, 112, 6, 5, 1),
    Repeat(4, 192, 6, 5, 2),
    Repeat(1, 320, 6, 3, 1),
)


def repeat_counts(depth_multiplier: float) -> tuple[int, ...]:
    """Tell how many blocks each row of `REPEATS` has; the first and the last are not scaled.

    Args:
      depth_multiplier: factor on the counts, which are rounded up.

    Returns:
      One count a row.

    Example:
      >>> repeat_counts(1.2)
      (1, 3, 3, 4, 4, 5, 1)
    """
    inner = (math.ceil(depth_multiplier * repeat.num_blocks) for repeat in REPEATS[1:-1])
    return (REPEATS[0].num_blocks, *inner, REPEATS[-1].num_blocks)


class EfficientNetLite(StagedNetwork, kw_only=True):
    """A strided convolution, five stages of inverted residual blocks with ReLU6, 1280 channels.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network: stage_2 begins with block_2. The published sizes of
    images are 224, 240, 260, 280 and 300 px for 0 to 4; any other will do.

    Attributes, beside those of `StagedNetwork`:
      width_multiplier: factor on the blocks' widths, rounded to multiples of 8; the stem and
        conv_head keep theirs.
      depth_multiplier: factor on the number of blocks, see `repeat_counts`.
      padding: "same" (TensorFlow's, as all published weights want) or "symmetric" (PyTorch's).
      drop_path_rate: probability that training drops a block's branch, growing linearly from 0 for
        the first block towards this beyond the last, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Source: Tan & Le 2019, arXiv:1905.11946, table 1 and section 5.2; for what differs from
    EfficientNet, the multipliers, BatchNorm's constants, the rates of dropout and drop path and the
    initial kernels: Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite", and its
    efficientnet_lite_builder.py; deviation: the last layer starts as in all networks here.
    """

    width_multiplier: float = 1.0
    depth_multiplier: float = 1.0
    padding: str = "same"
    drop_path_rate: float = 0.2
    dropout_rate: float = 0.2
    bn_momentum: float = 0.99
    bn_epsilon: float = 1e-3

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is told before any compilation."""
        checks.check_name("padding", self.padding, layers.PADDINGS_OF_ORIGINS)
        checks.check_rate("drop_path_rate", self.drop_path_rate)
        checks.check_positive("width_multiplier", self.width_multiplier)
        checks.check_positive("depth_multiplier", self.depth_multiplier)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks and the last convolution."""
        stem = self._convolution("stem", STEM_WIDTH, kernel_size=3, strides=2)
        middle = []
        for number, blocks in enumerate(split_by_resolution(self._blocks()), start=1):
            stage = InvertedResidualStage(
                blocks=blocks,
                padding=self.padding,
                bn=self.bn,
                depthwise_init=_HE_FAN_IN,
                dtype=self.dtype,
                name=f"stage_{number}",
            )
            middle.append(Stage(f"stage_{number}", 2**number, stage))
        head = self._convolution("conv_head", HEAD_WIDTH, kernel_size=1, strides=1)
        return [Stage("stem", 2, stem), *middle, Stage("conv_head", 32, head)]

    @nn.nowrap
    def _blocks(self) -> list[Block]:
        """List all blocks in order."""
        counts = repeat_counts(self.depth_multiplier)
        blocks: list[Block] = []
        input_width = STEM_WIDTH
        for repeat, count in zip(REPEATS, counts, strict=True):
            width = layers.make_divisible(repeat.width * self.width_multiplier)
            for index in range(count):
                block = Block(
                    name=f"block_{len(blocks) + 1}",
                    width=width,
                    hidden_width=repeat.expansion * input_width,
                    kernel_size=repeat.kernel_size,
                    stride=repeat.stride if index == 0 else 1,
                    drop_path_rate=self.drop_path_rate * len(blocks) / sum(counts),
                )
                blocks.append(block)
                input_width = width
        return blocks

    @nn.nowrap
    def _convolution(
        self, name: str, width: int, *, kernel_size: int, strides: int
    ) -> layers.ConvBlock:
        return layers.ConvBlock(
            width=width,
            kernel_size=kernel_size,
            strides=strides,
            padding=self.padding,
            activation="relu6",
            use_batch_norm=True,
            bn=self.bn,
            kernel_init=HE_FAN_OUT,
            dtype=self.dtype,
            name=name,
        )
