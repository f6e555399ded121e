"""The confusion matrix: as numbers for few classes, as colour and a list of pairs for many."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter

from jaxcnn.host.text import counted, percent
from jaxcnn.metrics.classification import most_confused
from jaxcnn.plots.canvas import add_axes, new_figure, plain_axes, put_text, writes_png
from jaxcnn.plots.style import FONTS, GREY, INK, MARGIN, SMALL_PT, TEXT_PT, WRONG
from jaxcnn.plots.text import drawable_names, fit_text, font, quoted, text_width


@writes_png
def plot_confusion_matrix(matrix: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw how often each true class is taken for each class, coloured by the share of the row.

    Up to 20 classes each cell has its count and percentage. Beyond, colour alone and a list of the
    pairs most often confused; beyond 40 classes only some are named on the axes, beyond 100 none.

    Args:
      path: where the PNG goes.
      matrix: (K, K) integer counts; rows are true classes, columns predicted ones.
      class_names: (K,) the name of each class.

    Returns:
      `path`.

    Raises:
      ValueError: if `matrix` is not (K, K) integers >= 0.

    Example:
      >>> from jaxcnn.metrics import confusion_matrix
      >>> matrix = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
      >>> path = plot_confusion_matrix("confusion.png", matrix, ["cat", "dog"])
    """
    K = len(class_names)
    counts, names = _check_counts(matrix, K), drawable_names(class_names)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros((K, K)), where=totals > 0)
    pairs, numbered = most_confused(counts, count=12), K <= 20
    side = min(max(5.0, 0.62 * K), 10.5) if numbered else 8.0
    cell = side / K
    places = [] if K > 100 else list(range(0, K, 1 if K <= 40 else math.ceil(K / 20)))
    size_pt = TEXT_PT if numbered else 9.0
    labels = [fit_text(names[i], 1.8, size_pt) for i in places]
    breadth = max((text_width(label, size_pt) for label in labels), default=0.0)
    turn, depth = _turn_labels(breadth, cell, numbered=numbered, size_pt=size_pt)
    left = MARGIN + 0.6 + breadth
    title, width = _confusion_title(counts, names, pairs), left + side + (0.3 if numbered else 6.0)
    what = "count, and share" if numbered else "colour is the share"
    note = f"Each row is a true class: {what} of the row"
    figure, heading = new_figure(max(width, 7.0), side + depth + 0.75, title, note)
    top = heading + 0.1
    # Beyond 20 classes the root lifts few mistakes among many out of the white.
    norm = PowerNorm(1.0 if numbered else 0.5, vmin=0, vmax=1)
    axes = plain_axes(add_axes(figure, left, top, side, side))
    drawn = axes.imshow(shares, cmap="Blues", norm=norm, interpolation="nearest", origin="upper")
    axes.grid(visible=False)
    axes.set_ylabel("true class", **font())
    axes.set_xlabel("predicted class", **font())
    axes.set_yticks(places, labels, **font(size_pt))
    axes.set_xticks(places, labels, **font(size_pt, **turn))
    if numbered:
        _number_cells(axes, counts, shares, cell)
    else:
        _add_colour_bar(figure, drawn, left + side + 0.2, top + side / 4, side / 2)
        listed = [(names[i], names[j], counts[i, j], shares[i, j]) for i, j in pairs]
        _list_pairs(figure, listed, left=left + side + 1.8, top=heading)
    return figure


def _check_counts(matrix: np.ndarray, num_classes: int) -> np.ndarray:
    counts, K = np.asarray(matrix), num_classes
    if counts.shape != (K, K) or not K or not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(
            f"matrix is {counts.dtype} of shape {counts.shape}; expected integers of shape "
            f"({K}, {K}), a row and a column for each class name."
        )
    if counts.min() < 0:
        raise ValueError(f"matrix holds the count {counts.min()}; expected none below 0.")
    return counts


def _add_colour_bar(figure: Figure, drawn: AxesImage, left: float, top: float, size: float) -> None:
    axes = add_axes(figure, left, top, 0.2, size)
    bar = figure.colorbar(drawn, cax=axes, format=PercentFormatter(1.0))
    bar.ax.spines[:].set_visible(False)
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.ax.tick_params(labelsize=SMALL_PT, labelcolor=INK, color=GREY, labelfontfamily=FONTS[0])
    bar.set_label("share of the row", **font())


def _confusion_title(
    counts: np.ndarray, names: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> str:
    total = int(counts.sum())
    if not total:
        return "No photo was classified"
    if not pairs:
        return f"All {counted(total, 'photo')} right"
    row, column = pairs[0]
    times = int(counts[row, column])
    return (
        f"{percent(np.trace(counts) / total)} right; most often {quoted(names[row])} "
        f"is taken for {quoted(names[column])} ({counted(times, 'time')})"
    )


def _turn_labels(
    breadth: float, cell: float, *, numbered: bool, size_pt: float
) -> tuple[dict[str, Any], float]:
    """Turn the labels below where they would run into each other; with the inches they take."""
    if breadth < 0.9 * cell or not breadth:
        return {}, size_pt / 72
    if not numbered:
        return {"rotation": 90}, breadth
    return {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}, breadth * 0.71 + 0.1


def _number_cells(axes: Axes, counts: np.ndarray, shares: np.ndarray, cell: float) -> None:
    widest = max(len(f"{counts.max():,}"), len("100%"))
    size = min(cell * 72 / max(0.75 * widest, 3.2), 22.0)
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        text = f"{count:,}\n{percent(share, 0)}" if counts[row].sum() else "0\n\u2013"
        look = font(size, color="white" if share > 0.6 else INK if count else GREY)
        axes.text(column, row, text, ha="center", va="center", **look)


def _list_pairs(figure: Figure, pairs: Sequence[Any], *, left: float, top: float) -> None:
    """List the pairs at the right: true, predicted, how often."""
    text = "Most often confused" if pairs else "No class is confused"
    put_text(figure, left, top + 0.1, text, **font(TEXT_PT + 1, fontweight="bold"))
    for i, (name, taken_for, count, share) in enumerate(pairs):
        place = top + 0.55 + 0.58 * i
        put_text(figure, left, place, fit_text(name, 4.2, TEXT_PT), **font())
        after = f"  {count:,}\u00d7 ({percent(share, 0)})"
        taken = fit_text(taken_for, 4.2, TEXT_PT, before="→ ", after=after)
        put_text(figure, left, place + 0.22, taken, **font(color=WRONG))
