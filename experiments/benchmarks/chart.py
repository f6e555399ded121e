"""The comparison as bars: each row's contestants as shares of the fastest of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from experiments.benchmarks.rows import Row
from experiments.benchmarks.screen import number
from experiments.benchmarks.speeds import CONTESTANTS, shown, speeds_of
from jaxcnn.plots.canvas import name_axes, new_charts, writes_png
from jaxcnn.plots.style import BLUE, INK, ORANGE, PALE, TEXT_PT
from jaxcnn.plots.text import fit_text, font

# Told apart in grey too: dark, pale and hatched.
_LOOKS: dict[str, dict[str, Any]] = {
    "jaxcnn": {"color": BLUE},
    "flax": {"color": PALE},
    "torch": {"facecolor": ORANGE, "edgecolor": INK, "hatch": "//", "linewidth": 0},
    "torch_compile": {"facecolor": ORANGE, "edgecolor": INK, "hatch": "..", "linewidth": 0},
}
_BAR, _GAP = 0.27, 0.24  # inches: of a bar, and between rows


@writes_png
def plot_speeds(rows: Sequence[Mapping[str, Any]], *, machine: str) -> Figure:
    """Draw a bar for each contestant of each row, with its images per second.

    Args:
      path: where the PNG goes.
      rows: with the fields of `Row`; "contestants" is as `contest.run_row` returns.
      machine: a line that names it.

    Returns:
      `path`.

    Raises:
      ValueError: if no row has a contestant that came through.
    """
    medians = [
        {name: found[name].median for name in shown(row) if name in found}
        for row, found in zip(rows, map(speeds_of, rows), strict=True)
    ]
    drawn = [(Row.of(row), bars) for row, bars in zip(rows, medians, strict=True) if bars]
    if not drawn:
        raise ValueError("no contestant came through, so there is nothing to draw.")
    body = sum(len(bars) * _BAR + _GAP for _, bars in drawn) + 1.5
    note = f"Images per second, bars as shares of the row's fastest. {machine}"
    figure = new_charts(11.0, body, "Speed of each network, by library", note)
    (axes,) = figure.axes
    axes.grid(visible=False, axis="y")
    bottom = _draw_rows(axes, drawn)
    axes.set(xlim=(0, 1.13), ylim=(bottom, -_GAP))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    name_axes(axes, "share of the row's fastest", "")
    there = [name for name in CONTESTANTS if any(name in bars for _, bars in drawn)]
    axes.legend(
        handles=[Patch(label=CONTESTANTS[name], **_LOOKS[name]) for name in there],
        loc="lower center",
        bbox_to_anchor=(0.45, 1.0),
        ncols=len(there),
        frameon=False,
        prop={"size": TEXT_PT, "family": font()["fontfamily"]},
        labelcolor=INK,
    )
    return figure


def _draw_rows(axes: Axes, drawn: Sequence[tuple[Row, Mapping[str, float]]]) -> float:
    """Draw the bars of each row, by contestant, from the top; return where they end."""
    top, middles, titles = 0.0, [], []
    for row, bars in drawn:
        middles.append(top + len(bars) * _BAR / 2)
        network = fit_text(row.network, 2.4, TEXT_PT - 1)
        titles.append(f"{network}, {row.size_px} px\n{row.mode}, batch {row.batch_size}")
        for name, median in bars.items():
            share = median / max(bars.values())
            axes.barh(top, share, height=_BAR * 0.9, align="edge", **_LOOKS[name])
            axes.annotate(
                number(median),
                (share, top + _BAR / 2),
                xytext=(5, 0),
                textcoords="offset points",
                **font(TEXT_PT - 1, va="center", fontweight="bold" if share == 1 else "normal"),
            )
            top += _BAR
        top += _GAP
    axes.set_yticks(middles, titles, **font(TEXT_PT - 1))
    axes.tick_params(axis="y", length=0)
    return top
