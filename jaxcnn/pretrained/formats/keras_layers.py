"""What a Keras model's configuration says of its layers, and what their variables are called."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

CONVOLUTION = ("kernel", "bias")
NORMALIZATION = ("gamma", "beta")
# The variables of a layer in the order in which Keras 3 numbers them. A bias may be missing.
VARIABLES = {
    **{f"Conv{rank}D": CONVOLUTION for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": CONVOLUTION for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": ("depthwise_kernel", "bias") for rank in (1, 2)},
    **{
        f"SeparableConv{rank}D": ("depthwise_kernel", "pointwise_kernel", "bias") for rank in (1, 2)
    },
    "Dense": CONVOLUTION,
    "BatchNormalization": (*NORMALIZATION, "moving_mean", "moving_variance"),
    "LayerNormalization": NORMALIZATION,
    "GroupNormalization": NORMALIZATION,
    "Normalization": ("mean", "variance", "count"),
    "PReLU": ("alpha",),
}


@dataclass(frozen=True)
class Layer:
    """A layer as far as it is known.

    `parts` are the layers inside it, by the name of their group in a Keras 3 file.
    """

    name: str = ""
    class_name: str = ""
    settings: dict = field(default_factory=dict)
    parts: dict[str, "Layer"] = field(default_factory=dict)


def parse_config(config: str | bytes) -> Layer:
    """Parse a model's `config.json`, or the attribute `model_config` of an older file.

    Args:
      config: JSON.

    Returns:
      The model as a layer with parts.

    Raises:
      ValueError: if it is not JSON.
    """
    return _layer(json.loads(config))


def _layer(entry: Any) -> Layer:
    entry = entry if isinstance(entry, dict) else {}
    settings = entry.get("config", {})
    # The Sequential of Keras before 2.2.3 has a bare list for its config.
    settings = {"layers": settings} if isinstance(settings, list) else settings
    settings = settings if isinstance(settings, dict) else {}
    inner = settings.get("layers", [])
    inner = inner if isinstance(inner, list) else []
    name = entry.get("name") or settings.get("name") or ""
    return Layer(
        str(name), str(entry.get("class_name", "")), settings, _by_group([_layer(e) for e in inner])
    )


def _by_group(layers: list[Layer]) -> dict[str, Layer]:
    # Keras 3 names a group by its layer's class, and counts further layers of the class.
    used: Counter[str] = Counter()
    groups = {}
    for layer in layers:
        name = snake_case(layer.class_name)
        groups[f"{name}_{used[name]}" if used[name] else name] = layer
        used[name] += 1
    return groups


def snake_case(class_name: str) -> str:
    """Write a class's name as Keras writes it in files.

    Args:
      class_name: e.g. "BatchNormalization".

    Returns:
      Its snake case; letters after a digit are not parted.

    Example:
      >>> snake_case("DepthwiseConv2D"), snake_case("PReLU")
      ('depthwise_conv2d', 'p_re_lu')
    """
    parted = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", parted).lower()


CLASS_OF_GROUP = {snake_case(name): name for name in VARIABLES}


def layer_of_group(group_name: str, known: Layer | None) -> Layer:
    """Complete what is known of a layer by the name of its group.

    Args:
      group_name: e.g. "batch_normalization_3".
      known: the layer by the configuration, or None where there is none.

    Returns:
      The layer; its class is taken from the group's name where nothing else tells.
    """
    if known is not None:
        return known
    return Layer(class_name=CLASS_OF_GROUP.get(re.sub(r"_\d+$", "", group_name), ""))


def variable_names(layer: Layer, count: int) -> list[str]:
    """Name a layer's numbered variables.

    Args:
      layer: what is known of the layer.
      count: how many variables the file has for it.

    Returns:
      `count` names: the variables' own where class and count allow one reading only, else
      "0", "1" and so on.
    """
    names = list(VARIABLES.get(layer.class_name, ()))
    absent = {"gamma": "scale", "beta": "center", "bias": "use_bias"}
    names = [n for n in names if layer.settings.get(absent.get(n, ""), True)]
    if not layer.settings and names[-1:] == ["bias"] and count == len(names) - 1:
        names.pop()
    return names if len(names) == count else [str(i) for i in range(count)]
