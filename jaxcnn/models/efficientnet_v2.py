"""EfficientNetV2: fused blocks first, then inverted residual ones, for faster training."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import flax.linen as nn

from jaxcnn.models import checks
from jaxcnn.models.efficientnet import squeeze
from jaxcnn.models.inverted_residual import (
    Block,
    InvertedResidualNetwork,
    Repeat,
    scale_depth,
)
from jaxcnn.models.staged import StagedNetwork


class Table(NamedTuple):
    """A network of the paper."""

    stem_width: int
    repeats: tuple[Repeat, ...]


_fused = functools.partial(Repeat, kind="fused")
# Table 4 of the paper for "s"; the others: effnetv2_configs.py of its authors. "base" is that of
# b0 to b3.
TABLES: Mapping[str, Table] = {
    "base": Table(
        32,
        (
            _fused(1, 16, 1, 1),
            _fused(4, 32, 2, 2),
            _fused(4, 48, 2, 2),
            Repeat(4, 96, 3, 2),
            Repeat(6, 112, 5, 1),
            Repeat(6, 192, 8, 2),
        ),
    ),
    "s": Table(
        24,
        (
            _fused(1, 24, 2, 1),
            _fused(4, 48, 4, 2),
            _fused(4, 64, 4, 2),
            Repeat(4, 128, 6, 2),
            Repeat(6, 160, 9, 1),
            Repeat(6, 256, 15, 2),
        ),
    ),
    "m": Table(
        24,
        (
            _fused(1, 24, 3, 1),
            _fused(4, 48, 5, 2),
            _fused(4, 80, 5, 2),
            Repeat(4, 160, 7, 2),
            Repeat(6, 176, 14, 1),
            Repeat(6, 304, 18, 2),
            Repeat(6, 512, 5, 1),
        ),
    ),
    "l": Table(
        32,
        (
            _fused(1, 32, 4, 1),
            _fused(4, 64, 7, 2),
            _fused(4, 96, 7, 2),
            Repeat(4, 192, 10, 2),
            Repeat(6, 224, 19, 1),
            Repeat(6, 384, 25, 2),
            Repeat(6, 640, 7, 1),
        ),
    ),
}
HEAD_WIDTH = 1280


class EfficientNetV2(InvertedResidualNetwork, kw_only=True):
    """A strided convolution, fused blocks, inverted residual blocks with squeeze-and-excitation.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network. A fused block has one convolution where an inverted
    residual block has two, and no squeeze-and-excitation. The published sizes of images are 384 px
    for s, 480 px for m and l, and 224, 240, 260 and 300 px for b0 to b3; any other will do.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      size: "s", "m" or "l"; "base" for what b0 to b3 are made of.
      width_multiplier: factor on all widths, rounded to the nearest multiple of 8.
      depth_multiplier: factor on the number of blocks of each row, rounded up.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      drop_path_rate: probability that training drops a block's branch, growing linearly from 0 for
        the first block towards this beyond the last, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(EfficientNetV2(num_classes=10, size="s"), (384, 384, 3))[1]
      StageInfo(name='stage_1', stride=2, num_channels=24)

    Source: Tan & Le 2021, arXiv:2104.00298, table 4 and figure 2; m and l, b0 to b3:
    effnetv2_configs.py of its authors; BatchNorm's constants, the rates of dropout and drop path
    and initial kernels (He normal, fan out): torchvision's efficientnet; deviation: the layers of
    squeeze-and-excitation and the last one start as in all networks here.
    """

    size: str = "s"
    padding: str = "symmetric"
    depth_multiplier: float = 1.0
    drop_path_rate: float = 0.2
    dropout_rate: float = 0.2
    bn_epsilon: float = 1e-3

    activation = "silu"
    drop_path_reaches_last = False

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_name("size", self.size, TABLES)
        checks.check_positive("depth_multiplier", self.depth_multiplier)
        super().__post_init__()

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        return self.scaled(TABLES[self.size].stem_width)

    @property
    def head_width(self) -> int:
        """Channels of conv_head."""
        return self.scaled(HEAD_WIDTH)

    @nn.nowrap
    def scaled(self, width: int) -> int:
        """Multiply a width, and round it to the nearest multiple of 8."""
        return max(8, int(width * self.width_multiplier + 4) // 8 * 8)

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order."""
        repeats = scale_depth(TABLES[self.size].repeats, self.depth_multiplier)
        return self.make_blocks(repeats, squeeze=squeeze)


_base = functools.partial(EfficientNetV2, size="base")

MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "efficientnet_v2_b0": _base,
    "efficientnet_v2_b1": functools.partial(_base, depth_multiplier=1.1),
    "efficientnet_v2_b2": functools.partial(
        _base, width_multiplier=1.1, depth_multiplier=1.2, dropout_rate=0.3
    ),
    "efficientnet_v2_b3": functools.partial(
        _base, width_multiplier=1.2, depth_multiplier=1.4, dropout_rate=0.3
    ),
    "efficientnet_v2_s": functools.partial(EfficientNetV2, size="s"),
    "efficientnet_v2_m": functools.partial(EfficientNetV2, size="m", dropout_rate=0.3),
    "efficientnet_v2_l": functools.partial(EfficientNetV2, size="l", dropout_rate=0.4),
}
