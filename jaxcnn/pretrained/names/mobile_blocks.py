"""What the names of the mobile networks have in common: blocks counted through the network."""

import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from jaxcnn.pretrained.mapping import ANY, ModulePath, Names

ModuleName = Callable[[ModulePath], str]
Table = dict[ModulePath, str]

# Arrays that TensorFlow's training leaves beside the weights in a checkpoint.
_SLIM_IGNORED = r"^global_step$|/(ExponentialMovingAverage|Momentum|RMSProp(_1)?)$"
_TENSORFLOW_OPTIONS = {"padding": "same", "bn_epsilon": 1e-3}


def conv_bn(**names: tuple[str, str]) -> Table:
    """Name convolutions and their BatchNorms.

    Args:
      **names: names of the convolution and of the BatchNorm of each of our modules.

    Returns:
      {path: name}.

    Example:
      >>> conv_bn(stem=("conv1", "bn1"))
      {('stem', 'conv'): 'conv1', ('stem', 'bn'): 'bn1'}
    """
    return {
        (module, layer): name
        for module, pair in names.items()
        for layer, name in zip(("conv", "bn"), pair, strict=True)
    }


TIMM_ENDS = {
    **conv_bn(stem=("conv_stem", "bn1"), conv_head=("conv_head", "bn2")),
    ("head", "linear"): "classifier",
}
_TIMM_SQUEEZE = {("se", "reduce"): "se.conv_reduce", ("se", "expand"): "se.conv_expand"}
_TIMM_INVERTED = _TIMM_SQUEEZE | conv_bn(
    expand=("conv_pw", "bn1"), depthwise=("conv_dw", "bn2"), project=("conv_pwl", "bn3")
)
_TIMM_SEPARABLE = _TIMM_SQUEEZE | conv_bn(  # a block without expansion
    depthwise=("conv_dw", "bn1"), project=("conv_pw", "bn2"), pointwise=("conv_pw", "bn2")
)


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


def tensorflow_names(
    scope: str, keras: ModuleName, slim: ModuleName
) -> dict[tuple[str, str], Names]:
    """Name the arrays of the three kinds of TensorFlow's files.

    Args:
      scope: what slim's names begin with.
      keras: Keras' name of a module.
      slim: slim's name of a convolution or of a dense layer.

    Returns:
      Names of "keras", "tensorflow" (slim's checkpoints) and "tensorflow_folded" (files in which a
      convolution has taken in its BatchNorm, and so has its name).
    """

    def folded(path: ModulePath) -> str:
        return slim((*path[:-1], "conv") if path[-1] == "bn" else path)

    def scoped(path: ModulePath) -> str:
        return f"{scope}/{folded(path)}" + "/BatchNorm" * (path[-1] == "bn")

    options = _TENSORFLOW_OPTIONS
    return {
        ("keras", ANY): Names(keras, layout="keras", options=options),
        ("tensorflow", ANY): Names(scoped, layout="slim", ignored=_SLIM_IGNORED, options=options),
        ("tensorflow_folded", ANY): Names(folded, layout="folded", options=options),
    }
