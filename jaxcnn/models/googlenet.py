"""GoogLeNet, the first Inception network, with BatchNorm."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax

from jaxcnn.models import checks, layers
from jaxcnn.models.inception_module import (
    AuxiliaryHead,
    Branch,
    BranchParts,
    Conv,
    InceptionNetwork,
    InceptionStage,
)
from jaxcnn.models.staged import Stage, StagedNetwork
from jaxcnn.ops.pooling import adaptive_avg_pool

# Table 1 of the paper: #1x1; #3x3 reduce, #3x3; #5x5 reduce, #5x5; pool proj.
_WIDTHS = {
    "inception_3": {
        "a": (64, 96, 128, 16, 32, 32),
        "b": (128, 128, 192, 32, 96, 64),
    },
    "inception_4": {
        "a": (192, 96, 208, 16, 48, 64),
        "b": (160, 112, 224, 24, 64, 64),
        "c": (128, 128, 256, 24, 64, 64),
        "d": (112, 144, 288, 32, 64, 64),
        "e": (256, 160, 320, 32, 128, 128),
    },
    "inception_5": {
        "a": (256, 160, 320, 32, 128, 128),
        "b": (384, 192, 384, 48, 128, 128),
    },
}
# Of the convolutions and, in the source of the weights, all linear layers.
_INIT = nn.initializers.normal(0.01)
_halve = partial(layers.max_pool_like_torch, size=3, stride=2, ceil_mode=True)
_halve_by_pairs = partial(layers.max_pool_like_torch, size=2, stride=2, ceil_mode=True)
_smooth = partial(layers.max_pool_like_torch, size=3, stride=1, padding=1)


class GoogLeNetAuxiliary(AuxiliaryHead, kw_only=True):
    """The head behind module a or d of inception_4.

    Source: arXiv:1409.4842, section 5; deviation: a grid of 4x4 means whatever the image's size,
    as torchvision.
    """

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> None:
        """Sow logits computed from (B, H, W, C)."""
        x = adaptive_avg_pool(x, 4)
        x = layers.conv_bn(
            width=128,
            kernel_size=1,
            bn=self.bn,
            kernel_init=_INIT,
            dtype=self.dtype,
            name="conv_1",
        )(x, train=train)
        hidden = layers.HiddenLinear(width=1024, kernel_init=_INIT, dtype=self.dtype, name="fc_1")
        x = hidden(x, train=train)
        logits = self.make_head(dropout_rate=0.7, name="head")(x, train=train)
        self.sow_logits(logits, train=train)


class GoogLeNet(InceptionNetwork, kw_only=True):
    """GoogLeNet (Inception v1) with BatchNorm: modules of four branches that see several scales.

    The stages are stem_1 and stem_2, then inception_3, inception_4 and inception_5 with the modules
    a, b, ... of the paper; max pooling stands at the start of a stage. Images of 15 px and more.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      large_kernel_size: of the third branch, px: 5 in the paper, 3 in torchvision and its weights.
      auxiliary_heads: whether two heads in inception_4 are there for training.
      auxiliary_weight: factor on the loss of each auxiliary head, at least 0.
      dropout_rate: before the last layer; 0.2 in torchvision, 0.4 in the paper.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or below 15 px a side.

    Example:
      >>> from jaxcnn.models import stage_infos
      >>> stage_infos(GoogLeNet(num_classes=10), (224, 224, 3))[-1]
      StageInfo(name='inception_5', stride=32, num_channels=1024)

    Source: Szegedy et al. 2014, arXiv:1409.4842, table 1; constants and weights from torchvision's
    googlenet. Deviations, all torchvision's: BatchNorm in place of biases and of local response
    normalisation; 3x3 kernels in the third branch, a known slip that its weights are trained with;
    a 2x2 window before inception_5; less dropout.
    """

    large_kernel_size: int = 3
    dropout_rate: float = 0.2

    smallest_image_px = 15

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_positive_int("large_kernel_size", self.large_kernel_size)
        if self.large_kernel_size % 2 == 0:
            raise ValueError(f"large_kernel_size (={self.large_kernel_size}) must be odd.")
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem's two stages and those of inception modules."""
        make_branch = partial(Branch, conv_bn=partial(self.conv_bn, kernel_init=_INIT))
        stem_1 = make_branch(parts=(Conv(64, 7, 2),), name="stem_1")
        stem_2 = make_branch(parts=(_halve, Conv(64), Conv(192, 3)), name="stem_2")
        return [
            Stage("stem_1", 2, stem_1),
            Stage("stem_2", 4, stem_2),
            Stage("inception_3", 8, self._stage("inception_3", _halve, make_branch)),
            Stage("inception_4", 16, self._stage("inception_4", _halve, make_branch)),
            Stage("inception_5", 32, self._stage("inception_5", _halve_by_pairs, make_branch)),
        ]

    @nn.nowrap
    def _stage(self, name: str, pooling: Any, make_branch: Any) -> InceptionStage:
        modules = {
            letter: _branches(widths, self.large_kernel_size)
            for letter, widths in _WIDTHS[name].items()
        }
        with_heads = "ad" if name == "inception_4" else ""
        return InceptionStage(
            modules=tuple(modules.items()),
            pooling=pooling,
            auxiliary_heads=self.make_auxiliary_heads(GoogLeNetAuxiliary, with_heads),
            make_branch=make_branch,
            name=name,
        )


def _branches(widths: tuple[int, ...], large_kernel_size: int) -> tuple[BranchParts, ...]:
    width_1x1, reduced_3x3, width_3x3, reduced_5x5, width_5x5, width_pool = widths
    return (
        (Conv(width_1x1),),
        (Conv(reduced_3x3), Conv(width_3x3, 3)),
        (Conv(reduced_5x5), Conv(width_5x5, large_kernel_size)),
        (_smooth, Conv(width_pool)),
    )


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "googlenet": GoogLeNet,
}
