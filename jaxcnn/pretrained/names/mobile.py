"""Names of the arrays of the networks of inverted residual blocks in PyTorch's files.

They are named by what the blocks are made of, which the networks say. Our blocks are counted
through the network. timm, and torchvision but for its MobileNets, count them row by row: blocks of
one width. Within a block, torchvision counts the layers that are there.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

from jaxcnn.models import create_model
from jaxcnn.models.inverted_residual import Block, MobileNetwork
from jaxcnn.pretrained.mapping import Called, Names, Rules, by_rules

Parts = tuple[str, str]  # what a convolution and its BatchNorm are called, or a squeeze's two
Layers = Mapping[str, Parts]  # those of a block's layers

_SAME: dict[str, object] = {"padding": "same", "bn_epsilon": 1e-3}
_SYMMETRIC: dict[str, object] = {"padding": "symmetric"}
_TIMM_ENDS: Rules = {
    "stem": ("conv_stem", "bn1"),
    "conv_head": ("conv_head", "bn2"),
    "head": "classifier",
}
_LUKEMELAS_ENDS: Rules = {
    "stem": ("_conv_stem", "_bn0"),
    "conv_head": ("_conv_head", "_bn1"),
    "head": "_fc",
}
_MNASNET_ENDS: Rules = {
    "stem": ("layers.0", "layers.1"),
    # The first block is not wrapped in a module of its own.
    "stage_1/block_1/depthwise": ("layers.3", "layers.4"),
    "stage_1/block_1/project": ("layers.6", "layers.7"),
    "conv_head": ("layers.14", "layers.15"),
    "head": "classifier.1",
}


def _torchvision_layers(names: Sequence[str]) -> Layers:
    layers = {name: (f"{place}.0", f"{place}.1") for place, name in enumerate(names)}
    if "se" in layers:
        place = names.index("se")
        layers["se"] = (f"{place}.fc1", f"{place}.fc2")
    return layers


def _v2_torchvision_layers(names: Sequence[str]) -> Layers:
    # A block's last convolution and its BatchNorm are not wrapped in a Sequential of their own.
    last = len(names) - 1
    return {**_torchvision_layers(names), "project": (f"{last}", f"{last + 1}")}


def _mnasnet_layers(names: Sequence[str]) -> Layers:
    # Convolution, BatchNorm and activation each count.
    return {name: (f"{3 * place}", f"{3 * place + 1}") for place, name in enumerate(names)}


def _timm_layers(names: Sequence[str]) -> Layers:
    """Call a convolution by what it is for, and count the BatchNorms."""
    convolutions = [name for name in names if name != "se"]
    words = {
        "expand": "conv_pw",
        "depthwise": "conv_dw",
        "pointwise": "conv_pw",
        "fused": "conv_exp" if len(names) > 1 else "conv",
        "project": "conv_pw" if convolutions[0] == "depthwise" else "conv_pwl",
    }
    counted = {n: (words[n], f"bn{place}") for place, n in enumerate(convolutions, start=1)}
    return {"se": ("se.conv_reduce", "se.conv_expand"), **counted}


def _lukemelas_layers(names: Sequence[str]) -> Layers:
    del names  # they are named alike in all blocks
    places = enumerate(("expand", "depthwise", "project"))
    return {name: (f"_{name}_conv", f"_bn{place}") for place, name in places}


def _network(model: str) -> MobileNetwork:
    return cast(MobileNetwork, create_model(model, 2))


def _rows(blocks: Sequence[Block]) -> list[int]:
    """Count the blocks of each row of the network's table, which have one width."""
    return [len(list(group)) for _, group in itertools.groupby(blocks, key=lambda b: b.width)]


def _in_turn(place: str, *, first: int = 1) -> Callable[[Sequence[Block]], list[str]]:
    """Place blocks by their numbers in the network, counted from `first`."""
    return lambda blocks: [place.format(n) for n in range(first, first + len(blocks))]


def _by_row(place: str, *, first: int = 0) -> Callable[[Sequence[Block]], list[str]]:
    """Place blocks by the numbers of their rows, counted from `first`, and theirs in the row."""
    return lambda blocks: [
        place.format(row, n)
        for row, count in enumerate(_rows(blocks), start=first)
        for n in range(count)
    ]


class Style(NamedTuple):
    """How an origin names the layers of blocks."""

    places_of: Callable[[Sequence[Block]], list[str]]  # from the blocks to where each of them is
    layers_of: Callable[[Sequence[str]], Layers]  # from a block's layers to what they are there


_TIMM = Style(_by_row("blocks.{}.{}"), _timm_layers)


