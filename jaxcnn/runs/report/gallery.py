"""The photos of a run's page: each beside the map of what the network looked at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from PIL import Image

from jaxcnn.runs.report.answers import KeptAnswers
from jaxcnn.runs.report.shown_photos import KeptPhotos, choose_photos, to_pillow
from jaxcnn.runs.report.embedding import Picture, embed_photo

_MAP_COLOURS = "inferno"  # its brightness grows with the value, so that it reads without colour too
_LEAST_SHOWN, _MOST_SHOWN = 0.25, 0.7  # opacity of the map where it is 0 and where it is 1
_SMALLEST_PX = 96  # smaller photos are enlarged, each pixel to a square
_DOWN, _ACROSS = ("upper", "", "lower"), ("left", "", "right")


class Shown(NamedTuple):
    """A photo with what is said of it."""

    photo: Picture
    map: Picture | None
    name: str
    label: str
    answers: list[tuple[str, float]]  # the most probable classes, the first first
    is_right: bool


class Gallery(NamedTuple):
    """Photos of one kind, each kind's most telling first."""

    wrong: list[Shown]
    unsure: list[Shown]
    right: list[Shown]


def make_gallery(answers: KeptAnswers, photos: KeptPhotos, class_names: Sequence[str]) -> Gallery:
    """Put together the photos with their maps and what is said of them.

    Args:
      answers: to the test photos.
      photos: those kept, of `photos.keep_photos`.
      class_names: in the order of the labels.

    Returns:
      Those of the chosen photos that were kept.
    """
    place = {int(row): i for i, row in enumerate(photos.rows)}

    def shown(row: int) -> Shown:
        return _shown(answers, photos, class_names, row, place[row])

    return Gallery(
        *([shown(int(r)) for r in rows if int(r) in place] for rows in choose_photos(answers))
    )


def _shown(
    answers: KeptAnswers, photos: KeptPhotos, class_names: Sequence[str], row: int, i: int
) -> Shown:
    name, label = str(answers.names[row]), class_names[answers.labels[row]]
    ranked = [
        (class_names[c], float(p))
        for c, p in zip(answers.classes[row, :2], answers.probabilities[row], strict=False)
    ]
    image = _enlarged(photos.images[i])
    seen = None
    if len(photos.maps):
        alt = f"What speaks for {ranked[0][0]} in it: {place_words(photos.maps[i])}."
        seen = embed_photo(lay_over(image, photos.maps[i]), alt=alt, max_size_px=192)
    return Shown(
        photo=embed_photo(image, alt=f"Test photo {name}, labelled {label}.", max_size_px=192),
        map=seen,
        name=name,
        label=label,
        answers=ranked,
        is_right=bool(answers.right[row]),
    )


def lay_over(image: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """Lay a class activation map over its photo: dark where nothing counts, bright where it does.

    Args:
      image: (H, W, C) uint8, C being 1 or 3.
      activation: (h, w) float32 in [0, 1].

    Returns:
      (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    enlarged = Image.fromarray(activation.astype(np.float32)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    values = np.clip(np.asarray(enlarged), 0.0, 1.0)
    colours = colormaps[_MAP_COLOURS](values)[..., :3]
    grey = np.asarray(to_pillow(image).convert("L"), np.float32)[..., None] / 255
    opacity = (_LEAST_SHOWN + (_MOST_SHOWN - _LEAST_SHOWN) * values)[..., None]
    blended = (1 - opacity) * grey + opacity * colours
    return np.rint(255 * blended).astype(np.uint8)


def place_words(activation: np.ndarray) -> str:
    """Say in words where a map is brightest.

    Args:
      activation: (h, w) in [0, 1].

    Returns:
      Words that go on a sentence.

    Example:
      >>> place_words(np.eye(3, dtype=np.float32)[:1])
      'most at the left'
      >>> place_words(np.zeros((3, 3), np.float32))
      'nothing'
    """
    if not activation.max() > 0:
        return "nothing"
    row, column = np.unravel_index(int(activation.argmax()), activation.shape)
    thirds = [
        min(2, int(3 * (at + 0.5) / size))
        for at, size in zip((row, column), activation.shape, strict=True)
    ]
    words = " ".join(filter(None, (_DOWN[thirds[0]], _ACROSS[thirds[1]])))
    if "upper" not in words and "lower" not in words:
        return f"most at the {words}" if words else "most in the middle"
    return f"most at the {words.replace('upper', 'top').replace('lower', 'bottom')}"


def _enlarged(image: np.ndarray) -> np.ndarray:
    factor = -(-_SMALLEST_PX // max(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
