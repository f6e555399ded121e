"""What a file that no table lists does not say of itself: its origin, labels and preprocessing."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import create_model
from jaxcnn.pretrained import mapping
from jaxcnn.pretrained.labels import label_names
from jaxcnn.pretrained.names import names_of
from jaxcnn.pretrained.table import Weights, list_weights
from jaxcnn.types import PyTree

Arrays = Mapping[str, np.ndarray]
_TORCH = Preprocessing(image_size_px=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_CAFFE = dataclasses.replace(
    _TORCH, mean=(123.68 / 255, 116.779 / 255, 103.939 / 255), std=(1 / 255,)
)
_TENSORFLOW = dataclasses.replace(_TORCH, mean=(0.5,), std=(0.5,))


def row_of_file(digest: str, model: str | None = None) -> Weights | None:
    """Recognise a published file by its digest, wherever it lies."""
    rows = list_weights(model)
    return next((row for row in rows if row.sha256 and digest.startswith(row.sha256)), None)


class Origin(NamedTuple):
    """Whose names a file uses, and what stands before each of them."""

    name: str
    prefix: str  # "" or of a module around the network, such as "module."


def guess_origin(model: str, arrays: Arrays, *origins: str) -> Origin:
    """Choose the origin most of whose names the file has, all after one prefix.

    Args:
      model: name of the network.
      arrays: of the file.
      *origins: those to choose from; none for all that the network has.

    Returns:
      The origin; of equal ones the first in the file.

    Raises:
      MappingError: if no array has a name of the network's.
    """
    shares: dict[Origin, float] = {}
    for origin, names in names_of(model).items():
        if origins and origin not in origins:
            continue
        wanted = mapping.source_shapes(variable_shapes(model, 10, names.options), names)
        for prefix in _prefixes(arrays, wanted):
            share = sum(prefix + name in arrays for name in wanted) / len(wanted)
            shares[Origin(origin, prefix)] = share
    best = max(shares, key=lambda origin: shares[origin])
    if not shares[best]:
        tried = ", ".join(dict.fromkeys(origin.name for origin in shares))
        raise mapping.MappingError(
            f"no array is named as one of {model}; the file's begin with "
            f"{', '.join(list(arrays)[:5])}. Origins tried: {tried}."
        )
    return best


def _prefixes(arrays: Arrays, wanted: Mapping[str, Any]) -> list[str]:
    """List what stands before a network's names in a file, "" first."""
    ends = [name.removesuffix(last) for name in arrays for last in wanted if name.endswith(last)]
    return list(dict.fromkeys(["", *(prefix for prefix in ends if prefix[-1:] in (".", "/"))]))


def take_network(prefix: str, arrays: Arrays) -> tuple[Arrays, list[str]]:
    """Take the arrays whose names have a prefix, without it, and the names of all others."""
    taken = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    return taken, [name for name in arrays if not name.startswith(prefix)]


def variable_shapes(model: str, num_classes: int, options: Mapping[str, Any]) -> PyTree:
    """Give the shapes and dtypes of a network's variables, without making them."""
    network = create_model(model, max(2, num_classes), **options)
    shape = guess_preprocessing(model, "").image_shape
    images = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    variables = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, train=False), images)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}


def guess_labels(model: str, num_classes: int) -> str | None:
    """Guess the label set of a file that is in no table: that of the network's known weights."""
    known = {row.labels for row in list_weights(model)}
    if "imagenet1k" in known:
        known.add("imagenet1001")
    return next((name for name in sorted(known) if len(label_names(name)) == num_classes), None)


def guess_preprocessing(model: str, origin: str) -> Preprocessing:
    """Choose what suits a file that is in no table: the values of others of its origin."""
    rows = list_weights(model)
    alike = [row.preprocessing for row in rows if row.origin == origin]
    if alike:
        return alike[0]
    values = _TORCH
    if origin in ("keras", "tensorflow", "tensorflow_folded"):
        values = _CAFFE if names_of(model)[origin].bgr else _TENSORFLOW
    if not rows:
        return values
    return dataclasses.replace(rows[0].preprocessing, mean=values.mean, std=values.std)
