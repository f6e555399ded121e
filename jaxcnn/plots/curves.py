"""Loss and accuracy of one run by epoch, and the axes that all curves by epoch share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcnn.host.text import counted, percent, points
from jaxcnn.plots.canvas import chart_axes, legend_above, new_figure, writes_png
from jaxcnn.plots.ranking import best_index
from jaxcnn.plots.style import BLUE, GREY, HALO, INK, ORANGE, VERMILLION
from jaxcnn.plots.text import font

History = Sequence[Mapping[str, Any]]


def check_history(history: History) -> None:
    """Raise ValueError unless a history has a row, and each row its epoch."""
    if not len(history) or any("epoch" not in row for row in history):
        raise ValueError(
            f"history has {len(history)} rows; expected at least 1, each with the key 'epoch'."
        )


def series(history: History, key: str) -> np.ndarray:
    """Read one column of a history, NaN where an epoch has no such value."""
    values = [row.get(key) for row in history]
    return np.array([np.nan if v is None else float(v) for v in values])


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


def accuracy_axis(axes: Axes) -> None:
    """Name the left axis, with percentages as its ticks."""
    axes.set_ylabel("accuracy", **font())
    axes.yaxis.set_major_formatter(lambda value, _: f"{round(100 * value, 6):g}%")


@writes_png
def plot_learning_curves(history: History) -> Figure:
    """Draw loss and accuracy by epoch, training against validation, with the gap between them.

    A missing or None value is an epoch without a measurement; a training loss that is NaN or
    infinite is a divergence, and the title says so.

    Args:
      path: where the PNG goes.
      history: a row for each epoch with the keys epoch, train_loss, validation_loss (nats),
        train_accuracy, validation_accuracy, learning_rate; all but epoch may be missing.

    Returns:
      `path`.

    Raises:
      ValueError: if `history` is empty or a row lacks its epoch.
    """
    check_history(history)
    epochs, accuracy = series(history, "epoch"), series(history, "validation_accuracy")
    figure, heading = new_figure(12.0, 4.9, _learning_curves_title(history), _rate_note(history))
    loss_axes, accuracy_axes = chart_axes(figure, heading, 2)
    losses = series(history, "validation_loss")
    best = best_index(accuracy, losses=losses) if len(history) > 1 else None
    for axes, kind in ((loss_axes, "loss"), (accuracy_axes, "accuracy")):
        _draw_splits(axes, history, kind)
        epoch_axis(axes, epochs)
        if best is not None:
            axes.axvline(epochs[best], color=GREY, linestyle=":", linewidth=1.5)
        legend_above(axes, 2)
    _finish_loss_axes(loss_axes, history)
    accuracy_axis(accuracy_axes)
    if best is not None:
        _mark_best(accuracy_axes, epochs[best], accuracy[best])
    _name_gap(accuracy_axes, history)
    return figure


def _draw_splits(axes: Axes, history: History, kind: str) -> None:
    """Draw the training and the validation curve, and shade the gap between them."""
    epochs = series(history, "epoch")
    train, validation = (series(history, f"{split}_{kind}") for split in ("train", "validation"))
    both = np.isfinite(train) & np.isfinite(validation)
    shade: dict[str, Any] = {"color": ORANGE, "alpha": 0.2}
    axes.fill_between(epochs[both], train[both], validation[both], linewidth=0, **shade)
    if both.sum() == 1:  # one epoch has no area to fill
        axes.vlines(epochs[both], train[both], validation[both], linewidth=16, **shade)
    draw_series(axes, epochs, train, label="training", color=BLUE, linestyle="--", marker="o")
    draw_series(axes, epochs, validation, label="validation", color=VERMILLION, marker="s")


def _learning_curves_title(history: History) -> str:
    epochs, accuracy = series(history, "epoch"), series(history, "validation_accuracy")
    losses = [row.get("train_loss") for row in history]
    diverged = [
        e for e, v in zip(epochs, losses, strict=True) if v is not None and not np.isfinite(v)
    ]
    if diverged:
        return f"Training diverged: the loss is not finite at epoch {diverged[0]:g}"
    best = best_index(accuracy, losses=series(history, "validation_loss"))
    if best is None:
        return f"{counted(len(history), 'epoch')} of training, validation accuracy not measured"
    if len(history) == 1:
        return f"Validation accuracy is {percent(accuracy[0])} at epoch {epochs[0]:g}"
    return f"Validation accuracy is best at epoch {epochs[best]:g}: {percent(accuracy[best])}"


def _rate_note(history: History) -> str:
    rate = series(history, "learning_rate")
    known = rate[np.isfinite(rate)]
    if not known.size:
        return ""
    note = f"Learning rate {known[0]:.3g}"
    return note if known[0] == known[-1] else f"{note} at first, {known[-1]:.3g} at last"


def _finish_loss_axes(axes: Axes, history: History) -> None:
    """Scale the loss by powers of ten where it spans two of them, as after a bad start."""
    both = np.concatenate([series(history, "train_loss"), series(history, "validation_loss")])
    losses = both[np.isfinite(both)]
    logarithmic = losses.size and losses.min() > 0 and losses.max() > 100 * losses.min()
    if logarithmic:
        axes.set_yscale("log")
    axes.set_ylabel("loss (nats, log scale)" if logarithmic else "loss (nats)", **font())


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


def _name_gap(axes: Axes, history: History) -> None:
    """Write how far training is ahead of validation, beside the last epoch that has both."""
    train, validation = series(history, "train_accuracy"), series(history, "validation_accuracy")
    both = np.flatnonzero(np.isfinite(train) & np.isfinite(validation))
    if not both.size:
        return
    last = both[-1]
    middle = (train[last] + validation[last]) / 2
    text = f"gap\n{points(train[last] - validation[last])}"
    look = font(va="center", fontweight="bold")
    axes.text(1.03, middle, text, transform=axes.get_yaxis_transform(), **look)
