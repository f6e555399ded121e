"""SqueezeNet: few parameters, by 1x1 convolutions that squeeze the channels before the 3x3 ones."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

_INIT = nn.initializers.variance_scaling(2.0, "fan_in", "uniform")
_pool = partial(layers.max_pool_like_torch, size=3, stride=2, ceil_mode=True)


class _Row(NamedTuple):
    """What one version is made of."""

    stem_width: int
    stem_kernel_size: int  # px
    stages: tuple[tuple[tuple[int, int], ...], ...]  # (squeezed, expanded) channels of each fire


_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
ROWS: Mapping[str, _Row] = {
    "1_0": _Row(96, 7, (_FIRES[:3], _FIRES[3:7], _FIRES[7:])),
    "1_1": _Row(64, 3, (_FIRES[:2], _FIRES[2:4], _FIRES[4:])),
}


class Fire(nn.Module, kw_only=True):
    """Squeeze the channels by a 1x1 convolution, then expand them by 1x1 and by 3x3 ones.

    Attributes:
      squeezed: channels between.
      expanded: channels of each of the two expansions, which lie behind each other.
      dtype: of the computation; parameters are float32.

    Source: Iandola et al. 2016, arXiv:1602.07360, section 3.2 and figure 1.
    """

    squeezed: int
    expanded: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H, W, 2 * expanded)."""
        conv = partial(layers.ConvBlock, kernel_init=_INIT, dtype=self.dtype)
        x = conv(width=self.squeezed, kernel_size=1, name="squeeze")(x, train=train)
        near = conv(width=self.expanded, kernel_size=1, name="expand_1x1")(x, train=train)
        far = conv(width=self.expanded, kernel_size=3, name="expand_3x3")(x, train=train)
        return jnp.concatenate([near, far], axis=-1)


class SqueezeNet(StagedNetwork, kw_only=True):
    """SqueezeNet: a stem, three stages of fire modules, and the mean.

    The stages are stem and stage_1 to stage_3 (strides 2, 4, 8, 16; max pooling stands at the start
    of each) with the modules fire_2 to fire_9. Images of 21 px and more.

    The published head makes a map of each class by a 1x1 convolution and ReLU, and takes the maps'
    means as logits. That is `class_maps`, for weights as they were published. By default the
    head is as in all other networks here, a linear layer on the mean: it can be trained on features
    that are computed once, and its logits may be negative.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      version: "1_0", or "1_1" with 2.4 times less work.
      class_maps: whether the logits are the means of rectified maps of the classes.
      dropout_rate: before the last layer, 0.5 as published.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or below 21 px a side.

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(SqueezeNet(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='stage_3', stride=16, num_channels=512)

    Source: Iandola et al. 2016, arXiv:1602.07360, table 1; version 1_1, constants and initial
    weights from torchvision's squeezenet.
    """

    version: str = "1_1"
    class_maps: bool = False
    dropout_rate: float = 0.5

    smallest_image_px = 21

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_name("version", self.version, ROWS)
        super().__post_init__()

    @property
    def has_linear_head(self) -> bool:
        """Whether the logits are linear in the vector that num_classes=0 gives."""
        return not self.class_maps

    def stages(self) -> Sequence[Stage]:
        """List the stem and the stages of fire modules."""
        row = ROWS[self.version]
        stem = layers.ConvBlock(
            width=row.stem_width,
            kernel_size=row.stem_kernel_size,
            strides=2,
            padding="valid",
            kernel_init=_INIT,
            dtype=self.dtype,
            name="stem",
        )
        stages, number = [Stage("stem", 2, stem)], 2
        for index, fires in enumerate(row.stages, start=1):
            make_layers = tuple(
                partial(Fire, squeezed=s, expanded=e, dtype=self.dtype, name=f"fire_{number + i}")
                for i, (s, e) in enumerate(fires)
            )
            number += len(fires)
            stage = layers.InTurn(make_layers=make_layers, name=f"stage_{index}")
            stages.append(Stage(f"stage_{index}", 2 ** (index + 1), layers.in_turn(_pool, stage)))
        return stages

    def classify(self, x: jax.Array, vector: jax.Array, *, train: bool) -> jax.Array:
        """Map the last stage's output, or its mean, to logits."""
        if not self.class_maps:
            return super().classify(x, vector, train=train)
        maps = nn.relu(super().classify(x, x, train=train))
        return maps.mean(axis=(1, 2))


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "squeezenet1_0": partial(SqueezeNet, version="1_0"),
    "squeezenet1_1": SqueezeNet,
}
