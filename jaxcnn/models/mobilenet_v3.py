"""MobileNet v3, large and small: searched blocks with hard swish and squeeze-and-excitation."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import flax.linen as nn

from jaxcnn.models import checks, layers
from jaxcnn.models.inverted_residual import Block, InvertedResidualNetwork, Squeeze
from jaxcnn.models.staged import Stage, StagedNetwork


class Row(NamedTuple):
    """A block, as tables 1 and 2 of the paper have it."""

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

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      size: "large" or "small".
      width_multiplier: factor on all widths, rounded to multiples of 8.
      padding: "symmetric" (PyTorch's weights) or "same" (TensorFlow's and Keras').
      drop_path_rate: probability that training drops the last block's branch, growing linearly from
        0 for the first block, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(MobileNetV3(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='conv_head', stride=32, num_channels=960)

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

    activation = "hard_swish"

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        return self.scaled(STEM_WIDTH)

    @property
    def head_width(self) -> int:
        """Channels of conv_head."""
        return 6 * self.blocks()[-1].width

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order."""
        return [self.make_block(row) for row in ROWS[self.size]]

    @nn.nowrap
    def make_block(self, row: Row) -> Block:
        """Scale a row of the table; a quarter of the hidden width is squeezed."""
        hidden_width = self.scaled(row.hidden_width)
        squeeze = Squeeze(layers.make_divisible(hidden_width // 4)) if row.squeezes else None
        return Block(
            row.kernel_size,
            hidden_width,
            self.scaled(row.width),
            row.stride,
            row.activation,
            squeeze,
        )

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks, the last convolution and the hidden layer."""
        fc = layers.Dense(
            self.scaled(FC_WIDTHS[self.size]),
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="fc",
        )
        return [*self.make_stages(), Stage("fc", 0, layers.in_turn(self.pool, fc, nn.hard_swish))]


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "mobilenet_v3_large": functools.partial(MobileNetV3, size="large"),
    "mobilenet_v3_small": functools.partial(MobileNetV3, size="small"),
}
