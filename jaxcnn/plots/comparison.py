"""Several methods or runs compared: accuracy as bars, and by epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxcnn.host.text import percent, points
from jaxcnn.plots.canvas import name_axes, new_charts, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.curves import (
    Columns,
    History,
    accuracy_axis,
    best_index,
    draw_series,
    epoch_axis,
    read_columns,
)
from jaxcnn.plots.style import BLUE, HALO, PALE, TEXT_PT, VERMILLION, run_look
from jaxcnn.plots.text import drawable_names, fit_text, font, quoted


def _winner_title(names: Sequence[str], accuracies: Sequence[float]) -> str:
    """Title a picture with which of the names is best, and by how much."""
    order = sorted(
        (i for i, value in enumerate(accuracies) if math.isfinite(value)),
        key=lambda i: -accuracies[i],
    )
    if not order:
        return "No accuracy was measured"
    first = f"{quoted(names[order[0]])} is best: {percent(accuracies[order[0]])}"
    if len(order) == 1:
        return first.replace(" is best:", ":")
    lead = accuracies[order[0]] - accuracies[order[1]]
    return f"{first}, {points(lead)} above {quoted(names[order[1]])}"


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
      >>> path = plot_baselines("bars.png", {"network": 0.9, "colours": 0.6}, chance=0.5)
    """
    check_lengths(accuracies=accuracies)
    for name, value in {**accuracies, "chance": chance}.items():
        if not (0 <= value <= 1 or math.isnan(value)):
            raise ValueError(f"accuracy of {name!r} is {value}; expected a fraction in [0, 1].")
    names, values = drawable_names(list(accuracies), "method"), list(accuracies.values())
    note = f"Guessing reaches {percent(chance)}"
    figure = new_charts(11.0, 1.3 + 0.75 * len(values), _winner_title(names, values), note)
    (axes,) = figure.axes
    axes.grid(visible=False, axis="y")
    axes.axvline(chance, color=VERMILLION, linestyle="--", linewidth=2)
    axes.text(chance, -0.62, "chance", **font(color=VERMILLION, ha="center", fontweight="bold"))
    best = best_index(np.array(values, dtype=np.float64))
    rows, lengths = np.arange(len(values)), np.nan_to_num(values)
    axes.barh(rows, lengths, height=0.6, color=[BLUE if i == best else PALE for i in rows])
    look = font(TEXT_PT + 1, fontweight="bold", va="center", bbox=HALO)
    for value, end in zip(values, zip(lengths, rows, strict=True), strict=True):
        axes.annotate(percent(value), end, xytext=(6, 0), textcoords="offset points", **look)
    labels = [fit_text(name, 2.4, TEXT_PT + 1) for name in names]
    axes.set_yticks(rows, labels, **font(TEXT_PT + 1))
    axes.set(xlim=(0, 1), ylim=(len(values) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    name_axes(axes, "accuracy", "")
    return figure


@writes_png
def plot_comparison_curves(runs: Mapping[str, History]) -> Figure:
    """Draw the accuracy of several runs in one chart: validation solid, training dashed.

    Args:
      path: where the PNG goes.
      runs: a history for each run's name, as in `plot_learning_curves`.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no run, or a history is empty or a row lacks its epoch.

    Example:
      >>> runs = {
      ...     name: [{"epoch": i, "validation_accuracy": accuracy * i} for i in (1, 2)]
      ...     for name, accuracy in (("small", 0.3), ("large", 0.4))
      ... }
      >>> path = plot_comparison_curves("runs.png", runs)
    """
    check_lengths(runs=runs)
    histories = [read_columns(history) for history in runs.values()]
    names = drawable_names(list(runs), "run")
    title = _winner_title(names, [_best_accuracy(columns) for columns in histories])
    note = "Accuracy by epoch: validation solid, training dashed"
    figure = new_charts(12.0, max(5.2, 0.6 * len(runs)), title, note)
    (axes,) = figure.axes
    epoch_axis(axes, np.concatenate([columns["epoch"] for columns in histories]))
    accuracy_axis(axes)
    for i, columns in enumerate(histories):
        epochs, look = columns["epoch"], run_look(i)
        dashed = {"color": look["color"], "linestyle": "--", "linewidth": 1.3, "alpha": 0.8}
        draw_series(axes, epochs, columns["train_accuracy"], **dashed)
        draw_series(axes, epochs, columns["validation_accuracy"], **look)
    _label_runs(axes, names, histories)
    return figure


def _best_accuracy(columns: Columns) -> float:
    accuracy = columns["validation_accuracy"]
    best = best_index(accuracy)
    return math.nan if best is None else float(accuracy[best])


def _label_runs(axes: Axes, names: Sequence[str], histories: Sequence[Columns]) -> None:
    """Name each run at the right of its curve's end, moved apart where two would overlap."""
    axes.autoscale_view()
    low, high = axes.get_ylim()
    ends = [_last_measured(columns) for columns in histories]
    heights = [(accuracy - low) / (high - low) for _, accuracy in ends]
    step = 0.6 / (axes.get_figure().get_size_inches()[1] - 1.6)  # type: ignore[union-attr]
    places = _spread([h if math.isfinite(h) else 0.0 for h in heights], step)
    across: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    for i, (end, place) in enumerate(zip(ends, places, strict=True)):
        look = run_look(i)
        if math.isfinite(end[1]):
            line = {"arrowstyle": "-", "color": look["color"], "linewidth": 1.0}
            corner = (1.06, place)
            axes.annotate("", end, xytext=corner, textcoords="axes fraction", arrowprops=line)
        axes.plot([1.07], [place], markersize=9, linestyle="", **look, **across)
        name = fit_text(names[i], 2.4, TEXT_PT, weight="bold")
        axes.text(1.09, place, name, va="bottom", **across, **font(fontweight="bold"))
        axes.text(1.09, place, _run_facts(histories[i]), va="top", **across, **font())


def _run_facts(columns: Columns) -> str:
    gaps = columns["train_accuracy"] - columns["validation_accuracy"]
    gaps = gaps[np.isfinite(gaps)]
    best = f"best {percent(_best_accuracy(columns))}"
    return f"{best}, gap {points(gaps[-1])}" if gaps.size else best


def _last_measured(columns: Columns) -> tuple[float, float]:
    """Find the end of a validation curve; NaN where there is none."""
    epochs, accuracy = columns["epoch"], columns["validation_accuracy"]
    finite = np.flatnonzero(np.isfinite(accuracy))
    return (epochs[finite[-1]], accuracy[finite[-1]]) if finite.size else (math.nan, math.nan)


def _spread(heights: Sequence[float], step: float) -> list[float]:
    """Move heights in [0, 1] at least `step` apart, in the same order and little from their places.

    Example:
      >>> _spread([0.5, 0.5, 0.0], 0.2)
      [0.4, 0.6, 0.0]
    """
    order, count = np.argsort(heights, kind="stable"), len(heights)
    steps = step * np.arange(count)
    free = np.asarray(heights)[order] - steps
    # Of all rising sequences the one nearest to `free`, by the formula of isotonic regression.
    rising = [
        max(min(free[j : k + 1].mean() for k in range(i, count)) for j in range(i + 1))
        for i in range(count)
    ]
    places = np.empty(count)
    places[order] = np.clip(rising, 0, max(1 - steps[-1], 0)) + steps
    return [round(float(place), 4) for place in places]
