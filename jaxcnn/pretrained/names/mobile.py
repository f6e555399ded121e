"""Names of the arrays of the MobileNets and of EfficientNet-Lite in the files of others.

Our blocks are counted through the network. timm counts them stage by stage, so that its names
depend on the network's size; torchvision's of MobileNet v3 also count the layers inside of a block.
"""

from collections.abc import Mapping, Sequence

from jaxcnn.models import mobilenet_v1, mobilenet_v2, model_options
from jaxcnn.models.efficientnet_lite import repeat_counts
from jaxcnn.models.mobilenet_v3 import ROWS
from jaxcnn.pretrained.mapping import Called, ModulePath, Names, Rules, by_rules

_BLOCK = r"stage_\d+/block_(\d+)"
_TIMM_ENDS: dict[str, Called] = {
    "stem": ("conv_stem", "bn1"),
    "conv_head": ("conv_head", "bn2"),
    "head": "classifier",
}
_TIMM_SQUEEZE = ("se.conv_reduce", "se.conv_expand")
_TIMM_INVERTED = {
    "expand": ("conv_pw", "bn1"),
    "depthwise": ("conv_dw", "bn2"),
    "se": _TIMM_SQUEEZE,
    "project": ("conv_pwl", "bn3"),
}
_TIMM_SEPARABLE = {  # a block without expansion
    "depthwise": ("conv_dw", "bn1"),
    "se": _TIMM_SQUEEZE,
    "project": ("conv_pw", "bn2"),
    "pointwise": ("conv_pw", "bn2"),
}
# Arrays that TensorFlow's training leaves beside the weights in a checkpoint.
_SLIM_IGNORED = r"^global_step$|/(ExponentialMovingAverage|Momentum|RMSProp(_1)?)$"

_SAME = {"padding": "same", "bn_epsilon": 1e-3}
_SYMMETRIC = {"padding": "symmetric"}

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

_V2_TORCHVISION: Rules = {
    "stem": ("features.0.0", "features.0.1"),
    # A block's last convolution and its BatchNorm are not wrapped in a Sequential of their own.
    r"stage_1/block_1/depthwise": ("features.1.conv.0.0", "features.1.conv.0.1"),
    r"stage_1/block_1/project": ("features.1.conv.1", "features.1.conv.2"),
    f"{_BLOCK}/expand": lambda n: (f"features.{n}.conv.0.0", f"features.{n}.conv.0.1"),
    f"{_BLOCK}/depthwise": lambda n: (f"features.{n}.conv.1.0", f"features.{n}.conv.1.1"),
    f"{_BLOCK}/project": lambda n: (f"features.{n}.conv.2", f"features.{n}.conv.3"),
    "conv_head": ("features.18.0", "features.18.1"),
    "head": "classifier.1",
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

_LUKEMELAS: Rules = {
    "stem": ("_conv_stem", "_bn0"),
    f"{_BLOCK}/expand": lambda n: (f"_blocks.{n - 1}._expand_conv", f"_blocks.{n - 1}._bn0"),
    f"{_BLOCK}/depthwise": lambda n: (f"_blocks.{n - 1}._depthwise_conv", f"_blocks.{n - 1}._bn1"),
    f"{_BLOCK}/project": lambda n: (f"_blocks.{n - 1}._project_conv", f"_blocks.{n - 1}._bn2"),
    "conv_head": ("_conv_head", "_bn1"),
    "head": "_fc",
}


def _timm(counts: Sequence[int], ends: Rules = _TIMM_ENDS, *, num_separable: int = 1) -> Rules:
    """Name blocks by timm's stage and their number in it, with a short form for separable ones."""
    blocks = [f"blocks.{stage}.{i}" for stage, count in enumerate(counts) for i in range(count)]

    def layer(number: int, name: str) -> Called:
        layers = _TIMM_SEPARABLE if number <= num_separable else _TIMM_INVERTED
        return tuple(f"{blocks[number - 1]}.{word}" for word in layers[name])

    return {**ends, rf"{_BLOCK}/(\w+)": layer}


def _v3_timm(counts: Sequence[int]) -> Rules:
    last = f"blocks.{len(counts)}.0"
    ends = {**_TIMM_ENDS, "conv_head": (f"{last}.conv", f"{last}.bn1"), "fc": "conv_head"}
    return _timm(counts, ends)


def _v3_torchvision(size: str) -> Rules:
    rows = ROWS[size]
    last = f"features.{len(rows) + 1}"

    def layer(number: int, name: str) -> Called:
        layers = ["expand", "depthwise", "se", "project"]
        if number == 1:
            layers.remove("expand")
        if not rows[number - 1].squeezes:
            layers.remove("se")
        place = {name: index for index, name in enumerate(layers)}[name]
        words = ("fc1", "fc2") if name == "se" else ("0", "1")
        return tuple(f"features.{number}.block.{place}.{word}" for word in words)

    return {
        "stem": ("features.0.0", "features.0.1"),
        rf"{_BLOCK}/(\w+)": layer,
        "conv_head": (f"{last}.0", f"{last}.1"),
        "fc": "classifier.0",
        "head": "classifier.3",
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


def _torch(rules: Rules, options: Mapping[str, object]) -> Names:
    return Names(by_rules(rules), layout="torch", options=options)


_V1_COUNTS = [row.num_blocks for row in mobilenet_v1.REPEATS]
_V2_COUNTS = [row.num_blocks for row in mobilenet_v2.REPEATS]
_V3_COUNTS = {"large": (1, 2, 3, 4, 2, 3), "small": (1, 2, 3, 2, 3)}

NAMES: dict[tuple[str, str], Names] = {
    **_tensorflow(_V1, "MobilenetV1", _V1_KERAS, _V1_SLIM),
    ("timm", _V1): _torch(
        _timm(_V1_COUNTS, num_separable=sum(_V1_COUNTS)), _SYMMETRIC | {"bn_epsilon": 1e-5}
    ),
    **_tensorflow("mobilenet_v2", "MobilenetV2", _V2_KERAS, _V2_SLIM),
    ("torchvision", "mobilenet_v2"): _torch(_V2_TORCHVISION, _SYMMETRIC),
    ("timm", "mobilenet_v2"): _torch(_timm(_V2_COUNTS), _SYMMETRIC),
    ("lukemelas", r"efficientnet_lite\d"): _torch(_LUKEMELAS, _SAME),
}
for _size, _counts in _V3_COUNTS.items():
    NAMES["torchvision", f"mobilenet_v3_{_size}"] = _torch(
        _v3_torchvision(_size), _SYMMETRIC | {"bn_epsilon": 1e-3}
    )
    NAMES["timm", f"mobilenet_v3_{_size}"] = _torch(
        _v3_timm(_counts), _SYMMETRIC | {"bn_epsilon": 1e-5}
    )
for _model in (f"efficientnet_lite{number}" for number in range(5)):
    _depth = model_options(_model)["depth_multiplier"]
    NAMES["timm", _model] = _torch(_timm(repeat_counts(_depth)), _SAME)
