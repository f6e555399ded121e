"""Networks by name: pure functions from normalised images to logits.

Every network is a Flax Linen module called as `model.apply(variables, images, train=...)` with
images (B, H, W, C); it returns float32 logits, (B, num_classes) or, with head="sigmoid", (B, 1).
Dropout draws from the RNG collection 'dropout'; BatchNorm keeps its averages in 'batch_stats'.
The layers that make the logits are named "head"; the others lie under their stage's name, see
`jaxcnn.models.staged`.
"""

import inspect
from collections.abc import Callable
from typing import Any

from jaxcnn.models.lenet5 import LeNet5
from jaxcnn.models.six_conv import SixConv
from jaxcnn.models.staged import (
    HEAD,
    StagedNetwork,
    StageInfo,
    stage_infos,
    stage_names,
)
from jaxcnn.models.summarize import LayerRow, Summary, format_summary, summarize
from jaxcnn.registry import unknown_name

__all__ = [
    "HEAD",
    "LayerRow",
    "LeNet5",
    "SixConv",
    "StageInfo",
    "StagedNetwork",
    "Summary",
    "create_model",
    "format_summary",
    "list_models",
    "model_options",
    "stage_infos",
    "stage_names",
    "summarize",
]

# A builder is a module class, or a functools.partial of one that fixes some of its options.
_MODELS: dict[str, Callable[..., StagedNetwork]] = {
    "lenet5": LeNet5,
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
      ['lenet5']
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
        raise unknown_name("model", name, list_models())
    parameters = inspect.signature(_MODELS[name]).parameters
    internal = ("num_classes", "parent", "name")
    return {key: p.default for key, p in parameters.items() if key not in internal}
