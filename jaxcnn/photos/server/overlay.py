"""Lay over a small picture of a photo what the network looked at, and say it in words.

What speaks for the class stays as it is and the rest is darkened, so that the map needs no colour;
a white line surrounds what is at least half as strong as the strongest place.
"""

import math
import threading
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.encode import encode_image
from jaxcnn.data.opening import upright_size
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.interpret.class_activation import evidence_maps
from jaxcnn.interpret.place import locate, name_place
from jaxcnn.runs.classifier import Classifier
from jaxcnn.training.preprocessing import network_input
from jaxcnn.types import PyTree

_SIZE_PX = 192  # of the map; the browser scales it to the picture's size
_DARKEST = 170  # of 255

# (a photo's file, class) to (h, w) float32, >= 0, over what the network sees, and how much of that
# the photo's central square is, as `view_share` gives
Explain = Callable[[bytes, int], tuple[np.ndarray, tuple[float, float]]]


class Overlay(NamedTuple):
    """What the network looked at in a photo, to be laid over it."""

    map_png: bytes  # to be laid over the photo's central square: transparent where evidence lies
    words: str
    is_low: bool  # whether the evidence lies in the photo's lower third


def view_share(width: int, height: int, preprocessing: Preprocessing) -> tuple[float, float]:
    """Compute which part of what the network sees the central square of a photo is.

    Both have the photo's centre as theirs.

    Args:
      width: of the photo, in pixels.
      height: likewise.
      preprocessing: how it becomes what the network takes.

    Returns:
      The square's width and height, those of the view being 1.

    Example:
      >>> from jaxcnn.data import Decoding
      >>> squashed = Preprocessing(decoding=Decoding(256, "squash"), image_size_px=128)
      >>> view_share(400, 200, squashed)
      (1.0, 2.0)
    """
    stored, seen = (
        shape[1::-1] for shape in (preprocessing.decoding.image_shape, preprocessing.image_shape)
    )
    # Pixels of the photo per pixel of the stored image, across and down.
    steps = width / stored[0], height / stored[1]
    if preprocessing.decoding.mode != "squash":
        steps = (min(steps),) * 2 if preprocessing.decoding.mode == "crop" else (max(steps),) * 2
    side = min(width, height)
    return side / (steps[0] * seen[0]), side / (steps[1] * seen[1])


def draw_overlay(
    evidence: np.ndarray, share: tuple[float, float], *, size_px: int = _SIZE_PX
) -> Overlay:
    """Draw a class activation map over the central square of a photo.

    Args:
      evidence: (h, w) float32, >= 0, over what the network sees.
      share: as `view_share` gives.
      size_px: side of the map.

    Returns:
      The map, and a sentence that says the same.
    """
    strength = _place(evidence, share, size_px)
    if strength.max() > 0:
        strength = strength / strength.max()
    pixels = np.zeros((size_px, size_px, 4), np.uint8)
    pixels[..., 3] = np.rint(_DARKEST * (1 - strength))
    pixels[_outline(strength >= 0.5)] = 255
    place = locate(strength)
    png = encode_image(pixels, "PNG", optimize=True)
    return Overlay(png, describe(strength), place is not None and place[0] == 2)


def describe(strength: np.ndarray) -> str:
    r"""Say where the evidence for a class lies.

    Args:
      strength: (H, W) in [0, 1].

    Returns:
      A sentence.

    Example:
      >>> describe(np.eye(9)[:, ::-1] * (np.arange(9) < 3))
      'Looked at the bottom left, 4\xa0% of the picture.'
    """
    strong, place = strength >= 0.5, locate(strength)
    if place is None:
        return "Nothing in this part of the photo speaks for it."
    percent = max(1, math.floor(100 * strong.mean() + 0.5))
    return f"Looked {name_place(*place)}, {percent}\N{NO-BREAK SPACE}% of the picture."


def _place(evidence: np.ndarray, share: tuple[float, float], size_px: int) -> np.ndarray:
    """Sample evidence at the pixels of the central square, between its own pixels linearly."""
    centred = (np.arange(size_px) + 0.5) / size_px - 0.5
    x, y = (0.5 + centred * s for s in share)
    down = _interpolation(y, evidence.shape[0])
    across = _interpolation(x, evidence.shape[1])
    return down @ evidence.astype(np.float64) @ across.T


def _interpolation(at: np.ndarray, count: int) -> np.ndarray:
    """(n, count) weights that take `count` samples over [0, 1] to places; outside all are 0."""
    position = np.clip(at * count - 0.5, 0, count - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(count)))
    return weights * ((at >= 0) & (at <= 1))[:, None]


def _outline(inside: np.ndarray) -> np.ndarray:
    """Find the pixels of a mask that have a neighbour outside it; the picture's edge is none."""
    padded = np.pad(inside, 2, mode="edge")
    eroded = np.ones_like(inside)
    for step in ((0, 2), (4, 2), (2, 0), (2, 4)):
        rows, columns = (slice(s, s + n) for s, n in zip(step, inside.shape, strict=True))
        eroded &= padded[rows, columns]
    return inside & ~eroded


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
        width, height = (1, 1) if is_cropped else upright_size(data)
        share = view_share(width, height, preprocessing)
        chosen = jnp.asarray(class_id, jnp.int32)
        with lock:
            maps = [np.asarray(compiled(v, image, chosen)) for v in classifier.members]
        return np.mean(maps, axis=0), share

    return explain
