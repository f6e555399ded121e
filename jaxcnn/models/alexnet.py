"""AlexNet: five convolutions and three fully connected layers, in its one-tower form."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import flax.linen as nn

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork
from jaxcnn.ops.pooling import adaptive_avg_pool

_WIDTHS = (64, 192, 384, 256, 256)
_KERNEL_SIZES = (11, 5, 3, 3, 3)
_PADDINGS_PX = (2, 2, 1, 1, 1)
_POOLED = (1, 2, 5)  # the convolutions that a max pooling follows
_STRIDES = (8, 16, 16, 16, 32)  # of the stages
_FEATURE_MAP_PX = 6
_pool = partial(layers.max_pool_like_torch, size=3, stride=2)


class AlexNet(StagedNetwork, kw_only=True):
    """AlexNet: conv_1 to conv_5, each with its pooling where it has one, then fc6 and fc7.

    The last feature map is brought to 6x6 by averages, so that any image of at least 63 px a side
    will do; at 224 px it is 6x6 as it comes.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      hidden_width: units of fc6 and of fc7.
      hidden_dropout_rate: probability that an input of fc6 or of fc7 is dropped in training, in
        [0, 1); `StagedNetwork.dropout_rate` is that of the last layer's
        inputs.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or below 63 px a side.

    Example:
      >>> import jax
      >>> model = AlexNet(num_classes=10)
      >>> images = jax.numpy.zeros((4, 224, 224, 3))
      >>> logits, _ = jax.eval_shape(
      ...     lambda key: model.init_with_output(key, images, train=False), jax.random.key(0)
      ... )
      >>> logits.shape
      (4, 10)

    Source: Krizhevsky 2014, arXiv:1404.5997: the network of Krizhevsky, Sutskever & Hinton 2012
    ("ImageNet classification with deep convolutional neural networks") as one tower, of 64, 192,
    384, 256 and 256 channels. Deviations: no response normalisation, and adaptive pooling before
    fc6, both as in torchvision; initial weights are He normal (arXiv:1502.01852), biases 0.
    """

    hidden_width: int = 4096
    hidden_dropout_rate: float = 0.5

    smallest_image_px = 63

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_positive_int("hidden_width", self.hidden_width)
        checks.check_rate("hidden_dropout_rate", self.hidden_dropout_rate)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the convolutions and the two hidden fully connected layers."""
        stages = [self._convolution(number) for number in range(1, len(_STRIDES) + 1)]
        hidden = partial(
            layers.HiddenLinear,
            width=self.hidden_width,
            dropout_rate=self.hidden_dropout_rate,
            dtype=self.dtype,
        )
        fc6, fc7 = hidden(name="fc6"), hidden(name="fc7")
        first_linear = layers.in_turn(partial(adaptive_avg_pool, size=_FEATURE_MAP_PX), fc6)
        return [*stages, Stage("fc6", 0, first_linear), Stage("fc7", 0, fc7)]

    @nn.nowrap
    def _convolution(self, number: int) -> Stage:
        name, index = f"conv_{number}", number - 1
        convolution = layers.ConvBlock(
            width=_WIDTHS[index],
            kernel_size=_KERNEL_SIZES[index],
            strides=4 if number == 1 else 1,
            padding=_PADDINGS_PX[index],
            dtype=self.dtype,
            name=name,
        )
        pools = [_pool] if number in _POOLED else []
        return Stage(name, _STRIDES[index], layers.in_turn(convolution, *pools))


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "alexnet": AlexNet,
}
