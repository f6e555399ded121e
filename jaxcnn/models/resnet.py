"""Residual networks: ResNet-18 to 152 for photos, ResNet-20 to 110 for 32x32 images."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

EXPANSIONS = {"basic": 1, "bottleneck": 4}  # channels that a block gives for one of its width
STEMS = {"photo": 2, "small": 1}  # strides
SHORTCUTS = ("projection", "padding")
# "We initialize the weights as in [13]", He et al. 2015, by the number of outputs as in the code
# that goes with the weights.
_CONV_OPTIONS: dict[str, Any] = {
    "padding": "symmetric",
    "kernel_init": nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
}
_pool = functools.partial(layers.max_pool_like_torch, size=3, stride=2, padding=1)


class ResidualBlock(nn.Module, kw_only=True):
    """Two or three convolutions, whose result is added to the block's input.

    Attributes:
      kind: "basic" for two 3x3 convolutions; "bottleneck" for 1x1, 3x3 and 1x1, the last of four
        times the width.
      width: channels of the convolutions.
      strides: step of the (first) 3x3 convolution in px.
      shortcut: how the input is brought to the shape of the result, see `ResNet`.
      drop_path_rate: probability that the convolutions' result is dropped in training.
      zero_init: whether the last BatchNorm's scale starts at zero.
      is_folded: whether the convolutions do BatchNorm's work, see `models.folding`.
      conv_bn: makes a convolution with BatchNorm, `layers.ConvBlock` with its options set.

    Source: He et al. 2015, arXiv:1512.03385, figures 2 and 5.
    """

    kind: str
    width: int
    strides: int = 1
    shortcut: str = "projection"
    drop_path_rate: float = 0.0
    zero_init: bool = True
    is_folded: bool = False
    conv_bn: Callable[..., layers.ConvBlock] = functools.partial(layers.conv_bn, **_CONV_OPTIONS)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width * EXPANSIONS[kind])."""
        *convolutions, last = self._convolutions()
        branch = layers.in_turn(*convolutions)(x, train=train)
        if self.is_folded:
            return last(branch, train=train, addend=self._shortcut(x, train=train))
        branch = last(branch, train=train)
        branch = layers.DropPath(rate=self.drop_path_rate, name="drop_path")(branch, train=train)
        return nn.relu(branch + self._shortcut(x, train=train))

    @nn.nowrap
    def _convolutions(self) -> list[layers.ConvBlock]:
        conv, width = self.conv_bn, self.width
        activation = "relu" if self.is_folded else "linear"  # of the sum, or of the branch alone
        last = functools.partial(conv, activation=activation, zero_init_scale=self.zero_init)
        if self.kind == "basic":
            return [
                conv(width=width, strides=self.strides, name="conv_1"),
                last(width=width, name="conv_2"),
            ]
        return [
            conv(width=width, kernel_size=1, name="conv_1"),
            conv(width=width, strides=self.strides, name="conv_2"),
            last(width=width * EXPANSIONS[self.kind], kernel_size=1, name="conv_3"),
        ]

    @nn.nowrap
    def _shortcut(self, x: jax.Array, *, train: bool) -> jax.Array:
        num_channels = self.width * EXPANSIONS[self.kind]
        if self.strides == 1 and x.shape[-1] == num_channels:
            return x
        if self.shortcut == "padding":
            return _subsample_and_pad(x, self.strides, num_channels)
        projection = self.conv_bn(
            width=num_channels,
            kernel_size=1,
            strides=self.strides,
            activation="linear",
            name="shortcut",
        )
        return projection(x, train=train)


