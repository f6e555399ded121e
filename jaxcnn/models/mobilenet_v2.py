"""MobileNet v2: inverted residual blocks with linear bottlenecks."""

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


class Repeat(NamedTuple):
    """Blocks of one width, a row of table 2 of the paper: its t, c, n and s."""

    expansion: int  # channels inside a block over those of its input
    width: int
    num_blocks: int
    stride: int  # of the first block, px


REPEATS = (
    Repeat(1, 16, 1, 1),
    Repeat(6, 24, 2, 2),
    Repeat(6, 32, 3, 2),
    Repeat(6, 64, 4, 2),
    Repeat(6, 96, 3, 1),
    Repeat(6, 160, 3, 2),
    Repeat(6, 320, 1, 1),
)
STEM_WIDTH = 32
HEAD_WIDTH = 1280


class MobileNetV2(StagedNetwork, kw_only=True):
    """A strided convolution, five stages of inverted residual blocks with ReLU6, 1280 channels.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network: stage_2 begins with block_2.

    Attributes, beside those of `StagedNetwork`:
      width_multiplier: factor on all widths, rounded to multiples of 8; below 1 conv_head keeps its
        1280 channels.
      padding: "symmetric" (PyTorch's weights) or "same" (TensorFlow's and Keras').
      drop_path_rate: probability that training drops the last block's branch, growing linearly from
        0 for the first block, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Source: Sandler et al. 2018, arXiv:1801.04381, table 2; BatchNorm's constants, dropout and
    initial kernels (He normal, fan out): torchvision's mobilenet_v2; deviation: drop path as an
    option.
    """

    width_multiplier: float = 1.0
    padding: str = "symmetric"
    drop_path_rate: float = 0.0
    dropout_rate: float = 0.2

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is told before any compilation."""
        checks.check_name("padding", self.padding, layers.PADDINGS_OF_ORIGINS)
        checks.check_rate("drop_path_rate", self.drop_path_rate)
        checks.check_positive("width_multiplier", self.width_multiplier)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks and the last convolution."""
        stem = self._convolution("stem", self._stem_width, kernel_size=3, strides=2)
        middle = []
        for number, blocks in enumerate(split_by_resolution(self._blocks()), start=1):
            stage = InvertedResidualStage(
                blocks=blocks,
                padding=self.padding,
                bn=self.bn,
                dtype=self.dtype,
                name=f"stage_{number}",
            )
            middle.append(Stage(f"stage_{number}", 2**number, stage))
        head_width = layers.make_divisible(HEAD_WIDTH * max(1.0, self.width_multiplier))
        head = self._convolution("conv_head", head_width, kernel_size=1, strides=1)
        return [Stage("stem", 2, stem), *middle, Stage("conv_head", 32, head)]

    @property
    def _stem_width(self) -> int:
        return layers.make_divisible(STEM_WIDTH * self.width_multiplier)

    @nn.nowrap
    def _blocks(self) -> list[Block]:
        """List all blocks in order."""
        last = sum(repeat.num_blocks for repeat in REPEATS) - 1
        blocks: list[Block] = []
        input_width = self._stem_width
        for repeat in REPEATS:
            width = layers.make_divisible(repeat.width * self.width_multiplier)
            for index in range(repeat.num_blocks):
                block = Block(
                    name=f"block_{len(blocks) + 1}",
                    width=width,
                    hidden_width=repeat.expansion * input_width,
                    stride=repeat.stride if index == 0 else 1,
                    drop_path_rate=self.drop_path_rate * len(blocks) / last,
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
