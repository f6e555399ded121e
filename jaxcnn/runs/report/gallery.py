"""The photos of a run's page: each beside the map of what the network looked at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxcnn.interpret.place import locate, name_place
from jaxcnn.plots import overlay
from jaxcnn.runs.report.answers import CachedAnswers
from jaxcnn.runs.report.embedding import Picture, embed_photo
from jaxcnn.runs.report.shown_photos import ByKind, CachedPhotos, choose_photos

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
    answers: CachedAnswers, photos: CachedPhotos, class_names: Sequence[str]
) -> ByKind[list[Shown]]:
    """Put together the photos with their maps and what is said of them.

    Args:
      answers: to the test photos.
      photos: those kept, of `shown_photos.cache_photos`.
      class_names: in the order of the labels.

    Returns:
      Those of the chosen photos that were kept.
    """
    kept = {int(row): i for i, row in enumerate(photos.rows)}

    def show(row: int) -> Shown:
        name, label = str(answers.names[row]), class_names[answers.labels[row]]
        most = zip(answers.classes[row, :2], answers.probabilities[row], strict=False)
        ranked = [(class_names[c], float(p)) for c, p in most]
        image, seen = _enlarged(photos.images[kept[row]]), None
        if len(photos.maps):
            evidence = photos.maps[kept[row]]
            place = locate(evidence)
            where = "nothing" if place is None else f"mostly {name_place(*place)}"
            alt = f"What speaks for {ranked[0][0]} in it: {where}."
            seen = embed_photo(_lay_over(image, evidence), alt=alt, max_size_px=192)
        alt = f"Test photo {name}, labelled {label}."
        photo = embed_photo(image, alt=alt, max_size_px=192)
        return Shown(photo, seen, name, label, ranked, bool(answers.right[row]))

    chosen = choose_photos(answers)
    return ByKind(*([show(row) for row in rows.tolist() if row in kept] for rows in chosen))


def _lay_over(image: np.ndarray, activation: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    resized = Image.fromarray(activation).resize((width, height), Image.Resampling.BICUBIC)
    return np.rint(255 * overlay(image, np.asarray(resized))).astype(np.uint8)


def _enlarged(image: np.ndarray) -> np.ndarray:
    factor = -(-_SMALLEST_PX // max(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
