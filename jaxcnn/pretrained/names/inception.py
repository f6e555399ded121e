"""Names of the arrays of GoogLeNet and Inception v3 in the files of others.

PyTorch's name each branch of a module. Keras numbers Inception v3's convolutions through the
network: "keras" from the first, conv2d, and the second, conv2d_1; "keras_from_1" from conv2d_1, as
Keras did before TensorFlow 2.
"""

from jaxcnn.models.inception_module import Conv, Fork
from jaxcnn.models.inception_v3 import stage_modules
from jaxcnn.pretrained.mapping import Names, Rules, by_rules


def _both(name: str) -> tuple[str, str]:
    """Name PyTorch's convolution and BatchNorm of a block."""
    return f"{name}.conv", f"{name}.bn"


_AUXILIARY = r"inception_4/auxiliary_([ad])"
_AUXILIARY_NUMBERS = {"a": 1, "d": 2}
_GOOGLENET: Rules = {
    "stem_1/conv_1": _both("conv1"),
    "stem_2/conv_1": _both("conv2"),
    "stem_2/conv_2": _both("conv3"),
    # A branch's convolutions stand bare, in a row, or behind the pooling.
    r"inception_(\d)/(\w)/branch_1/conv_1": lambda stage, module: _both(
        f"inception{stage}{module}.branch1"
    ),
    r"inception_(\d)/(\w)/branch_([23])/conv_(\d)": lambda stage, module, branch, number: _both(
        f"inception{stage}{module}.branch{branch}.{number - 1}"
    ),
    r"inception_(\d)/(\w)/branch_4/conv_1": lambda stage, module: _both(
        f"inception{stage}{module}.branch4.1"
    ),
    f"{_AUXILIARY}/conv_1": lambda module: _both(f"aux{_AUXILIARY_NUMBERS[module]}.conv"),
    f"{_AUXILIARY}/fc_1": lambda module: f"aux{_AUXILIARY_NUMBERS[module]}.fc1",
    f"{_AUXILIARY}/head": lambda module: f"aux{_AUXILIARY_NUMBERS[module]}.fc2",
    "head": "fc",
}

_STEM = {
    "stem_1/conv_1": "Conv2d_1a_3x3",
    "stem_1/conv_2": "Conv2d_2a_3x3",
    "stem_1/conv_3": "Conv2d_2b_3x3",
    "stem_2/conv_1": "Conv2d_3b_1x1",
    "stem_2/conv_2": "Conv2d_4a_3x3",
}
# Of Inception v3's modules; a branch of pooling alone has no name.
_BRANCHES = {
    **{("inception_5", letter): ("1x1", "5x5", "3x3dbl", "_pool") for letter in "bcd"},
    ("inception_6", "a"): ("3x3", "3x3dbl", ""),
    **{("inception_6", letter): ("1x1", "7x7", "7x7dbl", "_pool") for letter in "bcde"},
    ("inception_7", "a"): ("3x3", "7x7x3", ""),
    **{("inception_7", letter): ("1x1", "3x3", "3x3dbl", "_pool") for letter in "bc"},
}


def _convolutions() -> dict[str, str]:
    """Map our convolutions to PyTorch's, in the order of the network."""
    names = dict(_STEM)
    for stage, modules in stage_modules().items():
        for letter, branches in modules:
            called = zip(_BRANCHES[stage, letter], branches, strict=True)
            for number, (branch, parts) in enumerate(called, start=1):
                convolutions = [part for part in parts if isinstance(part, Conv | Fork)]
                places = [
                    f"{index}{letter_of_fork}"
                    for index, part in enumerate(convolutions, start=1)
                    for letter_of_fork in (("a", "b") if isinstance(part, Fork) else ("",))
                ]
                module = stage.replace("inception", "Mixed") + letter
                for place in places:
                    ending = f"_{place}" if len(places) > 1 else ""  # only several are numbered
                    ours = f"{stage}/{letter}/branch_{number}/conv_{place}"
                    names[ours] = f"{module}.branch{branch}{ending}"
    return names


_CONVOLUTIONS = _convolutions()
_TORCH = Names(
    by_rules(
        {ours: _both(name) for ours, name in _CONVOLUTIONS.items()}
        | {
            "inception_6/auxiliary_e/conv_1": _both("AuxLogits.conv0"),
            "inception_6/auxiliary_e/conv_2": _both("AuxLogits.conv1"),
            "inception_6/auxiliary_e/head": "AuxLogits.fc",
            "head": "fc",
        }
    ),
    layout="torch",
    optional=r"^AuxLogits\.",
)


def _keras(first: int) -> Names:
    """Number the convolutions, which Keras makes in the same order."""
    rules: dict[str, str | tuple[str, ...]] = {"head": "predictions"}
    for number, ours in enumerate(_CONVOLUTIONS, start=first):
        ending = f"_{number}" if number else ""
        rules[ours] = (f"conv2d{ending}", f"batch_normalization{ending}")
    options = {"count_include_pad": False}
    return Names(by_rules(rules), layout="keras", options=options, without_scale=True)


NAMES = {
    ("torchvision", "googlenet"): Names(
        by_rules(_GOOGLENET),
        layout="torch",
        flattened={
            ("inception_4", f"auxiliary_{module}", "fc_1", "linear"): (128, 4, 4)
            for module in _AUXILIARY_NUMBERS
        },
        optional=r"^aux",
    ),
    ("torchvision", "inception_v3"): _TORCH,
    ("timm", "inception_v3"): _TORCH,
    ("keras", "inception_v3"): _keras(0),
    ("keras_from_1", "inception_v3"): _keras(1),
}