class ResNet(StagedNetwork, kw_only=True):
    """ResNet: a stem, stages of residual blocks that halve the size in turn, and the mean.

    The stages are stem and stage_1, stage_2, ...; the stem for photos is a 7x7 convolution of
    stride 2 (strides of the stages then 2, 4, 8, 16, 32, with a max pooling at the start of
    stage_1), that for small images a 3x3 one of stride 1 (1, 1, 2, 4). Any image size will do.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      block: "basic" or "bottleneck", see `ResidualBlock`.
      stage_sizes: number of blocks of each stage.
      widths: of the blocks of each stage, channels; the stem has the first.
      stem: "photo" or "small".
      shortcut: "projection" brings a block's input to another shape by a 1x1 convolution (the
        paper's option B), "padding" by taking every other pixel and adding channels of zeros
        (option A, without parameters; widths must not fall).
      zero_init_residual: whether the last BatchNorm scale of each block starts at zero, so that
        the blocks start as the identity.
      drop_path_rate: probability that the last block is dropped in training, in [0, 1); that of
        the others rises to it in a line from 0 at the first.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).

    Example:
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
    (Huang et al. 2016, arXiv:1603.09382).
    """

    block: str = "bottleneck"
    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512)
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
        rates = np.linspace(0, self.drop_path_rate, sum(self.stage_sizes))
        ends = np.cumsum(self.stage_sizes)
        for index, rates_of_stage in enumerate(np.split(rates, ends[:-1])):
            strides = 1 if index == 0 else 2
            stage = self._stage(index, strides, rates_of_stage)
            stride *= strides
            if index == 0 and self.stem == "photo":
                stride, stage = stride * 2, layers.in_turn(_pool, stage)
            stages.append(Stage(f"stage_{index + 1}", stride, stage))
        return stages

    @nn.nowrap
    def _stem(self) -> layers.ConvBlock:
        is_for_photos = self.stem == "photo"
        return self.conv_bn(
            width=self.widths[0],
            kernel_size=7 if is_for_photos else 3,
            strides=STEMS[self.stem],
            name="stem",
            **_CONV_OPTIONS,
        )

    @nn.nowrap
    def _stage(
        self, index: int, strides: int, drop_path_rates: np.ndarray
    ) -> Callable[..., jax.Array]:
        block = functools.partial(
            ResidualBlock,
            kind=self.block,
            width=self.widths[index],
            shortcut=self.shortcut,
            zero_init=self.zero_init_residual,
            is_folded=self.folded_batch_norm,
            conv_bn=functools.partial(self.conv_bn, **_CONV_OPTIONS),
        )
        blocks = tuple(
            functools.partial(
                block,
                strides=strides if number == 1 else 1,
                drop_path_rate=rate,
                name=f"block_{number}",
            )
            for number, rate in enumerate(drop_path_rates.tolist(), start=1)
        )
        return layers.InTurn(make_layers=blocks, name=f"stage_{index + 1}")


def _subsample_and_pad(x: jax.Array, strides: int, num_channels: int) -> jax.Array:
    """Take every `strides`-th pixel, and put channels of zeros before and after those there are."""
    missing = num_channels - x.shape[-1]
    before = missing // 2
    sampled = x[:, ::strides, ::strides]
    return jnp.pad(sampled, ((0, 0), (0, 0), (0, 0), (before, missing - before)))


def _check_options(model: ResNet) -> None:
    checks.check_name("block", model.block, EXPANSIONS)
    checks.check_name("stem", model.stem, STEMS)
    checks.check_name("shortcut", model.shortcut, SHORTCUTS)
    checks.check_positive_int("stage_sizes", *model.stage_sizes)
    checks.check_positive_int("widths", *model.widths)
    checks.check_rate("drop_path_rate", model.drop_path_rate)
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
MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "resnet18": functools.partial(ResNet, block="basic", stage_sizes=(2, 2, 2, 2)),
    "resnet34": functools.partial(ResNet, block="basic", stage_sizes=(3, 4, 6, 3)),
    "resnet50": functools.partial(ResNet, block="bottleneck", stage_sizes=(3, 4, 6, 3)),
    "resnet101": functools.partial(ResNet, block="bottleneck", stage_sizes=(3, 4, 23, 3)),
    "resnet152": functools.partial(ResNet, block="bottleneck", stage_sizes=(3, 8, 36, 3)),
    "resnet20": functools.partial(_small_resnet, stage_sizes=(3,) * 3),
    "resnet32": functools.partial(_small_resnet, stage_sizes=(5,) * 3),
    "resnet44": functools.partial(_small_resnet, stage_sizes=(7,) * 3),
    "resnet56": functools.partial(_small_resnet, stage_sizes=(9,) * 3),
    "resnet110": functools.partial(_small_resnet, stage_sizes=(18,) * 3),
}
