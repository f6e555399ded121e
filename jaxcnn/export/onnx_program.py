"""The classifier in ONNX, by jax2onnx; the extra `jaxcnn[onnx]` has what that needs.

jax2onnx itself comes by `pip install --no-deps jax2onnx`: it asks for an orbax-checkpoint older
than this package's, without using it here.

jax2onnx writes `lax`'s windowed reductions as pooling over all dimensions of the array, which
ONNX Runtime has for three at most. Pooling here is over height and width alone, so each such node
becomes the pooling of two dimensions that every runtime has, between two transpositions. That is
the form of jax2onnx 0.17's nodes; where another version writes others, or the runtime does not run
the model to the classifier's answers, pooling is converted once more as slices and maxima.

Source: ONNX operators MaxPool and Transpose, opset 13 and later; jax2onnx 0.17.
"""

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from jaxcnn.export.program import ExportError, answer_function, check_program
from jaxcnn.export.standalone import LOADERS
from jaxcnn.host.extras import MissingExtraError, require
from jaxcnn.ops.lowering import stock_ops
from jaxcnn.runs.classifier import Classifier

logger = logging.getLogger(__name__)

_MOST_BYTES = 2**31  # of one message of Protocol Buffers


def check_installed() -> None:
    """Refuse where the extra is not installed.

    Raises:
      ValueError: if a package is missing.
    """
    require("the format onnx", "onnx", "onnxruntime", extra="onnx")
    if importlib.util.find_spec("jax2onnx") is None:
        raise MissingExtraError(
            "the format onnx needs jax2onnx, which its extra cannot bring; "
            "run pip install --no-deps jax2onnx."
        )


def to_onnx(classifier: Classifier) -> bytes:
    """Convert a classifier, for any number of images.

    Args:
      classifier: a trained network, or several.

    Returns:
      An ONNX model from "images" to "probabilities", and "scores" where the classifier keeps
      known photos, its weights inside.

    Raises:
      ValueError: if the extra is not installed.
      ExportError: if the network cannot be converted, or the model's answers are not its own.
    """
    check_installed()
    try:
        with stock_ops():
            return _convert(classifier, _pool_two_dimensions)
    except ExportError as error:
        logger.info(f"converting again, with pooling as slices: {error.__cause__!r}")
    with stock_ops(windows_as_slices=True):
        return _convert(classifier, lambda graph: None)


def _convert(classifier: Classifier, adapt: Callable[[Any], None]) -> bytes:
    """Convert a classifier as its operations are traced now, and compare the answers."""
    import jax2onnx

    (batch,) = jax_export.symbolic_shape("b")
    shape = (batch, *classifier.preprocessing.decoding.image_shape)
    images = jax.ShapeDtypeStruct(shape, jnp.uint8)
    network = classifier.config.network.model
    try:
        # The converter adds arrays of different ranks, also where the user forbids it.
        with jax.numpy_rank_promotion("allow"):
            model = jax2onnx.to_onnx(
                answer_function(classifier),
                [images],
                model_name=network,
                input_names=["images"],
                output_names=["probabilities", "scores"][
                    : 1 + (classifier.known_photos is not None)
                ],
            )
        adapt(model.graph)
        if model.ByteSize() >= _MOST_BYTES:
            raise ExportError("the model is larger than the 2 GiB that one ONNX file may have.")
        data: bytes = model.SerializeToString()
        check_program("onnx", LOADERS["onnx"](data), classifier)
    except Exception as error:  # converter and runtime raise whatever an operation leads them to
        raise ExportError(
            f"jax2onnx cannot convert {network} ({type(error).__name__}: {error}); leave onnx out "
            "of formats."
        ) from error
    return data


def describe(path: Path) -> dict[str, Any]:
    """Tell which version of the operators a model needs, after a check of all of it."""
    import onnx

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return {"opset": max(each.version for each in model.opset_import if not each.domain)}


def _pool_two_dimensions(graph: Any) -> None:
    """Write each MaxPool over (N, H, W, C), as if all were lengths, as one over (N, C, H, W)."""
    from onnx import helper, numpy_helper

    nodes = []
    for node in graph.node:
        given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "MaxPool" and len(given["kernel_shape"]) == 4:
            nodes += _pooling_of_images(node, given)
        else:
            nodes.append(node)
    if len(nodes) > len(graph.node):
        graph.initializer.append(numpy_helper.from_array(np.array([0, 1]), _LEADING))
    del graph.node[:]
    graph.node.extend(nodes)


_LEADING = "leading_axes"


def _pooling_of_images(node: Any, given: dict[str, Any]) -> list[Any]:
    """Give the nodes that pool (1, 1, N, H, W, C) over H and W as `node` says."""
    from onnx import helper

    if given["kernel_shape"][0] != 1 or given["kernel_shape"][3] != 1:
        raise ExportError(f"pooling over {given['kernel_shape']} is not over height and width.")
    options = {"kernel_shape": given["kernel_shape"][1:3], "strides": given["strides"][1:3]}
    if "pads" in given:
        options["pads"] = [given["pads"][i] for i in (1, 2, 5, 6)]
    inner = [f"{node.name}_{step}" for step in ("channels_first", "images", "pooled", "boxed")]
    return [
        helper.make_node("Transpose", [node.input[0]], [inner[0]], perm=(0, 1, 2, 5, 3, 4)),
        helper.make_node("Squeeze", [inner[0], _LEADING], [inner[1]]),
        helper.make_node("MaxPool", [inner[1]], [inner[2]], name=node.name, **options),
        helper.make_node("Unsqueeze", [inner[2], _LEADING], [inner[3]]),
        helper.make_node("Transpose", [inner[3]], [node.output[0]], perm=(0, 1, 2, 4, 5, 3)),
    ]
