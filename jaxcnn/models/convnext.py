"""ConvNeXt and ConvNeXt V2: large depthwise kernels, layer normalisation, wide pointwise layers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

_HIDDEN = 4  # channels inside a block over those of its input
# torchvision and timm cut this normal distribution at 100 standard deviations, so not at all.
_INIT = nn.initializers.normal(0.02)


class ConvNeXtBlock(nn.Module, kw_only=True):
    """Filter each channel by a 7x7 kernel, mix the channels of each pixel, add the input.

    Attributes:
      width: channels.
      layer_scale: initial factor of the branch; 0 for no such layer.
      response_norm: whether the hidden channels go through `layers.GlobalResponseNorm`.
      drop_path_rate: probability that training drops the branch, in [0, 1).
      dtype: of the computation; parameters are float32.

    Source: Liu et al. 2022, arXiv:2201.03545, figure 4; with response_norm: Woo et al. 2023,
    arXiv:2301.00808, figure 5.
    """

    width: int
    layer_scale: float = 1e-6
    response_norm: bool = False
    drop_path_rate: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, width) to the same shape."""
        conv = partial(layers.ConvBlock, kernel_init=_INIT, dtype=self.dtype)
        filtered = conv(
            width=self.width,
            kernel_size=7,
            padding="symmetric",
            groups=self.width,
            activation="linear",
            name="depthwise",
        )
        expand = conv(width=_HIDDEN * self.width, kernel_size=1, activation="gelu", name="expand")
        project = conv(width=self.width, kernel_size=1, activation="linear", name="project")
        branch = [filtered, layers.LayerNorm(name="norm"), expand]
        if self.response_norm:
            branch.append(layers.GlobalResponseNorm(name="response_norm"))
        branch.append(project)
        if self.layer_scale:
            branch.append(layers.LayerScale(initial=self.layer_scale, name="layer_scale"))
        branch.append(layers.DropPath(rate=self.drop_path_rate, name="drop_path"))
        return inputs + layers.in_turn(*branch)(inputs, train=train)


