"""Names of the arrays of DenseNet in the files of others.

The files that torchvision publishes have names from before its modules got theirs: norm.1 where a
network that is saved today, by torchvision or timm, has norm1.
"""

from jaxcnn.pretrained.mapping import ModulePath, Names, Rules, by_rules

_DENSENET: Rules = {
    "stem": ("features.conv0", "features.norm0"),
    r"stage_(\d)/transition/norm": lambda stage: f"features.transition{stage - 1}.norm",
    r"stage_(\d)/transition": lambda stage: f"features.transition{stage - 1}.conv",
    r"stage_(\d)/layer_(\d+)/norm": lambda stage, layer: f"{_layer(stage, layer)}.norm1",
    r"stage_(\d)/layer_(\d+)/bottleneck": lambda stage, layer: (
        f"{_layer(stage, layer)}.conv1",
        f"{_layer(stage, layer)}.norm2",
    ),
    r"stage_(\d)/layer_(\d+)": lambda stage, layer: f"{_layer(stage, layer)}.conv2",
    "norm": "features.norm5",
    "head": "classifier",
}
_today = by_rules(_DENSENET)


def _layer(stage: int, number: int) -> str:
    return f"features.denseblock{stage}.denselayer{number}"


def _published(path: ModulePath) -> str:
    """Write denselayer1.norm1 as denselayer1.norm.1."""
    name = _today(path)
    return f"{name[:-1]}.{name[-1]}" if ".denselayer" in name else name


NAMES = {
    ("torchvision_published", r"densenet\d+"): Names(_published, layout="torch"),
    ("torchvision", r"densenet\d+"): Names(_today, layout="torch"),
    ("timm", r"densenet\d+"): Names(_today, layout="torch"),
}
