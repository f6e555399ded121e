"""EfficientNet b0 to b7: one searched network, made wider and deeper by rule."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

from jaxcnn.models import checks
from jaxcnn.models.inverted_residual import (
    Block,
    InvertedResidualNetwork,
    Repeat,
    Squeeze,
    scale_depth,
)
from jaxcnn.models.staged import StagedNetwork

# Table 1 of the paper.
REPEATS = (
    Repeat(1, 16, 1, 1, 3),
    Repeat(6, 24, 2, 2, 3),
    Repeat(6, 40, 2, 2, 5),
    Repeat(6, 80, 3, 2, 3),
    Repeat(6, 112, 3, 1, 5),
    Repeat(6, 192, 4, 2, 5),
    Repeat(6, 320, 1, 1, 3),
)
STEM_WIDTH = 32
HEAD_WIDTH = 1280


def squeeze(input_width: int) -> Squeeze:
    """Squeeze to a quarter of the channels of the block's input."""
    return Squeeze(max(1, input_width // 4), activation="silu", gate="sigmoid")


class EfficientNet(InvertedResidualNetwork, kw_only=True):
    """A strided convolution, inverted residual blocks with squeeze-and-excitation, swish.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network: stage_2 begins with block_2. The published sizes of
    images are 224, 240, 260 (torchvision: 288), 300, 380, 456, 528 and 600 px for b0 to b7; any
    other will do.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on all widths, rounded to multiples of 8.
      depth_multiplier: factor on the number of blocks of each row, rounded up.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      drop_path_rate: probability that training drops a block's branch, growing linearly from 0 for
        the first block towards this beyond the last, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(EfficientNet(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='conv_head', stride=32, num_channels=1280)

    Source: Tan & Le 2019, arXiv:1905.11946, table 1 and section 4; multipliers, BatchNorm's
    constants, the rates of dropout and drop path and initial kernels (He normal, fan out):
    torchvision's efficientnet; deviation: the layers of squeeze-and-excitation and the last one
    start as in all networks here.
    """

    padding: str = "symmetric"
    depth_multiplier: float = 1.0
    drop_path_rate: float = 0.2
    dropout_rate: float = 0.2

    activation = "silu"
    drop_path_reaches_last = False

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_positive("depth_multiplier", self.depth_multiplier)
        super().__post_init__()

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        return self.scaled(STEM_WIDTH)

    @property
    def head_width(self) -> int:
        """Channels of conv_head."""
        return self.scaled(HEAD_WIDTH)

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order."""
        return self.make_blocks(scale_depth(REPEATS, self.depth_multiplier), squeeze=squeeze)


# Multipliers of width and depth, and rate of dropout; b5 and larger have TensorFlow's BatchNorm.
_SCALES = {
    "b0": (1.0, 1.0, 0.2),
    "b1": (1.0, 1.1, 0.2),
    "b2": (1.1, 1.2, 0.3),
    "b3": (1.2, 1.4, 0.3),
    "b4": (1.4, 1.8, 0.4),
    "b5": (1.6, 2.2, 0.4),
    "b6": (1.8, 2.6, 0.5),
    "b7": (2.0, 3.1, 0.5),
}
_TENSORFLOW_BN: dict[str, Any] = {"bn_momentum": 0.99, "bn_epsilon": 1e-3}

MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    f"efficientnet_{size}": functools.partial(
        EfficientNet,
        width_multiplier=width,
        depth_multiplier=depth,
        dropout_rate=dropout,
        **(_TENSORFLOW_BN if size >= "b5" else {}),
    )
    for size, (width, depth, dropout) in _SCALES.items()
}
