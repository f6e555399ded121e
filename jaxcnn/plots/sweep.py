"""What a sweep of hyper-parameters found: accuracy against the value of each."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import chart_axes, legend_above, new_figure, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.curves import accuracy_axis
from jaxcnn.plots.ranking import best_index
from jaxcnn.plots.style import BLUE, GREY, INK, VERMILLION
from jaxcnn.plots.text import font


@writes_png
def plot_sweep(points: Sequence[Mapping[str, Any]], scales: Mapping[str, str]) -> Figure:
    """Draw the validation accuracy of each point of a grid, one chart for each hyper-parameter.

    Args:
      path: where the PNG goes.
      points: a row each: the value of each hyper-parameter by its name, epochs, the
        validation_accuracy after these (None where the point diverged), validation_loss, and
        dropped_at_epoch (None of those that were never dropped).
      scales: {name of the hyper-parameter: "log" or "linear"}, at least one.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no point or no hyper-parameter.
    """
    check_lengths(points=points)
    check_lengths(scales=list(scales))
    accuracy = np.array(
        [math.nan if p["validation_accuracy"] is None else p["validation_accuracy"] for p in points]
    )
    stayed = np.array([p["dropped_at_epoch"] is None for p in points])
    best = _best(points, accuracy, stayed)
    note = _note(points, accuracy, stayed)
    figure, heading = new_figure(
        max(7.0, 5.6 * len(scales)), 4.9, _title(points, scales, best), note
    )
    for axes, (name, scale) in zip(
        chart_axes(figure, heading, len(scales)), scales.items(), strict=True
    ):
        values = np.array([p[name] for p in points], float)
        _draw_points(axes, values, accuracy, stayed, best)
        _value_axis(axes, name, values, scale)
        accuracy_axis(axes)
    legend_above(figure.axes[0], 3)
    return figure


def _draw_points(
    axes: Axes, values: np.ndarray, accuracy: np.ndarray, stayed: np.ndarray, best: int | None
) -> None:
    look: dict[str, Any] = {"linestyle": "", "markersize": 8, "alpha": 0.85}
    axes.plot(values[stayed], accuracy[stayed], "o", color=BLUE, label="stayed", **look)
    dropped = ~stayed & np.isfinite(accuracy)
    if dropped.any():
        axes.plot(
            values[dropped], accuracy[dropped], "x", color=GREY, mew=2, label="dropped", **look
        )
    if best is not None:
        axes.plot(
            [values[best]],
            [accuracy[best]],
            "o",
            markersize=15,
            mfc="none",
            mec=VERMILLION,
            mew=2.4,
            linestyle="",
            label="best",
        )


def _value_axis(axes: Axes, name: str, values: np.ndarray, scale: str) -> None:
    axes.set_xlabel(name.replace("_", " "), **font(color=INK))
    if scale == "log":
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    ticks = np.unique(values)
    if len(ticks) <= 5:
        axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])


def _best(
    points: Sequence[Mapping[str, Any]], accuracy: np.ndarray, stayed: np.ndarray
) -> int | None:
    losses = [p.get("validation_loss") for p in points]
    known = np.array([math.inf if loss is None else loss for loss in losses])
    return best_index(np.where(stayed, accuracy, np.nan), losses=known)


def _title(points: Sequence[Mapping[str, Any]], scales: Mapping[str, str], best: int | None) -> str:
    tried = counted(len(points), "point")
    if best is None:
        return f"{tried}, and none ended with a finite loss"
    values = ", ".join(f"{name.replace('_', ' ')} {points[best][name]:.3g}" for name in scales)
    return f"Best of {tried}: {values}, {percent(points[best]['validation_accuracy'])}"


def _note(points: Sequence[Mapping[str, Any]], accuracy: np.ndarray, stayed: np.ndarray) -> str:
    epochs = max(p["epochs"] for p in points)
    note = f"Validation accuracy, of those that stayed after {counted(round(epochs), 'epoch')}"
    if not stayed.all():
        note += ", of the others where they were dropped"
    diverged = int((~np.isfinite(accuracy)).sum())
    return f"{note}; {counted(diverged, 'point')} diverged" if diverged else note
