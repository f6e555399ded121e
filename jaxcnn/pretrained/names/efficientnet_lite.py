"""Names of EfficientNet-Lite's arrays in the files of others.

timm counts the blocks of each width anew, so that its names depend on the depth of the network.
"""

from collections.abc import Mapping

from jaxcnn.pretrained.mapping import ANY, ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import split_path, timm_names

_LUKEMELAS_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "_conv_stem",
    ("stem", "bn"): "_bn0",
    ("conv_head", "conv"): "_conv_head",
    ("conv_head", "bn"): "_bn1",
    ("head", "linear"): "_fc",
}
_LUKEMELAS_BLOCK: Mapping[ModulePath, str] = {
    ("expand", "conv"): "_expand_conv",
    ("expand", "bn"): "_bn0",
    ("depthwise", "conv"): "_depthwise_conv",
    ("depthwise", "bn"): "_bn1",
    ("project", "conv"): "_project_conv",
    ("project", "bn"): "_bn2",
}
_TIMM_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "conv_stem",
    ("stem", "bn"): "bn1",
    ("conv_head", "conv"): "conv_head",
    ("conv_head", "bn"): "bn2",
    ("head", "linear"): "classifier",
}
_TIMM_COUNTS: Mapping[str, tuple[int, ...]] = {
    "efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1),
    "efficientnet_lite1": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet_lite2": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet_lite3": (1, 3, 3, 5, 5, 6, 1),
    "efficientnet_lite4": (1, 4, 4, 6, 6, 8, 1),
}
_OPTIONS = {"padding": "same", "bn_epsilon": 1e-3}


def _lukemelas(path: ModulePath) -> str:
    if path in _LUKEMELAS_ENDS:
        return _LUKEMELAS_ENDS[path]
    number, layer = split_path(path)
    return f"_blocks.{number - 1}.{_LUKEMELAS_BLOCK[layer]}"


NAMES: Mapping[tuple[str, str], Names] = {
    ("lukemelas", ANY): Names(module_name=_lukemelas, layout="torch", options=_OPTIONS),
    **{
        ("timm", model): Names(timm_names(_TIMM_ENDS, counts), layout="torch", options=_OPTIONS)
        for model, counts in _TIMM_COUNTS.items()
    },
}
