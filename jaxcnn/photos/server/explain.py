"""Where in a photo a classifier sees a class, as a map over what the network looked at."""

import threading
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.decode import decode_image
from jaxcnn.interpret.class_activation import evidence_maps
from jaxcnn.photos.server.overlay import view_share
from jaxcnn.runs.build import network_input
from jaxcnn.runs.classifier import Classifier
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
    config = classifier.config

    def evidence(variables: PyTree, image: jax.Array, class_id: jax.Array) -> jax.Array:
        view = network_input(config.data, image[None])
        return evidence_maps(classifier.model, variables, view, class_id[None])[0]

    compiled = jax.jit(evidence)
    lock = threading.Lock()  # one at a time: a second one would only take memory

    def explain(data: bytes, class_id: int) -> tuple[np.ndarray, tuple[float, float]]:
        image = classifier.preprocess(data)
        # Where the photo is cropped its shape does not matter.
        is_cropped = config.data.resize_mode == "crop"
        height, width = (1, 1) if is_cropped else decode_image(data).shape[:2]
        share = view_share(
            width,
            height,
            stored_size_px=config.data.stored_size_px,
            image_size_px=config.data.image_size_px,
            resize_mode=config.data.resize_mode,
        )
        chosen = jnp.asarray(class_id, jnp.int32)
        with lock:
            maps = [np.asarray(compiled(v, image, chosen)) for v in classifier.members]
        return np.mean(maps, axis=0), share

    return explain
