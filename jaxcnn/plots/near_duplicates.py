"""Pairs of photos that are nearly the same, side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted
from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_photos
from jaxcnn.plots.photo_layout import CaptionLine, Photos, Tile, file_line, photo_grid, to_rgb
from jaxcnn.plots.style import GREY, WRONG

_GAP = 0.04  # between the two photos, of their height


@writes_png
def plot_near_duplicates(
    images: Photos,
    other_images: Photos,
    *,
    names: Sequence[str],
    other_names: Sequence[str],
    splits: Sequence[str],
    other_splits: Sequence[str],
    num_pairs: int | None = None,
    max_pairs: int = 24,
) -> Figure:
    """Draw pairs of photos side by side, each with its name and its split.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      other_images: (N, H, W, C), what each is nearly the same as.
      names: (N,) what to call each photo.
      other_names: (N,) likewise.
      splits: (N,) the split of each; a pair of two splits has a frame.
      other_splits: (N,) likewise.
      num_pairs: how many pairs were found, where it is more than are given.
      max_pairs: the most to draw, >= 1.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.

    Example:
      >>> photos, text = np.zeros((1, 8, 8, 3), np.uint8), {"names": ["a"], "other_names": ["b"]}
      >>> where = {"splits": ["test"], "other_splits": ["train"]}
      >>> path = plot_near_duplicates("near.png", photos, photos, **text, **where)
    """
    lengths = {"other_images": other_images, "names": names, "other_names": other_names}
    lengths |= {"splits": splits, "other_splits": other_splits}
    check_photos(max_pairs, images=images, **lengths)
    tiles = []
    for i in range(min(len(names), max_pairs)):
        is_across = splits[i] != other_splits[i]
        caption = [
            CaptionLine(
                f"{splits[i]}, {other_splits[i]}",
                color=WRONG if is_across else GREY,
                weight="bold" if is_across else "normal",
            ),
            file_line(names[i]),
            file_line(other_names[i]),
        ]
        pair = _side_by_side(to_rgb(images[i]), to_rgb(other_images[i]))
        tiles.append(Tile(pair, caption, WRONG if is_across else ""))
    count = len(names) if num_pairs is None else num_pairs
    note = "A pair in a frame lies in two splits."
    if len(tiles) < count:
        note += f" The first {len(tiles)} are shown."
    return photo_grid(tiles, title=f"{counted(count, 'pair')} nearly the same", note=note)


def _side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Put two photos next to each other; the lower one stands on a white ground."""
    height = max(len(left), len(right))
    between = np.full((height, max(1, round(_GAP * height)), 3), 255, np.uint8)
    padded = [
        np.pad(image, ((height - len(image), 0), (0, 0), (0, 0)), constant_values=255)
        for image in (left, right)
    ]
    return np.concatenate([padded[0], between, padded[1]], axis=1)
