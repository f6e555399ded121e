"""A classifier as one program that needs nothing of this package: pixels in, probabilities out.

Where the classifier can say "none of these", the program gives each image's score too, by which
whoever runs it compares with the threshold.

What is exported is the evaluation's own arithmetic: the centre crop, the normalisation, the mirror
images where a run averages over them, the network with BatchNorm folded, the softmax or sigmoid,
and the mean over an ensemble's members. The number of images stays open. One program holds the
CPU's own way of computing and XLA's for every other platform, all of it in operations that XLA has
everywhere; only the calls of oneDNN, which are internal to a version of XLA, stay behind.

Decoding and resizing stay outside. `jax.export` could hold a resize of photos of any size, but it
would be compiled again for each size, which takes longer than all else, and would not round to 8
bits as the resize does that the network was trained behind.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from jaxcnn.export.standalone import Outputs
from jaxcnn.host.text import size
from jaxcnn.metrics.out_of_distribution import nearest_neighbours
from jaxcnn.ops.lowering import portable_ops
from jaxcnn.runs.classifier import Classifier
from jaxcnn.training.eval_step import make_predict
from jaxcnn.training.features import make_answer_step

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")

MOST_BYTES = 2**31  # of the flat buffer that `jax.export` writes

# Largest difference of a probability that rounding explains, by the arithmetic of the layers.
TOLERANCES = {"float32": 1e-5, "bfloat16": 5e-2, "float16": 5e-3}


class ExportError(ValueError):
    """What was asked for cannot be exported, or came out wrong; the message says why."""


def predict_function(classifier: Classifier) -> Callable[[jax.Array], jax.Array]:
    """Give a classifier's answer as a function of pixels alone, its weights inside.

    Args:
      classifier: a trained network, or several.

    Returns:
      (B, S, S, C) uint8, as `jaxcnn.Classifier.preprocess` gives each, to (B, K) float32.
    """
    predict = make_predict(classifier.model, classifier.preprocessing)
    members = jax.device_get(classifier.members)

    def probabilities(images: jax.Array) -> jax.Array:
        each = [predict(variables, images) for variables in members]
        return each[0] if len(each) == 1 else jnp.mean(jnp.stack(each), axis=0)

    return probabilities


def answer_function(
    classifier: Classifier,
) -> Callable[[jax.Array], jax.Array | tuple[jax.Array, jax.Array]]:
    """Give a classifier's whole answer as a function of pixels alone, its weights inside.

    Args:
      classifier: a trained network, or several.

    Returns:
      The function of `predict_function`; where the classifier keeps known photos, one to a tuple of
      its probabilities and of (B,) float32 scores.
    """
    known_photos = classifier.known_photos
    if known_photos is None:
        return predict_function(classifier)
    answer = make_answer_step(classifier.model, classifier.preprocessing)
    members = jax.device_get(classifier.members)

    def probabilities_and_scores(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        each = [answer(variables, images) for variables in members]
        probabilities = jnp.mean(jnp.stack([found for found, _ in each]), axis=0)
        return probabilities, nearest_neighbours(each[0][1], known_photos.reference)

    return probabilities_and_scores


def _check_size(classifier: Classifier) -> None:
    """Raise ExportError if the weights are too large for the file of a program."""
    total = sum(leaf.nbytes for leaf in jax.tree.leaves(classifier.members))
    if total >= MOST_BYTES:
        raise ExportError(
            f"the weights take {size(total)}; a program holds them, and takes less than "
            f"{size(MOST_BYTES)}. Export a smaller network, or predict with the run itself."
        )


def to_stablehlo(classifier: Classifier) -> jax_export.Exported:
    """Lower a classifier for all platforms at once, for any number of images.

    Args:
      classifier: a trained network, or several.

    Returns:
      The program, see `answer_function`; its `serialize()` is what `jax.export.deserialize` reads.

    Raises:
      ExportError: if the weights are too large for one file.
      ValueError: if the program would hold an operation of this machine alone.

    Example:
      exported = to_stablehlo(Classifier.load("runs/my_pets", compute_dtype="float32"))
      probabilities, scores = exported.call(images)
    """
    _check_size(classifier)
    (batch,) = jax_export.symbolic_shape("b")
    shape = (batch, *classifier.preprocessing.decoding.image_shape)
    images = jax.ShapeDtypeStruct(shape, jnp.uint8)

    def classify(images: jax.Array) -> Any:  # a name of its own in the program's text
        return answer_function(classifier)(images)

    with portable_ops():
        return jax_export.export(jax.jit(classify), platforms=PLATFORMS)(images)


def pattern_images(classifier: Classifier, count: int = 3) -> np.ndarray:
    """Draw images to compare programs by: noise of different brightness over a ramp.

    Args:
      classifier: whose input they are to be.
      count: how many.

    Returns:
      (count, S, S, C) uint8, the same at each call.
    """
    draws = np.random.default_rng(0)
    shape = (count, *classifier.preprocessing.decoding.image_shape)
    ramp = np.linspace(0, 1, shape[2])[:, None]
    brightness = draws.uniform(0.2, 1, (count, 1, 1, 1))
    return (255 * brightness * (draws.random(shape) + ramp) / 2).astype(np.uint8)


def check_program(name: str, program: Outputs, classifier: Classifier) -> float:
    """Compare a program that was written with the classifier it is of.

    Args:
      name: of the program, for the message.
      program: images to probabilities, and scores or None, as read back from its file.
      classifier: what it should equal.

    Returns:
      The largest difference of a probability.

    Raises:
      ExportError: if it, or that of a score, is more than rounding explains.
    """
    tolerance = TOLERANCES[classifier.config.network.compute_dtype]
    images = pattern_images(classifier)
    probabilities, scores = program(images)
    what = f"the {name} program's probabilities"
    difference = _compare(what, probabilities, classifier.probabilities(images), tolerance)
    if classifier.known_photos is not None:
        _, vectors = classifier.probabilities_and_features(images)
        own = nearest_neighbours(vectors, classifier.known_photos.reference)
        _compare(f"the {name} program's scores", _cosines(scores), _cosines(own), tolerance)
    return difference


def _cosines(scores: Any) -> np.ndarray:
    """Give the cosines behind distances, whose rounding a root makes large near 0."""
    return 1 - np.square(np.asarray(scores, np.float32)) / 2


def _compare(what: str, found: Any, expected: np.ndarray, tolerance: float) -> float:
    difference = float(np.abs(np.asarray(found, np.float32) - expected).max())
    if not difference <= tolerance:
        raise ExportError(
            f"{what} differ from the classifier's by {difference:.2g}, more than {tolerance:.2g}; "
            "nothing was written."
        )
    return difference
