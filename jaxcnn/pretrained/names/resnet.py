"""Names of the arrays of ResNet in the files of others."""

from jaxcnn.pretrained.mapping import Names, Rules, by_rules

_TORCH: Rules = {
    "stem": ("conv1", "bn1"),
    r"stage_(\d+)/block_(\d+)/conv_(\d+)": lambda stage, block, number: (
        f"layer{stage}.{block - 1}.conv{number}",
        f"layer{stage}.{block - 1}.bn{number}",
    ),
    r"stage_(\d+)/block_(\d+)/shortcut": lambda stage, block: (
        f"layer{stage}.{block - 1}.downsample.0",
        f"layer{stage}.{block - 1}.downsample.1",
    ),
    "head": "fc",
}
_PHOTO, _SMALL = "resnet(18|34|50|101|152)", "resnet(20|32|44|56|110)"

NAMES = {
    ("torchvision", _PHOTO): Names(by_rules(_TORCH), layout="torch"),
    ("timm", _PHOTO): Names(by_rules(_TORCH), layout="torch"),
    ("akamaster", _SMALL): Names(by_rules({**_TORCH, "head": "linear"}), layout="torch"),
}
