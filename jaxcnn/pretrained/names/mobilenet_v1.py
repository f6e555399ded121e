"""Names of MobileNet v1's arrays in the files of others."""

from collections.abc import Mapping

from jaxcnn.models.mobilenet_v1 import STAGE_WIDTHS
from jaxcnn.pretrained.mapping import ANY, ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import (
    TIMM_ENDS,
    conv_bn,
    split_path,
    tensorflow_names,
    timm_names,
)

# The last layer is a 1x1 convolution on the mean in all of Keras' versions.
_KERAS_ENDS = conv_bn(stem=("conv1", "conv1_bn")) | {("head", "linear"): "conv_preds"}
_KERAS_BLOCK = conv_bn(
    depthwise=("conv_dw_{}", "conv_dw_{}_bn"), pointwise=("conv_pw_{}", "conv_pw_{}_bn")
)
_SLIM_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "Conv2d_0",
    ("head", "linear"): "Logits/Conv2d_1c_1x1",
}
_COUNTS = tuple(map(len, STAGE_WIDTHS))


def _keras(path: ModulePath) -> str:
    if path in _KERAS_ENDS:
        return _KERAS_ENDS[path]
    number, layer = split_path(path)
    return _KERAS_BLOCK[layer].format(number)


def _slim(path: ModulePath) -> str:
    if path in _SLIM_ENDS:
        return _SLIM_ENDS[path]
    number, (layer, kind) = split_path(path)
    if kind != "conv" or layer not in ("depthwise", "pointwise"):
        raise KeyError(path)
    return f"Conv2d_{number}_{layer}"


NAMES: Mapping[tuple[str, str], Names] = {
    **tensorflow_names("MobilenetV1", _keras, _slim),
    ("timm", ANY): Names(
        timm_names(TIMM_ENDS, _COUNTS, num_separable=sum(_COUNTS)),
        layout="torch",
        options={"padding": "symmetric", "bn_epsilon": 1e-5},
    ),
}
