"""Photos beside those of a set that the network sees as most alike."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_labels, check_lengths
from jaxcnn.plots.image_grid import CaptionLine, Photos
from jaxcnn.plots.rows import PhotoRow, photo_rows
from jaxcnn.plots.style import GREY
from jaxcnn.plots.text import drawable, drawable_names

_MAX_ROWS = 24


@writes_png
def plot_neighbours(
    images: Photos,
    neighbours: Sequence[Photos],
    *,
    labels: np.ndarray,
    similarities: np.ndarray,
    class_names: Sequence[str],
    names: Sequence[str],
) -> Figure:
    """Draw one row per photo: the photo, then the nearest of a set with their labels.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      neighbours: (N, M, H, W, C) the nearest photos of each, the nearest first.
      labels: (N, M) their classes.
      similarities: (N, M) in [-1, 1], 1 for the same direction.
      class_names: the name of each class.
      names: (N,) what to call the photos, such as their file names or labels.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ, are zero or exceed 24 photos, or a label is out of range.
    """
    check_lengths(
        images=images, neighbours=neighbours, labels=labels, similarities=similarities, names=names
    )
    if len(images) > _MAX_ROWS:
        raise ValueError(f"got {len(images)} photos; expected at most {_MAX_ROWS}.")
    check_labels(np.ravel(labels), len(class_names))
    classes, rows = drawable_names(class_names), []
    for i, image in enumerate(images):
        captions = [[CaptionLine(drawable(names[i]), weight="bold", keep_end=True)]]
        for label, similarity in zip(labels[i], similarities[i], strict=True):
            said = CaptionLine(classes[label])
            captions.append([said, CaptionLine(f"{similarity:.2f} alike", color=GREY)])
        rows.append(PhotoRow("", [image, *neighbours[i]], captions))
    title = "The training photos that the network sees as most alike"
    note = "By the angle between what the layers below the last make of them; 1.00 is the same"
    return photo_rows(
        rows, title=title, note=note, headings=["photo", "nearest"], size=1.5, aside=0.3
    )
