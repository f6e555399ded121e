"""MNASNet b1: inverted residual blocks that a search chose for the time they take on a phone."""

import functools
from collections.abc import Callable, Mapping

import flax.linen as nn

from jaxcnn.models.inverted_residual import Block, InvertedResidualNetwork, Repeat
from jaxcnn.models.staged import StagedNetwork

# MNASNet-b1 of torchvision and TensorFlow; the paper's figure 7 has the a1 with squeeze-and-
# excitation.
REPEATS = (
    Repeat(1, 16, 1, 1, 3),
    Repeat(3, 24, 3, 2, 3),
    Repeat(3, 40, 3, 2, 5),
    Repeat(6, 80, 3, 2, 5),
    Repeat(6, 96, 2, 1, 3),
    Repeat(6, 192, 4, 2, 5),
    Repeat(6, 320, 1, 1, 3),
)
STEM_WIDTH = 32
HEAD_WIDTH = 1280


class MNASNet(InvertedResidualNetwork, kw_only=True):
    """A strided convolution, five stages of inverted residual blocks with ReLU, 1280 channels.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network: stage_2 begins with block_2.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on all widths, rounded to multiples of 8; conv_head keeps its 1280
        channels. The stem is scaled too, as in version 2 of torchvision's networks; version 1,
        whose stem is not, has no place here.
      padding: "symmetric" (PyTorch's weights) or "same" (TensorFlow's).
      drop_path_rate: probability that training drops the last block's branch, growing linearly from
        0 for the first block, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(MNASNet(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='conv_head', stride=32, num_channels=1280)

    Source: Tan et al. 2018, arXiv:1807.11626; widths, BatchNorm's constants, dropout and initial
    kernels (He normal, fan out): torchvision's mnasnet; deviations: drop path as an option; the
    last layer starts as in all networks here.
    """

    padding: str = "symmetric"
    dropout_rate: float = 0.2
    bn_momentum: float = 0.9997

    activation = "relu"

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        return self.scaled(STEM_WIDTH)

    @property
    def head_width(self) -> int:
        """Channels of conv_head."""
        return HEAD_WIDTH

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order."""
        return self.make_blocks(REPEATS)


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "mnasnet0_5": functools.partial(MNASNet, width_multiplier=0.5),
    "mnasnet0_75": functools.partial(MNASNet, width_multiplier=0.75),
    "mnasnet1_0": MNASNet,
    "mnasnet1_3": functools.partial(MNASNet, width_multiplier=1.3),
}
