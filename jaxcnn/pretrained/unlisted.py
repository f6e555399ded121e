"""What a file that no table lists does not say of itself: its origin, labels and preprocessing."""

import dataclasses
from collections.abc import Mapping
from typing import Any

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

_TORCH = Preprocessing(image_size_px=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_CAFFE = dataclasses.replace(
    _TORCH, mean=(123.68 / 255, 116.779 / 255, 103.939 / 255), std=(1 / 255,)
)
_TENSORFLOW = dataclasses.replace(_TORCH, mean=(0.5,), std=(0.5,))


def row_of_file(digest: str, model: str) -> Weights | None:
    """Recognise a published file by its digest, wherever it lies."""
    rows = list_weights(model)
    return next((row for row in rows if row.sha256 and digest.startswith(row.sha256)), None)


def guess_origin(model: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Choose the origin most of whose names the file has."""

    def share(names: mapping.Names) -> float:
        wanted = mapping.source_shapes(variable_shapes(model, 10, names.options), names)
        return sum(name in arrays for name in wanted) / len(wanted)

    shares = {origin: share(names) for origin, names in names_of(model).items()}
    best = max(shares, key=lambda origin: shares[origin])
    if not shares[best]:
        raise mapping.MappingError(
            f"no array is named as one of {model}; the file's begin with "
            f"{', '.join(list(arrays)[:5])}. Origins tried: {', '.join(shares)}."
        )
    return best


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
