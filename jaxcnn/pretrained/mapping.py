"""From a published file's names and layouts to a network's variables, every array accounted for.

A network's family says, for each origin of weights, how that origin names our modules (`Names`, in
`jaxcnn.pretrained.names`). What an array of a module is called, and how its axes lie, follows from
the origin's layout:

    layout   kernel of a convolution                 dense        BatchNorm
    torch    weight (out, in, height, width)         (out, in)    weight bias running_mean _var
    keras    kernel (height, width, in, out)         (in, out)    gamma beta moving_mean _variance
    slim     weights (height, width, in, out)        (in, out)    gamma beta moving_mean _variance
    folded   kernel (height, width, in, out)         (in, out)    folded into kernel and bias

with depthwise kernels (height, width, channels, 1) in keras and slim, where they are called
depthwise_kernel and depthwise_weights.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.host.text import listed
from jaxcnn.types import PyTree

ModulePath = tuple[str, ...]
# What a module is called there: one name, or those of its first and its second layer.
Called = str | tuple[str, ...]
# By a pattern of the module's path, joined by slashes: that, or a function of the pattern's groups.
Rules = Mapping[str, Called | Callable[..., Called]]

COLOURS = 3  # channels of the images by which first kernels are known from all others
_PLACES = {"conv": 0, "bn": 1, "linear": 0, "reduce": 0, "expand": 1, "fc": 0}

# What each origin calls the arrays; those that it does not have come last. "-": it is
# called as its module is.
_ROLES = ("kernel", "depthwise_kernel", "bias", "offset", "scale", "mean", "var", "factor")
_WORDS: Mapping[str, Mapping[str, str]] = {
    layout: dict(zip(_ROLES, words.split(), strict=False))
    for layout, words in (
        ("torch", "weight weight bias bias weight running_mean running_var -"),
        ("keras", "kernel depthwise_kernel bias beta gamma moving_mean moving_variance"),
        ("slim", "weights depthwise_weights biases beta gamma moving_mean moving_variance"),
        ("folded", "kernel kernel bias bias"),
    )
}


class MappingError(ValueError):
    """A file's arrays are not the network's; the message lists which."""


class Names(NamedTuple):
    """How one origin of weights names the modules of a family of networks."""

    # Our module's path -> its name there; raises a MappingError for a path that it does not know
    module_name: Callable[[ModulePath], str]
    layout: str  # a row of the table above
    # Dense modules that see a feature map which the source flattens channels first: its (C, H, W)
    flattened: Mapping[ModulePath, tuple[int, int, int]] = {}
    ignored: str = r"num_batches_tracked$"  # regular expression: names that rightly have no place
    optional: str = r"(?!)"  # names that may be left over where the network lacks their part
    options: Mapping[str, Any] = {}  # of `create_model`, to carry this origin's weights exactly
    head_options: Mapping[str, Any] = {}  # likewise, which its last layer alone needs
    linear: str = r"(?!)"  # regular expression: paths of 1x1 convolutions that are linear there
    pointwise: str = r"(?!)"  # and of linear layers that are 1x1 convolutions there
    factor_rank: int = 1  # of a factor for each channel there, (C, 1, 1, ...)
    without_scale: bool = False  # BatchNorm has no scale there: it is 1
    bgr: bool = False  # images there are blue, green, red

    def passes_over(self, name: str) -> bool:
        """Whether an array may be left over."""
        return re.search(f"{self.ignored}|{self.optional}", name) is not None


class _Slot(NamedTuple):
    """A leaf of the network's variables, and what the source calls it."""

    module: ModulePath
    word: str  # one of _ROLES
    shape: tuple[int, ...]
    name: str | None  # None where the source has no such array


def source_shapes(shapes: PyTree, names: Names) -> dict[str, tuple[int, ...]]:
    """List the arrays that a file must hold.

    Args:
      shapes: the network's variables, or `jax.ShapeDtypeStruct` instead.
      names: of the origin.

    Returns:
      {name in the file: shape in the file}.
    """
    return {slot.name: _source_shape(slot, names) for slot in _slots(shapes, names) if slot.name}


