"""Names of MobileNet v2's arrays in the files of others."""

from collections.abc import Mapping

from jaxcnn.models.mobilenet_v2 import REPEATS
from jaxcnn.pretrained.mapping import ANY, ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import (
    TIMM_ENDS,
    conv_bn,
    split_path,
    tensorflow_names,
    timm_names,
)

_TORCHVISION_ENDS = {
    **conv_bn(stem=("features.0.0", "features.0.1"), conv_head=("features.18.0", "features.18.1")),
    ("head", "linear"): "classifier.1",
}
# The last convolution and its BatchNorm are not wrapped in a Sequential of their own.
_TORCHVISION_BLOCK = conv_bn(expand=("0.0", "0.1"), depthwise=("1.0", "1.1"), project=("2", "3"))
_TORCHVISION_FIRST_BLOCK = conv_bn(depthwise=("0.0", "0.1"), project=("1", "2"))
_KERAS_ENDS = {
    **conv_bn(stem=("Conv1", "bn_Conv1"), conv_head=("Conv_1", "Conv_1_bn")),
    ("head", "linear"): "predictions",
}
_SLIM_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "Conv",
    ("conv_head", "conv"): "Conv_1",
    ("head", "linear"): "Logits/Conv2d_1c_1x1",
}
_LAYERS = ("expand", "depthwise", "project")
_SYMMETRIC = {"padding": "symmetric"}


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


def _slim(path: ModulePath) -> str:
    if path in _SLIM_ENDS:
        return _SLIM_ENDS[path]
    number, (layer, kind) = split_path(path)
    if kind != "conv" or layer not in _LAYERS:
        raise KeyError(path)
    return "expanded_conv" + (f"_{number - 1}" if number > 1 else "") + f"/{layer}"


NAMES: Mapping[tuple[str, str], Names] = {
    ("torchvision", ANY): Names(_torchvision, layout="torch", options=_SYMMETRIC),
    ("timm", ANY): Names(
        timm_names(TIMM_ENDS, [repeat.num_blocks for repeat in REPEATS]),
        layout="torch",
        options=_SYMMETRIC,
    ),
    **tensorflow_names("MobilenetV2", _keras, _slim),
}
