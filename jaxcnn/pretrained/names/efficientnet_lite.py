"""Names of EfficientNet-Lite's arrays in the files of others.

timm counts the blocks of each width by themselves, so that its names depend on the depth of the
network.
"""

from collections.abc import Mapping

from jaxcnn.models import model_options
from jaxcnn.models.efficientnet_lite import repeat_counts
from jaxcnn.pretrained.mapping import ANY, ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import TIMM_ENDS, conv_bn, split_path, timm_names

_LUKEMELAS_ENDS = {
    **conv_bn(stem=("_conv_stem", "_bn0"), conv_head=("_conv_head", "_bn1")),
    ("head", "linear"): "_fc",
}
_LUKEMELAS_BLOCK = conv_bn(
    expand=("_expand_conv", "_bn0"),
    depthwise=("_depthwise_conv", "_bn1"),
    project=("_project_conv", "_bn2"),
)
_OPTIONS = {"padding": "same", "bn_epsilon": 1e-3}


def _lukemelas(path: ModulePath) -> str:
    if path in _LUKEMELAS_ENDS:
        return _LUKEMELAS_ENDS[path]
    number, layer = split_path(path)
    return f"_blocks.{number - 1}.{_LUKEMELAS_BLOCK[layer]}"


def _timm(model: str) -> Names:
    counts = repeat_counts(model_options(model)["depth_multiplier"])
    return Names(timm_names(TIMM_ENDS, counts), layout="torch", options=_OPTIONS)


NAMES: Mapping[tuple[str, str], Names] = {
    ("lukemelas", ANY): Names(module_name=_lukemelas, layout="torch", options=_OPTIONS),
    **{("timm", f"efficientnet_lite{n}"): _timm(f"efficientnet_lite{n}") for n in range(5)},
}
