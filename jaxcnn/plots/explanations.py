"""Photos with what speaks for a class laid over them."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_labels, check_lengths
from jaxcnn.plots.photo_layout import CaptionLine, Photos, Tile, photo_rows, to_rgb
from jaxcnn.plots.style import GREY
from jaxcnn.plots.text import drawable_names, quoted

_MAX_PHOTOS = 24
_NOTHING = CaptionLine("nothing speaks for it", color=GREY)
_LEAST_SIDE = 200  # px of a photo that lines are drawn on
_STRENGTH = 0.75  # opacity of the heat where a map is greatest


@writes_png
def plot_explanations(
    images: Photos,
    classes: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    *,
    probabilities: Sequence[float] | np.ndarray,
    maps: Mapping[str, np.ndarray],
    attributions: Mapping[str, np.ndarray] | None = None,
) -> Figure:
    """Draw one row per photo: as it is, with heat maps laid over it, and with attributions beside.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos, as the network sees them.
      classes: (N,) the class that each row is about.
      class_names: the name of each class.
      probabilities: (N,) of that class.
      maps: (N, H, W) for each name, >= 0 after clipping; each is scaled to its own greatest value
        and laid over the photo, with a line around what is at least half of that.
      attributions: (N, H, W, C) for each name, of either sign; drawn by their size, clipped at the
        99th percentile.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ, are zero or exceed 24 photos, or an argument is out of
        contract.

    Example:
      >>> photos, maps = np.zeros((2, 8, 8, 3), np.uint8), np.ones((2, 8, 8))
      >>> path = plot_explanations(
      ...     "explanations.png",
      ...     photos,
      ...     classes=[0, 1],
      ...     class_names=["cat", "dog"],
      ...     probabilities=[0.9, 0.7],
      ...     maps={"Grad-CAM": maps},
      ... )
    """
    attributions = attributions or {}
    check_lengths(_MAX_PHOTOS, images=images, classes=classes, probabilities=probabilities)
    check_lengths(images=images, **maps, **attributions)
    names, asked = drawable_names(class_names), check_labels(classes, len(class_names))
    rows = []
    for i, image in enumerate(images):
        said = CaptionLine(names[asked[i]], after=" " + percent(probabilities[i]), weight="bold")
        tiles = [Tile(image, [said])]
        for each in maps.values():
            caption = [] if np.nanmax(each[i]) > 0 else [_NOTHING]
            tiles.append(Tile(overlay(*_enlarged(image, each[i])), caption))
        tiles += [Tile(_sizes(each[i])) for each in attributions.values()]
        rows.append(("", tiles))
    title = f"What speaks for the class, in {counted(len(images), 'photo')}"
    if len(set(asked.tolist())) == 1:
        title = f"Where the network sees {quoted(names[asked[0]])}"
    return photo_rows(
        rows,
        title=title,
        note="Bright counts most for the class named; a white line surrounds half of that or more",
        headings=["photo", *maps, *attributions],
        size=2.1,
        aside=0.2,
    )


def _enlarged(image: np.ndarray, heat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the pixels of a small photo and its map, so that the line around is a thin one."""
    factor = max(1, _LEAST_SIDE // min(np.shape(image)[:2]))
    large, hot = (x.repeat(factor, axis=0).repeat(factor, axis=1) for x in (image, heat))
    return large, hot


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map over a photo, as heat and with a line around what is at least half its greatest.

    Args:
      image: (H, W, C) photo.
      heat: (H, W) floating; below 0 counts as 0.

    Returns:
      (H, W, 3) float32 in [0, 1]; the grey photo where the map is nowhere above 0.

    Raises:
      ValueError: if the map is not of the photo's size.

    Example:
      >>> photo, heat = np.zeros((8, 8, 3), np.uint8), np.eye(8)
      >>> overlay(photo, heat).shape
      (8, 8, 3)
    """
    photo = to_rgb(image).astype(np.float32) / 255
    if heat.shape != photo.shape[:2]:
        raise ValueError(f"a map is {heat.shape} over a photo of {photo.shape[:2]}; resize it.")
    share = np.clip(np.nan_to_num(heat), 0, None)
    share = share / (share.max() or 1)
    # Grey, so that no colour of the photo is taken for heat.
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    colour = mpl.colormaps["inferno"](share)[..., :3].astype(np.float32)
    opacity = (_STRENGTH * np.sqrt(share))[..., None].astype(np.float32)
    blended = grey * (1 - opacity) + colour * opacity
    blended[_outline(share >= 0.5)] = 1.0
    return blended


def _outline(inside: np.ndarray) -> np.ndarray:
    """Mark the pixels of an area that have a neighbour outside."""
    if not inside.any() or inside.all():
        return np.zeros_like(inside)
    padded = np.pad(inside, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return inside & ~np.logical_and.reduce(neighbours)


def _sizes(values: np.ndarray) -> np.ndarray:
    """Draw how much each pixel brings, whichever way: the more the brighter."""
    size = np.abs(np.nan_to_num(values)).sum(axis=-1)
    return np.clip(size / (np.percentile(size, 99) or 1), 0, 1)
