"""Names of MobileNet v1's arrays in the files of others."""

from collections.abc import Mapping

from jaxcnn.pretrained.mapping import ANY, ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import (
    SLIM_IGNORED,
    joined_bn,
    split_path,
    timm_names,
)

# The last layer is a 1x1 convolution on the mean in all of Keras' versions.
_KERAS_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "conv1",
    ("stem", "bn"): "conv1_bn",
    ("head", "linear"): "conv_preds",
}
_KERAS_BLOCK: Mapping[ModulePath, str] = {
    ("depthwise", "conv"): "conv_dw_{}",
    ("depthwise", "bn"): "conv_dw_{}_bn",
    ("pointwise", "conv"): "conv_pw_{}",
    ("pointwise", "bn"): "conv_pw_{}_bn",
}
_SLIM_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "Conv2d_0",
    ("head", "linear"): "Logits/Conv2d_1c_1x1",
}
_TIMM_ENDS: Mapping[ModulePath, str] = {
    ("stem", "conv"): "conv_stem",
    ("stem", "bn"): "bn1",
    ("head", "linear"): "classifier",
}
_TIMM_COUNTS = (1, 2, 2, 6, 2)
_LAYERS = ("depthwise", "pointwise")
_TENSORFLOW_OPTIONS = {"padding": "same", "bn_epsilon": 1e-3}


def _keras(path: ModulePath) -> str:
    if path in _KERAS_ENDS:
        return _KERAS_ENDS[path]
    number, layer = split_path(path)
    return _KERAS_BLOCK[layer].format(number)


def _slim_convolution(path: ModulePath) -> str:
    if path in _SLIM_ENDS:
        return _SLIM_ENDS[path]
    number, (layer, kind) = split_path(path)
    if kind != "conv" or layer not in _LAYERS:
        raise KeyError(path)
    return f"Conv2d_{number}_{layer}"


def _slim(path: ModulePath) -> str:
    suffix = "/BatchNorm" if path[-1] == "bn" else ""
    return f"MobilenetV1/{joined_bn(_slim_convolution)(path)}{suffix}"


NAMES: Mapping[tuple[str, str], Names] = {
    ("keras", ANY): Names(_keras, layout="keras", options=_TENSORFLOW_OPTIONS),
    ("tensorflow", ANY): Names(
        _slim, layout="slim", ignored=SLIM_IGNORED, options=_TENSORFLOW_OPTIONS
    ),
    ("tensorflow_folded", ANY): Names(
        joined_bn(_slim_convolution), layout="folded", options=_TENSORFLOW_OPTIONS
    ),
    ("timm", ANY): Names(
        timm_names(_TIMM_ENDS, _TIMM_COUNTS, num_separable=sum(_TIMM_COUNTS)),
        layout="torch",
        options={"padding": "symmetric", "bn_epsilon": 1e-5},
    ),
}
