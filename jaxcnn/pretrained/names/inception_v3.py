"""Names of Inception v3's arrays in the files of others.

PyTorch's name each branch of a module. Keras numbers the convolutions through the network: "keras"
from the first, conv2d, and the second, conv2d_1; "keras_from_1" from conv2d_1, as Keras did before
TensorFlow 2.
"""

from collections.abc import Mapping

from jaxcnn.pretrained.mapping import ANY, Names

_Path = tuple[str, ...]

_STEM: dict[_Path, str] = {
    ("stem_1", "conv_1"): "Conv2d_1a_3x3",
    ("stem_1", "conv_2"): "Conv2d_2a_3x3",
    ("stem_1", "conv_3"): "Conv2d_2b_3x3",
    ("stem_2", "conv_1"): "Conv2d_3b_1x1",
    ("stem_2", "conv_2"): "Conv2d_4a_3x3",
}
_AUXILIARY: dict[_Path, str] = {
    ("conv_1", "conv"): "conv0.conv",
    ("conv_1", "bn"): "conv0.bn",
    ("conv_2", "conv"): "conv1.conv",
    ("conv_2", "bn"): "conv1.bn",
    ("head", "linear"): "fc",
}
# For each kind of module its branches' names, and their convolutions. Only those that a branch has
# several of are numbered in the source; pooling has none.
_Kind = Mapping[str, tuple[str, ...]]
_35X35: _Kind = {
    "branch1x1": ("1",),
    "branch5x5": ("1", "2"),
    "branch3x3dbl": ("1", "2", "3"),
    "branch_pool": ("1",),
}
_TO_17X17: _Kind = {"branch3x3": ("1",), "branch3x3dbl": ("1", "2", "3")}
_17X17: _Kind = {
    "branch1x1": ("1",),
    "branch7x7": ("1", "2", "3"),
    "branch7x7dbl": ("1", "2", "3", "4", "5"),
    "branch_pool": ("1",),
}
_TO_8X8: _Kind = {"branch3x3": ("1", "2"), "branch7x7x3": ("1", "2", "3", "4")}
_8X8: _Kind = {
    "branch1x1": ("1",),
    "branch3x3": ("1", "2a", "2b"),
    "branch3x3dbl": ("1", "2", "3a", "3b"),
    "branch_pool": ("1",),
}
_MODULES: Mapping[tuple[str, str], _Kind] = {
    **{("inception_5", letter): _35X35 for letter in "bcd"},
    ("inception_6", "a"): _TO_17X17,
    **{("inception_6", letter): _17X17 for letter in "bcde"},
    ("inception_7", "a"): _TO_8X8,
    **{("inception_7", letter): _8X8 for letter in "bc"},
}


def _convolutions() -> dict[_Path, str]:
    """Map our convolutions to PyTorch's, in the order of the network."""
    names = _STEM.copy()
    for (stage, letter), kind in _MODULES.items():
        module = stage.replace("inception", "Mixed") + letter
        for number, (branch, convolutions) in enumerate(kind.items(), start=1):
            for conv in convolutions:
                path = (stage, letter, f"branch_{number}", f"conv_{conv}")
                ending = f"_{conv}" if len(convolutions) > 1 else ""
                names[path] = f"{module}.{branch}{ending}"
    return names


_CONVOLUTIONS = _convolutions()
# Keras makes the convolutions in the same order.
_INDICES = {path: index for index, path in enumerate(_CONVOLUTIONS)}
_KERAS_LAYERS = {"conv": "conv2d", "bn": "batch_normalization"}


def _torch(path: _Path) -> str:
    if path == ("head", "linear"):
        return "fc"
    if path[:2] == ("inception_6", "auxiliary_e"):
        return f"AuxLogits.{_AUXILIARY[path[2:]]}"
    return f"{_CONVOLUTIONS[path[:-1]]}.{path[-1]}"


def _keras(first: int) -> Names:
    def name(path: _Path) -> str:
        if path == ("head", "linear"):
            return "predictions"
        number = first + _INDICES[path[:-1]]
        return _KERAS_LAYERS[path[-1]] + (f"_{number}" if number else "")

    options = {"count_include_pad": False}
    return Names(module_name=name, layout="keras", options=options, without_scale=True)


_TORCH = Names(module_name=_torch, layout="torch", optional=r"^AuxLogits\.")

NAMES = {
    ("torchvision", ANY): _TORCH,
    ("timm", ANY): _TORCH,
    ("keras", ANY): _keras(0),
    ("keras_from_1", ANY): _keras(1),
}
