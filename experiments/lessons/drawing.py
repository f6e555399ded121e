"""What the lessons' figures are put together from: grids of numbers, small pictures, bars."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jaxcnn.plots.canvas import name_axes, plain_axes
from jaxcnn.plots.style import BLUE, DPI, GREY, INK, PALE, TEXT_PT, VERMILLION
from jaxcnn.plots.text import font

WIDTH = 5.4  # inches: text of 11 points can still be read where a phone shows all of it
SMALL = TEXT_PT - 1.7  # at least 9 CSS pixels where the page is 390 wide
LABEL = TEXT_PT - 1
# From vermillion by way of white to blue: below 0, 0, above 0. Both ends differ in lightness from
# the middle, and the figures say in words which is which.
SIGNED = LinearSegmentedColormap.from_list("signed", [VERMILLION, "#FFFFFF", BLUE])


def new_figure(height: float, rows: int = 1, columns: int = 1, **ratios: Sequence[float]) -> Figure:
    """Make a figure of the lessons' width, with axes laid out in a grid."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr, call-arg]
    figure.subplots(rows, columns, squeeze=False, gridspec_kw=ratios)
    return figure


def chart(axes: Axes, *, x: str, y: str) -> Axes:
    """Give axes the look of the library's charts, with names that fit a small figure."""
    plain_axes(axes).tick_params(labelsize=SMALL)
    name_axes(axes, x, y, LABEL)
    return axes


def log_axis(axes: Axes, ticks: Sequence[int]) -> None:
    """Make the lower axis logarithmic, with these numbers alone on it."""
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()


def heading(axes: Axes, text: str, *, size: float = LABEL) -> None:
    """Write what axes show above them."""
    axes.set_title(text, **font(size), pad=5, loc="center")


def picture(axes: Axes, image: np.ndarray, title: str = "") -> None:
    """Show a photo: (H, W, 3), or (H, W) in shades of grey."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=1 if image.dtype != np.uint8 else 255)
    _frame(axes, title)


def signed_picture(axes: Axes, values: np.ndarray, title: str = "", *, scale: float) -> None:
    """Show (H, W) values: blue above 0, vermillion below, white at 0."""
    axes.imshow(values, cmap=SIGNED, vmin=-scale, vmax=scale)
    _frame(axes, title)


def _frame(axes: Axes, title: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=PALE, linewidth=0.8)
    heading(axes, title, size=SMALL)


def number_grid(
    axes: Axes,
    values: np.ndarray,
    title: str = "",
    *,
    digits: int = 0,
    size: float = LABEL,
    strongest: float | None = None,
    dashed: np.ndarray | None = None,
) -> None:
    """Write (H, W) numbers into cells; the larger its size, the bluer a cell.

    Cells where `dashed` is True have a dashed edge: they are padding, and not part of the image.
    """
    rows, columns = values.shape
    strongest = strongest or float(np.abs(values).max()) or 1.0
    for (i, j), value in np.ndenumerate(values):
        fill = to_rgba(BLUE if value >= 0 else VERMILLION, 0.5 * min(abs(value) / strongest, 1))
        is_padding = dashed is not None and bool(dashed[i, j])
        line = ":" if is_padding else "-"
        axes.add_patch(
            Rectangle((j, i), 1, 1, facecolor=fill, edgecolor=GREY, linewidth=0.8, linestyle=line)
        )
        text = f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "\u2212")  # no -0
        colour = GREY if is_padding else INK
        axes.text(j + 0.5, i + 0.5, text, **font(size, color=colour, ha="center", va="center"))
    axes.set(xlim=(-0.06, columns + 0.06), ylim=(rows + 0.06, -0.06), aspect="equal")
    axes.axis("off")
    heading(axes, title, size=SMALL)


def outline(axes: Axes, row: float, column: float, height: float, width: float) -> None:
    """Draw a thick box round cells of a number grid."""
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": VERMILLION, "linewidth": 2.4}
    axes.add_patch(Rectangle((column, row), width, height, **look))


def bars(axes: Axes, names: Sequence[str], values: np.ndarray, texts: Sequence[str]) -> None:
    """Draw a horizontal bar for each value, with its text beside its end."""
    places = np.arange(len(values))
    axes.barh(places, values, height=0.6, color=BLUE)
    for place, value, text in zip(places, values, texts, strict=True):
        side = 1 if value >= 0 else -1
        look = font(SMALL, va="center", ha="left" if value >= 0 else "right")
        axes.annotate(text, (value, place), (4 * side, 0), textcoords="offset points", **look)
    axes.set_yticks(places, names, **font(SMALL))
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.margins(x=0.3)