class ConvNeXt(StagedNetwork, kw_only=True):
    """ConvNeXt: patches of 4x4 px, four stages of blocks that halve the size in turn, the mean.

    The stages are stem, stage_1 to stage_4 (strides 4, 4, 8, 16, 32) and norm, which normalises the
    mean. Images of 32 px and more; at the right and at the bottom, pixels that fill no patch are
    left out.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      stage_sizes: number of blocks of each stage.
      widths: channels of each stage; the stem has the first.
      layer_scale: initial factor of each block's branch; 0 for no such layer.
      response_norm: whether blocks have global response normalisation, as in V2.
      drop_path_rate: probability that the last block is dropped in training, in [0, 1); that of
        the others rises to it in a line from 0 at the first.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or below 32 px a side.

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(ConvNeXt(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='stage_4', stride=32, num_channels=768)

    Source: Liu et al. 2022, arXiv:2201.03545; V2: Woo et al. 2023, arXiv:2301.00808; sizes,
    constants and initial weights from torchvision's convnext and timm's convnextv2.
    """

    stage_sizes: tuple[int, ...] = (3, 3, 9, 3)
    widths: tuple[int, ...] = (96, 192, 384, 768)
    layer_scale: float = 1e-6
    response_norm: bool = False
    drop_path_rate: float = 0.0

    smallest_image_px = 32

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        # Lists would make the module unhashable, and so no static argument of jit.
        self.stage_sizes = tuple(self.stage_sizes)
        self.widths = tuple(self.widths)
        _check_options(self)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem, the stages of blocks, and the normalisation of their mean."""
        patches = partial(self._patches, self.widths[0], size=4)
        stem = (partial(patches, name="patches"), partial(layers.LayerNorm, name="norm"))
        stages = [Stage("stem", 4, layers.InTurn(make_layers=stem, name="stem"))]
        rates = layers.drop_path_rates(self.drop_path_rate, self.stage_sizes)
        for index, rates_of_stage in enumerate(rates):
            make_layers = (*self._downsampling(index), *self._blocks(index, rates_of_stage))
            name = f"stage_{index + 1}"
            stage = layers.InTurn(make_layers=make_layers, name=name)
            stages.append(Stage(name, 4 * 2**index, stage))
        norm = layers.in_turn(lambda x: x.mean(axis=(1, 2)), layers.LayerNorm(name="norm"))
        return [*stages, Stage("norm", 0, norm)]

    @nn.nowrap
    def _patches(self, width: int, *, size: int, name: str) -> layers.ConvBlock:
        return layers.ConvBlock(
            width=width,
            kernel_size=size,
            strides=size,
            padding="valid",
            activation="linear",
            kernel_init=_INIT,
            dtype=self.dtype,
            name=name,
        )

    @nn.nowrap
    def _downsampling(self, index: int) -> tuple[Callable[[], nn.Module], ...]:
        if index == 0:
            return ()
        patches = partial(self._patches, self.widths[index], size=2, name="downsample")
        return (partial(layers.LayerNorm, name="norm"), patches)

    @nn.nowrap
    def _blocks(self, index: int, rates: Sequence[float]) -> list[Callable[[], nn.Module]]:
        block = partial(
            ConvNeXtBlock,
            width=self.widths[index],
            layer_scale=self.layer_scale,
            response_norm=self.response_norm,
            dtype=self.dtype,
        )
        return [
            partial(block, drop_path_rate=rate, name=f"block_{number}")
            for number, rate in enumerate(rates, start=1)
        ]


def _check_options(model: ConvNeXt) -> None:
    checks.check_positive_int("stage_sizes", *model.stage_sizes)
    checks.check_positive_int("widths", *model.widths)
    checks.check_rate("drop_path_rate", model.drop_path_rate)
    if len(model.stage_sizes) != 4 or len(model.widths) != 4:
        raise ValueError(
            f"stage_sizes (={model.stage_sizes}) and widths (={model.widths}) must be four each, "
            "one for a stage."
        )
    if model.layer_scale < 0:
        raise ValueError(
            f"layer_scale (={model.layer_scale}) must be at least 0; 0 leaves the layer out."
        )


_v2 = partial(ConvNeXt, layer_scale=0.0, response_norm=True)
_BASE, _LARGE = (128, 256, 512, 1024), (192, 384, 768, 1536)
MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "convnext_tiny": partial(ConvNeXt, drop_path_rate=0.1),
    "convnext_small": partial(ConvNeXt, stage_sizes=(3, 3, 27, 3), drop_path_rate=0.4),
    "convnext_base": partial(ConvNeXt, stage_sizes=(3, 3, 27, 3), widths=_BASE, drop_path_rate=0.5),
    "convnext_large": partial(
        ConvNeXt, stage_sizes=(3, 3, 27, 3), widths=_LARGE, drop_path_rate=0.5
    ),
    "convnextv2_atto": partial(_v2, stage_sizes=(2, 2, 6, 2), widths=(40, 80, 160, 320)),
    "convnextv2_femto": partial(_v2, stage_sizes=(2, 2, 6, 2), widths=(48, 96, 192, 384)),
    "convnextv2_pico": partial(_v2, stage_sizes=(2, 2, 6, 2), widths=(64, 128, 256, 512)),
    "convnextv2_nano": partial(_v2, stage_sizes=(2, 2, 8, 2), widths=(80, 160, 320, 640)),
    "convnextv2_tiny": _v2,
    "convnextv2_base": partial(_v2, stage_sizes=(3, 3, 27, 3), widths=_BASE),
    "convnextv2_large": partial(_v2, stage_sizes=(3, 3, 27, 3), widths=_LARGE),
    "convnextv2_huge": partial(_v2, stage_sizes=(3, 3, 27, 3), widths=(352, 704, 1408, 2816)),
}
