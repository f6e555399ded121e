"""Whether the network is as often right as it is sure: accuracy by confidence."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxcnn.host.text import counted, points
from jaxcnn.metrics.calibration import CalibrationCurve
from jaxcnn.plots.canvas import name_axes, new_charts, writes_png
from jaxcnn.plots.style import BLUE, GREY, PALE, TEXT_PT, VERMILLION

_SMALL = 0.01  # a mean gap below a point is good calibration


@writes_png
def plot_calibration(
    curve: CalibrationCurve,
    *,
    scaled: CalibrationCurve | None = None,
    temperature: float | None = None,
) -> Figure:
    """Draw accuracy by confidence beside the line of perfect calibration, and how sure it is.

    Args:
      path: where the PNG goes.
      curve: of the network, as `jaxcnn.metrics.calibration_curve` gives it.
      scaled: the same after temperature scaling; None draws none.
      temperature: of the scaling.

    Returns:
      `path`.

    Raises:
      ValueError: if the curve counts no example.

    Example:
      >>> from jaxcnn.metrics import calibration_curve
      >>> curve = calibration_curve(np.array([[0.9, 0.1]] * 4), np.array([0, 0, 0, 1]))
      >>> path = plot_calibration("calibration.png", curve)
    """
    total = int(np.sum(curve.count))
    if not total:
        raise ValueError("the calibration curve counts no example; expected at least 1.")
    if temperature == 1:
        scaled = None  # none was significantly better
    note = f"Expected calibration error {points(curve.error)} over {counted(total, 'photo')}"
    if scaled is not None:
        at = f" of {temperature:.2f}" if temperature is not None else ""
        note += f"; with a temperature{at}, fitted on validation, {points(scaled.error)}"
    figure = new_charts(12.0, 5.4, _title(curve), note, columns=2)
    reliability, histogram = figure.axes
    _draw_reliability(reliability, curve, scaled)
    look: dict[str, Any] = {"align": "edge", "color": PALE, "edgecolor": GREY, "linewidth": 0.8}
    histogram.bar(curve.edges[:-1], curve.count / total, np.diff(curve.edges), **look)
    for axes, height in ((reliability, "accuracy"), (histogram, "share of the photos")):
        axes.set(xlim=(0, 1.02))
        name_axes(axes, "confidence", height)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def _title(curve: CalibrationCurve) -> str:
    if curve.error < _SMALL:
        return "The network is right as often as it says"
    surplus = float(np.nansum((curve.confidence - curve.accuracy) * curve.count))
    share = abs(surplus) / np.sum(curve.count)
    if share < curve.error / 3:
        return "The network is too sure of some answers, and too unsure of others"
    word = "surer than it is right" if surplus > 0 else "less sure than it is right"
    return f"The network is {word}, by {points(share)} on average"


def _draw_reliability(axes: Axes, curve: CalibrationCurve, scaled: CalibrationCurve | None) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.6, label="perfect")
    filled = curve.count > 0
    reach = np.abs(curve.interval - curve.accuracy[:, None])[filled].T
    look: dict[str, Any] = {"color": BLUE, "marker": "o", "capsize": 3, "linewidth": 2}
    place = curve.confidence[filled], curve.accuracy[filled]
    axes.errorbar(*place, yerr=reach, label="as it is", **look)
    if scaled is not None:
        filled = scaled.count > 0
        look = {"color": VERMILLION, "marker": "s", "linestyle": "--", "linewidth": 1.8}
        label = "with a temperature"
        axes.plot(scaled.confidence[filled], scaled.accuracy[filled], label=label, **look)
    axes.set(ylim=(0, 1.02))
    axes.legend(loc="upper left", frameon=False, prop={"size": TEXT_PT})
