"""From the arrays of a file to the variables of a network, and what was assumed on the way."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn.host.text import counted, listed
from jaxcnn.pretrained import mapping
from jaxcnn.pretrained.last_layer import find_last_layer
from jaxcnn.pretrained.names import names_of
from jaxcnn.pretrained.unlisted import (
    Arrays,
    guess_origin,
    half_precision,
    take_network,
    variable_shapes,
)
from jaxcnn.types import PyTree


class Fitted(NamedTuple):
    """A network's variables from a file."""

    variables: PyTree  # {"params": ..., "batch_stats": ...}, float32 numpy arrays
    origin: str  # whose names the file uses
    options: Mapping[str, Any]  # of `jaxcnn.create_model`
    num_classes: int  # 0 where the file has no last layer
    num_channels: int  # of the images
    told: tuple[str, ...]  # what was assumed


def fit_network(model: str, arrays: Arrays, *, origins: tuple[str, ...] = ()) -> Fitted:
    """Find a place in a network for each array of a file.

    Args:
      model: name of the network.
      arrays: of the file.
      origins: whose names the file may use; () for any that the network knows.

    Returns:
      The network's variables, with as many classes and channels as the file has.

    Raises:
      MappingError: if the arrays are not the network's, or hold numbers that are not finite.
    """
    origin, prefix = guess_origin(model, arrays, *origins)
    names = names_of(model)[origin]
    taken, others = take_network(prefix, arrays)
    whole = variable_shapes(model, 10, names.options)
    last = find_last_layer(names, taken, others, mapping.source_shapes(whole, names))
    num_channels = mapping.count_channels(whole, names, last.arrays)
    shapes = variable_shapes(model, last.num_classes, names.options)
    _check_finite(last.arrays)
    try:
        variables = mapping.fill(shapes, names, last.arrays, num_channels=num_channels)
    except mapping.MappingError as error:
        raise mapping.MappingError(f"read as {model} of {origin}, {error}") from None
    left_out = [name for name in others if not (last.module and name.startswith(last.module))]
    told = [*_about_prefix(prefix, left_out), *last.told]
    if num_channels != mapping.COLOURS:
        told.append(f"for images of {counted(num_channels, 'channel')}")
    if half := half_precision(last.arrays):
        told.append(f"its numbers, of half precision ({half}), as float32")
    return Fitted(
        _swap_red_and_blue(variables) if names.bgr else variables,
        origin,
        dict(names.options),
        last.num_classes,
        num_channels,
        tuple(told),
    )


def _check_finite(arrays: Arrays) -> None:
    """Refuse weights whose every answer would be NaN."""
    odd = [n for n, a in arrays.items() if a.dtype.kind == "f" and not np.isfinite(a).all()]
    if odd:
        raise mapping.MappingError(
            f"numbers that are not finite are in {counted(len(odd), 'array')}: "
            f"{listed(odd, most=6)}. The training diverged, or the file is damaged; take an "
            "earlier checkpoint."
        )


def _about_prefix(prefix: str, left_out: list[str]) -> list[str]:
    if not prefix:
        return []
    return [f"its arrays behind {prefix!r} (left out: {listed(left_out, most=3) or 'none'})"]


def _swap_red_and_blue(variables: PyTree) -> PyTree:
    """Turn first kernels that expect blue, green, red into ones for red, green, blue."""

    def swap(leaf: np.ndarray) -> np.ndarray:
        sees_colours = leaf.ndim == 4 and leaf.shape[2] == mapping.COLOURS
        return np.ascontiguousarray(leaf[:, :, ::-1]) if sees_colours else leaf

    return jax.tree.map(swap, variables)
