"""How each origin of published weights names the modules of our networks.

The families are tables that `mapping.by_rules` reads, a module each; `inception` has GoogLeNet and
Inception v3, `mobile` and `mobile_tensorflow` the MobileNets, MNASNet and the EfficientNets,
`resnet` also its relatives and RegNet. The NAMES of each are keyed by (origin, pattern of the
networks' names); `mobile` makes those of one network.
"""

import re

from jaxcnn.pretrained.mapping import Names
from jaxcnn.pretrained.names import (
    alexnet_vgg,
    convnext,
    densenet,
    inception,
    mobile,
    mobile_tensorflow,
    resnet,
    shufflenet_v2,
    squeezenet,
)

_FAMILIES = (
    alexnet_vgg,
    convnext,
    densenet,
    inception,
    mobile_tensorflow,
    resnet,
    shufflenet_v2,
    squeezenet,
)
_NAMES: dict[tuple[str, str], Names] = {
    key: names for family in _FAMILIES for key, names in family.NAMES.items()
}


def names_of(model: str) -> dict[str, Names]:
    """Look up the origins whose weights a network can take.

    Args:
      model: name of a network, as `jaxcnn.models.list_models` lists.

    Returns:
      {origin: its names}; empty where no published weights are known.
    """
    listed = {
        origin: names for (origin, pattern), names in _NAMES.items() if re.fullmatch(pattern, model)
    }
    return {**mobile.names_of(model), **listed}
