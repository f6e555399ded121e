"""Figures with a heading, the axes in them, and the PNG that they become."""

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxcnn.host.outputs import GENERATOR
from jaxcnn.plots.style import DPI, FONTS, GREY, INK, MARGIN, PALE, TEXT_PT, TITLE_PT
from jaxcnn.plots.text import font, wrap_text

PathLike = str | os.PathLike[str]
_P = ParamSpec("_P")


def new_figure(width: float, body: float, title: str, note: str) -> tuple[Figure, float]:
    """Make a figure headed by title and note, with `body` inches free below; also their height."""
    room = width - 2 * MARGIN
    blocks = (
        (wrap_text(title, room, TITLE_PT, "bold"), TITLE_PT, {"fontweight": "bold"}),
        (wrap_text(note, room, TEXT_PT), TEXT_PT, {"color": GREY}),
    )
    line_height = 1.35 / 72
    heading = MARGIN + sum(len(lines) * size * line_height for lines, size, _ in blocks) + 0.15
    figure = Figure(figsize=(width, heading + body), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    top = MARGIN
    for lines, size, look in blocks:
        for line in lines:
            put_text(figure, MARGIN, top, line, **font(size, **look))
            top += size * line_height
    return figure, heading


def put_text(figure: Figure, left: float, top: float, text: str, **look: Any) -> None:
    """Write a text whose upper edge is `top` inches below the figure's."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, va="top", **look)


def new_charts(width: float, body: float, title: str, note: str, columns: int = 1) -> Figure:
    """Make a figure with axes in one row, their labels kept inside the `body` inches below."""
    figure, heading = new_figure(width, body, title, note)
    width, height = figure.get_size_inches()
    edge = 0.25
    rect = (edge / width, edge / height, 1 - 2 * edge / width, 1 - (heading + edge) / height)
    figure.set_layout_engine("constrained", rect=rect, wspace=0.08)
    for i in range(columns):
        plain_axes(figure.add_subplot(1, columns, i + 1))
    return figure


def name_axes(axes: Axes, x: str, y: str, size_pt: float = TEXT_PT) -> None:
    """Say what the lower and the left axis show; "" for nothing."""
    axes.set_xlabel(x, **font(size_pt))
    axes.set_ylabel(y, **font(size_pt))


def plain_axes(axes: Axes) -> Axes:
    """Give axes the look of all charts here: two thin spines, faint grid, readable ticks."""
    axes.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(visible=True, color=PALE, linewidth=0.6, linestyle="-")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TEXT_PT - 1, labelcolor=INK, color=GREY, labelfontfamily=FONTS[0])
    return axes


def legend_above(axes: Axes, columns: int) -> None:
    """Name the curves of a chart on one line above it."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        columnspacing=1.2,
        handlelength=1.4,
        frameon=False,
        prop={"family": FONTS[0], "size": TEXT_PT},
    )


def add_axes(
    figure: Figure, left: float, top: float, width: float, height: float, **look: Any
) -> Axes:
    """Add axes whose upper left corner is that many inches from the figure's."""
    full_width, full_height = figure.get_size_inches()
    box = (left / full_width, 1 - (top + height) / full_height)
    return figure.add_axes((*box, width / full_width, height / full_height), **look)


def writes_png(draw: Callable[_P, Figure]) -> Callable[Concatenate[PathLike, _P], Path]:
    """Decorate a function that draws a figure: it takes a path first, and writes a PNG there.

    The folder of the path is made where it is missing. What is decorated stays to be had as
    `__wrapped__`, which draws the figure and touches no file.
    """

    @functools.wraps(draw)
    def plot(path: PathLike, /, *args: _P.args, **kwargs: _P.kwargs) -> Path:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Figure.savefig would ask the user's matplotlibrc.
        FigureCanvasAgg(draw(*args, **kwargs)).print_png(target, metadata={"Software": GENERATOR})
        return target

    drawn = inspect.signature(draw)
    first = inspect.Parameter("path", inspect.Parameter.POSITIONAL_ONLY, annotation=PathLike)
    shown = drawn.replace(parameters=[first, *drawn.parameters.values()], return_annotation=Path)
    plot.__signature__ = shown  # type: ignore[attr-defined]
    return plot
