"""Names of MobileNet v3's arrays in the files of others.

torchvision and timm count all blocks through, and torchvision the layers inside them, so that their
names depend on the network's size.
"""

from collections.abc import Mapping, Sequence

from jaxcnn.models.mobilenet_v3 import ROWS
from jaxcnn.pretrained.mapping import ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import ModuleName, conv_bn, split_path, timm_names

_TORCHVISION_WORDS: Mapping[str, str] = {"conv": "0", "bn": "1", "reduce": "fc1", "expand": "fc2"}
_TIMM_COUNTS: Mapping[str, Sequence[int]] = {
    "large": (1, 2, 3, 4, 2, 3),
    "small": (1, 2, 3, 2, 3),
}


def _torchvision(size: str) -> ModuleName:
    rows = ROWS[size]
    last = f"features.{len(rows) + 1}"
    ends: Mapping[ModulePath, str] = {
        **conv_bn(stem=("features.0.0", "features.0.1"), conv_head=(f"{last}.0", f"{last}.1")),
        ("fc",): "classifier.0",
        ("head", "linear"): "classifier.3",
    }

    def name(path: ModulePath) -> str:
        if path in ends:
            return ends[path]
        number, (layer, part) = split_path(path)
        if number > len(rows):
            raise KeyError(path)
        parts = ["depthwise", "project"] if number == 1 else ["expand", "depthwise", "project"]
        if rows[number - 1].squeezes:
            parts.insert(-1, "se")
        return f"features.{number}.block.{parts.index(layer)}.{_TORCHVISION_WORDS[part]}"

    return name


def _timm(size: str) -> ModuleName:
    counts = _TIMM_COUNTS[size]
    last = f"blocks.{len(counts)}.0"
    ends: Mapping[ModulePath, str] = {
        **conv_bn(stem=("conv_stem", "bn1"), conv_head=(f"{last}.conv", f"{last}.bn1")),
        ("fc",): "conv_head",
        ("head", "linear"): "classifier",
    }
    return timm_names(ends, counts)


NAMES: Mapping[tuple[str, str], Names] = {
    (origin, f"mobilenet_v3_{size}"): Names(
        make_names(size),
        layout="torch",
        options={"padding": "symmetric", "bn_epsilon": bn_epsilon},
    )
    for origin, make_names, bn_epsilon in (
        ("torchvision", _torchvision, 1e-3),
        ("timm", _timm, 1e-5),
    )
    for size in ROWS
}
