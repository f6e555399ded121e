"""What the names of the mobile networks have in common: blocks counted through the network."""

import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from jaxcnn.pretrained.mapping import ModulePath

ModuleName = Callable[[ModulePath], str]

# Arrays that TensorFlow's training leaves beside the weights in a checkpoint.
SLIM_IGNORED = r"^global_step$|/(ExponentialMovingAverage|Momentum|RMSProp(_1)?)$"

_TIMM_INVERTED: Mapping[ModulePath, str] = {
    ("expand", "conv"): "conv_pw",
    ("expand", "bn"): "bn1",
    ("depthwise", "conv"): "conv_dw",
    ("depthwise", "bn"): "bn2",
    ("se", "reduce"): "se.conv_reduce",
    ("se", "expand"): "se.conv_expand",
    ("project", "conv"): "conv_pwl",
    ("project", "bn"): "bn3",
}
_TIMM_SEPARABLE: Mapping[ModulePath, str] = {  # a block without expansion
    ("depthwise", "conv"): "conv_dw",
    ("depthwise", "bn"): "bn1",
    ("se", "reduce"): "se.conv_reduce",
    ("se", "expand"): "se.conv_expand",
    ("project", "conv"): "conv_pw",
    ("project", "bn"): "bn2",
    ("pointwise", "conv"): "conv_pw",
    ("pointwise", "bn"): "bn2",
}


def split_path(path: ModulePath) -> tuple[int, ModulePath]:
    """Split the path of a block's layer.

    Args:
      path: ("stage_2", "block_3", ...).

    Returns:
      The block's number, the network's first being 1, and the rest of the path.

    Raises:
      KeyError: if the path is not inside a block.

    Example:
      >>> split_path(("stage_2", "block_3", "expand", "bn"))
      (3, ('expand', 'bn'))
    """
    if len(path) < 3 or not path[1].startswith("block_"):
        raise KeyError(path)
    return int(path[1].removeprefix("block_")), path[2:]


def timm_names(
    ends: Mapping[ModulePath, str], counts: Sequence[int], num_separable: int = 1
) -> ModuleName:
    """Make timm's naming: blocks.S.B, counted from 0, with a short form for separable blocks.

    Args:
      ends: names of the modules outside of the blocks.
      counts: number of blocks in each of timm's stages.
      num_separable: so many of the first blocks have no expansion.

    Returns:
      A function from our module's path to timm's name; it raises KeyError for an unknown path.
    """
    firsts = [0, *accumulate(counts)]

    def name(path: ModulePath) -> str:
        if path in ends:
            return ends[path]
        number, layer = split_path(path)
        if number > firsts[-1]:
            raise KeyError(path)
        stage = bisect.bisect_right(firsts, number - 1) - 1
        words = _TIMM_SEPARABLE if number <= num_separable else _TIMM_INVERTED
        return f"blocks.{stage}.{number - 1 - firsts[stage]}.{words[layer]}"

    return name


def joined_bn(name: ModuleName) -> ModuleName:
    """Send a block's convolution and its BatchNorm to one name, for files with BatchNorm folded.

    Args:
      name: maps the path of a convolution or of a dense layer.

    Returns:
      The same for paths that end in "bn" too.
    """
    return lambda path: name((*path[:-1], "conv") if path[-1] == "bn" else path)
