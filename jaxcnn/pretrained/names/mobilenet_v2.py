"""Names of MobileNet v2's arrays in the files of others."""

from collections.abc import Mapping

from jaxcnn.pretrained.mapping import ANY, ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import (
    SLIM_IGNORED,
    joined_bn,
    split_path,
    timm_names,
)

_TORCHVISION_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "features.0.0",
    ("stem", "bn"): "features.0.1",
    ("conv_head", "conv"): "features.18.0",
    ("conv_head", "bn"): "features.18.1",
    ("head", "linear"): "classifier.1",
}
# The last convolution and its BatchNorm are not wrapped in a Sequential of their own.
_TORCHVISION_BLOCK: Mapping[ModulePath, str] = {
    ("expand", "conv"): "0.0",
    ("expand", "bn"): "0.1",
    ("depthwise", "conv"): "1.0",
    ("depthwise", "bn"): "1.1",
    ("project", "conv"): "2",
    ("project", "bn"): "3",
}
_TORCHVISION_FIRST_BLOCK: Mapping[ModulePath, str] = {
    ("depthwise", "conv"): "0.0",
    ("depthwise", "bn"): "0.1",
    ("project", "conv"): "1",
    ("project", "bn"): "2",
}
_TIMM_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "conv_stem",
    ("stem", "bn"): "bn1",
    ("conv_head", "conv"): "conv_head",
    ("conv_head", "bn"): "bn2",
    ("head", "linear"): "classifier",
}
_TIMM_COUNTS = (1, 2, 3, 4, 3, 3, 1)
_KERAS_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "Conv1",
    ("stem", "bn"): "bn_Conv1",
    ("conv_head", "conv"): "Conv_1",
    ("conv_head", "bn"): "Conv_1_bn",
    ("head", "linear"): "predictions",
}
_SLIM_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "Conv",
    ("conv_head", "conv"): "Conv_1",
    ("head", "linear"): "Logits/Conv2d_1c_1x1",
}
_LAYERS = ("expand", "depthwise", "project")
_TENSORFLOW_OPTIONS = {"padding": "same", "bn_epsilon": 1e-3}


def _torchvision(path: ModulePath) -> str:
    if path in _TORCHVISION_ENDS:
        return _TORCHVISION_ENDS[path]
    number, layer = split_path(path)
    words = _TORCHVISION_FIRST_BLOCK if number == 1 else _TORCHVISION_BLOCK
    return f"features.{number}.conv.{words[layer]}"


def _keras(path: ModulePath) -> str:
    if path in _KERAS_ENDS:
        return _KERAS_ENDS[path]
    number, (layer, kind) = split_path(path)
    if layer not in _LAYERS:
        raise KeyError(path)
    block = "expanded_conv" if number == 1 else f"block_{number - 1}"
    return f"{block}_{layer}" + {"conv": "", "bn": "_BN"}[kind]


def _slim_convolution(path: ModulePath) -> str:
    if path in _SLIM_ENDS:
        return _SLIM_ENDS[path]
    number, (layer, kind) = split_path(path)
    if kind != "conv" or layer not in _LAYERS:
        raise KeyError(path)
    return "expanded_conv" + (f"_{number - 1}" if number > 1 else "") + f"/{layer}"


def _slim(path: ModulePath) -> str:
    suffix = "/BatchNorm" if path[-1] == "bn" else ""
    return f"MobilenetV2/{joined_bn(_slim_convolution)(path)}{suffix}"


NAMES: Mapping[tuple[str, str], Names] = {
    ("torchvision", ANY): Names(_torchvision, layout="torch", options={"padding": "symmetric"}),
    ("timm", ANY): Names(
        timm_names(_TIMM_ENDS, _TIMM_COUNTS), layout="torch", options={"padding": "symmetric"}
    ),
    ("keras", ANY): Names(_keras, layout="keras", options=_TENSORFLOW_OPTIONS),
    ("tensorflow", ANY): Names(
        _slim, layout="slim", ignored=SLIM_IGNORED, options=_TENSORFLOW_OPTIONS
    ),
    ("tensorflow_folded", ANY): Names(
        joined_bn(_slim_convolution), layout="folded", options=_TENSORFLOW_OPTIONS
    ),
}
