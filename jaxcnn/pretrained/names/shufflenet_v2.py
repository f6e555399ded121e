"""Names of the arrays of ShuffleNet v2 in torchvision's files."""

from jaxcnn.pretrained.mapping import Called, Names, Rules, by_rules

_LAYERS: dict[str, tuple[str, str]] = {
    "shortcut_depthwise": ("branch1.0", "branch1.1"),
    "shortcut_project": ("branch1.2", "branch1.3"),
    "expand": ("branch2.0", "branch2.1"),
    "depthwise": ("branch2.3", "branch2.4"),
    "project": ("branch2.5", "branch2.6"),
}


def _layer(stage: int, block: int, name: str) -> Called:
    return tuple(f"stage{stage + 1}.{block - 1}.{part}" for part in _LAYERS[name])


_TORCHVISION: Rules = {
    "stem": ("conv1.0", "conv1.1"),
    r"stage_(\d+)/block_(\d+)/(\w+)": _layer,
    "conv_head": ("conv5.0", "conv5.1"),
    "head": "fc",
}

NAMES = {
    ("torchvision", r"shufflenet_v2_x\d_\d"): Names(by_rules(_TORCHVISION), layout="torch"),
}
