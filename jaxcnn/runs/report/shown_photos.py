"""Which test photos the page shows, each beside the map of what the network looked at in it."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import jax
import numpy as np
from PIL import Image

from jaxcnn.data.encode import to_pillow
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.data.label_sets import label_sets, names_of_label
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.interpret import evidence_maps, to_unit_range
from jaxcnn.interpret.place import locate, name_place
from jaxcnn.models import StagedNetwork
from jaxcnn.plots import overlay
from jaxcnn.runs.figures import in_turn
from jaxcnn.runs.report.answers import CachedAnswers, read_arrays
from jaxcnn.runs.report.label_sets import CachedSets
from jaxcnn.runs.report.page import Picture, embed_photo
from jaxcnn.training.preprocessing import network_input, seen_part
from jaxcnn.types import PyTree

Chosen = TypeVar("Chosen")
NUM_WRONG, NUM_UNSURE, NUM_RIGHT, NUM_UNKNOWN = 12, 6, 6, 6
MOST_RIGHT = 24  # right answers, where there are more classes than `NUM_RIGHT`
_MAPS_AT_ONCE = 24
MAX_SIZE_PX = 192  # of a photo on the page
_SMALLEST_PX = 96  # smaller photos are enlarged, each pixel to a square


class ByKind(NamedTuple, Generic[Chosen]):
    """What is chosen of each kind of photos, the most telling first; no photo is in two."""

    wrong: Chosen  # the most confidently wrong
    unsure: Chosen  # the two most probable classes are closest
    right: Chosen  # the most confidently right of each class, in turn
    unknown: Chosen  # the least like the training photos, if they are none of the classes


class CachedPhotos(NamedTuple):
    """The photos that the page shows."""

    rows: np.ndarray  # (M,) int32, positions in the answers
    reasons: np.ndarray  # (M,) text, why a photo could not be read; "" where it could
    images: np.ndarray  # (M, H, W, C) uint8, as the network sees them, shrunk; 0 if unreadable
    maps: np.ndarray  # (M, h, w) float32 in [0, 1], of the predicted class; (0, 0, 0) without
    no_maps: np.ndarray  # () text, why there are none


class Shown(NamedTuple):
    """A photo with what is said of it."""

    photo: Picture | None  # None where it could not be read
    map: Picture | None
    reason: str  # why there is no photo
    name: str
    label: str
    answers: list[tuple[str, float]]  # the most probable classes, most probable first
    is_right: bool


def choose_photos(answers: CachedAnswers) -> ByKind[np.ndarray]:
    """Choose the photos that tell most.

    Args:
      answers: to the test photos.

    Returns:
      Their positions in the answers.
    """
    wrong = np.flatnonzero(~answers.right)
    worst = np.lexsort((answers.label_probability[wrong], -answers.confidence[wrong]))
    wrong = wrong[worst][:NUM_WRONG]
    right = np.flatnonzero(answers.right)
    right = right[np.argsort(-answers.confidence[right], kind="stable")]
    classes = len(np.unique(answers.labels[right]))
    right = right[in_turn(answers.labels[right])][: min(max(NUM_RIGHT, classes), MOST_RIGHT)]
    margin = answers.probabilities[:, 0] - answers.probabilities[:, 1]
    others = _without(_without(np.argsort(margin, kind="stable"), wrong), right)
    unsure = others[:NUM_UNSURE]
    unknown = _without(answers.unknown, np.concatenate([wrong, right, unsure]))[:NUM_UNKNOWN]
    return ByKind(wrong, unsure, right, unknown)


def choose_set_photos(answers: CachedSets) -> ByKind[np.ndarray]:
    """Choose the photos with several labels that tell most.

    Wrong are those with a probability furthest on the wrong side of its threshold, unsure those
    right ones with a probability closest to it.

    Args:
      answers: to the test photos.

    Returns:
      Their positions in the answers.
    """
    right = np.flatnonzero(answers.right)
    wrong = np.flatnonzero(~answers.right)
    wrong = wrong[np.argsort(-answers.furthest[wrong], kind="stable")][:NUM_WRONG]
    surest = right[np.argsort(-answers.margin[right], kind="stable")]
    sets = label_sets(answers.label_table[surest])
    num_shown = min(max(NUM_RIGHT, len(np.unique(sets))), MOST_RIGHT)
    surest = surest[in_turn(sets)][:num_shown]
    closest = right[np.argsort(answers.margin[right], kind="stable")]
    none = np.zeros(0, np.int64)
    return ByKind(wrong, _without(closest, surest)[:NUM_UNSURE], surest, none)


def _without(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return rows[~np.isin(rows, others)]


def cache_photos(
    answers: CachedAnswers | CachedSets,
    split: ImageSplit,
    preprocessing: Preprocessing,
    make_maps: Callable[[np.ndarray, np.ndarray], np.ndarray] | str,
) -> CachedPhotos:
    """Read the photos that the page shows, and map what the network saw in them.

    Args:
      answers: to the test photos.
      split: the test split.
      preprocessing: of the run.
      make_maps: (M, H, W, C) uint8 images and (M,) classes to (M, h, w) maps, as `map_maker` makes;
        or why there are none, in words. A ValueError of it is taken for such words.

    Returns:
      The photos, and of those that can no longer be read the reason.
    """
    if isinstance(answers, CachedSets):
        chosen = choose_set_photos(answers)
    else:
        chosen = choose_photos(answers)
    rows = np.concatenate(chosen).astype(np.int32)
    images, present = split.gather(answers.index[rows])
    reasons = _reasons(split, answers.names[rows], present)
    maps, reason = np.zeros((0, 0, 0), np.float32), ""
    if isinstance(make_maps, str):
        reason = make_maps
    elif len(rows):
        try:
            maps = make_maps(images, answers.classes[rows, 0])
        except ValueError as error:
            reason = str(error)
    seen = np.asarray(seen_part(images, preprocessing))
    return CachedPhotos(rows, reasons, _shrunk(seen), maps, np.array(reason))


def read_photos(path: Path) -> CachedPhotos:
    """Read what `cache_photos` gave; WorkdirError if the file is damaged.

    Runs of versions before 1.0 left out the photos that could not be read, and have no reasons.
    """
    rows, reasons, *others = read_arrays(path, CachedPhotos._fields, newer=("reasons",))
    return CachedPhotos(rows, np.full(len(rows), "") if reasons is None else reasons, *others)


def _reasons(split: ImageSplit, names: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Say of each photo why it cannot be read; "" where it can."""
    known = {each.name: each.reason for each in getattr(split, "skipped", ())}
    pairs = zip(names.tolist(), present.tolist(), strict=True)
    return np.array(
        ["" if there else known.get(name, "it can no longer be read.") for name, there in pairs],
        dtype=np.str_,
    )


