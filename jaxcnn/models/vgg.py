"""VGG: stacks of 3x3 convolutions with max pooling, and three fully connected layers."""

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import flax.linen as nn

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork
from jaxcnn.ops.pooling import adaptive_avg_pool, max_pool

_WIDTHS = (64, 128, 256, 512, 512)  # channels of the convolutions of each stage
_FEATURE_MAP_PX = 7
_CONV_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
_LINEAR_INIT = nn.initializers.normal(0.01)


class VGG(StagedNetwork, kw_only=True):
    """VGG: stage_1 to stage_5 of 3x3 convolutions, each ended by a max pooling, then fc6 and fc7.

    The last feature map is brought to 7x7 by averages, so that any image of at least 32 px a side
    will do; at 224 px it is 7x7 as it comes.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      stage_sizes: number of convolutions of each of the five stages.
      batch_norm: whether BatchNorm stands between convolution and ReLU.
      hidden_width: units of fc6 and of fc7.
      hidden_dropout_rate: probability that an input of fc7 is dropped in training, in [0, 1);
        `dropout_rate` is that of the last layer's inputs.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or below 32 px a side.

    Example:
      >>> import jax
      >>> model = VGG(num_classes=10, stage_sizes=(1, 1, 2, 2, 2))
      >>> images = jax.numpy.zeros((4, 224, 224, 3))
      >>> logits, _ = jax.eval_shape(
      ...     lambda key: model.init_with_output(key, images, train=False), jax.random.key(0)
      ... )
      >>> logits.shape
      (4, 10)

    Source: Simonyan & Zisserman 2014, arXiv:1409.1556, table 1, columns A, B, D and E. Deviations,
    as in torchvision: BatchNorm (Ioffe & Szegedy 2015, arXiv:1502.03167) after convolutions that
    keep their biases; adaptive pooling before fc6; initial weights He normal (arXiv:1502.01852) for
    convolutions, of standard deviation 0.01 for fc6 and fc7, biases 0.
    """

    stage_sizes: tuple[int, ...] = (2, 2, 3, 3, 3)
    batch_norm: bool = False
    hidden_width: int = 4096
    hidden_dropout_rate: float = 0.5
    dropout_rate: float = 0.5

    smallest_image_px = 2 ** len(_WIDTHS)

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        # A list would make the module unhashable, and so no static argument of jit.
        self.stage_sizes = tuple(self.stage_sizes)
        checks.check_positive_int("stage_sizes", *self.stage_sizes)
        if len(self.stage_sizes) != len(_WIDTHS):
            raise ValueError(
                f"stage_sizes (={self.stage_sizes}) must be {len(_WIDTHS)} numbers of convolutions."
            )
        checks.check_positive_int("hidden_width", self.hidden_width)
        checks.check_rate("hidden_dropout_rate", self.hidden_dropout_rate)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stacks of convolutions and the two hidden fully connected layers."""
        stacks = [self._stack(number) for number in range(1, len(_WIDTHS) + 1)]
        hidden = partial(
            layers.HiddenLinear, width=self.hidden_width, kernel_init=_LINEAR_INIT, dtype=self.dtype
        )
        fc6, fc7 = hidden(name="fc6"), hidden(dropout_rate=self.hidden_dropout_rate, name="fc7")
        first_hidden = layers.in_turn(partial(adaptive_avg_pool, size=_FEATURE_MAP_PX), fc6)
        return [*stacks, Stage("fc6", 0, first_hidden), Stage("fc7", 0, fc7)]

    @nn.nowrap
    def _stack(self, number: int) -> Stage:
        name = f"stage_{number}"
        convolution = partial(
            layers.ConvBlock,
            width=_WIDTHS[number - 1],
            use_batch_norm=self.batch_norm,
            use_bias=True,
            bn=self.bn,
            kernel_init=_CONV_INIT,
            dtype=self.dtype,
        )
        convolutions = tuple(
            partial(convolution, name=f"conv_{index}")
            for index in range(1, self.stage_sizes[number - 1] + 1)
        )
        stack = layers.InTurn(make_layers=convolutions, name=name)
        return Stage(name, 2**number, layers.in_turn(stack, partial(max_pool, window=2)))


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "vgg11": functools.partial(VGG, stage_sizes=(1, 1, 2, 2, 2)),
    "vgg11_bn": functools.partial(VGG, stage_sizes=(1, 1, 2, 2, 2), batch_norm=True),
    "vgg13": functools.partial(VGG, stage_sizes=(2, 2, 2, 2, 2)),
    "vgg13_bn": functools.partial(VGG, stage_sizes=(2, 2, 2, 2, 2), batch_norm=True),
    "vgg16": functools.partial(VGG, stage_sizes=(2, 2, 3, 3, 3)),
    "vgg16_bn": functools.partial(VGG, stage_sizes=(2, 2, 3, 3, 3), batch_norm=True),
    "vgg19": functools.partial(VGG, stage_sizes=(2, 2, 4, 4, 4)),
    "vgg19_bn": functools.partial(VGG, stage_sizes=(2, 2, 4, 4, 4), batch_norm=True),
}
