"""MobileNet v2: inverted residual blocks with linear bottlenecks."""

from collections.abc import Callable, Mapping

import flax.linen as nn

from jaxcnn.models import layers
from jaxcnn.models.inverted_residual import Block, InvertedResidualNetwork, Repeat
from jaxcnn.models.staged import StagedNetwork

# Table 2 of the paper: its t, c, n and s.
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


class MobileNetV2(InvertedResidualNetwork, kw_only=True):
    """A strided convolution, five stages of inverted residual blocks with ReLU6, 1280 channels.

    The stages are stem (stride 2), stage_1 to stage_5 (strides 2, 4, 8, 16 and 32) and conv_head.
    The blocks are numbered through the network: stage_2 begins with block_2.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on all widths, rounded to multiples of 8; below 1 conv_head keeps its
        1280 channels.
      padding: "symmetric" (PyTorch's weights) or "same" (TensorFlow's and Keras').
      drop_path_rate: probability that training drops the last block's branch, growing linearly from
        0 for the first block, in [0, 1).

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(MobileNetV2(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='conv_head', stride=32, num_channels=1280)

    Source: Sandler et al. 2018, arXiv:1801.04381, table 2; BatchNorm's constants, dropout and
    initial kernels (He normal, fan out): torchvision's mobilenet_v2; deviation: drop path as an
    option.
    """

    padding: str = "symmetric"
    dropout_rate: float = 0.2

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        return self.scaled(STEM_WIDTH)

    @property
    def head_width(self) -> int:
        """Channels of conv_head."""
        return layers.make_divisible(HEAD_WIDTH * max(1.0, self.width_multiplier))

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order."""
        return self.make_blocks(REPEATS)


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "mobilenet_v2": MobileNetV2,
}
