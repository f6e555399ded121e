"""MobileNet v3, large and small: searched blocks with hard swish and squeeze-and-excitation."""

import functools
from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn

from jaxcnn.models import checks, layers
from jaxcnn.models.inverted_residual import Block, InvertedResidualNetwork
from jaxcnn.models.staged import Stage, StagedNetwork

# Tables 1 and 2 of the paper: kernel, "exp size", "#out", "SE", "NL" and stride.
LARGE = (
    Block(3, 16, 16, False, "relu", 1),
    Block(3, 64, 24, False, "relu", 2),
    Block(3, 72, 24, False, "relu", 1),
    Block(5, 72, 40, True, "relu", 2),
    Block(5, 120, 40, True, "relu", 1),
    Block(5, 120, 40, True, "relu", 1),
    Block(3, 240, 80, False, "hard_swish", 2),
    Block(3, 200, 80, False, "hard_swish", 1),
    Block(3, 184, 80, False, "hard_swish", 1),
    Block(3, 184, 80, False, "hard_swish", 1),
    Block(3, 480, 112, True, "hard_swish", 1),
    Block(3, 672, 112, True, "hard_swish", 1),
    Block(5, 672, 160, True, "hard_swish", 2),
    Block(5, 960, 160, True, "hard_swish", 1),
    Block(5, 960, 160, True, "hard_swish", 1),
)
SMALL = (
    Block(3, 16, 16, True, "relu", 2),
    Block(3, 72, 24, False, "relu", 2),
    Block(3, 88, 24, False, "relu", 1),
    Block(5, 96, 40, True, "hard_swish", 2),
    Block(5, 240, 40, True, "hard_swish", 1),
    Block(5, 240, 40, True, "hard_swish", 1),
    Block(5, 120, 48, True, "hard_swish", 1),
    Block(5, 144, 48, True, "hard_swish", 1),
    Block(5, 288, 96, True, "hard_swish", 2),
    Block(5, 576, 96, True, "hard_swish", 1),
    Block(5, 576, 96, True, "hard_swish", 1),
)
ROWS: Mapping[str, tuple[Block, ...]] = {"large": LARGE, "small": SMALL}
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

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks, the last convolution and the hidden layer."""
        rows = ROWS[self.size]
        rates = (self.drop_path_rate * index / (len(rows) - 1) for index in range(len(rows)))
        blocks = [
            row._replace(
                hidden_width=self.scaled(row.hidden_width),
                width=self.scaled(row.width),
                drop_path_rate=rate,
            )
            for row, rate in zip(rows, rates, strict=True)
        ]
        stages = self.make_stages(
            self.scaled(STEM_WIDTH),
            blocks,
            head_width=6 * blocks[-1].width,
            activation="hard_swish",
        )
        fc = layers.Dense(
            self.scaled(FC_WIDTHS[self.size]),
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="fc",
        )
        return [*stages, Stage("fc", 0, layers.in_turn(self.pool, fc, nn.hard_swish))]


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "mobilenet_v3_large": functools.partial(MobileNetV3, size="large"),
    "mobilenet_v3_small": functools.partial(MobileNetV3, size="small"),
}
