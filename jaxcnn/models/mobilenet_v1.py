"""MobileNet v1: depthwise separable convolutions in a row."""

import functools
from collections.abc import Callable, Mapping

import flax.linen as nn

from jaxcnn.models.inverted_residual import Block, KernelInits, MobileNetwork, Repeat
from jaxcnn.models.staged import StagedNetwork

STEM_WIDTH = 32
# Table 1 of the paper.
REPEATS = (
    Repeat(1, 64, 1, 1, kind="separable"),
    Repeat(1, 128, 2, 2, kind="separable"),
    Repeat(1, 256, 2, 2, kind="separable"),
    Repeat(1, 512, 6, 2, kind="separable"),
    Repeat(1, 1024, 2, 2, kind="separable"),
)
MIN_WIDTH = 8


class MobileNetV1(MobileNetwork, kw_only=True):
    """A strided convolution and thirteen depthwise separable convolutions with ReLU6.

    The stages are stem (stride 2) and stage_1 to stage_5 (strides 2, 4, 8, 16 and 32). The blocks
    are numbered through the network: stage_2 begins with block_2.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      width_multiplier: factor on all widths, rounded down, at least 8 channels.
      padding: "same" (TensorFlow's weights and Keras') or "symmetric" (PyTorch's). Keras pads its
        strided depthwise convolutions by one px at the end, which is "same" where the feature map's
        sides are even, as with images whose sides are multiples of 32.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(MobileNetV1(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='stage_5', stride=32, num_channels=1024)

    Source: Howard et al. 2017, arXiv:1704.04861, table 1; BatchNorm's constants, ReLU6 and dropout:
    Keras' MobileNet; the least width: TensorFlow slim's; deviation: He normal initial kernels, the
    paper names none.
    """

    dropout_rate: float = 1e-3
    bn_momentum: float = 0.99
    bn_epsilon: float = 1e-3

    kernel_inits = KernelInits(None, None)

    @property
    def stem_width(self) -> int:
        """Channels of the stem."""
        return self.scaled(STEM_WIDTH)

    @nn.nowrap
    def blocks(self) -> list[Block]:
        """List all blocks in order."""
        return self.make_blocks(REPEATS)

    @nn.nowrap
    def scaled(self, width: int) -> int:
        """Multiply a width, and round it down."""
        return max(MIN_WIDTH, int(width * self.width_multiplier))


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v1_0.75": functools.partial(MobileNetV1, width_multiplier=0.75),
    "mobilenet_v1_0.5": functools.partial(MobileNetV1, width_multiplier=0.5),
    "mobilenet_v1_0.25": functools.partial(MobileNetV1, width_multiplier=0.25),
}
