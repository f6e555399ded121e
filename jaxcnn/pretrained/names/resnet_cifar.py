"""Names of the arrays of ResNet-20 to 110 in the files of others."""

from jaxcnn.pretrained.mapping import ANY, Names
from jaxcnn.pretrained.names import resnet


def _akamaster(path: tuple[str, ...]) -> str:
    """Name as torchvision does, but for the last layer; the shortcuts have no arrays."""
    if path == ("head", "linear"):
        return "linear"
    return resnet.NAMES[("torchvision", ANY)].module_name(path)


NAMES = {("akamaster", ANY): Names(module_name=_akamaster, layout="torch")}
