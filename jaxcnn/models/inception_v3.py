"""Inception v3: inception modules whose large kernels are factorised."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax

from jaxcnn.models import layers
from jaxcnn.models.inception_module import (
    AuxiliaryHead,
    Branch,
    BranchParts,
    Conv,
    Fork,
    InceptionNetwork,
    InceptionStage,
    Pooling,
)
from jaxcnn.models.staged import Stage, StagedNetwork
from jaxcnn.ops.pooling import avg_pool, max_pool

_SMALLEST_MAP_OF_AUXILIARY_PX = 17  # and 299 px of the image
_INIT = nn.initializers.truncated_normal(0.1)
_halve = partial(max_pool, window=3, strides=2)

_STEM_1 = (Conv(32, 3, 2, "valid"), Conv(32, 3, 1, "valid"), Conv(64, 3))
_STEM_2 = (_halve, Conv(80), Conv(192, 3, 1, "valid"))


def _module_35x35(average: Pooling, pool_width: int) -> tuple[BranchParts, ...]:
    """Figure 5 of the paper; the published networks keep a 5x5 kernel in the second branch."""
    return (
        (Conv(64),),
        (Conv(48), Conv(64, 5)),
        (Conv(64), Conv(96, 3), Conv(96, 3)),
        (average, Conv(pool_width)),
    )


def _module_17x17(average: Pooling, width: int) -> tuple[BranchParts, ...]:
    """Figure 6, n = 7."""
    across, down = (1, 7), (7, 1)
    deep = (Conv(width), Conv(width, down), Conv(width, across), Conv(width, down))
    return (
        (Conv(192),),
        (Conv(width), Conv(width, across), Conv(192, down)),
        (*deep, Conv(192, across)),
        (average, Conv(192)),
    )


def _module_8x8(average: Pooling) -> tuple[BranchParts, ...]:
    """Figure 7."""
    fork = Fork(Conv(384, (1, 3)), Conv(384, (3, 1)))
    return (
        (Conv(320),),
        (Conv(384), fork),
        (Conv(448), Conv(384, 3), fork),
        (average, Conv(192)),
    )


# Figure 10: the grid is halved by convolutions and by pooling side by side.
_TO_17X17: tuple[BranchParts, ...] = (
    (Conv(384, 3, 2, "valid"),),
    (Conv(64), Conv(96, 3), Conv(96, 3, 2, "valid")),
    (_halve,),
)
_TO_8X8: tuple[BranchParts, ...] = (
    (Conv(192), Conv(320, 3, 2, "valid")),
    (Conv(192), Conv(192, (1, 7)), Conv(192, (7, 1)), Conv(192, 3, 2, "valid")),
    (_halve,),
)


class InceptionV3Auxiliary(AuxiliaryHead, kw_only=True):
    """The head behind the last module of inception_6.

    Source: arXiv:1512.00567, section 4 and figure 8; as torchvision.
    """

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> None:
        """Sow logits computed from (B, H, W, C)."""
        height, width = x.shape[1:3]
        if min(height, width) < _SMALLEST_MAP_OF_AUXILIARY_PX:
            raise ValueError(
                f"inception_v3's auxiliary head sees a feature map of {height}x{width}, but needs "
                "17x17; use images of at least 299 px a side or auxiliary_heads=False."
            )
        conv = partial(layers.conv_bn, bn=self.bn, dtype=self.dtype)
        reduce = conv(width=128, kernel_size=1, kernel_init=_INIT, name="conv_1")
        narrow = nn.initializers.truncated_normal(0.01)
        see_all = conv(width=768, kernel_size=5, padding="valid", kernel_init=narrow, name="conv_2")
        x = reduce(avg_pool(x, window=5, strides=3), train=train)
        x = see_all(x, train=train)
        logits = self.make_head(name="head")(x.mean(axis=(1, 2)), train=train)
        self.sow_logits(logits, train=train)


class InceptionV3(InceptionNetwork, kw_only=True):
    """Inception v3: five halvings, modules of figures 5, 6 and 7 on grids of 35, 17 and 8 px.

    The stages are stem_1 and stem_2, then inception_5, inception_6 and inception_7 with the modules
    called a, b, ... as TensorFlow's Mixed_5b and so on. Made for 299 px; 75 px is the least.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      count_include_pad: whether the 3x3 average pooling counts the padding at the edges as pixels:
        True in PyTorch (torchvision, timm), False in TensorFlow and Keras.
      auxiliary_heads: whether a head behind inception_6 is there for training. It needs images of
        299 px.
      auxiliary_weight: factor on the loss of each auxiliary head, at least 0.
      dropout_rate: before the last layer; 0.5 in torchvision, 0.2 in the paper's code.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or too small.

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(InceptionV3(num_classes=10), (299, 299, 3))[-1]
      StageInfo(name='inception_7', stride=32, num_channels=2048)

    Source: Szegedy et al. 2015, arXiv:1512.00567, table 1, in the form of TensorFlow slim's and
    torchvision's inception_v3, whose module widths the paper does not give. torchvision's
    reference training weighs the auxiliary loss by 0.4. Initial weights are truncated at two
    standard deviations, as slim's; torchvision's bounds of +-2 are 20 of them.
    """

    count_include_pad: bool = True
    auxiliary_weight: float = 0.4
    dropout_rate: float = 0.5

    smallest_image_px = 75

    def stages(self) -> Sequence[Stage]:
        """List the stem's two stages and those of inception modules."""
        make_branch = partial(Branch, conv_bn=partial(self.conv_bn, kernel_init=_INIT))
        modules = stage_modules(self.count_include_pad)
        heads = self.make_auxiliary_heads(InceptionV3Auxiliary, "e")

        def stage(name: str, **options: Any) -> InceptionStage:
            return InceptionStage(
                modules=modules[name], make_branch=make_branch, name=name, **options
            )

        return [
            Stage("stem_1", 2, make_branch(parts=_STEM_1, name="stem_1")),
            Stage("stem_2", 4, make_branch(parts=_STEM_2, name="stem_2")),
            Stage("inception_5", 8, stage("inception_5", pooling=_halve)),
            Stage("inception_6", 16, stage("inception_6", auxiliary_heads=heads)),
            Stage("inception_7", 32, stage("inception_7")),
        ]


def stage_modules(count_include_pad: bool = True) -> dict[str, Any]:
    """List the modules of each stage, (letter, branches)."""
    average = partial(
        avg_pool,
        window=3,
        strides=1,
        padding=((1, 1), (1, 1)),
        count_include_pad=count_include_pad,
    )
    narrow, wide = _module_35x35(average, 32), _module_35x35(average, 64)
    by_width = {width: _module_17x17(average, width) for width in (128, 160, 192)}
    last = _module_8x8(average)
    return {
        "inception_5": (("b", narrow), ("c", wide), ("d", wide)),
        "inception_6": (
            ("a", _TO_17X17),
            ("b", by_width[128]),
            ("c", by_width[160]),
            ("d", by_width[160]),
            ("e", by_width[192]),
        ),
        "inception_7": (("a", _TO_8X8), ("b", last), ("c", last)),
    }


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "inception_v3": InceptionV3,
}
