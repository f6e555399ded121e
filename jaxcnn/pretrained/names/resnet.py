"""Names of the arrays of ResNet-18 to 152 in the files of others."""

import re

from jaxcnn.pretrained.mapping import ANY, Names

_ENDS = {
    ("stem", "conv"): "conv1",
    ("stem", "bn"): "bn1",
    ("head", "linear"): "fc",
}
_SHORTCUT = {"conv": "downsample.0", "bn": "downsample.1"}
_IN_BLOCK = re.compile(r"stage_(\d+)/block_(\d+)/(shortcut|conv_(\d+))/(conv|bn)")


def _torch(path: tuple[str, ...]) -> str:
    if path in _ENDS:
        return _ENDS[path]
    match = _IN_BLOCK.fullmatch("/".join(path))
    if not match:
        raise KeyError(path)
    stage, block, layer, number, part = match.groups()
    name = _SHORTCUT[part] if layer == "shortcut" else f"{part}{number}"
    return f"layer{stage}.{int(block) - 1}.{name}"


NAMES = {
    (origin, ANY): Names(module_name=_torch, layout="torch") for origin in ("torchvision", "timm")
}
