"""MobileNet v1: depthwise separable convolutions in a row."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

STEM_WIDTH = 32
# Table 1 of the paper: the width of each block, by stage; every stage but the first strides.
STAGE_WIDTHS = ((64,), (128, 128), (256, 256), (512,) * 6, (1024, 1024))
MIN_WIDTH = 8


class SeparableStage(nn.Module, kw_only=True):
    """Depthwise separable convolutions in a row: 3x3 on each channel apart, then 1x1 across them.

    Attributes:
      widths: channels that come out of each block.
      first_number: number of the first block in the network, which names it.
      stride: of the first block, px.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      bn: the constants of BatchNorm.
      dtype: of the computation; parameters are float32.

    Source: Howard et al. 2017, arXiv:1704.04861, figure 3.
    """

    widths: tuple[int, ...]
    first_number: int
    stride: int
    padding: str
    bn: layers.BatchNorm
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width of the last block)."""
        for index, width in enumerate(self.widths):
            block = SeparableBlock(
                width=width,
                stride=self.stride if index == 0 else 1,
                padding=self.padding,
                bn=self.bn,
                dtype=self.dtype,
                name=f"block_{self.first_number + index}",
            )
            x = block(x, train=train)
        return x


class SeparableBlock(nn.Module, kw_only=True):
    """One depthwise separable convolution, BatchNorm and ReLU6 after either kernel.

    Attributes:
      width: channels of the output.
      stride: of the depthwise convolution, px.
      padding: "symmetric" (PyTorch's) or "same" (TensorFlow's).
      bn: the constants of BatchNorm.
      dtype: of the computation; parameters are float32.
    """

    width: int
    stride: int
    padding: str
    bn: layers.BatchNorm
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width)."""
        depthwise = layers.ConvBlock(
            width=x.shape[-1],
            strides=self.stride,
            padding=self.padding,
            groups=x.shape[-1],
            activation="relu6",
            use_batch_norm=True,
            bn=self.bn,
            dtype=self.dtype,
            name="depthwise",
        )
        pointwise = layers.ConvBlock(
            width=self.width,
            kernel_size=1,
            activation="relu6",
            use_batch_norm=True,
            bn=self.bn,
            dtype=self.dtype,
            name="pointwise",
        )
        return pointwise(depthwise(x, train=train), train=train)


class MobileNetV1(StagedNetwork, kw_only=True):
    """A strided convolution and thirteen depthwise separable convolutions with ReLU6.

    The stages are stem (stride 2) and stage_1 to stage_5 (strides 2, 4, 8, 16 and 32). The blocks
    are numbered through the network: stage_2 begins with block_2.

    Attributes, beside those of `StagedNetwork`:
      width_multiplier: factor on all widths, rounded down, at least 8 channels.
      padding: "same" (TensorFlow's weights and Keras') or "symmetric" (PyTorch's). Keras pads its
        strided depthwise convolutions by one px at the end, which is "same" where the feature map's
        sides are even, as with images whose sides are multiples of 32.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Source: Howard et al. 2017, arXiv:1704.04861, table 1; BatchNorm's constants, ReLU6 and dropout:
    Keras' MobileNet; the least width: TensorFlow slim's; deviation: He normal initial kernels, the
    paper names none.
    """

    width_multiplier: float = 1.0
    padding: str = "same"
    dropout_rate: float = 1e-3
    bn_momentum: float = 0.99
    bn_epsilon: float = 1e-3

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is told before any compilation."""
        checks.check_name("padding", self.padding, layers.PADDINGS_OF_ORIGINS)
        checks.check_positive("width_multiplier", self.width_multiplier)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem and the stages of blocks."""
        stem = layers.ConvBlock(
            width=self._scaled(STEM_WIDTH),
            strides=2,
            padding=self.padding,
            activation="relu6",
            use_batch_norm=True,
            bn=self.bn,
            dtype=self.dtype,
            name="stem",
        )
        stages, first_number = [Stage("stem", 2, stem)], 1
        for number, widths in enumerate(STAGE_WIDTHS, start=1):
            stage = SeparableStage(
                widths=tuple(self._scaled(width) for width in widths),
                first_number=first_number,
                stride=1 if number == 1 else 2,
                padding=self.padding,
                bn=self.bn,
                dtype=self.dtype,
                name=f"stage_{number}",
            )
            stages.append(Stage(f"stage_{number}", 2**number, stage))
            first_number += len(widths)
        return stages

    @nn.nowrap
    def _scaled(self, width: int) -> int:
        return max(MIN_WIDTH, int(width * self.width_multiplier))