def fill(
    shapes: PyTree, names: Names, arrays: Mapping[str, np.ndarray], *, num_channels: int = COLOURS
) -> PyTree:
    """Make a network's variables of a file's arrays.

    Args:
      shapes: the network's variables for images of 3 channels, or `jax.ShapeDtypeStruct` instead:
        {"params": ..., "batch_stats": ...}.
      names: of the origin.
      arrays: {name in the file: array}.
      num_channels: of the images that the file's first kernel sees, see `count_channels`.

    Returns:
      A tree like `shapes` of float32 numpy arrays.

    Raises:
      MappingError: if an array is missing, left over, of another shape or not floating.
    """
    slots = _slots(shapes, names, num_channels)
    _check_complete(slots, names, arrays)
    leaves = [_fill_slot(slot, names, arrays) for slot in slots]
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


def head_names(names: Names) -> tuple[str, str]:
    """Name the weights and the biases of the last layer as an origin does."""
    kernel, bias = (_full_name(names, ("head", "linear"), word) for word in ("kernel", "bias"))
    return kernel, bias


def count_channels(shapes: PyTree, names: Names, arrays: Mapping[str, np.ndarray]) -> int:
    """Count the channels of the images that a file's first kernel sees.

    Args:
      shapes: variables of the network for images of 3 channels, or `jax.ShapeDtypeStruct` instead.
      names: of the origin.
      arrays: {name in the file: array}.

    Returns:
      The channels; 3 where the file has no such kernel.
    """
    for slot in filter(_sees_colours, _slots(shapes, names)):
        array = arrays.get(slot.name or "")
        if array is not None and array.ndim == 4:
            return int(array.shape[1 if names.layout == "torch" else 2])
    return COLOURS


def _sees_colours(slot: _Slot) -> bool:
    return len(slot.shape) == 4 and slot.shape[2] == COLOURS


def _slots(shapes: PyTree, names: Names, num_channels: int = COLOURS) -> list[_Slot]:
    """List the leaves in the order of the tree, first kernels for as many channels."""
    slots = _slots_of_colours(shapes, names)
    return [
        slot._replace(shape=(*slot.shape[:2], num_channels, slot.shape[3]))
        if _sees_colours(slot)
        else slot
        for slot in slots
    ]


def _slots_of_colours(shapes: PyTree, names: Names) -> list[_Slot]:
    leaves = jax.tree.leaves_with_path(shapes)
    paths = [tuple(str(key.key) for key in path) for path, _ in leaves]
    norms = {path[1:-1] for path in paths if path[-1] == "scale"}
    return [
        _slot(path, tuple(leaf.shape), norms, names)
        for path, (_, leaf) in zip(paths, leaves, strict=True)
    ]


def _slot(
    path: tuple[str, ...], shape: tuple[int, ...], norms: set[ModulePath], names: Names
) -> _Slot:
    module, word = path[1:-1], path[-1]
    if word == "bias" and module in norms:
        word = "offset"
    if word == "kernel" and len(shape) == 4 and shape[2] == 1:
        word = "depthwise_kernel"
    known = word in _WORDS[names.layout] and not (word == "scale" and names.without_scale)
    return _Slot(module, word, shape, _full_name(names, module, word) if known else None)


def _full_name(names: Names, module: ModulePath, word: str) -> str:
    separator = "." if names.layout == "torch" else "/"
    called, end = names.module_name(module), _WORDS[names.layout][word]
    return called if end == "-" else f"{called}{separator}{end}"


def _source_shape(slot: _Slot, names: Names) -> tuple[int, ...]:
    shape = slot.shape
    if slot.word == "factor":
        return shape + (1,) * (names.factor_rank - 1)
    if slot.word == "kernel" and re.fullmatch(names.linear, "/".join(slot.module)):
        shape = shape[2:]
    if slot.word == "kernel" and re.fullmatch(names.pointwise, "/".join(slot.module)):
        shape = (1, 1, *shape)
    if names.layout == "torch" and len(shape) in (2, 4):
        return (*shape[:1:-1], *shape[:2]) if len(shape) == 4 else shape[::-1]
    if slot.word == "depthwise_kernel" and names.layout in ("keras", "slim"):
        return (*shape[:2], shape[3], shape[2])
    return shape


