"""Names of the arrays of ConvNeXt and ConvNeXt V2 in the files of others.

torchvision counts the stem, the stages and what stands between them through; in its blocks it
counts layers without arrays too. Both take a block's two pointwise convolutions as linear layers,
but for timm's smaller V2.
"""

from jaxcnn.pretrained.mapping import Names, Rules, by_rules

_BLOCK = r"stage_(\d)/block_(\d+)"
_PLACES_IN_BLOCK = {"depthwise": 0, "norm": 2, "expand": 3, "project": 5}
_TIMM_LAYERS = {
    "depthwise": "conv_dw",
    "norm": "norm",
    "expand": "mlp.fc1",
    "response_norm": "mlp.grn",
    "project": "mlp.fc2",
    "layer_scale": "gamma",
}
_TORCHVISION: Rules = {
    "stem/patches": "features.0.0",
    "stem/norm": "features.0.1",
    r"stage_(\d)/norm": lambda stage: f"features.{2 * stage - 2}.0",
    r"stage_(\d)/downsample": lambda stage: f"features.{2 * stage - 2}.1",
    rf"{_BLOCK}/layer_scale": lambda stage, block: (
        f"features.{2 * stage - 1}.{block - 1}.layer_scale"
    ),
    rf"{_BLOCK}/(\w+)": lambda stage, block, layer: (
        f"features.{2 * stage - 1}.{block - 1}.block.{_PLACES_IN_BLOCK[layer]}"
    ),
    "norm": "classifier.0",
    "head": "classifier.2",
}
_TIMM: Rules = {
    "stem/patches": "stem.0",
    "stem/norm": "stem.1",
    r"stage_(\d)/norm": lambda stage: f"stages.{stage - 1}.downsample.0",
    r"stage_(\d)/downsample": lambda stage: f"stages.{stage - 1}.downsample.1",
    rf"{_BLOCK}/(\w+)": lambda stage, block, layer: (
        f"stages.{stage - 1}.blocks.{block - 1}.{_TIMM_LAYERS[layer]}"
    ),
    "norm": "head.norm",
    "head": "head.fc",
}
_LINEAR = r".*/(expand|project)/conv"

NAMES = {
    ("torchvision", "convnext_.*"): Names(
        by_rules(_TORCHVISION), layout="torch", linear=_LINEAR, factor_rank=3
    ),
    ("timm", "convnext_.*|convnextv2_(tiny|base|large|huge)"): Names(
        by_rules(_TIMM), layout="torch", linear=_LINEAR
    ),
    ("timm", "convnextv2_(atto|femto|pico|nano)"): Names(by_rules(_TIMM), layout="torch"),
}
