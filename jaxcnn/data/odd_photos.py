"""Photos that look unlike photos: blank, too dark, too bright, too small, too long.

The bounds are chosen so that few photos are listed and nearly all of them are worth a look; the
comments say what they mean. Nothing is left out by them: a person decides.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.data.opening import upright_size
from jaxcnn.data.source import Source
from jaxcnn.data.workers import in_threads

# Of the grey values of the stored square, white being 1.
LEAST_DEVIATION = 0.02  # 5 of 255 levels: an even area with noise, a lens cap, an empty page
LEAST_MEAN = 0.06  # 15 of 255 levels: hardly anything can be seen on a screen
MOST_MEAN = 0.97  # 247 of 255 levels: less than a thirtieth of a white page is covered
# Of the photo as it is stored in its file.
MOST_ENLARGED = 4.0  # times, of its shorter side, to the stored square: all edges are soft
MOST_ASPECT = 3.0  # the central square that a network sees is then less than a third of the photo

_CHUNK = 64  # photos whose pixels are looked at together


class Looks(NamedTuple):
    """What is measured of a photo."""

    mean: float  # of its grey values, in [0, 1]
    deviation: float  # of the same
    width_px: int
    height_px: int
    stored_px: int = 0  # shorter side of the image that it is stored as


def odd_reasons(looks: Looks) -> list[str]:
    """Say what is odd about a photo, the worst first; nothing of most photos.

    Example:
      >>> odd_reasons(Looks(0.5, 0.25, 640, 480, 256))
      []
      >>> odd_reasons(Looks(0.01, 0.005, 640, 40, 256))
      ['blank', 'too dark', 'small: 640 x 40 pixels', 'long: 16 times as wide as high']
    """
    short, long = sorted((looks.width_px, looks.height_px))
    ways = ("wide", "high") if looks.width_px > looks.height_px else ("high", "wide")
    found = (
        (looks.deviation < LEAST_DEVIATION, "blank"),
        (looks.mean < LEAST_MEAN, "too dark"),
        (looks.mean > MOST_MEAN, "too bright"),
        (
            0 < short * MOST_ENLARGED < looks.stored_px,
            f"small: {looks.width_px} x {looks.height_px} pixels",
        ),
        (
            long > MOST_ASPECT * short > 0,
            f"long: {long / max(short, 1):.2g} times as {ways[0]} as {ways[1]}",
        ),
    )
    return [reason for applies, reason in found if applies]


def measure_looks(
    split: ImageSplit,
    source: Source | None,
    *,
    num_workers: int = 2,
    on_photos: Callable[[int], object] = lambda count: None,
) -> list[Looks | None]:
    """Measure every photo of a split.

    Args:
      split: its images.
      source: the same photos as they are stored, in the same order; None where they are as the
        split has them.
      num_workers: threads that read the photos' sizes.
      on_photos: called with the number of photos measured since the last call.

    Returns:
      N measures, None where there is no image.
    """
    height, width = split.image_shape[:2]
    stored_px = min(height, width)
    sizes = [(width, height)] * len(split)
    if source is not None and len(split):
        sizes = list(in_threads(lambda i: _size_of(source, i), len(split), num_workers, False))
    found: list[Looks | None] = []
    for start in range(0, len(split), _CHUNK):
        images, present = split.gather(np.arange(start, min(start + _CHUNK, len(split))))
        grey = images.astype(np.float32).mean(axis=3) / 255
        rows = zip(grey.mean((1, 2)).tolist(), grey.std((1, 2)).tolist(), present, strict=True)
        for number, (mean, deviation, is_there) in enumerate(rows, start):
            found.append(Looks(mean, deviation, *sizes[number], stored_px) if is_there else None)
        on_photos(len(images))
    return found


def _size_of(source: Source, i: int) -> tuple[int, int]:
    """Read a photo's width and height; (0, 0) where that fails, as its decoding has told."""
    try:
        image = source[i].image
        return upright_size(image) if isinstance(image, bytes) else image.shape[1::-1]
    except Exception:  # noqa: BLE001 - Pillow raises whatever broken bytes lead it to
        return 0, 0
