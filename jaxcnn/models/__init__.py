"""Networks by name: pure functions from normalised images to logits.

Every network is a Flax Linen module called as `model.apply(variables, images, train=...)` with
images (B, H, W, C); it returns float32 logits, (B, num_classes) or, with head="sigmoid", (B, 1).
Dropout draws from the RNG collection 'dropout'; BatchNorm keeps its averages in 'batch_stats'.
The layers that make the logits are named "head"; the others lie under their stage's name, see
`StagedNetwork`.

A family of networks is a file, whose MODELS are its networks by name. `staged` has what all share,
`layers` what they are made of, `inverted_residual`, `residual_block` and `inception_module` what
two or more families are made of, `checks` the checks of options. `folding` removes BatchNorm,
`summary` counts layers.

Imports `jaxcnn.ops` and `jaxcnn.host`.
"""

import inspect
from collections.abc import Callable
from typing import Any

from jaxcnn.host.names import unknown_name
from jaxcnn.models import (
    alexnet,
    convnext,
    densenet,
    efficientnet,
    efficientnet_lite,
    efficientnet_v2,
    googlenet,
    inception_v3,
    lenet5,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    regnet,
    resnet,
    shufflenet_v2,
    six_conv,
    squeezenet,
    vgg,
)
from jaxcnn.models.alexnet import AlexNet
from jaxcnn.models.convnext import ConvNeXt
from jaxcnn.models.densenet import DenseNet
from jaxcnn.models.efficientnet import EfficientNet
from jaxcnn.models.efficientnet_lite import EfficientNetLite
from jaxcnn.models.efficientnet_v2 import EfficientNetV2
from jaxcnn.models.folding import fold_batch_norm
from jaxcnn.models.googlenet import GoogLeNet
from jaxcnn.models.inception_v3 import InceptionV3
from jaxcnn.models.lenet5 import LeNet5
from jaxcnn.models.mnasnet import MNASNet
from jaxcnn.models.mobilenet_v1 import MobileNetV1
from jaxcnn.models.mobilenet_v2 import MobileNetV2
from jaxcnn.models.mobilenet_v3 import MobileNetV3
from jaxcnn.models.regnet import RegNet
from jaxcnn.models.resnet import ResNet
from jaxcnn.models.shufflenet_v2 import ShuffleNetV2
from jaxcnn.models.six_conv import SixConv
from jaxcnn.models.squeezenet import SqueezeNet
from jaxcnn.models.staged import (
    HEAD,
    STAGE_OUTPUT,
    FeatureClassifier,
    StagedNetwork,
    StageInfo,
    head_of,
    logits_and_vectors,
    rest_after,
    split_at_head,
    stage_infos,
    stage_names,
)
from jaxcnn.models.summary import LayerRow, Summary, format_summary, summarize
from jaxcnn.models.vgg import VGG

__all__ = [
    "HEAD",
    "STAGE_OUTPUT",
    "VGG",
    "AlexNet",
    "ConvNeXt",
    "DenseNet",
    "EfficientNet",
    "EfficientNetLite",
    "EfficientNetV2",
    "FeatureClassifier",
    "GoogLeNet",
    "InceptionV3",
    "LayerRow",
    "LeNet5",
    "MNASNet",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3",
    "RegNet",
    "ResNet",
    "ShuffleNetV2",
    "SixConv",
    "SqueezeNet",
    "StageInfo",
    "StagedNetwork",
    "Summary",
    "create_model",
    "fold_batch_norm",
    "format_summary",
    "head_of",
    "list_models",
    "logits_and_vectors",
    "model_options",
    "rest_after",
    "split_at_head",
    "stage_infos",
    "stage_names",
    "summarize",
]

_FAMILIES = (
    alexnet,
    convnext,
    densenet,
    efficientnet,
    efficientnet_lite,
    efficientnet_v2,
    googlenet,
    inception_v3,
    lenet5,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    regnet,
    resnet,
    shufflenet_v2,
    six_conv,
    squeezenet,
    vgg,
)
# A builder is a module class, or a functools.partial of one that fixes some of its options.
_MODELS: dict[str, Callable[..., StagedNetwork]] = {
    name: build for family in _FAMILIES for name, build in family.MODELS.items()
}


def create_model(name: str, num_classes: int, **options: Any) -> StagedNetwork:
    """Make the network of that name.

    Args:
      name: one of `list_models()`.
      num_classes: number of classes.
      **options: what `model_options(name)` lists; the network's own default where absent.

    Returns:
      A Linen module; it holds no parameters, `init` makes them.

    Raises:
      ValueError: for an unknown name or option, or an option's value out of range.

    Example:
      >>> create_model("six_conv", 2, head="sigmoid").head
      'sigmoid'
    """
    known = model_options(name)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    return _MODELS[name](num_classes=num_classes, **options)


def list_models() -> list[str]:
    """List the names that `create_model` knows.

    Returns:
      The names in alphabetical order.

    Example:
      >>> list_models()[:1]
      ['alexnet']
    """
    return sorted(_MODELS)


def model_options(name: str) -> dict[str, Any]:
    """List what can be set on a network, and its defaults.

    Args:
      name: one of `list_models()`.

    Returns:
      Default value by option.

    Raises:
      ValueError: for an unknown name.

    Example:
      >>> model_options("lenet5")["head"]
      'softmax'
    """
    if name not in _MODELS:
        raise unknown_name("model", name, list_models(), all_by="list_models()")
    parameters = inspect.signature(_MODELS[name]).parameters
    # Folding takes the variables too, and a rest is cut from a network that is there.
    internal = ("num_classes", "parent", "name", "folded_batch_norm", "starts_after")
    return {key: p.default for key, p in parameters.items() if key not in internal}
