"""Loss and accuracy by epoch of one run, or of several that differ in their seed alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcnn.host.text import counted, percent, points
from jaxcnn.plots.canvas import legend_above, new_charts, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.style import GREY, HALO, INK, ORANGE, TRAINING, VALIDATION
from jaxcnn.plots.text import font

History = Sequence[Mapping[str, Any]]
Columns = Mapping[str, np.ndarray]  # what each epoch has under a name, NaN where it has nothing
_SPLITS: Mapping[str, dict[str, Any]] = {
    "train": {"label": "training", "color": TRAINING, "linestyle": "--", "marker": "o"},
    "validation": {"label": "validation", "color": VALIDATION, "linestyle": "-", "marker": "s"},
}


def read_columns(history: History, measure: str = "accuracy") -> Columns:
    """Read a history by columns; ValueError unless it has a row, and each row its epoch."""
    if not len(history) or any("epoch" not in row for row in history):
        raise ValueError(
            f"history has {len(history)} rows; expected at least 1, each with the key 'epoch'."
        )
    measured = [f"{split}_{kind}" for split in _SPLITS for kind in ("loss", measure)]
    return {
        name: np.array([row.get(name) for row in history], float)
        for name in ("epoch", "learning_rate", *measured)
    }


def best_index(values: np.ndarray, *, losses: np.ndarray | None = None) -> int | None:
    """Find the first of the greatest finite values; None if none is finite.

    Among equal values the one of least loss is the best, where losses are given.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return None
    ties = np.zeros(len(values)) if losses is None else np.nan_to_num(losses, nan=np.inf)
    return int(np.lexsort((ties, -np.where(finite, values, -np.inf)))[0])


