"""Where in a photo a classifier sees a class, as a map over what the network looked at."""

import threading
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.decode import decode_image
from jaxcnn.interpret.class_activation import evidence_maps
from jaxcnn.photos.server.overlay import view_share
from jaxcnn.runs.classifier import Classifier
from jaxcnn.training.preprocessing import network_input
from jaxcnn.types import PyTree

# (a photo's file, class) to (h, w) float32, >= 0, over what the network sees, and how much of that
# the photo's central square is, as `overlay.view_share` gives
Explain = Callable[[bytes, int], tuple[np.ndarray, tuple[float, float]]]


def make_explain(classifier: Classifier) -> Explain:
    """Build the class activation maps of a classifier, compiled at the first use.

    Args:
      classifier: of several networks the maps are averaged, as their probabilities are.

    Returns:
      explain(data, class_id); it raises DecodeError if the file is no photo.
    """
    preprocessing = classifier.preprocessing

    def evidence(variables: PyTree, image: jax.Array, class_id: jax.Array) -> jax.Array:
        view = network_input(image[None], preprocessing)
        return evidence_maps(classifier.model, variables, view, class_id[None])[0]

    compiled = jax.jit(evidence)
    lock = threading.Lock()  # one at a time: a second one would only take memory

    def explain(data: bytes, class_id: int) -> tuple[np.ndarray, tuple[float, float]]:
        image = classifier.preprocess(data)
        # Where the photo is cropped its shape does not matter.
        is_cropped = preprocessing.decoding.mode == "crop"
        height, width = (1, 1) if is_cropped else decode_image(data).shape[:2]
        share = view_share(width, height, preprocessing)
        chosen = jnp.asarray(class_id, jnp.int32)
        with lock:
            maps = [np.asarray(compiled(v, image, chosen)) for v in classifier.members]
        return np.mean(maps, axis=0), share

    return explain
