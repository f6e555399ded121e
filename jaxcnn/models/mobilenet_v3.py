"""MobileNet v3, large and small: searched blocks with hard swish and squeeze-and-excitation."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import flax.linen as nn

from jaxcnn.models import checks, layers
from jaxcnn.models.inverted_residual import Block, InvertedResidualNetwork
from jaxcnn.models.staged import Stage


class Row(NamedTuple):
    """One block, a row of tables 1 and 2 of the paper."""

    kernel_size: int  # px
    hidden_width: int  # "exp size"
    width: int  # "#out"
    squeezes: bool  # "SE"
    activation: str  # "NL"
    stride: int  # px


LARGE = (
    Row(3, 16, 16, False, "relu", 1),
    Row(3, 64, 24, False, "relu", 2),
    Row(3, 72, 24, False, "relu", 1),
    Row(5, 72, 40, True, "relu", 2),
    Row(5, 120, 40, True, "relu", 1),
    Row(5, 120, 40, True, "relu", 1),
    Row(3, 240, 80, False, "hard_swish", 2),
    Row(3, 200, 80, False, "hard_swish", 1),
    Row(3, 184, 80, False, "hard_swish", 1),
    Row(3, 184, 80, False, "hard_swish", 1),
    Row(3, 480, 112, True, "hard_swish", 1),
    Row(3, 672, 112, True, "hard_swish", 1),
    Row(5, 672, 160, True, "hard_swish", 2),
    Row(5, 960, 160, True, "hard_swish", 1),
    Row(5, 960, 160, True, "hard_swish", 1),
)
SMALL = (
    Row(3, 16, 16, True, "relu", 2),
    Row(3, 72, 24, False, "relu", 2),
    Row(3, 88, 24, False, "relu", 1),
    Row(5, 96, 40, True, "hard_swish", 2),
    Row(5, 240, 40, True, "hard_swish", 1),
    Row(5, 240, 40, True, "hard_swish", 1),
    Row(5, 120, 48, True, "hard_swish", 1),
    Row(5, 144, 48, True, "hard_swish", 1),
    Row(5, 288, 96, True, "hard_swish", 2),
    Row(5, 576, 96, True, "hard_swish", 1),
    Row(5, 576, 96, True, "hard_swish", 1),
)
ROWS: Mapping[str, tuple[Row, ...]] = {"large": LARGE, "small": SMALL}
FC_WIDTHS: Mapping[str, int] = {"large": 1280, "small": 1024}
STEM_WIDTH = 16


class MobileNetV3(InvertedResidualNetwork, kw_only=True):
    """A strided convolution, stages of inverted residual blocks, a hidden layer on the mean.

    The stages are stem (stride 2), stage_1 to stage_5 with size="large" (strides 2, 4, 8, 16 and
    32) or stage_1 to stage_4 with "small" (4, 8, 16 and 32), conv_head, and fc, which is a fully
    connected layer on the mean. The blocks are numbered through the network.

    Attributes, beside those of `StagedNetwork`:
      size: "large" or "small".
      width_multiplier: factor on all widths, rounded to multiples of 8.
      padding: "symmetric" (PyTorch's weights) or "same" (TensorFlow's and Keras').
      drop_path_rate: probability that training drops the last block's branch, growing linearly from
        0 for the first block, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Source: Howard et al. 2019, arXiv:1905.02244, tables 1 and 2; BatchNorm's constants, dropout,
    widths of squeeze-and-excitation (a quarter of the hidden width, as a multiple of 8) and initial
    weights: torchvision's mobilenet_v3; deviations: drop path as an option; the layers of
    squeeze-and-excitation and the last one start as in all networks here.
    """

    size: str = "large"
    padding: str = "symmetric"
    dropout_rate: float = 0.2
    bn_momentum: float = 0.99
    bn_epsilon: float = 1e-3

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_name("size", self.size, ROWS)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks, the last convolution and the hidden layer."""
        blocks = self._blocks()
        stages = self.make_stages(
            self.scaled(STEM_WIDTH),
            blocks,
            head_width=6 * blocks[-1].width,
            activation="hard_swish",
        )
        fc = nn.Dense(
            self.scaled(FC_WIDTHS[self.size]),
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="fc",
        )
        return [*stages, Stage("fc", 0, layers.in_turn(self.pool, fc, nn.hard_swish))]

    @nn.nowrap
    def _blocks(self) -> list[Block]:
        """List all blocks in order."""
        rows = ROWS[self.size]
        blocks = []
        for index, row in enumerate(rows):
            hidden_width = self.scaled(row.hidden_width)
            block = Block(
                name=f"block_{index + 1}",
                width=self.scaled(row.width),
                hidden_width=hidden_width,
                kernel_size=row.kernel_size,
                stride=row.stride,
                squeeze_width=layers.make_divisible(hidden_width // 4) if row.squeezes else 0,
                activation=row.activation,
                drop_path_rate=self.drop_path_rate * index / (len(rows) - 1),
            )
            blocks.append(block)
        return blocks
