"""Names of VGG's arrays in the files of others.

torchvision and timm count all layers of the convolutional part through, so that their names depend
on the variant. timm writes fc6 and fc7 as convolutions.
"""

import re
from collections.abc import Mapping
from itertools import accumulate

from jaxcnn.pretrained.mapping import Names

_Path = tuple[str, ...]

_STAGE_SIZES = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
_ENDS: Mapping[str, Mapping[_Path, str]] = {
    "torchvision": {
        ("fc6", "linear"): "classifier.0",
        ("fc7", "linear"): "classifier.3",
        ("head", "linear"): "classifier.6",
    },
    "timm": {
        ("fc6", "linear"): "pre_logits.fc1",
        ("fc7", "linear"): "pre_logits.fc2",
        ("head", "linear"): "head.fc",
    },
    "keras": {
        ("fc6", "linear"): "fc1",
        ("fc7", "linear"): "fc2",
        ("head", "linear"): "predictions",
    },
}
_IN_STAGE = re.compile(r"stage_([1-5])/conv_(\d+)/(conv|bn)")


def _torch(origin: str, stage_sizes: tuple[int, ...], batch_norm: bool) -> Names:
    layers_per_convolution = 3 if batch_norm else 2  # with the activation
    layers_per_stage = [
        layers_per_convolution * size + 1 for size in stage_sizes
    ]  # and the pooling
    firsts = [0, *accumulate(layers_per_stage)]

    def name(path: _Path) -> str:
        if path in _ENDS[origin]:
            return _ENDS[origin][path]
        stage, number, part = _in_stage(path)
        if number > stage_sizes[stage - 1] or (part == "bn" and not batch_norm):
            raise KeyError(path)
        index = firsts[stage - 1] + layers_per_convolution * (number - 1) + (part == "bn")
        return f"features.{index}"

    return Names(name, layout="torch", flattened={("fc6", "linear"): (512, 7, 7)})


def _keras(path: _Path) -> str:
    if path in _ENDS["keras"]:
        return _ENDS["keras"][path]
    stage, number, part = _in_stage(path)
    if part == "bn":
        raise KeyError(path)
    return f"block{stage}_conv{number}"


def _in_stage(path: _Path) -> tuple[int, int, str]:
    match = _IN_STAGE.fullmatch("/".join(path))
    if not match:
        raise KeyError(path)
    stage, number, part = match.groups()
    return int(stage), int(number), part


NAMES = {
    **{
        ("keras", model): Names(module_name=_keras, layout="keras", bgr=True)
        for model in ("vgg16", "vgg19")
    },
    **{
        (origin, f"{model}{suffix}"): _torch(origin, sizes, bool(suffix))
        for origin in ("torchvision", "timm")
        for model, sizes in _STAGE_SIZES.items()
        for suffix in ("", "_bn")
    },
}
