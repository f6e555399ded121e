"""Names of the arrays of ResNet, of its relatives and of RegNet in the files of others."""

from jaxcnn.pretrained.mapping import Names, Rules, by_rules

_BLOCK = r"stage_(\d+)/block_(\d+)"
_TORCH: Rules = {
    "stem": ("conv1", "bn1"),
    rf"{_BLOCK}/conv_(\d+)": lambda stage, block, number: (
        f"layer{stage}.{block - 1}.conv{number}",
        f"layer{stage}.{block - 1}.bn{number}",
    ),
    rf"{_BLOCK}/se": lambda stage, block: (
        f"layer{stage}.{block - 1}.se.fc1",
        f"layer{stage}.{block - 1}.se.fc2",
    ),
    rf"{_BLOCK}/shortcut": lambda stage, block: (
        f"layer{stage}.{block - 1}.downsample.0",
        f"layer{stage}.{block - 1}.downsample.1",
    ),
    "head": "fc",
}
# timm counts the pooling of a shortcut, and the activations of a deep stem.
_TIMM_D: Rules = {
    **_TORCH,
    "stem/conv_1": ("conv1.0", "conv1.1"),
    "stem/conv_2": ("conv1.3", "conv1.4"),
    "stem/conv_3": ("conv1.6", "bn1"),
    rf"{_BLOCK}/shortcut": lambda stage, block: (
        f"layer{stage}.{block - 1}.downsample.1",
        f"layer{stage}.{block - 1}.downsample.2",
    ),
}
_REGNET_TORCHVISION: Rules = {
    "stem": ("stem.0", "stem.1"),
    rf"{_BLOCK}/conv_(\d)": lambda stage, block, number: tuple(
        f"trunk_output.block{stage}.block{stage}-{block - 1}.f.{'abc'[number - 1]}.{place}"
        for place in (0, 1)
    ),
    rf"{_BLOCK}/se": lambda stage, block: tuple(
        f"trunk_output.block{stage}.block{stage}-{block - 1}.f.se.fc{number}" for number in (1, 2)
    ),
    rf"{_BLOCK}/shortcut": lambda stage, block: tuple(
        f"trunk_output.block{stage}.block{stage}-{block - 1}.proj.{place}" for place in (0, 1)
    ),
    "head": "fc",
}
_REGNET_TIMM: Rules = {
    "stem": ("stem.conv", "stem.bn"),
    rf"{_BLOCK}/conv_(\d)": lambda stage, block, number: (
        f"s{stage}.b{block}.conv{number}.conv",
        f"s{stage}.b{block}.conv{number}.bn",
    ),
    rf"{_BLOCK}/se": lambda stage, block: (
        f"s{stage}.b{block}.se.fc1",
        f"s{stage}.b{block}.se.fc2",
    ),
    rf"{_BLOCK}/shortcut": lambda stage, block: (
        f"s{stage}.b{block}.downsample.conv",
        f"s{stage}.b{block}.downsample.bn",
    ),
    "head": "head.fc",
}
_PHOTO = r"resnet(18|34|50|101|152)|resnext\w+|wide_resnet\w+"
_SMALL = "resnet(20|32|44|56|110)"

NAMES = {
    ("torchvision", _PHOTO): Names(by_rules(_TORCH), layout="torch"),
    ("timm", rf"{_PHOTO}|seresnet50|seresnext\w+"): Names(by_rules(_TORCH), layout="torch"),
    ("timm", r"(se)?resnet\d+d"): Names(by_rules(_TIMM_D), layout="torch"),
    ("akamaster", _SMALL): Names(by_rules({**_TORCH, "head": "linear"}), layout="torch"),
    ("torchvision", r"regnet_\w+"): Names(by_rules(_REGNET_TORCHVISION), layout="torch"),
    ("timm", r"regnet_\w+"): Names(by_rules(_REGNET_TIMM), layout="torch"),
}
