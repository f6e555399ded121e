"""TensorFlow's SavedModel and TF-Hub folders, and its checkpoints, through TensorFlow itself."""

import importlib
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.host.extras import require
from jaxcnn.pretrained.formats.errors import Budget, WeightsFileError

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# What optimizers of TensorFlow 1 append to a variable's name for their own state.
SLOTS = re.compile(
    r"(.+)/(Adam|Adam_1|Momentum|RMSProp|RMSProp_1|RMSProp_2|Adagrad|Adadelta|Adadelta_1|Ftrl"
    r"|Ftrl_1|LARSOptimizer)"
)
# Keras lists a model's trainable variables under its optimizer, and may save them only there.
NOT_WEIGHTS = re.compile(
    r"(.*/)?(save_counter|global_step|beta1_power|beta2_power)"
    r"|(optimizer|_optimizer|keras_api)(/(?!_trainable_variables/).*)?|.*/\.OPTIMIZER_SLOT(/.*)?"
)


def read_saved_model(path: Path) -> dict[str, np.ndarray]:
    """Read the variables of a SavedModel, TF-Hub module or TensorFlow checkpoint.

    Only the checkpoint is read; the graph, which is a program, is neither opened nor run.

    Args:
      path: the folder with `saved_model.pb` or `variables/`, a folder with one checkpoint, or a
        checkpoint's prefix, with or without `.index`.

    Returns:
      Arrays by the variables' own names, e.g. "conv1/kernel" (or their path among the model's
      objects, where the object graph does not tell); without the optimizer's.

    Raises:
      MissingExtraError: if TensorFlow is not installed.
      WeightsFileError: if the checkpoint is absent.
      ValueError: if it is damaged.
    """
    prefix = checkpoint_prefix(path)
    if prefix is None:
        raise WeightsFileError(
            f"{path}: no TensorFlow checkpoint here; expected variables/variables.index, one "
            "*.index file, or the prefix of one."
        )
    require("a TensorFlow checkpoint", "tensorflow", extra="tensorflow")
    return _read(importlib.import_module("tensorflow"), path, prefix)


def checkpoint_prefix(path: Path) -> Path | None:
    """Find the checkpoint that a path means.

    Args:
      path: a folder, or a prefix with or without `.index`.

    Returns:
      The prefix that TensorFlow takes, or None where there is no one checkpoint.
    """
    if path.is_dir():
        places = [path / "variables" / "variables.index", *path.glob("*.index")]
        found = [place for place in places if place.is_file()]
        one = found[:1] if places[0].is_file() else found
        return one[0].with_suffix("") if len(one) == 1 else None
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    return path if Path(f"{path}.index").is_file() else None


def _read(tensorflow: Any, path: Path, prefix: Path) -> dict[str, np.ndarray]:
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        kept = _weights(reader, shapes)
        budget = Budget(path, sum(p.stat().st_size for p in prefix.parent.glob(f"{prefix.name}.*")))
        dtypes = reader.get_variable_to_dtype_map()
        for key in kept:
            budget.take(math.prod(shapes[key]) * dtypes[key].size, repr(key))
        return _named({key: _numbers(reader.get_tensor(key)) for key in kept}, kept)
    except tensorflow.errors.OpError as error:
        raise ValueError(error.message) from error


def _weights(reader: Any, shapes: dict[str, Any]) -> dict[str, str]:
    # Checkpoint key to flat name, for the numeric variables that are no state of training.
    dtypes = reader.get_variable_to_dtype_map()
    own = _own_names(reader) if OBJECT_GRAPH in shapes else {}
    kept = {}
    for key in sorted(shapes):
        name = own.get(key, key.removesuffix(VALUE))
        slot = SLOTS.fullmatch(key)
        is_state = NOT_WEIGHTS.fullmatch(key.removesuffix(VALUE)) or NOT_WEIGHTS.fullmatch(name)
        numeric = dtypes[key].is_floating or dtypes[key].is_integer or dtypes[key].is_bool
        if numeric and not is_state and not (slot and slot[1] in shapes):
            kept[key] = name
    return kept


def _named(arrays: dict[str, np.ndarray], names: dict[str, str]) -> dict[str, np.ndarray]:
    # An exported Keras model saves each variable twice; two variables may also bear one name.
    named: dict[str, np.ndarray] = {}
    for key, array in arrays.items():
        known = named.setdefault(names[key], array)
        if known.dtype != array.dtype or not np.array_equal(known, array, equal_nan=True):
            named[key.removesuffix(VALUE)] = array
    return named


def _own_names(reader: Any) -> dict[str, str]:
    protocol = importlib.import_module("tensorflow.core.protobuf.trackable_object_graph_pb2")
    graph = protocol.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(OBJECT_GRAPH))
    return {
        attribute.checkpoint_key: attribute.full_name
        for node in graph.nodes
        for attribute in node.attributes
        if attribute.full_name
    }


def _numbers(values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
