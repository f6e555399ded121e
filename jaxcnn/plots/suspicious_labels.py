"""Photos whose labels look wrong, the most suspicious first."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_labels, check_lengths, check_max_photos
from jaxcnn.plots.image_grid import CaptionLine, Photos, photo_grid
from jaxcnn.plots.style import GREY, VERMILLION
from jaxcnn.plots.text import drawable, drawable_names


@writes_png
def plot_suspicious_labels(
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    suspected: Sequence[int] | np.ndarray,
    probabilities: Sequence[float] | np.ndarray,
    class_names: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    num_examples: int | None = None,
    max_photos: int = 40,
) -> Figure:
    """Draw photos in the order of their rank, each with its label and what it seems to be.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos, the most suspicious first.
      labels: (N,) the labels that they carry.
      suspected: (N,) the class that each seems to be; -1 where that is hard to tell.
      probabilities: (N,) the probability of the label, of a classifier that has not seen it.
      class_names: (K,) the name of each class.
      names: (N,) what to call each photo, such as its file name; None says nothing.
      num_examples: how many photos were ranked, where it is more than are given.
      max_photos: the most to draw, >= 1.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.
    """
    check_lengths(images=images, labels=labels, suspected=suspected, probabilities=probabilities)
    check_lengths(images=images, names=labels if names is None else names)
    check_max_photos(max_photos)
    classes, given = drawable_names(class_names), check_labels(labels, len(class_names))
    seems = np.asarray(suspected)
    check_labels(np.maximum(seems, 0), len(class_names))
    shown = range(min(len(given), max_photos))
    captions = []
    for i in shown:
        lines = [CaptionLine(classes[given[i]], "label: ", f" {percent(probabilities[i], 0)}")]
        if seems[i] < 0:
            lines.append(CaptionLine("hard to tell", color=GREY))
        else:
            lines.append(CaptionLine(classes[seems[i]], "looks like: ", "", VERMILLION, "bold"))
        if names is not None:
            lines.append(CaptionLine(drawable(names[i]), color=GREY, keep_end=True))
        captions.append(lines)
    wrong = int(np.count_nonzero(seems[: len(shown)] >= 0))
    title = f"{counted(wrong, 'label')} of these {counted(len(shown), 'photo')} may be wrong"
    ranked = num_examples or len(given)
    note = f"Most suspicious first, of {ranked:,}; with the probability given to the label"
    frames = [VERMILLION if seems[i] >= 0 else "" for i in shown]
    return photo_grid([images[i] for i in shown], captions, title=title, note=note, frames=frames)
