"""Loss and accuracy by epoch of networks that differ in their seed alone."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import chart_axes, legend_above, new_figure, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.curves import (
    History,
    accuracy_axis,
    check_history,
    draw_series,
    epoch_axis,
    series,
)
from jaxcnn.plots.ranking import best_index
from jaxcnn.plots.style import BLUE, INK, VERMILLION
from jaxcnn.plots.text import font

_COLOURS = {"train": BLUE, "validation": VERMILLION}


@writes_png
def plot_member_curves(
    histories: Sequence[History], *, ensemble_accuracy: float | None = None
) -> Figure:
    """Draw loss and accuracy by epoch of all members: each a thin line, their mean a thick one.

    Args:
      path: where the PNG goes.
      histories: a history for each member, as in `plot_learning_curves`, of the same epochs.
      ensemble_accuracy: of the members' mean answer on the validation split, to be marked; or None.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no member, or histories are empty or of different lengths.
    """
    check_lengths(histories=histories)
    for history in histories:
        check_history(history)
    check_lengths(**{f"member {i}": history for i, history in enumerate(histories)})
    note = "Each member a thin line, their mean a thick one"
    figure, heading = new_figure(12.0, 4.9, _title(histories), note)
    for axes, kind in zip(chart_axes(figure, heading, 2), ("loss", "accuracy"), strict=True):
        _draw_kind(axes, histories, kind)
        epoch_axis(axes, series(histories[0], "epoch"))
        if kind == "accuracy":
            accuracy_axis(axes)
            _mark_ensemble(axes, ensemble_accuracy)
        else:
            axes.set_ylabel("loss (nats)", **font())
        legend_above(axes, 3)
    return figure


def _draw_kind(axes: Axes, histories: Sequence[History], kind: str) -> None:
    epochs = series(histories[0], "epoch")
    for split, colour in _COLOURS.items():
        table = np.array([series(history, f"{split}_{kind}") for history in histories])
        style = "--" if split == "train" else "-"
        for values in table:
            draw_series(axes, epochs, values, color=colour, linestyle=style, linewidth=1, alpha=0.4)
        draw_series(
            axes,
            epochs,
            table.mean(axis=0),
            color=colour,
            linestyle=style,
            linewidth=2.6,
            marker="o" if split == "train" else "s",
            label="training" if split == "train" else "validation",
        )


def _mark_ensemble(axes: Axes, accuracy: float | None) -> None:
    if accuracy is None or not math.isfinite(accuracy):
        return
    label = f"ensemble {percent(accuracy)}"
    axes.axhline(accuracy, color=INK, linestyle=":", linewidth=2.0, label=label)


def _title(histories: Sequence[History]) -> str:
    accuracies = [series(history, "validation_accuracy") for history in histories]
    best = [best_index(values) for values in accuracies]
    found = [values[i] for values, i in zip(accuracies, best, strict=True) if i is not None]
    members = counted(len(histories), "member")
    if not found:
        return f"{members}, validation accuracy not measured"
    spread = f" ± {percent(float(np.std(found, ddof=1)))}" if len(found) > 1 else ""
    return f"{members}: best validation accuracy {percent(float(np.mean(found)))}{spread}"
