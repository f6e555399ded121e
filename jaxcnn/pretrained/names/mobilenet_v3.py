"""Names of MobileNet v3's arrays in the files of others.

torchvision and timm count all blocks through, and torchvision the layers inside them, so that their
names depend on the network's size.
"""

from collections.abc import Collection, Mapping, Sequence

from jaxcnn.pretrained.mapping import ModulePath, Names
from jaxcnn.pretrained.names.mobile_blocks import ModuleName, split_path, timm_names

_NUM_BLOCKS: Mapping[str, int] = {"large": 15, "small": 11}
_SQUEEZING: Mapping[str, Collection[int]] = {  # numbers of the blocks with squeeze-and-excitation
    "large": (4, 5, 6, 11, 12, 13, 14, 15),
    "small": (1, 4, 5, 6, 7, 8, 9, 10, 11),
}
_TORCHVISION_WORDS: Mapping[str, str] = {"conv": "0", "bn": "1", "reduce": "fc1", "expand": "fc2"}
_TIMM_COUNTS: Mapping[str, Sequence[int]] = {
    "large": (1, 2, 3, 4, 2, 3),
    "small": (1, 2, 3, 2, 3),
}


def _torchvision(size: str) -> ModuleName:
    last = _NUM_BLOCKS[size] + 1
    ends: Mapping[ModulePath, str] = {
        ("stem", "conv"): "features.0.0",
        ("stem", "bn"): "features.0.1",
        ("conv_head", "conv"): f"features.{last}.0",
        ("conv_head", "bn"): f"features.{last}.1",
        ("fc",): "classifier.0",
        ("head", "linear"): "classifier.3",
    }

    def name(path: ModulePath) -> str:
        if path in ends:
            return ends[path]
        number, (layer, part) = split_path(path)
        parts = ["depthwise", "project"] if number == 1 else ["expand", "depthwise", "project"]
        if number in _SQUEEZING[size]:
            parts.insert(-1, "se")
        return f"features.{number}.block.{parts.index(layer)}.{_TORCHVISION_WORDS[part]}"

    return name


def _timm(size: str) -> ModuleName:
    counts = _TIMM_COUNTS[size]
    ends: Mapping[ModulePath, str] = {
        ("stem", "conv"): "conv_stem",
        ("stem", "bn"): "bn1",
        ("conv_head", "conv"): f"blocks.{len(counts)}.0.conv",
        ("conv_head", "bn"): f"blocks.{len(counts)}.0.bn1",
        ("fc",): "conv_head",
        ("head", "linear"): "classifier",
    }
    return timm_names(ends, counts)


NAMES: Mapping[tuple[str, str], Names] = {
    **{
        ("torchvision", f"mobilenet_v3_{size}"): Names(
            _torchvision(size),
            layout="torch",
            options={"padding": "symmetric", "bn_epsilon": 1e-3},
        )
        for size in _NUM_BLOCKS
    },
    **{
        ("timm", f"mobilenet_v3_{size}"): Names(
            _timm(size),
            layout="torch",
            options={"padding": "symmetric", "bn_epsilon": 1e-5},
        )
        for size in _NUM_BLOCKS
    },
}
