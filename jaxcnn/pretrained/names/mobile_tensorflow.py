"""Names of the arrays of MobileNet v1 and v2 in TensorFlow's and Keras' files."""

from jaxcnn.pretrained.mapping import ModulePath, Names, Rules, by_rules

_BLOCK = r"stage_\d+/block_(\d+)"
# Arrays that TensorFlow's training leaves beside the weights in a checkpoint.
_SLIM_IGNORED = r"^global_step$|/(ExponentialMovingAverage|Momentum|RMSProp(_1)?)$"

_SAME = {"padding": "same", "bn_epsilon": 1e-3}

_V1 = r"mobilenet_v1(_0\.\d+)?"
_V1_KERAS: Rules = {
    "stem": ("conv1", "conv1_bn"),
    f"{_BLOCK}/depthwise": lambda n: (f"conv_dw_{n}", f"conv_dw_{n}_bn"),
    f"{_BLOCK}/pointwise": lambda n: (f"conv_pw_{n}", f"conv_pw_{n}_bn"),
    "head": "conv_preds",  # a 1x1 convolution on the mean in all of Keras' versions
}
_V1_SLIM: Rules = {
    "stem": "Conv2d_0",
    f"{_BLOCK}/(depthwise|pointwise)": lambda n, layer: f"Conv2d_{n}_{layer}",
    "head": "Logits/Conv2d_1c_1x1",
}

_V2_LAYER = f"{_BLOCK}/(expand|depthwise|project)"


def _v2_keras(number: int, layer: str) -> tuple[str, str]:
    name = f"expanded_conv_{layer}" if number == 1 else f"block_{number - 1}_{layer}"
    return name, f"{name}_BN"


def _v2_slim(number: int, layer: str) -> str:
    return f"expanded_conv/{layer}" if number == 1 else f"expanded_conv_{number - 1}/{layer}"


_V2_KERAS: Rules = {
    "stem": ("Conv1", "bn_Conv1"),
    _V2_LAYER: _v2_keras,
    "conv_head": ("Conv_1", "Conv_1_bn"),
    "head": "predictions",
}
_V2_SLIM: Rules = {
    "stem": "Conv",
    _V2_LAYER: _v2_slim,
    "conv_head": "Conv_1",
    "head": "Logits/Conv2d_1c_1x1",
}


def _tensorflow(model: str, scope: str, keras: Rules, slim: Rules) -> dict[tuple[str, str], Names]:
    """Name the arrays of TensorFlow's three kinds of files.

    They are Keras', slim's checkpoints, whose names begin with `scope`, and files in which a
    convolution has taken in its BatchNorm, and so has its name.
    """
    folded = by_rules(slim)

    def scoped(path: ModulePath) -> str:
        return f"{scope}/{folded(path)}" + "/BatchNorm" * (path[-1] == "bn")

    return {
        ("keras", model): Names(by_rules(keras), layout="keras", options=_SAME),
        ("tensorflow", model): Names(scoped, layout="slim", ignored=_SLIM_IGNORED, options=_SAME),
        ("tensorflow_folded", model): Names(folded, layout="folded", options=_SAME),
    }


NAMES: dict[tuple[str, str], Names] = {
    **_tensorflow(_V1, "MobilenetV1", _V1_KERAS, _V1_SLIM),
    **_tensorflow("mobilenet_v2", "MobilenetV2", _V2_KERAS, _V2_SLIM),
}
