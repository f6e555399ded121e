"""The photos of a run's page: each beside the map of what the network looked at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxcnn.interpret.place import locate, name_place
from jaxcnn.plots import overlay
from jaxcnn.runs.report.answers import KeptAnswers
from jaxcnn.runs.report.embedding import Picture, embed_photo
from jaxcnn.runs.report.shown_photos import ByKind, KeptPhotos, choose_photos

_SMALLEST_PX = 96  # smaller photos are enlarged, each pixel to a square


class Shown(NamedTuple):
    """A photo with what is said of it."""

    photo: Picture
    map: Picture | None
    name: str
    label: str
    answers: list[tuple[str, float]]  # the most probable classes, most probable first
    is_right: bool


def make_gallery(
    answers: KeptAnswers, photos: KeptPhotos, class_names: Sequence[str]
) -> ByKind[list[Shown]]:
    """Put together the photos with their maps and what is said of them.

    Args:
      answers: to the test photos.
      photos: those kept, of `shown_photos.keep_photos`.
      class_names: in the order of the labels.

    Returns:
      Those of the chosen photos that were kept.
    """
    place = {int(row): i for i, row in enumerate(photos.rows)}

    chosen = ([int(row) for row in rows if int(row) in place] for rows in choose_photos(answers))
    return ByKind(
        *([_shown(answers, photos, class_names, r, place[r]) for r in rows] for rows in chosen)
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
        place = locate(photos.maps[i])
        where = "nothing" if place is None else f"mostly {name_place(*place)}"
        alt = f"What speaks for {ranked[0][0]} in it: {where}."
        seen = embed_photo(_lay_over(image, photos.maps[i]), alt=alt, max_size_px=192)
    return Shown(
        photo=embed_photo(image, alt=f"Test photo {name}, labelled {label}.", max_size_px=192),
        map=seen,
        name=name,
        label=label,
        answers=ranked,
        is_right=bool(answers.right[row]),
    )


def _lay_over(image: np.ndarray, activation: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    resized = Image.fromarray(activation).resize((width, height), Image.Resampling.BICUBIC)
    return np.rint(255 * overlay(image, np.asarray(resized))).astype(np.uint8)


def _enlarged(image: np.ndarray) -> np.ndarray:
    factor = -(-_SMALLEST_PX // max(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
