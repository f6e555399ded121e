"""How each origin of published weights names the modules of our networks.

The families, in tables that `mapping.by_rules` reads: `alexnet_vgg`, `resnet`, `inception`
(GoogLeNet and Inception v3) and `mobile` (the MobileNets and EfficientNet-Lite). The NAMES of each
are keyed by (origin, pattern of the networks' names).
"""

import re

from jaxcnn.pretrained.mapping import Names
from jaxcnn.pretrained.names import alexnet_vgg, convnext, inception, mobile, resnet

_NAMES = alexnet_vgg.NAMES | convnext.NAMES | resnet.NAMES | inception.NAMES | mobile.NAMES


def names_of(model: str) -> dict[str, Names]:
    """Look up the origins whose weights a network can take.

    Args:
      model: name of a network, as `jaxcnn.models.list_models` lists.

    Returns:
      {origin: its names}; empty where no published weights are known.
    """
    return {
        origin: names for (origin, pattern), names in _NAMES.items() if re.fullmatch(pattern, model)
    }
