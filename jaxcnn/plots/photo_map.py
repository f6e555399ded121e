"""A map of photos as points: near where the network sees likeness."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import chart_axes, new_figure, writes_png
from jaxcnn.plots.checks import check_labels, check_lengths
from jaxcnn.plots.style import HALO, INK, PALE, RUN_COLOURS, RUN_MARKERS, SMALL_PT, TEXT_PT
from jaxcnn.plots.text import drawable_names, fit_text, font

_MAX_NAMED = 12  # classes told apart; more looks than that are told apart by nobody
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
      points: (N, 2) floating, as `interpret.map_photos` gives.
      labels: (N,) the class of each photo.
      class_names: the name of each class; of more than 12, the most frequent 12 are told apart.
      method: "pca" or "tsne", how the points were found.
      wrong: (N,) bool, which photos the network got wrong; these are ringed. None rings none.
      variance_share: of the features' variance that the map shows; NaN where that is not known.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or a label is out of range.
    """
    check_lengths(points=points, labels=labels, wrong=labels if wrong is None else wrong)
    truth, names = check_labels(labels, len(class_names)), drawable_names(class_names)
    how = {"tsne": "t-SNE", "pca": "principal components"}.get(method, method)
    note = f"{counted(len(truth), 'photo')} laid out by {how} of their features"
    if math.isfinite(variance_share):
        note += f", which shows {percent(variance_share, 0)} of their variance"
    if wrong is not None:
        note += f"; ringed: the {int(np.sum(wrong)):,} that the network gets wrong"
    title = "Photos that the network sees as alike lie together"
    figure, heading = new_figure(12.0, 7.5, title, note)
    axes = chart_axes(figure, heading)[0]
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    counts = np.bincount(truth, minlength=len(names))
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    named, rest = order[:_MAX_NAMED], np.isin(truth, order[_MAX_NAMED:])
    size = float(np.clip(20_000 / len(truth), 6, 60))
    if rest.any():
        label = counted(len(order) - len(named), "other class", "other classes")
        axes.scatter(points[rest, 0], points[rest, 1], s=size, color=PALE, marker=".", label=label)
    for number, index in enumerate(named):
        _draw_class(
            axes, points[truth == index], number, fit_text(names[index], 2.2, TEXT_PT), size
        )
    if wrong is not None and np.any(wrong):
        _ring(axes, points[np.asarray(wrong)], 4 * size + 20)
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


def _draw_class(axes: Axes, points: np.ndarray, number: int, name: str, size: float) -> None:
    """Draw a class's points, and its name in their midst."""
    colour = RUN_COLOURS[number % len(RUN_COLOURS)]
    marker = RUN_MARKERS[number % len(RUN_MARKERS)]
    look: dict[str, Any] = {"marker": marker, "alpha": 0.7, "linewidths": 0, "label": name}
    axes.scatter(points[:, 0], points[:, 1], s=size, color=colour, **look)
    x, y = np.median(points, axis=0)
    axes.text(x, y, name, **font(SMALL_PT, fontweight="bold", ha="center", va="center", bbox=HALO))


def _ring(axes: Axes, points: np.ndarray, size: float) -> None:
    look: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.4}
    axes.scatter(points[:, 0], points[:, 1], s=size, label="wrong", **look)
