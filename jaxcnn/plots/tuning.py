"""What a search for settings found: accuracy by each setting, and loss by learning rate."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import legend_above, name_axes, new_charts, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.curves import accuracy_axis, best_index
from jaxcnn.plots.style import BLUE, GREY, VERMILLION


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

    Example:
      >>> common = {"epochs": 1, "dropped_at_epoch": None}
      >>> points = [
      ...     {"learning_rate": 1e-3, "validation_accuracy": 0.7, **common},
      ...     {"learning_rate": 1e-2, "validation_accuracy": 0.8, **common},
      ... ]
      >>> path = plot_sweep("sweep.png", points, {"learning_rate": "log"})
    """
    check_lengths(points=points)
    check_lengths(scales=scales)
    accuracy = np.array([p["validation_accuracy"] for p in points], float)
    losses = np.array([p.get("validation_loss") for p in points], float)
    stayed = np.array([p["dropped_at_epoch"] is None for p in points])
    best = best_index(np.where(stayed, accuracy, np.nan), losses=losses)
    tried, epochs = counted(len(points), "point"), round(max(p["epochs"] for p in points))
    title = f"{tried}, and none ended with a finite loss"
    if best is not None:
        values = ", ".join(f"{name.replace('_', ' ')} {points[best][name]:.3g}" for name in scales)
        title = f"Best of {tried}: {values}, {percent(accuracy[best])}"
    note = f"Validation accuracy, of those that stayed after {counted(epochs, 'epoch')}"
    if not stayed.all():
        note += ", of the others where they were dropped"
    diverged = int((~np.isfinite(accuracy)).sum())
    if diverged:
        note += f"; {counted(diverged, 'point')} diverged"
    figure = new_charts(max(7.0, 5.6 * len(scales)), 4.9, title, note, columns=len(scales))
    for axes, name in zip(figure.axes, scales, strict=True):
        settings = np.array([p[name] for p in points], float)
        _draw_points(axes, settings, accuracy, stayed, best)
        name_axes(axes, name.replace("_", " "), "")
        if scales[name] == "log":
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        ticks = np.unique(settings)
        if len(ticks) <= 5:
            axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
        accuracy_axis(axes)
    legend_above(figure.axes[0], 3)
    return figure


def _draw_points(
    axes: Axes, values: np.ndarray, accuracy: np.ndarray, stayed: np.ndarray, best: int | None
) -> None:
    dropped = ~stayed & np.isfinite(accuracy)
    look: dict[str, Any] = {"linestyle": "", "markersize": 8, "alpha": 0.85}
    axes.plot(values[stayed], accuracy[stayed], "o", color=BLUE, label="stayed", **look)
    if dropped.any():
        look |= {"color": GREY, "mew": 2, "label": "dropped"}
        axes.plot(values[dropped], accuracy[dropped], "x", **look)
    if best is not None:
        look = {"markersize": 15, "mfc": "none", "mec": VERMILLION, "mew": 2.4, "label": "best"}
        axes.plot([values[best]], [accuracy[best]], "o", **look)


@writes_png
def plot_learning_rates(
    rates: Sequence[float] | np.ndarray,
    losses: Sequence[float] | np.ndarray,
    suggestion: float,
    *,
    first_loss: float | None = None,
) -> Figure:
    """Draw the loss after a few steps against the learning rate, with the suggested rate marked.

    Args:
      path: where the PNG goes.
      rates: (R,) learning rates, > 0.
      losses: (R,) nats; not finite where training diverged.
      suggestion: the rate to mark.
      first_loss: the loss before training, nats; rates that end above it are no good. None: not
        drawn.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are 0.

    Example:
      >>> rates, losses = [1e-4, 1e-3, 1e-2], [0.7, 0.4, 0.9]
      >>> path = plot_learning_rates("rates.png", rates, losses, suggestion=1e-3)
    """
    check_lengths(rates=rates, losses=losses)
    rates, losses = np.asarray(rates, float), np.asarray(losses, float)
    finite = np.isfinite(losses)
    diverged = int((~finite).sum())
    note = "Mean loss over the last quarter of the same few steps, from the same start"
    if diverged:
        note += f"; {counted(diverged, 'rate')} diverged"
    figure = new_charts(9.0, 4.9, f"Suggested learning rate: {suggestion:.2g}", note)
    (axes,) = figure.axes
    axes.plot(rates[finite], losses[finite], "o-", color=BLUE, linewidth=2.0, label="loss")
    axes.set_xscale("log")
    axes.set_xlim(rates.min() / 1.5, rates.max() * 1.5)
    if first_loss is not None and math.isfinite(first_loss):
        axes.axhline(first_loss, color=GREY, linestyle=":", linewidth=1.5, label="before training")
        # What diverged slowly would flatten the rest.
        axes.set_ylim(top=1.5 * first_loss if (losses[finite] > 1.5 * first_loss).any() else None)
    axes.axvline(suggestion, color=VERMILLION, linestyle="--", linewidth=2.0, label="suggested")
    name_axes(axes, "learning rate (log scale)", "loss (nats)")
    legend_above(axes, 3)
    return figure
