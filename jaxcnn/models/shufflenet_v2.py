"""ShuffleNet v2: blocks that work on half of the channels, and shuffle the two halves."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

STEM_WIDTH = 24
STAGE_SIZES = (4, 8, 4)  # table 5 of the paper
# PyTorch's default for convolutions: uniform within 1 / sqrt(fan in).
_CONV_OPTIONS = {
    "padding": "symmetric",
    "kernel_init": nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
}
_pool = functools.partial(layers.max_pool_like_torch, size=3, stride=2, padding=1)


def shuffle(left: jax.Array, right: jax.Array) -> jax.Array:
    """Lay the channels of two maps beside each other in turn.

    Args:
      left: (B, H, W, C).
      right: (B, H, W, C).

    Returns:
      (B, H, W, 2 C): the first channel of `left`, the first of `right`, the second of `left`, ...

    Example:
      >>> left, right = jnp.array([[[[1, 2]]]]), jnp.array([[[[3, 4]]]])
      >>> shuffle(left, right).tolist()
      [[[[1, 3, 2, 4]]]]
    """
    return jnp.stack([left, right], axis=-1).reshape(*left.shape[:-1], -1)


class ShuffleBlock(nn.Module, kw_only=True):
    """Keep half of the channels, convolve the other half, shuffle both.

    A block of stride 2 convolves all channels in both branches, each to half of the width.

    Attributes:
      width: channels of the output, even; a block of stride 1 takes as many.
      strides: step of the depthwise convolutions, px: 1 or 2.
      conv_bn: makes a convolution with BatchNorm, `layers.ConvBlock` with its options set.

    Source: Ma et al. 2018, arXiv:1807.11164, figure 3 (c) and (d).
    """

    width: int
    strides: int = 1
    conv_bn: Callable[..., layers.ConvBlock] = functools.partial(layers.conv_bn, **_CONV_OPTIONS)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width)."""
        half = self.width // 2
        pointwise = functools.partial(self.conv_bn, width=half, kernel_size=1)
        left, right = (x, x) if self.strides > 1 else (x[..., :half], x[..., half:])
        if self.strides > 1:
            shortcut = [
                self._depthwise(x.shape[-1], "shortcut_depthwise"),
                pointwise(name="shortcut_project"),
            ]
            left = layers.in_turn(*shortcut)(left, train=train)
        branch = [
            pointwise(name="expand"),
            self._depthwise(half, "depthwise"),
            pointwise(name="project"),
        ]
        return shuffle(left, layers.in_turn(*branch)(right, train=train))

    @nn.nowrap
    def _depthwise(self, width: int, name: str) -> layers.ConvBlock:
        return self.conv_bn(
            width=width, groups=width, strides=self.strides, activation="linear", name=name
        )


class ShuffleNetV2(StagedNetwork, kw_only=True):
    """A strided convolution, max pooling, three stages of blocks, and a last convolution.

    The stages are stem (stride 2), stage_1 to stage_3 (strides 8, 16 and 32, with a max pooling at
    the start of stage_1) and conv_head. The depthwise convolutions have no activation.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      widths: channels of the three stages, even.
      head_width: channels of conv_head.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(ShuffleNetV2(num_classes=10), (224, 224, 3))[1]
      StageInfo(name='stage_1', stride=8, num_channels=116)

    Source: Ma et al. 2018, arXiv:1807.11164, table 5; width of conv_head for 2x, BatchNorm's
    constants and initial kernels (PyTorch's default): torchvision's shufflenetv2; deviation: the
    last layer starts as in all networks here.
    """

    widths: tuple[int, ...] = (116, 232, 464)
    head_width: int = 1024

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        # A list would make the module unhashable, and so no static argument of jit.
        self.widths = tuple(self.widths)
        checks.check_positive_int("widths", *self.widths)
        checks.check_positive_int("head_width", self.head_width)
        if len(self.widths) != len(STAGE_SIZES) or any(width % 2 for width in self.widths):
            raise ValueError(
                f"widths (={self.widths}) must be three even numbers, one per stage; each block "
                "splits its channels in two halves."
            )
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks and the last convolution."""
        convolution = functools.partial(self.conv_bn, **_CONV_OPTIONS)
        stride = 2
        stem = convolution(width=STEM_WIDTH, strides=stride, name="stem")
        stages = [Stage("stem", stride, stem)]
        stride *= 2  # of the max pooling
        for number, (width, size) in enumerate(zip(self.widths, STAGE_SIZES, strict=True), start=1):
            stride *= 2
            block: dict[str, Any] = {"width": width, "conv_bn": convolution}
            make_layers = tuple(
                functools.partial(
                    ShuffleBlock, strides=2 if index == 0 else 1, name=f"block_{index + 1}", **block
                )
                for index in range(size)
            )
            stage: Callable[..., jax.Array] = layers.InTurn(
                make_layers=make_layers, name=f"stage_{number}"
            )
            if number == 1:
                stage = layers.in_turn(_pool, stage)
            stages.append(Stage(f"stage_{number}", stride, stage))
        head = convolution(width=self.head_width, kernel_size=1, name="conv_head")
        return [*stages, Stage("conv_head", stride, head)]


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "shufflenet_v2_x0_5": functools.partial(ShuffleNetV2, widths=(48, 96, 192)),
    "shufflenet_v2_x1_0": ShuffleNetV2,
    "shufflenet_v2_x1_5": functools.partial(ShuffleNetV2, widths=(176, 352, 704)),
    "shufflenet_v2_x2_0": functools.partial(ShuffleNetV2, widths=(244, 488, 976), head_width=2048),
}
