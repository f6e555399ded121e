"""The accuracy of several methods as bars, beside that of guessing."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxcnn.host.text import percent
from jaxcnn.plots.canvas import chart_axes, new_figure, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.ranking import best_index, winner_title
from jaxcnn.plots.style import BLUE, HALO, PALE, TEXT_PT, VERMILLION
from jaxcnn.plots.text import drawable_names, fit_text, font


@writes_png
def plot_baselines(accuracies: Mapping[str, float], *, chance: float) -> Figure:
    """Draw a bar for each method's accuracy, and the line that guessing reaches.

    Args:
      path: where the PNG goes.
      accuracies: the accuracy of each method, as a fraction; drawn from the top in this order.
      chance: the accuracy of guessing, as a fraction.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no method, or an accuracy or `chance` is outside [0, 1].

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     plot_baselines(f"{folder}/bars.png", {"network": 0.9}, chance=0.5).name
      'bars.png'
    """
    check_lengths(accuracies=list(accuracies))
    for name, value in {**accuracies, "chance": chance}.items():
        if not (0 <= value <= 1 or math.isnan(value)):
            raise ValueError(f"accuracy of {name!r} is {value}; expected a fraction in [0, 1].")
    names, values = drawable_names(list(accuracies), "method"), list(accuracies.values())
    note = f"Guessing reaches {percent(chance)}"
    figure, heading = new_figure(11.0, 1.3 + 0.75 * len(values), winner_title(names, values), note)
    axes = chart_axes(figure, heading)[0]
    axes.grid(visible=False, axis="y")
    axes.axvline(chance, color=VERMILLION, linestyle="--", linewidth=2)
    axes.text(chance, -0.62, "chance", **font(color=VERMILLION, ha="center", fontweight="bold"))
    _draw_bars(axes, names, values)
    axes.set(xlim=(0, 1), ylim=(len(values) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("accuracy", **font())
    return figure


def _draw_bars(axes: Axes, names: Sequence[str], values: Sequence[float]) -> None:
    """Draw a bar for each method, the best one's in blue, with its name and its value."""
    best = best_index(np.array(values, dtype=np.float64))
    rows, lengths = np.arange(len(values)), np.nan_to_num(values)
    axes.barh(rows, lengths, height=0.6, color=[BLUE if i == best else PALE for i in rows])
    look = font(TEXT_PT + 1, fontweight="bold", va="center", bbox=HALO)
    for value, end in zip(values, zip(lengths, rows, strict=True), strict=True):
        axes.annotate(percent(value), end, xytext=(6, 0), textcoords="offset points", **look)
    labels = [fit_text(name, 2.4, TEXT_PT + 1) for name in names]
    axes.set_yticks(rows, labels, **font(TEXT_PT + 1))
