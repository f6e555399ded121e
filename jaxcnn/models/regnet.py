"""RegNet X and Y: residual blocks of grouped convolutions, whose widths follow a line."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxcnn.models import checks, layers
from jaxcnn.models.residual_block import CONV_OPTIONS, ResidualBlock, residual_stage
from jaxcnn.models.staged import Stage, StagedNetwork

_STEM_WIDTH = 32
_QUANTUM = 8  # of a block's width, channels


class StageShape(NamedTuple):
    """What a stage of blocks is made of."""

    num_blocks: int
    width: int  # channels
    group_width: int  # channels of a group of the 3x3 convolutions


def stage_shapes(
    depth: int, initial_width: int, slope: float, multiplier: float, group_width: int
) -> list[StageShape]:
    """Derive the stages from a line of widths.

    Block j would have `initial_width + slope * j` channels. That is rounded to the nearest
    `initial_width * multiplier**k` of a whole k (on a logarithmic scale), and then to a multiple of
    8. Blocks of one width are a stage, and its width is rounded to a multiple of the group's.

    Args:
      depth: number of blocks, d in the paper.
      initial_width: w_0, channels.
      slope: w_a, channels for each block.
      multiplier: w_m, of the width from stage to stage; above 1.
      group_width: g, channels of a group.

    Returns:
      The stages in order.

    Example:
      >>> [shape.width for shape in stage_shapes(22, 24, 24.48, 2.54, 16)]
      [32, 64, 160, 400]

    Source: Radosavovic et al. 2020, arXiv:2003.13678, section 3.3, equations 2 to 4; the rounding
    to groups from its code, as in torchvision's regnet.
    """
    line = initial_width + slope * np.arange(depth)
    steps = np.round(np.log(line / initial_width) / math.log(multiplier))
    of_blocks = _QUANTUM * np.round(initial_width * multiplier**steps / _QUANTUM).astype(int)
    shapes = []
    for width, num_blocks in zip(*np.unique(of_blocks, return_counts=True), strict=True):
        of_group = min(group_width, int(width))
        rounded = layers.make_divisible(int(width), of_group)
        shapes.append(StageShape(int(num_blocks), rounded, of_group))
    return shapes


class RegNet(StagedNetwork, kw_only=True):
    """RegNet: a 3x3 convolution, stages of residual blocks that halve the size in turn, the mean.

    The stages are stem, stage_1, stage_2, ... (strides 2, 4, 8, ...; the published networks have
    four stages after the stem). Any image size will do.

    It has the attributes of `StagedNetwork`, and these; see `stage_shapes` for the first five.

    Attributes:
      depth: number of blocks.
      initial_width: of the line of widths, channels.
      slope: of the line of widths, channels for each block; at least 0.
      multiplier: of the width from stage to stage; above 1.
      group_width: channels of a group of the 3x3 convolutions.
      squeeze_ratio: channels of squeeze and excitation for each that a block takes, in [0, 1); 0
        for no such layer (RegNet X).
      drop_path_rate: probability that the last block is dropped in training, in [0, 1); that of
        the others rises to it in a line from 0 at the first.

    Raises:
      ValueError: at construction, for an option out of range; at the call, for images that are not
        floating (B, H, W, C).

    Example:
      >>> from jaxcnn.models import create_model, stage_infos
      >>> stage_infos(create_model("regnet_y_400mf", 10), (224, 224, 3))[-1]
      StageInfo(name='stage_4', stride=32, num_channels=440)

    Source: Radosavovic et al. 2020, arXiv:2003.13678, section 5; constants and initial weights of
    the convolutions from torchvision's regnet. Deviation: drop_path_rate (Huang et al. 2016,
    arXiv:1603.09382).
    """

    depth: int
    initial_width: int
    slope: float
    multiplier: float
    group_width: int
    squeeze_ratio: float = 0.0
    drop_path_rate: float = 0.0

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        _check_options(self)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stem and the stages of residual blocks."""
        conv_bn = partial(self.conv_bn, **CONV_OPTIONS)
        stages = [Stage("stem", 2, conv_bn(width=_STEM_WIDTH, strides=2, name="stem"))]
        shapes = stage_shapes(
            self.depth, self.initial_width, self.slope, self.multiplier, self.group_width
        )
        rates = layers.drop_path_rates(self.drop_path_rate, [shape.num_blocks for shape in shapes])
        block = partial(
            ResidualBlock,
            kind="bottleneck",
            squeeze_ratio=self.squeeze_ratio,
            squeezes_last=False,
            zero_init=False,
            is_folded=self.folded_batch_norm,
            conv_bn=conv_bn,
        )
        for number, (shape, rates_of_stage) in enumerate(zip(shapes, rates, strict=True), start=1):
            block_of_stage = partial(
                block,
                width=shape.width,
                output_width=shape.width,
                groups=shape.width // shape.group_width,
            )
            name = f"stage_{number}"
            stage = residual_stage(block_of_stage, name, 2, rates_of_stage)
            stages.append(Stage(name, 2 ** (number + 1), stage))
        return stages


def _check_options(model: RegNet) -> None:
    checks.check_positive_int(
        "depth, initial_width and group_width", model.depth, model.initial_width, model.group_width
    )
    checks.check_rate("squeeze_ratio", model.squeeze_ratio)
    checks.check_rate("drop_path_rate", model.drop_path_rate)
    if model.slope < 0:
        raise ValueError(
            f"slope (={model.slope}) must be at least 0; 0 gives all blocks one width."
        )
    if model.multiplier <= 1:
        raise ValueError(
            f"multiplier (={model.multiplier}) must be greater than 1; it is the factor from one "
            "stage's width to the next one's."
        )


def _build(
    depth: int,
    initial_width: int,
    slope: float,
    multiplier: float,
    group_width: int,
    squeeze_ratio: float = 0.0,
) -> Callable[..., StagedNetwork]:
    return partial(
        RegNet,
        depth=depth,
        initial_width=initial_width,
        slope=slope,
        multiplier=multiplier,
        group_width=group_width,
        squeeze_ratio=squeeze_ratio,
    )


# The paper's tables 9 and 10 (X and Y); Y of 128 gigaflops from torchvision.
MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "regnet_x_400mf": _build(22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": _build(16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": _build(18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": _build(25, 88, 26.31, 2.25, 48),
    "regnet_x_8gf": _build(23, 80, 49.56, 2.88, 120),
    "regnet_x_16gf": _build(22, 216, 55.59, 2.1, 128),
    "regnet_x_32gf": _build(23, 320, 69.86, 2.0, 168),
    "regnet_y_400mf": _build(16, 48, 27.89, 2.09, 8, 0.25),
    "regnet_y_800mf": _build(14, 56, 38.84, 2.4, 16, 0.25),
    "regnet_y_1_6gf": _build(27, 48, 20.71, 2.65, 24, 0.25),
    "regnet_y_3_2gf": _build(21, 80, 42.63, 2.66, 24, 0.25),
    "regnet_y_8gf": _build(17, 192, 76.82, 2.19, 56, 0.25),
    "regnet_y_16gf": _build(18, 200, 106.23, 2.48, 112, 0.25),
    "regnet_y_32gf": _build(20, 232, 115.89, 2.53, 232, 0.25),
    "regnet_y_128gf": _build(27, 456, 160.83, 2.52, 264, 0.25),
}
