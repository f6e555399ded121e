"""Names of GoogLeNet's arrays in the files of others."""

from jaxcnn.pretrained.mapping import ANY, Names

_Path = tuple[str, ...]

_ENDS: dict[_Path, str] = {
    ("stem_1", "conv_1"): "conv1",
    ("stem_2", "conv_1"): "conv2",
    ("stem_2", "conv_2"): "conv3",
}
_AUXILIARY: dict[_Path, str] = {
    ("conv_1", "conv"): "conv.conv",
    ("conv_1", "bn"): "conv.bn",
    ("fc_1", "linear"): "fc1",
    ("head", "linear"): "fc2",
}
_AUXILIARY_NUMBERS = {"auxiliary_a": 1, "auxiliary_d": 2}
# Where each branch's convolutions stand: bare, in a row, or behind the pooling.
_CONVOLUTIONS: dict[_Path, str] = {
    ("branch_1", "conv_1"): "branch1",
    ("branch_2", "conv_1"): "branch2.0",
    ("branch_2", "conv_2"): "branch2.1",
    ("branch_3", "conv_1"): "branch3.0",
    ("branch_3", "conv_2"): "branch3.1",
    ("branch_4", "conv_1"): "branch4.1",
}


def _torchvision(path: _Path) -> str:
    if path == ("head", "linear"):
        return "fc"
    if path[:-1] in _ENDS:
        return f"{_ENDS[path[:-1]]}.{path[-1]}"
    stage, letter, *inner = path
    if letter in _AUXILIARY_NUMBERS:
        return f"aux{_AUXILIARY_NUMBERS[letter]}.{_AUXILIARY[tuple(inner)]}"
    *convolution, layer = inner
    name = stage.replace("_", "") + letter
    return f"{name}.{_CONVOLUTIONS[tuple(convolution)]}.{layer}"


NAMES = {
    ("torchvision", ANY): Names(
        module_name=_torchvision,
        layout="torch",
        flattened={
            ("inception_4", head, "fc_1", "linear"): (128, 4, 4) for head in _AUXILIARY_NUMBERS
        },
        optional=r"^aux",
    )
}
