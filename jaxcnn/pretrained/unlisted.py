"""What a file that no table lists does not say of itself: its origin, labels and preprocessing."""

import dataclasses
import functools
import re
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

    Where an EMA of the weights (exponential moving average) lies beside them, it is chosen.

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
        for prefix in prefixes(arrays, wanted):
            share = sum(prefix + name in arrays for name in wanted) / len(wanted)
            shares[Origin(origin, prefix)] = share
    best = max(shares, key=lambda origin: (shares[origin], _is_ema(origin.prefix)))
    if not shares[best]:
        tried = ", ".join(dict.fromkeys(origin.name for origin in shares))
        raise mapping.MappingError(
            f"no array is named as one of {model}; the file's begin with "
            f"{', '.join(list(arrays)[:5])}. Origins tried: {tried}."
        )
    return best


def _is_ema(prefix: str) -> bool:
    return "ema" in re.split(r"[._/]", prefix)


def prefixes(arrays: Arrays, wanted: Mapping[str, Any]) -> list[str]:
    """List what stands before a network's names in a file, "" first."""
    ends = [name.removesuffix(last) for name in arrays for last in wanted if name.endswith(last)]
    return list(dict.fromkeys(["", *(prefix for prefix in ends if prefix[-1:] in (".", "/"))]))


def take_network(prefix: str, arrays: Arrays) -> tuple[Arrays, Arrays]:
    """Take the arrays whose names have a prefix, without it, and apart from them all others."""
    taken = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    return taken, {name: a for name, a in arrays.items() if not name.startswith(prefix)}


def variable_shapes(model: str, num_classes: int, options: Mapping[str, Any]) -> PyTree:
    """Give the shapes and dtypes of a network's variables for images of 3 channels.

    No array is made. The network has no last layer where `num_classes` is 0.
    """
    return _variable_shapes(model, num_classes, tuple(sorted(options.items())))


@functools.cache  # several origins name the same network
def _variable_shapes(model: str, num_classes: int, options: tuple[tuple[str, Any], ...]) -> PyTree:
    network = create_model(model, num_classes, **dict(options))
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


def for_channels(preprocessing: Preprocessing, num_channels: int) -> Preprocessing:
    """Change preprocessing to images of another number of channels, normalised by the mean values.

    Example:
      >>> for_channels(Preprocessing(mean=(0.4, 0.5, 0.6)), 1).mean
      (0.5,)
    """
    if num_channels == preprocessing.decoding.num_channels:
        return preprocessing
    mean, std = ((sum(v) / len(v),) for v in (preprocessing.mean, preprocessing.std))
    decoding = preprocessing.decoding._replace(num_channels=num_channels)
    return dataclasses.replace(preprocessing, decoding=decoding, mean=mean, std=std)


def half_precision(arrays: Arrays) -> str | None:
    """Tell the type of half precision that the numbers of a file's arrays are of.

    Readers widen bfloat16 to float32, which leaves the lower half of each number's bits at 0; the
    first thousand of each array tell.

    Example:
      >>> half_precision({"a": np.array([[1.5]], np.float16)}), half_precision({"a": np.eye(2) / 3})
      ('float16', None)
    """
    kernels = [a for a in arrays.values() if a.ndim > 1 and a.dtype.kind == "f"]
    if any(array.dtype == np.float16 for array in kernels):
        return "float16"
    parts = [np.ravel(array)[:1000] for array in kernels if array.dtype == np.float32]
    halves = [part.view(np.uint32) & 0xFFFF for part in parts]
    all_widened = len(parts) == len(kernels) and not any(half.any() for half in halves)
    return "bfloat16" if kernels and all_widened else None


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
