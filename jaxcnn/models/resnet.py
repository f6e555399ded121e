"""Residual networks: ResNet and its relatives for photos, ResNet-20 to 110 for 32x32 images.

The relatives are ResNeXt (groups of channels), Wide ResNet (wider blocks), SE-ResNet (squeeze and
excitation) and ResNet-D (a deep stem, and pooling before the projection of a shortcut).
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax

from jaxcnn.models import checks, layers
from jaxcnn.models.residual_block import (
    CONV_OPTIONS,
    EXPANSIONS,
    SHORTCUTS,
    ResidualBlock,
    residual_stage,
)
from jaxcnn.models.staged import Stage, StagedNetwork

STEMS = {"photo": 2, "deep": 2, "small": 1}  # strides
# Inside a block of this width, each group has width_per_group channels; in others in proportion.
_REFERENCE_WIDTH = 64
_pool = functools.partial(layers.max_pool_like_torch, size=3, stride=2, padding=1)


class ResNet(StagedNetwork, kw_only=True):
    """ResNet: a stem, stages of residual blocks that halve the size in turn, and the mean.

    The stages are stem and stage_1, stage_2, ...; the stem for photos is a 7x7 convolution of
    stride 2 or three 3x3 ones (strides of the stages then 2, 4, 8, 16, 32, with a max pooling at
    the start of stage_1), that for small images a 3x3 one of stride 1 (1, 1, 2, 4). Any image size
    will do.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      block: "basic" or "bottleneck", see `ResidualBlock`.
      stage_sizes: number of blocks of each stage.
      widths: of the blocks of each stage, channels; the stem has the first.
      groups: number of groups of channels of a bottleneck's 3x3 convolution.
      width_per_group: channels of each group in a bottleneck of 64 channels; in proportion in
        wider ones.
      squeeze_ratio: channels of squeeze and excitation for each that a block gives, rounded to a
        multiple of 8; 0 for no such layer.
      stem: "photo", "deep" (for photos, three 3x3 convolutions) or "small".
      shortcut: "projection" brings a block's input to another shape by a 1x1 convolution (the
        paper's option B), "padding" by taking every other pixel and adding channels of zeros
        (option A, without parameters; widths must not fall), "pooling" by the mean of the pixels
        of a stride and then a 1x1 convolution.
      zero_init_residual: whether the last BatchNorm scale of each block starts at zero, so that
        the blocks start as the identity.
      drop_path_rate: probability that the last block is dropped in training, in [0, 1); that of
        the others rises to it in a line from 0 at the first.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> model = ResNet(num_classes=10, block="basic", stage_sizes=(2, 2, 2, 2))
      >>> images = jnp.zeros((4, 64, 64, 3))
      >>> logits, _ = jax.eval_shape(
      ...     lambda key: model.init_with_output(key, images, train=False), jax.random.key(0)
      ... )
      >>> logits.shape
      (4, 10)

    Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, sections 3.4 and 4.2. Deviations: the
    stride of a bottleneck lies on its 3x3 convolution (Goyal et al. 2017, arXiv:1706.02677,
    section 5.1; torchvision's "v1.5"); zero_init_residual (the same section); drop_path_rate
    (Huang et al. 2016, arXiv:1603.09382). Relatives: ResNeXt, Xie et al. 2016, arXiv:1611.05431;
    Wide ResNet, Zagoruyko & Komodakis 2016, arXiv:1605.07146; SE-ResNet, Hu et al. 2018,
    arXiv:1709.01507; ResNet-D, He et al. 2018, arXiv:1812.01187, section 4.2; their sizes as in
    torchvision's and timm's resnet.
    """

    block: str = "bottleneck"
    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    groups: int = 1
    width_per_group: int = _REFERENCE_WIDTH
    squeeze_ratio: float = 0.0
    stem: str = "photo"
    shortcut: str = "projection"
    zero_init_residual: bool = True
    drop_path_rate: float = 0.0

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        # Lists would make the module unhashable, and so no static argument of jit.
        self.stage_sizes = tuple(self.stage_sizes)
        self.widths = tuple(self.widths)
        _check_options(self)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem and the stages of residual blocks."""
        stride = STEMS[self.stem]
        stages = [Stage("stem", stride, self._stem())]
        rates = layers.drop_path_rates(self.drop_path_rate, self.stage_sizes)
        for index, rates_of_stage in enumerate(rates):
            strides = 1 if index == 0 else 2
            stage = self._stage(index, strides, rates_of_stage)
            stride *= strides
            if index == 0 and self.stem != "small":
                stride, stage = stride * 2, layers.in_turn(_pool, stage)
            stages.append(Stage(f"stage_{index + 1}", stride, stage))
        return stages

    @nn.nowrap
    def _stem(self) -> nn.Module:
        conv, width = functools.partial(self.conv_bn, **CONV_OPTIONS), self.widths[0]
        if self.stem == "photo":
            return conv(width=width, kernel_size=7, strides=2, name="stem")
        if self.stem == "small":
            return conv(width=width, name="stem")
        inner = -(-width // 2)
        make_layers = (
            functools.partial(conv, width=inner, strides=2, name="conv_1"),
            functools.partial(conv, width=inner, name="conv_2"),
            functools.partial(conv, width=width, name="conv_3"),
        )
        return layers.InTurn(make_layers=make_layers, name="stem")

    @nn.nowrap
    def _stage(
        self, index: int, strides: int, drop_path_rates: Sequence[float]
    ) -> Callable[..., jax.Array]:
        width = self.widths[index]
        block = functools.partial(
            ResidualBlock,
            kind=self.block,
            width=width * self.width_per_group // _REFERENCE_WIDTH * self.groups,
            output_width=width * EXPANSIONS[self.block],
            groups=self.groups,
            shortcut=self.shortcut,
            squeeze_ratio=self.squeeze_ratio,
            zero_init=self.zero_init_residual,
            is_folded=self.folded_batch_norm,
            conv_bn=functools.partial(self.conv_bn, **CONV_OPTIONS),
        )
        return residual_stage(block, f"stage_{index + 1}", strides, drop_path_rates)


def _check_options(model: ResNet) -> None:
    checks.check_name("block", model.block, EXPANSIONS)
    checks.check_name("stem", model.stem, STEMS)
    checks.check_name("shortcut", model.shortcut, SHORTCUTS)
    checks.check_positive_int("stage_sizes", *model.stage_sizes)
    checks.check_positive_int("widths", *model.widths)
    checks.check_positive_int("groups and width_per_group", model.groups, model.width_per_group)
    checks.check_rate("squeeze_ratio", model.squeeze_ratio)
    checks.check_rate("drop_path_rate", model.drop_path_rate)
    if model.block == "basic" and (model.groups, model.width_per_group) != (1, _REFERENCE_WIDTH):
        raise ValueError(
            f"groups (={model.groups}) and width_per_group (={model.width_per_group}) are for "
            f"block='bottleneck'; basic blocks take groups=1 and width_per_group="
            f"{_REFERENCE_WIDTH}."
        )
    if min(model.widths, default=_REFERENCE_WIDTH) * model.width_per_group < _REFERENCE_WIDTH:
        raise ValueError(
            f"width_per_group (={model.width_per_group}) leaves no channel in a block of "
            f"{min(model.widths)} channels; give at least {_REFERENCE_WIDTH} over the least width."
        )
    if not model.widths or len(model.stage_sizes) != len(model.widths):
        raise ValueError(
            f"stage_sizes (={model.stage_sizes}) and widths (={model.widths}) must be of one "
            "length, at least 1; give one of each for a stage."
        )
    if model.shortcut == "padding" and sorted(model.widths) != list(model.widths):
        raise ValueError(
            f"widths (={model.widths}) must not fall with shortcut='padding', which can only add "
            "channels; use shortcut='projection'."
        )


_small_resnet = functools.partial(
    ResNet,
    block="basic",
    widths=(16, 32, 64),
    stem="small",
    shortcut="padding",
    zero_init_residual=False,
)
_resnet18 = functools.partial(ResNet, block="basic", stage_sizes=(2, 2, 2, 2))
_resnet34 = functools.partial(ResNet, block="basic", stage_sizes=(3, 4, 6, 3))
_resnet50 = functools.partial(ResNet, block="bottleneck", stage_sizes=(3, 4, 6, 3))
_resnet101 = functools.partial(ResNet, block="bottleneck", stage_sizes=(3, 4, 23, 3))
_resnet152 = functools.partial(ResNet, block="bottleneck", stage_sizes=(3, 8, 36, 3))
_32X4D, _32X8D, _64X4D = (
    {"groups": groups, "width_per_group": width} for groups, width in ((32, 4), (32, 8), (64, 4))
)
_SE = {"squeeze_ratio": 1 / 16}
_D = {"stem": "deep", "shortcut": "pooling"}
MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "resnet18": _resnet18,
    "resnet34": _resnet34,
    "resnet50": _resnet50,
    "resnet101": _resnet101,
    "resnet152": _resnet152,
    "resnet18d": functools.partial(_resnet18, **_D),
    "resnet34d": functools.partial(_resnet34, **_D),
    "resnet50d": functools.partial(_resnet50, **_D),
    "resnet101d": functools.partial(_resnet101, **_D),
    "resnet152d": functools.partial(_resnet152, **_D),
    "resnet200d": functools.partial(_resnet50, stage_sizes=(3, 24, 36, 3), **_D),
    "resnext50_32x4d": functools.partial(_resnet50, **_32X4D),
    "resnext101_32x8d": functools.partial(_resnet101, **_32X8D),
    "resnext101_64x4d": functools.partial(_resnet101, **_64X4D),
    "wide_resnet50_2": functools.partial(_resnet50, width_per_group=128),
    "wide_resnet101_2": functools.partial(_resnet101, width_per_group=128),
    "seresnet50": functools.partial(_resnet50, **_SE),
    "seresnet152d": functools.partial(_resnet152, **_SE, **_D),
    "seresnext50_32x4d": functools.partial(_resnet50, **_SE, **_32X4D),
    "seresnext101_32x4d": functools.partial(_resnet101, **_SE, **_32X4D),
    "seresnext101_32x8d": functools.partial(_resnet101, **_SE, **_32X8D),
    "seresnext101_64x4d": functools.partial(_resnet101, **_SE, **_64X4D),
    "resnet20": functools.partial(_small_resnet, stage_sizes=(3,) * 3),
    "resnet32": functools.partial(_small_resnet, stage_sizes=(5,) * 3),
    "resnet44": functools.partial(_small_resnet, stage_sizes=(7,) * 3),
    "resnet56": functools.partial(_small_resnet, stage_sizes=(9,) * 3),
    "resnet110": functools.partial(_small_resnet, stage_sizes=(18,) * 3),
}
