"""The last layer of a file: absent, called by another name, or with one output before a sigmoid."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxcnn.host.text import listed
from jaxcnn.pretrained.mapping import Names, head_names

Arrays = Mapping[str, np.ndarray]
# What programs call the layer that they put behind a network, alone or in a sequence. Keras counts
# the layers that have no name.
_LAST = re.compile(
    r"(.*[./])?(fc|head|cls_head|classifier|linear|last_linear|logits|output|predictions"
    r"|dense(_\d+)?)([./](fc|linear|classifier|\d+))*"
)


class LastLayer(NamedTuple):
    """A network's arrays, with the last layer under the name that the origin gives it."""

    arrays: Arrays
    num_classes: int  # 0 where there is no last layer
    told: tuple[str, ...] = ()  # what was assumed
    module: str = ""  # what the file calls the layer, where that is another name


def find_last_layer(
    names: Names, taken: Arrays, others: Arrays, wanted: Mapping[str, tuple[int, ...]]
) -> LastLayer:
    """Find the layer that makes the logits; one before a sigmoid becomes one of two classes.

    A layer of another name is taken if it alone is called like a last layer, and takes as many
    features as the network gives. Else the network is taken without a last layer, and without what
    the file has in its place.

    Args:
      names: of the origin.
      taken: the network's arrays in the file.
      others: the file's further arrays, of which one may be the last layer.
      wanted: {name: shape} of a network of any number of classes, see `mapping.source_shapes`.

    Returns:
      The arrays, and what was assumed.

    Example:
      >>> names = Names(lambda path: "fc", "torch")
      >>> others = {"head.fc.weight": np.ones((3, 8)), "head.fc.bias": np.ones(3)}
      >>> found = find_last_layer(names, {}, others, {"fc.weight": (10, 8), "fc.bias": (10,)})
      >>> found.arrays["fc.weight"].shape, found.num_classes, found.told
      ((3, 8), 3, ('head.fc as its last layer',))
    """
    weight, bias = head_names(names)
    told: list[str] = []
    module = ""
    if weight not in taken and bias not in taken:
        left = {n: a for n, a in {**others, **taken}.items() if n not in wanted}
        module = _called_otherwise(names, left, wanted[weight])
        if not module:
            return _without(taken, wanted)
        taken = _renamed(names, module, taken, left)
        told.append(f"{module} as its last layer")
    if weight in taken and bias not in taken:
        taken = {**taken, bias: np.zeros(taken[weight].shape[_axes(names)[0]], np.float32)}
    if weight in taken and taken[bias].size == 1:
        taken = {**taken, **_two_of_one(names, taken)}
        told.append("its one output, before a sigmoid, as the second of two classes")
    return LastLayer(taken, taken[bias].size, tuple(told), module)


def _renamed(names: Names, module: str, taken: Arrays, left: Arrays) -> Arrays:
    """Put the arrays of a module among those taken, under the names of the last layer."""
    rest = {name: array for name, array in taken.items() if _split(name)[0] != module}
    moved = {name: module + _split(name)[1] for name in head_names(names)}
    return {**rest, **{name: left[there] for name, there in moved.items() if there in left}}


def _called_otherwise(names: Names, left: Arrays, wanted: tuple[int, ...]) -> str:
    """Find the module that must be the last layer, by its name and its inputs; "" for none."""
    word = _split(head_names(names)[0])[1]
    found = [
        name
        for name, array in left.items()
        if _is_last(name) and _split(name)[1] == word and array.ndim in (2, 4)
        if not re.search(names.optional, name)
    ]
    axis = _axes(names)[1]
    fits = len(found) == 1 and left[found[0]].shape[axis] == wanted[axis]
    return _split(found[0])[0] if fits else ""


def _without(taken: Arrays, wanted: Mapping[str, tuple[int, ...]]) -> LastLayer:
    """Take the network without a last layer."""
    dropped = [name for name in taken if name not in wanted and _is_last(name)]
    left_out = f" (left out: {listed(dropped, most=3)})" if dropped else ""
    arrays = {name: array for name, array in taken.items() if name not in dropped}
    return LastLayer(arrays, 0, (f"it has no last layer{left_out}",))


def _two_of_one(names: Names, arrays: Arrays) -> dict[str, np.ndarray]:
    """Give (0, z) for one logit z: softmax makes the same probabilities of it as sigmoid of z."""
    axis = _axes(names)[0]
    found = {name: np.atleast_1d(arrays[name]) for name in head_names(names)}
    return {
        name: np.concatenate([np.zeros_like(array), array], axis=axis if array.ndim > 1 else 0)
        for name, array in found.items()
    }


def _axes(names: Names) -> tuple[int, int]:
    """Tell which axes of a last layer's weights are its outputs and its inputs."""
    return (0, 1) if names.layout == "torch" else (-1, -2)


def _split(name: str) -> tuple[str, str]:
    """Split an array's name into its module and the rest, such as ".weight"."""
    start = max(name.rfind("."), name.rfind("/"), 0)
    return name[:start], name[start:]


def _is_last(name: str) -> bool:
    return _LAST.fullmatch(_split(name)[0]) is not None
