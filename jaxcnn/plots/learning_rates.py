"""What a test of learning rates found: the loss that each leads to."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted
from jaxcnn.plots.canvas import chart_axes, legend_above, new_figure, writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.style import BLUE, GREY, VERMILLION
from jaxcnn.plots.text import font


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
    """
    check_lengths(rates=rates, losses=losses)
    rates, losses = np.asarray(rates, float), np.asarray(losses, float)
    finite = np.isfinite(losses)
    diverged = int((~finite).sum())
    note = "Mean loss over the last quarter of the same few steps, from the same start"
    if diverged:
        note += f"; {counted(diverged, 'rate')} diverged"
    figure, heading = new_figure(9.0, 4.9, f"Suggested learning rate: {suggestion:.2g}", note)
    (axes,) = chart_axes(figure, heading)
    axes.plot(rates[finite], losses[finite], "o-", color=BLUE, linewidth=2.0, label="loss")
    axes.set_xscale("log")
    axes.set_xlim(rates.min() / 1.5, rates.max() * 1.5)
    if first_loss is not None and math.isfinite(first_loss):
        axes.axhline(first_loss, color=GREY, linestyle=":", linewidth=1.5, label="before training")
        # What diverged slowly would flatten the rest.
        axes.set_ylim(top=1.5 * first_loss if (losses[finite] > 1.5 * first_loss).any() else None)
    axes.axvline(suggestion, color=VERMILLION, linestyle="--", linewidth=2.0, label="suggested")
    axes.set_xlabel("learning rate (log scale)", **font())
    axes.set_ylabel("loss (nats)", **font())
    legend_above(axes, 3)
    return figure