def map_maker(
    model: StagedNetwork, variables: PyTree, preprocessing: Preprocessing
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Make the function from images to maps of what speaks for a class; compiled when called.

    Args:
      model: the run's network.
      variables: {"params": ..., "batch_stats": ...}.
      preprocessing: of the run.

    Returns:
      (M, H, W, C) uint8 images of the stored size and (M,) classes to (M, h, w) float32 in [0, 1],
      of the centre that the network sees. Its ValueError says why a network has no maps.
    """

    def make(images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        # Variables may lie on several devices; a few photos need but one.
        here = jax.tree.map(np.asarray, jax.device_get(variables))
        # However many photos there are, the program is the same, and found in JAX's caches.
        padding = -len(images) % _MAPS_AT_ONCE
        images = np.pad(images, ((0, padding), (0, 0), (0, 0), (0, 0)))
        classes = np.pad(classes.astype(np.int32), (0, padding))
        found = [
            _maps(
                here,
                images[start : start + _MAPS_AT_ONCE],
                classes[start : start + _MAPS_AT_ONCE],
                model=model,
                preprocessing=preprocessing,
            )
            for start in range(0, len(images), _MAPS_AT_ONCE)
        ]
        return np.concatenate(found)[: len(images) - padding]

    return make


@functools.partial(jax.jit, static_argnames=("model", "preprocessing"))
def _maps(
    variables: PyTree,
    images: jax.Array,
    classes: jax.Array,
    *,
    model: StagedNetwork,
    preprocessing: Preprocessing,
) -> jax.Array:
    inputs = network_input(images, preprocessing)
    return to_unit_range(evidence_maps(model, variables, inputs, classes))


def _shrunk(images: np.ndarray) -> np.ndarray:
    scale = MAX_SIZE_PX / max(images.shape[1:3])
    if scale >= 1 or not len(images):
        return images
    height, width = (max(1, round(side * scale)) for side in images.shape[1:3])
    size = (width, height)
    shrunk = [np.asarray(to_pillow(image).resize(size, Image.Resampling.BOX)) for image in images]
    return np.stack(shrunk).reshape(len(images), height, width, -1)


def make_gallery(
    answers: CachedAnswers, photos: CachedPhotos, class_names: Sequence[str]
) -> ByKind[list[Shown]]:
    """Put together the photos with their maps and what is said of them.

    Args:
      answers: to the test photos.
      photos: those kept, of `cache_photos`.
      class_names: in the order of the labels.

    Returns:
      The chosen photos; those that were not kept by an older version are left out.
    """

    def show(row: int, kept: int) -> Shown:
        most = zip(answers.classes[row, :2], answers.probabilities[row], strict=False)
        ranked = [(class_names[c], float(p)) for c, p in most]
        name, label = str(answers.names[row]), class_names[answers.labels[row]]
        is_right = bool(answers.right[row])
        return _show(photos, kept, Shown(None, None, "", name, label, ranked, is_right))

    return _shown_of(choose_photos(answers), photos, show)


def make_set_gallery(
    answers: CachedSets, photos: CachedPhotos, class_names: Sequence[str]
) -> ByKind[list[Shown]]:
    """Put together photos with several labels, see `make_gallery`.

    Args:
      answers: to the test photos.
      photos: those kept, of `cache_photos`.
      class_names: in the order of the labels.

    Returns:
      The chosen photos; `label` names all true labels, `answers` those that are given.
    """

    def show(row: int, kept: int) -> Shown:
        known = zip(answers.classes[row].tolist(), answers.probabilities[row], strict=True)
        given = [(class_names[c], float(p)) for c, p in known if answers.set_table[row, c]]
        name, label = str(answers.names[row]), names_of_label(answers.label_table[row], class_names)
        shown = Shown(None, None, "", name, label or "none", given, bool(answers.right[row]))
        return _show(photos, kept, shown, class_names[answers.classes[row, 0]])

    return _shown_of(choose_set_photos(answers), photos, show)


def _shown_of(
    chosen: ByKind[np.ndarray], photos: CachedPhotos, show: Callable[[int, int], Shown]
) -> ByKind[list[Shown]]:
    kept = {int(row): i for i, row in enumerate(photos.rows)}
    return ByKind(
        *([show(row, kept[row]) for row in rows.tolist() if row in kept] for rows in chosen)
    )


def _show(photos: CachedPhotos, kept: int, shown: Shown, mapped: str | None = None) -> Shown:
    """Add the pictures of a photo, or why there are none; `mapped` names the class of its map."""
    if reason := str(photos.reasons[kept]):
        return shown._replace(reason=reason)
    image, seen = _enlarged(photos.images[kept]), None
    if len(photos.maps):
        evidence = photos.maps[kept]
        place = locate(evidence)
        where = "nothing" if place is None else f"mostly {name_place(*place)}"
        alt = f"What speaks for {mapped or shown.answers[0][0]} in it: {where}."
        seen = embed_photo(_lay_over(image, evidence), alt=alt, max_size_px=MAX_SIZE_PX)
    alt = f"Test photo {shown.name}, labelled {shown.label}."
    photo = embed_photo(image, alt=alt, max_size_px=MAX_SIZE_PX)
    return shown._replace(photo=photo, map=seen)


def _lay_over(image: np.ndarray, activation: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    resized = Image.fromarray(activation).resize((width, height), Image.Resampling.BICUBIC)
    return np.rint(255 * overlay(image, np.asarray(resized))).astype(np.uint8)


def _enlarged(image: np.ndarray) -> np.ndarray:
    factor = -(-_SMALLEST_PX // max(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
