"""DenseNet: every layer sees the outputs of all layers before it in its stage."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork
from jaxcnn.ops.pooling import avg_pool

_BOTTLENECK = 4  # channels of the 1x1 convolution over the growth rate
_INIT = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
_pool = partial(layers.max_pool_like_torch, size=3, stride=2, padding=1)


class DenseLayer(nn.Module, kw_only=True):
    """BatchNorm, ReLU, 1x1 convolution, again and 3x3; the result goes behind the input's channels.

    Attributes:
      growth_rate: channels that the layer adds.
      bn: the constants of BatchNorm.
      dtype: of the computation; parameters are float32.

    Source: Huang et al. 2016, arXiv:1608.06993, section 3, "bottleneck layers".
    """

    growth_rate: int
    bn: layers.BatchNorm = layers.BatchNorm()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H, W, C + growth_rate)."""
        x = layers.batch_norm(
            inputs, train=train, name="norm", constants=self.bn, activation="relu"
        )
        bottleneck = layers.conv_bn(
            width=_BOTTLENECK * self.growth_rate,
            kernel_size=1,
            bn=self.bn,
            kernel_init=_INIT,
            dtype=self.dtype,
            name="bottleneck",
        )
        x = bottleneck(x, train=train)
        x = _conv(self.growth_rate, 3, self.dtype)(x)
        return jnp.concatenate([inputs, x], axis=-1)


class Transition(nn.Module, kw_only=True):
    """BatchNorm, ReLU, 2x2 mean and 1x1 convolution to half the channels.

    The paper takes the mean after the convolution, which is the same but for rounding, and four
    times the work.

    Attributes:
      bn: the constants of BatchNorm.
      dtype: of the computation; parameters are float32.
    """

    bn: layers.BatchNorm = layers.BatchNorm()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H // 2, W // 2, C // 2)."""
        x = layers.batch_norm(x, train=train, name="norm", constants=self.bn, activation="relu")
        return _conv(x.shape[-1] // 2, 1, self.dtype)(avg_pool(x, window=2))


def _conv(width: int, kernel_size: int, dtype: Any) -> nn.Module:
    return layers.Conv(
        width,
        (kernel_size, kernel_size),
        use_bias=False,
        kernel_init=_INIT,
        dtype=dtype,
        name="conv",
    )


class DenseNet(StagedNetwork, kw_only=True):
    """DenseNet: a stem, four stages of dense layers with transitions between them, the mean.

    The stages are stem, stage_1 to stage_4 (strides 2, 4, 8, 16, 32; max pooling stands at the
    start of stage_1, a transition at the start of the others) and norm. Images of 29 px and more.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      stage_sizes: number of dense layers of each stage.
      growth_rate: channels that each layer adds.
      stem_width: channels of the stem.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or below 29 px a side.

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(DenseNet(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='norm', stride=32, num_channels=1024)

    Source: Huang et al. 2016, arXiv:1608.06993, table 1, DenseNet-BC; constants and initial weights
    from torchvision's densenet.
    """

    stage_sizes: tuple[int, ...] = (6, 12, 24, 16)
    growth_rate: int = 32
    stem_width: int = 64

    smallest_image_px = 29

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        # A list would make the module unhashable, and so no static argument of jit.
        self.stage_sizes = tuple(self.stage_sizes)
        checks.check_positive_int("stage_sizes", *self.stage_sizes)
        checks.check_positive_int("growth_rate", self.growth_rate)
        checks.check_positive_int("stem_width", self.stem_width)
        if len(self.stage_sizes) != 4:
            raise ValueError(f"stage_sizes (={self.stage_sizes}) must be four numbers of layers.")
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of dense layers, and the last BatchNorm."""
        stem = self.conv_bn(
            width=self.stem_width,
            kernel_size=7,
            strides=2,
            padding="symmetric",
            kernel_init=_INIT,
            name="stem",
        )
        blocks = [
            self._stage(number, size) for number, size in enumerate(self.stage_sizes, start=1)
        ]
        first = Stage("stage_1", 4, layers.in_turn(_pool, blocks[0]))
        others = [
            Stage(f"stage_{number}", 2 ** (number + 1), block)
            for number, block in enumerate(blocks[1:], start=2)
        ]
        norm = partial(layers.batch_norm, name="norm", constants=self.bn, activation="relu")
        return [Stage("stem", 2, stem), first, *others, Stage("norm", 32, norm)]

    @nn.nowrap
    def _stage(self, number: int, size: int) -> layers.InTurn:
        options: dict[str, Any] = {"bn": self.bn, "dtype": self.dtype}
        layer = partial(DenseLayer, growth_rate=self.growth_rate, **options)
        parts: list[Callable[[], nn.Module]] = [
            partial(layer, name=f"layer_{index}") for index in range(1, size + 1)
        ]
        if number > 1:
            parts.insert(0, partial(Transition, name="transition", **options))
        return layers.InTurn(make_layers=tuple(parts), name=f"stage_{number}")


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "densenet121": DenseNet,
    "densenet161": partial(DenseNet, stage_sizes=(6, 12, 36, 24), growth_rate=48, stem_width=96),
    "densenet169": partial(DenseNet, stage_sizes=(6, 12, 32, 32)),
    "densenet201": partial(DenseNet, stage_sizes=(6, 12, 48, 32)),
}