def draw_series(axes: Axes, epochs: np.ndarray, values: np.ndarray, **look: Any) -> None:
    """Draw the finite values; a dozen markers, more or less, so that 1000 epochs stay a line."""
    finite = np.isfinite(values)
    look = {"linewidth": 2.0, "markersize": 6, "markevery": max(1, finite.sum() // 12)} | look
    axes.plot(epochs[finite], values[finite], **look)


def epoch_axis(axes: Axes, epochs: np.ndarray) -> None:
    """Name the lower axis, with whole epochs alone as its ticks."""
    axes.set_xlabel("epoch", **font())
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    if epochs.min() == epochs.max():
        axes.set(xlim=(epochs[0] - 1, epochs[0] + 1), xticks=[epochs[0]])


def accuracy_axis(axes: Axes, measure: str = "accuracy") -> None:
    """Name the left axis, with percentages as its ticks."""
    axes.set_ylabel(measure.replace("_", " "), **font())
    axes.yaxis.set_major_formatter(lambda value, _: f"{round(100 * value, 6):g}%")


def _two_charts(
    title: str, note: str, epochs: np.ndarray, measure: str = "accuracy"
) -> tuple[Figure, Axes, Axes]:
    """Make the figure, its axes of the loss and those of the accuracy."""
    figure = new_charts(12.0, 4.9, title, note, columns=2)
    loss, accuracy = figure.axes
    for axes in (loss, accuracy):
        epoch_axis(axes, epochs)
    loss.set_ylabel("loss (nats)", **font())
    accuracy_axis(accuracy, measure)
    return figure, loss, accuracy


@writes_png
def plot_learning_curves(history: History, *, measure: str = "accuracy") -> Figure:
    """Draw loss and accuracy by epoch, training against validation, with the gap between them.

    A missing or None value is an epoch without a measurement; a training loss that is NaN or
    infinite is a divergence, and the title says so.

    Args:
      path: where the PNG goes.
      history: a row for each epoch with the keys epoch, train_loss, validation_loss (nats),
        train_accuracy, validation_accuracy, learning_rate; all but epoch may be missing.
      measure: what is drawn in place of accuracy, a share by its name in the history.

    Returns:
      `path`.

    Raises:
      ValueError: if `history` is empty or a row lacks its epoch.

    Example:
      >>> history = [
      ...     {"epoch": 1, "train_loss": 0.7, "validation_loss": 0.7, "validation_accuracy": 0.5},
      ...     {"epoch": 2, "train_loss": 0.4, "validation_loss": 0.5, "validation_accuracy": 0.8},
      ... ]
      >>> path = plot_learning_curves("curves.png", history)
    """
    columns = read_columns(history, measure)
    epochs, accuracy = columns["epoch"], columns[f"validation_{measure}"]
    best = best_index(accuracy, losses=columns["validation_loss"])
    title = _learning_curves_title(history, columns, best, measure)
    figure, loss_axes, accuracy_axes = _two_charts(title, _rate_note(columns), epochs, measure)
    for axes, kind in ((loss_axes, "loss"), (accuracy_axes, measure)):
        _draw_splits(axes, columns, kind)
        if best is not None and len(history) > 1:
            axes.axvline(epochs[best], color=GREY, linestyle=":", linewidth=1.5)
        legend_above(axes, 2)
    losses = np.concatenate([columns["train_loss"], columns["validation_loss"]])
    losses = losses[np.isfinite(losses)]
    # By powers of ten where it spans two of them, as after a bad start.
    if losses.size and losses.min() > 0 and losses.max() > 100 * losses.min():
        loss_axes.set_yscale("log")
        loss_axes.set_ylabel("loss (nats, log scale)", **font())
    if best is not None and len(history) > 1:
        _mark_best(accuracy_axes, epochs[best], accuracy[best])
    _name_gap(accuracy_axes, columns[f"train_{measure}"], accuracy)
    return figure


def _draw_splits(axes: Axes, columns: Columns, kind: str) -> None:
    """Draw the training and the validation curve, and shade the gap between them."""
    epochs = columns["epoch"]
    train, validation = (columns[f"{split}_{kind}"] for split in _SPLITS)
    both = np.isfinite(train) & np.isfinite(validation)
    shade: dict[str, Any] = {"color": ORANGE, "alpha": 0.2}
    axes.fill_between(epochs[both], train[both], validation[both], linewidth=0, **shade)
    if both.sum() == 1:  # one epoch has no area to fill
        axes.vlines(epochs[both], train[both], validation[both], linewidth=16, **shade)
    for values, look in zip((train, validation), _SPLITS.values(), strict=True):
        if kind in ("loss", "accuracy") or np.isfinite(values).any():
            draw_series(axes, epochs, values, **look)


def _learning_curves_title(
    history: History, columns: Columns, best: int | None, measure: str
) -> str:
    epochs = columns["epoch"]
    for epoch, row in zip(epochs, history, strict=True):
        loss = row.get("train_loss")
        if loss is not None and not np.isfinite(loss):
            return f"Training diverged: the loss is not finite at epoch {epoch:g}"
    words = measure.replace("_", " ")
    if best is None:
        return f"{counted(len(history), 'epoch')} of training, validation {words} not measured"
    accuracy = percent(columns[f"validation_{measure}"][best])
    if len(history) == 1:
        return f"Validation {words} is {accuracy} at epoch {epochs[0]:g}"
    return f"Validation {words} is best at epoch {epochs[best]:g}: {accuracy}"


def _rate_note(columns: Columns) -> str:
    known = columns["learning_rate"][np.isfinite(columns["learning_rate"])]
    if not known.size:
        return ""
    note = f"Learning rate {known[0]:.3g}"
    return note if known[0] == known[-1] else f"{note} at first, {known[-1]:.3g} at last"


def _mark_best(axes: Axes, epoch: float, accuracy: float) -> None:
    """Ring the best epoch, and name it at the foot of its line, for the curves are far above."""
    axes.plot([epoch], [accuracy], "o", markersize=14, mfc="none", mec=INK, mew=1.8)
    left, right = axes.get_xlim()
    late = epoch > (left + right) / 2
    axes.annotate(
        f"best: {percent(accuracy)}",
        (epoch, 0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-7 if late else 7, 9),
        textcoords="offset points",
        bbox=HALO,
        **font(ha="right" if late else "left", va="bottom", fontweight="bold"),
    )


def _name_gap(axes: Axes, train: np.ndarray, validation: np.ndarray) -> None:
    """Write how far training is ahead of validation, beside the last epoch that has both."""
    both = np.flatnonzero(np.isfinite(train) & np.isfinite(validation))
    if not both.size:
        return
    last = both[-1]
    middle = (train[last] + validation[last]) / 2
    text = f"gap\n{points(train[last] - validation[last])}"
    look = font(va="center", fontweight="bold")
    axes.text(1.03, middle, text, transform=axes.get_yaxis_transform(), **look)


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

    Example:
      >>> history = [
      ...     {"epoch": 1, "train_loss": 0.7, "validation_loss": 0.7, "validation_accuracy": 0.5},
      ...     {"epoch": 2, "train_loss": 0.4, "validation_loss": 0.5, "validation_accuracy": 0.8},
      ... ]
      >>> path = plot_member_curves("members.png", [history, history], ensemble_accuracy=0.85)
    """
    check_lengths(histories=histories)
    members = [read_columns(history) for history in histories]
    check_lengths(**{f"member {i}": history for i, history in enumerate(histories)})
    note, epochs = "Each member a thin line, their mean a thick one", members[0]["epoch"]
    figure, loss_axes, accuracy_axes = _two_charts(_member_title(members), note, epochs)
    for axes, kind in ((loss_axes, "loss"), (accuracy_axes, "accuracy")):
        for split, look in _SPLITS.items():
            table = np.array([columns[f"{split}_{kind}"] for columns in members])
            thin = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 1}
            for values in table:
                draw_series(axes, epochs, values, alpha=0.4, **thin)
            draw_series(axes, epochs, table.mean(axis=0), linewidth=2.6, **look)
    if ensemble_accuracy is not None and math.isfinite(ensemble_accuracy):
        label = f"ensemble {percent(ensemble_accuracy)}"
        accuracy_axes.axhline(
            ensemble_accuracy, color=INK, linestyle=":", linewidth=2.0, label=label
        )
    for axes in (loss_axes, accuracy_axes):
        legend_above(axes, 3)
    return figure


def _member_title(members: Sequence[Columns]) -> str:
    accuracies = [columns["validation_accuracy"] for columns in members]
    best = [best_index(values) for values in accuracies]
    found = [values[i] for values, i in zip(accuracies, best, strict=True) if i is not None]
    title = counted(len(members), "member")
    if not found:
        return f"{title}, validation accuracy not measured"
    spread = f" ± {percent(float(np.std(found, ddof=1)))}" if len(found) > 1 else ""
    return f"{title}: best validation accuracy {percent(float(np.mean(found)))}{spread}"
