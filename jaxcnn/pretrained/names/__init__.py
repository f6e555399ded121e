"""How each origin of published weights names the modules of our networks, a family a file.

Each family's NAMES is keyed by (origin, network), or (origin, ANY) where all its networks are named
alike.
"""

import importlib
import re

from jaxcnn.pretrained.mapping import ANY, Names

_FAMILIES = {
    "alexnet": r"alexnet",
    "vgg": r"vgg\d+(_bn)?",
    "googlenet": r"googlenet",
    "inception_v3": r"inception_v3",
    "resnet": r"resnet(18|34|50|101|152)",
    "resnet_cifar": r"resnet(20|32|44|56|110)",
    "mobilenet_v1": r"mobilenet_v1(_0\.\d+)?",
    "mobilenet_v2": r"mobilenet_v2",
    "mobilenet_v3": r"mobilenet_v3_(small|large)",
    "efficientnet_lite": r"efficientnet_lite\d",
}


def names_of(model: str) -> dict[str, Names]:
    """Look up the origins whose weights a network can take.

    Args:
      model: name of a network, as `jaxcnn.models.list_models` lists.

    Returns:
      {origin: its names}; empty where no published weights are known.
    """
    for family, pattern in _FAMILIES.items():
        if re.fullmatch(pattern, model):
            found = importlib.import_module(f"{__name__}.{family}").NAMES
            return {origin: names for (origin, of), names in found.items() if of in (ANY, model)}
    return {}