def _torch(model: str, ends: Rules, style: Style, options: Mapping[str, object]) -> Names:
    """Name the layers of a network.

    Args:
      model: name of the network.
      ends: rules for all that is not in a block; they go before those for blocks.
      style: of the blocks' names.
      options: of the network, to carry this origin's weights.
    """
    network = _network(model)
    blocks, input_width = network.blocks(), network.stem_width
    called: dict[tuple[int, str], Called] = {}
    placed = zip(blocks, style.places_of(blocks), strict=True)
    for number, (block, place) in enumerate(placed, start=1):
        for layer, parts in style.layers_of(block.layer_names(input_width)).items():
            called[number, layer] = tuple(f"{place}.{part}" for part in parts)
        input_width = block.width
    rules = {**ends, r"stage_\d+/block_(\d+)/(\w+)": lambda number, layer: called[number, layer]}
    return Names(by_rules(rules), layout="torch", options=options)


def _torchvision_ends(model: str, head: str) -> Rules:
    """Number conv_head after the stem and what the network has of blocks, or of rows of them."""
    blocks = _network(model).blocks()
    count = len(blocks if model.startswith("mobilenet") else _rows(blocks))
    last = f"features.{count + 1}"
    return {
        "stem": ("features.0.0", "features.0.1"),
        "conv_head": (f"{last}.0", f"{last}.1"),
        "head": head,
    }


def _mobilenet_v2(model: str) -> dict[str, Names]:
    ends = _torchvision_ends(model, "classifier.1")
    blocks = Style(_in_turn("features.{}.conv"), _v2_torchvision_layers)
    return {
        "torchvision": _torch(model, ends, blocks, _SYMMETRIC),
        "timm": _torch(model, _TIMM_ENDS, _TIMM, _SYMMETRIC),
    }


def _mobilenet_v3(model: str) -> dict[str, Names]:
    ends = {**_torchvision_ends(model, "classifier.3"), "fc": "classifier.0"}
    blocks = Style(_in_turn("features.{}.block"), _torchvision_layers)
    last = f"blocks.{len(_rows(_network(model).blocks()))}.0"
    timm = {**_TIMM_ENDS, "conv_head": (f"{last}.conv", f"{last}.bn1"), "fc": "conv_head"}
    return {
        "torchvision": _torch(model, ends, blocks, _SYMMETRIC | {"bn_epsilon": 1e-3}),
        "timm": _torch(model, timm, _TIMM, _SYMMETRIC | {"bn_epsilon": 1e-5}),
    }


def _efficientnet(model: str) -> dict[str, Names]:
    """Timm has its own weights, "timm", and those that TensorFlow trained, "timm_tensorflow"."""
    ends = _torchvision_ends(model, "classifier.1")
    blocks = Style(_by_row("features.{}.{}.block", first=1), _torchvision_layers)
    torchvision = {"torchvision": _torch(model, ends, blocks, _SYMMETRIC)}
    timm = {"timm": _torch(model, _TIMM_ENDS, _TIMM, _SYMMETRIC | {"bn_epsilon": 1e-5})}
    tensorflow = {"timm_tensorflow": _torch(model, _TIMM_ENDS, _TIMM, _SAME)}
    if model.startswith("efficientnet_v2_b"):
        return tensorflow  # torchvision has none of these
    if model.startswith("efficientnet_v2"):
        return {**torchvision, **tensorflow}  # timm's own have other widths
    return {**torchvision, **timm, **tensorflow}


def _mnasnet(model: str) -> dict[str, Names]:
    blocks = Style(_by_row("layers.{}.{}.layers", first=7), _mnasnet_layers)
    return {
        "torchvision": _torch(model, _MNASNET_ENDS, blocks, _SYMMETRIC),
        "timm": _torch(model, _TIMM_ENDS, _TIMM, _SYMMETRIC),
    }


def _efficientnet_lite(model: str) -> dict[str, Names]:
    blocks = Style(_in_turn("_blocks.{}", first=0), _lukemelas_layers)
    return {
        "lukemelas": _torch(model, _LUKEMELAS_ENDS, blocks, _SAME),
        "timm": _torch(model, _TIMM_ENDS, _TIMM, _SAME),
    }


def _mobilenet_v1(model: str) -> dict[str, Names]:
    return {"timm": _torch(model, _TIMM_ENDS, _TIMM, _SYMMETRIC | {"bn_epsilon": 1e-5})}


# By how the networks' names begin; the longest that fits counts.
_FAMILIES: Mapping[str, Callable[[str], dict[str, Names]]] = {
    "efficientnet_": _efficientnet,
    "efficientnet_lite": _efficientnet_lite,
    "mnasnet": _mnasnet,
    "mobilenet_v1": _mobilenet_v1,
    "mobilenet_v2": _mobilenet_v2,
    "mobilenet_v3": _mobilenet_v3,
}


@functools.cache
def names_of(model: str) -> Mapping[str, Names]:
    """Look up the origins in PyTorch whose weights a network of these families can take.

    Made when asked for, since to make all the networks would take a fifth of a second.

    Args:
      model: name of any network.

    Returns:
      {origin: its names}; empty for a network of another family.
    """
    fitting = [start for start in _FAMILIES if model.startswith(start)]
    return _FAMILIES[max(fitting, key=len)](model) if fitting else {}
