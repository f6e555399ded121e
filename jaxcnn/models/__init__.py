"""Networks by name: pure functions from normalised images to logits.

Every network is a Flax Linen module called as `model.apply(variables, images, train=...)` with
images (B, H, W, C); it returns float32 logits, (B, num_classes) or, with head="sigmoid", (B, 1).
Dropout draws from the RNG collection 'dropout'; BatchNorm keeps its averages in 'batch_stats'.
The layers that make the logits are named "head"; the others lie under their stage's name, see
`StagedNetwork`.

A family of networks is a file. `staged` has what all share, `layers` and `batch_norm` what they are
made of, `inverted_residual` and `inception_module` what two or more families are made of, `checks`
the checks of options. `folding` removes BatchNorm, `summary` counts layers.

Imports `jaxcnn.ops` and `jaxcnn.host`.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from jaxcnn.host.names import unknown_name
from jaxcnn.models.alexnet import AlexNet
from jaxcnn.models.efficientnet_lite import EfficientNetLite
from jaxcnn.models.folding import fold_batch_norm
from jaxcnn.models.googlenet import GoogLeNet
from jaxcnn.models.inception_v3 import InceptionV3
from jaxcnn.models.lenet5 import LeNet5
from jaxcnn.models.mobilenet_v1 import MobileNetV1
from jaxcnn.models.mobilenet_v2 import MobileNetV2
from jaxcnn.models.mobilenet_v3 import MobileNetV3
from jaxcnn.models.resnet import ResNet
from jaxcnn.models.six_conv import SixConv
from jaxcnn.models.staged import (
    HEAD,
    STAGE_OUTPUT,
    FeatureClassifier,
    StagedNetwork,
    StageInfo,
    head_of,
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
    "EfficientNetLite",
    "FeatureClassifier",
    "GoogLeNet",
    "InceptionV3",
    "LayerRow",
    "LeNet5",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3",
    "ResNet",
    "SixConv",
    "StageInfo",
    "StagedNetwork",
    "Summary",
    "create_model",
    "fold_batch_norm",
    "format_summary",
    "head_of",
    "list_models",
    "model_options",
    "rest_after",
    "split_at_head",
    "stage_infos",
    "stage_names",
    "summarize",
]

_small_resnet = partial(
    ResNet,
    block="basic",
    widths=(16, 32, 64),
    stem="small",
    shortcut="padding",
    zero_init_residual=False,
)
# A builder is a module class, or a functools.partial of one that fixes some of its options.
_MODELS: dict[str, Callable[..., StagedNetwork]] = {
    "alexnet": AlexNet,
    "resnet18": partial(ResNet, block="basic", stage_sizes=(2, 2, 2, 2)),
    "resnet34": partial(ResNet, block="basic", stage_sizes=(3, 4, 6, 3)),
    "resnet50": partial(ResNet, block="bottleneck", stage_sizes=(3, 4, 6, 3)),
    "resnet101": partial(ResNet, block="bottleneck", stage_sizes=(3, 4, 23, 3)),
    "resnet152": partial(ResNet, block="bottleneck", stage_sizes=(3, 8, 36, 3)),
    "resnet20": partial(_small_resnet, stage_sizes=(3,) * 3),
    "resnet32": partial(_small_resnet, stage_sizes=(5,) * 3),
    "resnet44": partial(_small_resnet, stage_sizes=(7,) * 3),
    "resnet56": partial(_small_resnet, stage_sizes=(9,) * 3),
    "resnet110": partial(_small_resnet, stage_sizes=(18,) * 3),
    "vgg11": partial(VGG, stage_sizes=(1, 1, 2, 2, 2)),
    "vgg11_bn": partial(VGG, stage_sizes=(1, 1, 2, 2, 2), batch_norm=True),
    "vgg13": partial(VGG, stage_sizes=(2, 2, 2, 2, 2)),
    "vgg13_bn": partial(VGG, stage_sizes=(2, 2, 2, 2, 2), batch_norm=True),
    "vgg16": partial(VGG, stage_sizes=(2, 2, 3, 3, 3)),
    "vgg16_bn": partial(VGG, stage_sizes=(2, 2, 3, 3, 3), batch_norm=True),
    "vgg19": partial(VGG, stage_sizes=(2, 2, 4, 4, 4)),
    "vgg19_bn": partial(VGG, stage_sizes=(2, 2, 4, 4, 4), batch_norm=True),
    "efficientnet_lite0": EfficientNetLite,
    "efficientnet_lite1": partial(EfficientNetLite, depth_multiplier=1.1),
    "efficientnet_lite2": partial(
        EfficientNetLite, width_multiplier=1.1, depth_multiplier=1.2, dropout_rate=0.3
    ),
    "efficientnet_lite3": partial(
        EfficientNetLite, width_multiplier=1.2, depth_multiplier=1.4, dropout_rate=0.3
    ),
    "efficientnet_lite4": partial(
        EfficientNetLite, width_multiplier=1.4, depth_multiplier=1.8, dropout_rate=0.3
    ),
    "googlenet": GoogLeNet,
    "inception_v3": InceptionV3,
    "lenet5": LeNet5,
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v1_0.75": partial(MobileNetV1, width_multiplier=0.75),
    "mobilenet_v1_0.5": partial(MobileNetV1, width_multiplier=0.5),
    "mobilenet_v1_0.25": partial(MobileNetV1, width_multiplier=0.25),
    "mobilenet_v2": MobileNetV2,
    "mobilenet_v3_large": partial(MobileNetV3, size="large"),
    "mobilenet_v3_small": partial(MobileNetV3, size="small"),
    "six_conv": SixConv,
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
