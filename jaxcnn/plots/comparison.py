"""The accuracy of several runs by epoch, each named at the end of its curve."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcnn.host.text import percent, points
from jaxcnn.plots.canvas import chart_axes, new_figure, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.curves import (
    History,
    accuracy_axis,
    check_history,
    draw_series,
    epoch_axis,
    series,
)
from jaxcnn.plots.ranking import best_index, winner_title
from jaxcnn.plots.style import RUN_COLOURS, RUN_MARKERS, TEXT_PT
from jaxcnn.plots.text import drawable_names, fit_text, font


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
    """
    check_lengths(runs=list(runs))
    for history in runs.values():
        check_history(history)
    names = [
        fit_text(name, 2.4, TEXT_PT, weight="bold") for name in drawable_names(list(runs), "run")
    ]
    best = [_best_accuracy(history) for history in runs.values()]
    note = "Accuracy by epoch: validation solid, training dashed"
    figure, heading = new_figure(12.0, max(5.2, 0.6 * len(runs)), winner_title(names, best), note)
    axes = chart_axes(figure, heading)[0]
    every_epoch = np.concatenate([series(history, "epoch") for history in runs.values()])
    epoch_axis(axes, every_epoch)
    accuracy_axis(axes)
    for i, history in enumerate(runs.values()):
        epochs, colour = series(history, "epoch"), RUN_COLOURS[i % len(RUN_COLOURS)]
        train, validation = (series(history, f"{s}_accuracy") for s in ("train", "validation"))
        draw_series(axes, epochs, train, color=colour, linestyle="--", linewidth=1.3, alpha=0.8)
        draw_series(
            axes, epochs, validation, color=colour, marker=RUN_MARKERS[i % len(RUN_MARKERS)]
        )
    _label_runs(axes, names, list(runs.values()))
    return figure


def _best_accuracy(history: History) -> float:
    accuracy = series(history, "validation_accuracy")
    best = best_index(accuracy)
    return math.nan if best is None else float(accuracy[best])


def _label_runs(axes: Axes, names: Sequence[str], histories: Sequence[History]) -> None:
    """Name each run at the right of its curve's end, moved apart where two would overlap."""
    axes.autoscale_view()
    low, high = axes.get_ylim()
    ends = [_last_measured(history) for history in histories]
    heights = [(accuracy - low) / (high - low) for _, accuracy in ends]
    step = 0.6 / (axes.get_figure().get_size_inches()[1] - 1.6)  # type: ignore[union-attr]
    places = _spread([h if math.isfinite(h) else 0.0 for h in heights], step)
    for i, (end, place) in enumerate(zip(ends, places, strict=True)):
        colour, marker = RUN_COLOURS[i % len(RUN_COLOURS)], RUN_MARKERS[i % len(RUN_MARKERS)]
        across: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        if math.isfinite(end[1]):
            line = {"arrowstyle": "-", "color": colour, "linewidth": 1.0}
            corner = (1.06, place)
            axes.annotate("", end, xytext=corner, textcoords="axes fraction", arrowprops=line)
        axes.plot([1.07], [place], marker, color=colour, markersize=9, **across)
        axes.text(1.09, place, names[i], va="bottom", **across, **font(fontweight="bold"))
        axes.text(1.09, place, _run_facts(histories[i]), va="top", **across, **font())


def _run_facts(history: History) -> str:
    train, validation = series(history, "train_accuracy"), series(history, "validation_accuracy")
    gaps = (train - validation)[np.isfinite(train - validation)]
    best = f"best {percent(_best_accuracy(history))}"
    return f"{best}, gap {points(gaps[-1])}" if gaps.size else best


def _last_measured(history: History) -> tuple[float, float]:
    """Find the end of a validation curve; NaN where there is none."""
    epochs, accuracy = series(history, "epoch"), series(history, "validation_accuracy")
    finite = np.flatnonzero(np.isfinite(accuracy))
    return (epochs[finite[-1]], accuracy[finite[-1]]) if finite.size else (math.nan, math.nan)


def _spread(heights: Sequence[float], step: float) -> list[float]:
    """Move heights in [0, 1] at least `step` apart, in the same order and little from their places.

    Example:
      >>> _spread([0.5, 0.5, 0.0], 0.2)
      [0.4, 0.6, 0.0]
    """
    order = np.argsort(heights, kind="stable")
    groups: list[list[float]] = []  # neighbours that touch, laid out around their mean
    for i in order:
        groups.append([heights[i]])
        while len(groups) > 1 and _foot(groups[-1], step) < _foot(groups[-2], step) + step * len(
            groups[-2]
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    places = np.empty(len(heights))
    places[order] = [_foot(g, step) + k * step for g in groups for k in range(len(g))]
    return [round(float(place), 4) for place in places]


def _foot(group: Sequence[float], step: float) -> float:
    """Find where the lowest of a group goes, all of it staying in [0, 1] if it can."""
    span = step * (len(group) - 1)
    return max(min(float(np.mean(group)) - span / 2, 1 - span), 0.0)
