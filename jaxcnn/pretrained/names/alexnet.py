"""Names of AlexNet's arrays in the files of others."""

from collections.abc import Mapping

from jaxcnn.pretrained.mapping import ANY, Names

_TORCHVISION: Mapping[tuple[str, ...], str] = {
    ("conv_1", "conv"): "features.0",
    ("conv_2", "conv"): "features.3",
    ("conv_3", "conv"): "features.6",
    ("conv_4", "conv"): "features.8",
    ("conv_5", "conv"): "features.10",
    ("fc6", "linear"): "classifier.1",
    ("fc7", "linear"): "classifier.4",
    ("head", "linear"): "classifier.6",
}

NAMES = {
    ("torchvision", ANY): Names(
        module_name=_TORCHVISION.__getitem__,
        layout="torch",
        flattened={("fc6", "linear"): (256, 6, 6)},
    ),
}
