"""EfficientNet-Lite 0 to 4: EfficientNets for phones, without squeeze-and-excitation or swish."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn

from jaxcnn.models import checks
from jaxcnn.models.inverted_residual import InvertedResidualNetwork, Repeat
from jaxcnn.models.staged import Stage, StagedNetwork

# A depthwise kernel has one input channel, so that this is He's rule for it.
_HE_FAN_IN = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
STEM_WIDTH = 32
HEAD_WIDTH = 1280


# Table 1 of the EfficientNet paper.
REPEATS = (
    Repeat(1, 16, 1, 1, 3),
    Repeat(6, 24, 2, 2, 3),
    Repeat(6, 40, 2, 2, 5),
    Repeat(6, 80, 3, 2, 3),
    Repeat(6, 112, 3, 1, 5),
    Repeat(6, 192, 4, 2, 5),
    Repeat(6, 320, 1, 1, 3),
)


def repeat_counts(depth_multiplier: float) -> tuple[int, ...]:
    """Count the blocks of each row of `REPEATS`; the first and the last are not scaled.

    Args:
      depth_multiplier: factor on the counts, which are rounded up.

    Returns:
      One count per row.

    Example:
      >>> repeat_counts(1.2)
      (1, 3, 3, 4, 4, 5, 1)
    """
    inner = (math.ceil(depth_multiplier * repeat.num_blocks) for repeat in REPEATS[1:-1])
    return (REPEATS[0].num_blocks, *inner, REPEATS[-1].num_blocks)


class EfficientNetLite(InvertedResidualNetwork, kw_only=True):
    """A strided convolution, five stages of inverted residual blocks with ReLU6, 1280 channels.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network: stage_2 begins with block_2. The published sizes of
    images are 224, 240, 260, 280 and 300 px for 0 to 4; any other will do.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on the blocks' widths, rounded to multiples of 8; the stem and
        conv_head keep theirs.
      depth_multiplier: factor on the number of blocks, see `repeat_counts`.
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

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks and the last convolution."""
        counts = repeat_counts(self.depth_multiplier)
        repeats = [
            repeat._replace(num_blocks=count) for repeat, count in zip(REPEATS, counts, strict=True)
        ]
        blocks = self.make_blocks(
            repeats,
            stem_width=STEM_WIDTH,
            drop_path_rate=self.drop_path_rate,
            drop_path_steps=sum(counts),
        )
        return self.make_stages(
            STEM_WIDTH, blocks, head_width=HEAD_WIDTH, depthwise_init=_HE_FAN_IN
        )


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
