"""EfficientNet-Lite 0 to 4: EfficientNets for phones, without squeeze-and-excitation or swish."""

import functools
from collections.abc import Callable, Mapping

import flax.linen as nn

from jaxcnn.models import checks
from jaxcnn.models.efficientnet import REPEATS
from jaxcnn.models.inverted_residual import (
    Block,
    InvertedResidualNetwork,
    KernelInits,
    scale_depth,
)
from jaxcnn.models.staged import StagedNetwork

# A depthwise kernel has one input channel, so that this is He's rule for it.
_HE_FAN_IN = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
STEM_WIDTH = 32
HEAD_WIDTH = 1280


class EfficientNetLite(InvertedResidualNetwork, kw_only=True):
    """A strided convolution, five stages of inverted residual blocks with ReLU6, 1280 channels.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network: stage_2 begins with block_2. The published sizes of
    images are 224, 240, 260, 280 and 300 px for 0 to 4; any other will do.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on the blocks' widths, rounded to multiples of 8; the stem and
        conv_head keep theirs.
      depth_multiplier: factor on the number of blocks of each row but the first and the last,
        rounded up.
      padding: "same" (TensorFlow's, as all published weights want) or "symmetric" (PyTorch's).
      drop_path_rate: probability that training drops a block's branch, growing linearly from 0 for
        the first block towards this beyond the last, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(EfficientNetLite(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='conv_head', stride=32, num_channels=1280)

    Source: Tan & Le 2019, arXiv:1905.11946, table 1 and section 5.2; for what differs from
    EfficientNet, the multipliers, BatchNorm's constants, the rates of dropout and drop path and the
    initial kernels: Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite", and its
    efficientnet_lite_builder.py; deviation: the last layer starts as in all networks here.
    """

    depth_multiplier: float = 1.0
    drop_path_rate: float = 0.2
    dropout_rate: float = 0.2
    bn_momentum: float = 0.99
    bn_epsilon: float = 1e-3

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_positive("depth_multiplier", self.depth_multiplier)
        super().__post_init__()

    kernel_inits = KernelInits(depthwise=_HE_FAN_IN)
    drop_path_reaches_last = False

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        return STEM_WIDTH

    @property
    def head_width(self) -> int:
        """Channels of conv_head."""
        return HEAD_WIDTH

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order."""
        inner = scale_depth(REPEATS[1:-1], self.depth_multiplier)
        return self.make_blocks([REPEATS[0], *inner, REPEATS[-1]])


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "efficientnet_lite0": EfficientNetLite,
    "efficientnet_lite1": functools.partial(EfficientNetLite, depth_multiplier=1.1),
    "efficientnet_lite2": functools.partial(
        EfficientNetLite, width_multiplier=1.1, depth_multiplier=1.2, dropout_rate=0.3
    ),
    "efficientnet_lite3": functools.partial(
        EfficientNetLite, width_multiplier=1.2, depth_multiplier=1.4, dropout_rate=0.3
    ),
    "efficientnet_lite4": functools.partial(
        EfficientNetLite, width_multiplier=1.4, depth_multiplier=1.8, dropout_rate=0.3
    ),
}