def _check_complete(slots: list[_Slot], names: Names, arrays: Mapping[str, np.ndarray]) -> None:
    wanted = {slot.name: slot for slot in slots if slot.name is not None}
    there = [(slot, arrays[name]) for name, slot in wanted.items() if name in arrays]
    found = {
        "missing": [name for name in wanted if name not in arrays],
        "left over": [n for n in arrays if n not in wanted and not names.passes_over(n)],
        "of another shape": [
            f"{slot.name}: expected {_source_shape(slot, names)}, found {array.shape}"
            for slot, array in there
            if not _fits(slot, names, array)
        ],
        "not floating": [
            f"{slot.name}: {array.dtype}"
            for slot, array in there
            if not jnp.issubdtype(array.dtype, jnp.floating)
        ],
    }
    problems = [
        f"{len(items)} {what}: {listed(items, most=6)}" for what, items in found.items() if items
    ]
    if problems:
        raise MappingError(f"the arrays are not this network's. {'. '.join(problems)}.")


def _fits(slot: _Slot, names: Names, array: np.ndarray) -> bool:
    """Whether an array has the slot's shape, or for a dense layer that of a convolution over it."""
    expected = _source_shape(slot, names)
    if array.shape == expected:
        return True
    if slot.word == "depthwise_kernel":
        return array.shape == slot.shape and names.layout != "torch"
    if len(slot.shape) != 2 or array.ndim != 4:
        return False
    if names.layout == "torch":
        return array.shape[0] == slot.shape[1] and array[0].size == slot.shape[0]
    return array.shape[-1] == slot.shape[1] and array[..., 0].size == slot.shape[0]


def _fill_slot(slot: _Slot, names: Names, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if slot.name is None:
        return np.full(slot.shape, _identity(slot.word, names), np.float32)
    array = np.asarray(arrays[slot.name], np.float32)
    if names.layout == "torch" and slot.word in ("kernel", "depthwise_kernel"):
        if slot.module in names.flattened and array.ndim == 2:
            array = array.reshape(len(array), *names.flattened[slot.module])
        array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
    elif slot.word == "depthwise_kernel" and array.shape != slot.shape:
        array = array.transpose(0, 1, 3, 2)
    return np.ascontiguousarray(array.reshape(slot.shape))


def _identity(word: str, names: Names) -> float:
    """Give what makes BatchNorm leave its input as it is: (x - 0) / sqrt(var + epsilon) * 1."""
    if word == "var":
        return 1.0 - float(names.options.get("bn_epsilon", 1e-5))
    return {"scale": 1.0, "mean": 0.0, "offset": 0.0}[word]


def by_rules(rules: Rules) -> Callable[[ModulePath], str]:
    r"""Name layers by the first rule whose pattern matches the whole path of their module.

    The module of a layer called conv, bn, linear and the like is the one around it; any other layer
    is its own.

    Args:
      rules: of a family of networks; groups that are digits are handed on as ints.

    Returns:
      A function from the path of a layer to its name; a `MappingError` for a path without any.

    Example:
      >>> name = by_rules({"stem": ("conv1", "bn1"), r"block_(\d+)": lambda n: f"blocks.{n - 1}"})
      >>> name(("stem", "bn")), name(("block_3", "conv"))
      ('bn1', 'blocks.2')
    """

    def name(path: ModulePath) -> str:
        is_part = path[-1] in _PLACES  # of the module that has a name
        module = "/".join(path[:-1] or path) if is_part else "/".join(path)
        place = _PLACES.get(path[-1], 0)
        try:
            match, rule = next(
                (found, rule) for key, rule in rules.items() if (found := re.fullmatch(key, module))
            )
            groups = (int(group) if group.isdigit() else group for group in match.groups())
            called = rule(*groups) if callable(rule) else rule
            return called if isinstance(called, str) else called[place]
        except (LookupError, StopIteration):
            raise MappingError(
                f"no name is known for the layer {'/'.join(path)}; the names are of another "
                "network, or of another size of it."
            ) from None

    return name
