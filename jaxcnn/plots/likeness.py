"""Photos that the network sees as alike: a map of points, and the nearest of a set."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import new_charts, writes_png
from jaxcnn.plots.checks import check_labels, check_lengths
from jaxcnn.plots.photo_layout import CaptionLine, Photos, Tile, photo_rows
from jaxcnn.plots.style import GREY, HALO, INK, PALE, SMALL_PT, TEXT_PT, run_look
from jaxcnn.plots.text import drawable, drawable_names, fit_text, font

_MAX_NAMED = 12  # classes told apart; more looks than that are told apart by nobody
_MAX_ROWS = 24
_LEGEND_SIZE = 60.0  # square points


@writes_png
def plot_photo_map(
    points: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    *,
    method: str,
    wrong: np.ndarray | None = None,
    variance_share: float = math.nan,
) -> Figure:
    """Draw one point per photo, with a colour and a shape for each class.

    Args:
      path: where the PNG goes.
      points: (N, 2) floating, as `jaxcnn.interpret.map_photos` gives.
      labels: (N,) the class of each photo.
      class_names: the name of each class; of more than 12, the most frequent 12 are told apart.
      method: "pca" or "tsne", how the points were found.
      wrong: (N,) bool, which photos the network got wrong; these are ringed. None rings none.
      variance_share: of the features' variance that the map shows; NaN where that is not known.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or a label is out of range.

    Example:
      >>> from jaxcnn.interpret import map_photos
      >>> features = np.random.default_rng(0).normal(size=(20, 8))
      >>> points = map_photos(features, method="pca").points
      >>> path = plot_photo_map("map.png", points, [0, 1] * 10, ["cat", "dog"], method="pca")
    """
    check_lengths(points=points, labels=labels, wrong=wrong)
    truth, names = check_labels(labels, len(class_names)), drawable_names(class_names)
    how = {"tsne": "t-SNE", "pca": "principal components"}.get(method, method)
    note = f"{counted(len(truth), 'photo')} laid out by {how} of their features"
    if math.isfinite(variance_share):
        note += f", which shows {percent(variance_share, 0)} of their variance"
    if wrong is not None:
        note += f"; ringed: the {int(np.sum(wrong)):,} that the network gets wrong"
    title = "Photos that the network sees as alike lie together"
    figure = new_charts(12.0, 7.5, title, note)
    (axes,) = figure.axes
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    size = float(np.clip(20_000 / len(truth), 6, 60))

    def scatter(which: np.ndarray, **look: Any) -> None:
        axes.scatter(points[which, 0], points[which, 1], **{"s": size} | look)

    counts = np.bincount(truth, minlength=len(names))
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    named, rest = order[:_MAX_NAMED], np.isin(truth, order[_MAX_NAMED:])
    if rest.any():
        label = counted(len(order) - len(named), "other class", "other classes")
        scatter(rest, color=PALE, marker=".", label=label)
    middle = font(SMALL_PT, fontweight="bold", ha="center", va="center", bbox=HALO)
    for number, index in enumerate(named):
        own, name = truth == index, fit_text(names[index], 2.2, TEXT_PT)
        scatter(own, label=name, alpha=0.7, linewidths=0, **run_look(number))
        x, y = np.median(points[own], axis=0)
        axes.text(x, y, name, **middle)
    if wrong is not None and np.any(wrong):
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.4}
        scatter(np.asarray(wrong), s=4 * size + 20, label="wrong", **ring)
    legend = axes.legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        prop={"family": font()["fontfamily"], "size": TEXT_PT},
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([_LEGEND_SIZE])  # or they would be as small as points among thousands
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


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

    Example:
      >>> path = plot_neighbours(
      ...     "neighbours.png",
      ...     np.zeros((1, 8, 8, 3), np.uint8),
      ...     np.zeros((1, 2, 8, 8, 3), np.uint8),
      ...     labels=np.array([[0, 1]]),
      ...     similarities=np.array([[0.9, 0.6]]),
      ...     class_names=["cat", "dog"],
      ...     names=["new.jpg"],
      ... )
    """
    check_lengths(
        _MAX_ROWS,
        images=images,
        neighbours=neighbours,
        labels=labels,
        similarities=similarities,
        names=names,
    )
    check_labels(np.ravel(labels), len(class_names))
    classes, rows = drawable_names(class_names), []
    for i, image in enumerate(images):
        name = CaptionLine(drawable(names[i]), weight="bold", keep_end=True)
        tiles = [Tile(image, [name])]
        for near, label, similarity in zip(neighbours[i], labels[i], similarities[i], strict=True):
            alike = CaptionLine(f"{similarity:.2f} alike", color=GREY)
            tiles.append(Tile(near, [CaptionLine(classes[label]), alike]))
        rows.append(("", tiles))
    return photo_rows(
        rows,
        title="The training photos that the network sees as most alike",
        note="By the angle between what the layers below the last make of them; 1.00 is the same",
        headings=["photo", "nearest"],
        aside=0.3,
    )
