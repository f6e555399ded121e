"""Charts as numbers: where lines, ticks and labels go; templates/charts.html.jinja draws them.

Lengths are in the chart's own units, which the browser scales to the page. Colours are names of the
style sheet, so that a chart suits a light page, a dark one and paper.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.ticker import MaxNLocator

from jaxcnn.host.text import counted
from jaxcnn.runs.report.answers import Bin

_MOST_POINTS = 300  # a line of more is drawn through evenly spaced ones
_LABEL_HEIGHT = 17.0
_TICKS = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])
# Name, which is its colour's too; key in a row of the history; whether dashed.
_SPLITS = (("training", "train", True), ("validation", "validation", False))


class Frame(NamedTuple):
    """The size of a chart, and where its plane lies in it."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    def place(self, across: float, up: float) -> tuple[float, float]:
        """Find the point at these shares of the plane's width and height."""
        x = self.left + across * (self.right - self.left)
        return round(x, 1), round(self.bottom - up * (self.bottom - self.top), 1)


_WIDE = Frame(448, 270, left=64, right=354, top=12, bottom=224)
_SQUARE = Frame(420, 400, left=64, right=396, top=12, bottom=344)


Tick = tuple[float, str]  # where on an axis, and what it says


class Chart(NamedTuple):
    """Lines over an axis, or whiskers: what came of the photos of each bin of confidence."""

    name: str  # unique on the page
    title: str
    summary: str  # what it shows, in words
    frame: Frame
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: Sequence[dict[str, Any]] = ()  # name, dashed, points, end, label_y
    mark: float = 0.0  # where a vertical line stands
    whiskers: Sequence[dict[str, Any]] = ()  # x, y, low, high, radius, text


def nice_ticks(low: float, high: float) -> list[float]:
    """Choose round numbers that cover a range, about five steps apart.

    Args:
      low: lower end.
      high: upper end, >= low.

    Returns:
      Numbers a step of 1, 2 or 5 times a power of ten apart, the first <= low, the last >= high.

    Example:
      >>> nice_ticks(0.0, 1.0), nice_ticks(3, 47)
      ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    """
    high = max(high, low + 1e-9 * max(abs(high), 1.0))
    return [round(float(tick), 12) for tick in _TICKS.tick_values(low, high)]


def epoch_chart(kind: str, history: Sequence[Mapping[str, Any]], *, tested: int) -> Chart:
    """Lay out the loss, the accuracy or another share of both splits by epoch.

    Args:
      kind: "loss", "accuracy" or another metric that is a share; what training does not measure is
        drawn of validation alone.
      history: one row per epoch, as in `metrics.jsonl`; at least one.
      tested: the epoch to mark.

    Returns:
      The chart.
    """
    share, words = kind != "loss", kind.replace("_", " ").capitalize()
    epochs = [row["epoch"] for row in history]
    splits = [split for split in _SPLITS if f"{split[1]}_{kind}" in history[0]]
    series = [[_value(row[f"{key}_{kind}"]) for row in history] for _, key, _ in splits]
    finite = [value for values in series for value in values if math.isfinite(value)] or [0.0]
    y_ticks = nice_ticks(min(finite) if share else min(0.0, *finite), max(finite))
    y_ticks = [tick for tick in y_ticks if not share or 0 <= tick <= 1]
    low, high = min(epochs), max(epochs)
    x_ticks = [t for t in nice_ticks(low, high) if low <= t <= high and t.is_integer()] or [low]
    every = -(-len(epochs) // _MOST_POINTS)
    drawn = sorted({*range(0, len(epochs), every), len(epochs) - 1})

    def place(epoch: float, value: float) -> tuple[float, float]:
        across = (epoch - low) / max(high - low, 1e-9) if high > low else 0.5
        return _WIDE.place(across, (value - y_ticks[0]) / max(y_ticks[-1] - y_ticks[0], 1e-9))

    lines, said = [], []
    for (name, _, dashed), values in zip(splits, series, strict=True):
        points = [place(epochs[i], values[i]) for i in drawn if math.isfinite(values[i])]
        end = points[-1] if points else place(epochs[-1], 0.0)
        line = {"name": name, "dashed": dashed, "end": end}
        lines.append({**line, "points": " ".join(f"{x:g},{y:g}" for x, y in points)})
        first, last = (f"{v:.1%}" if share else f"{v:.3g}" for v in (values[0], values[-1]))
        said.append(f"{name} from {first} to {last}")
    return Chart(
        name=kind,
        title=words,
        summary=f"{words} over {counted(len(epochs), 'epoch')}: {', '.join(said)}.",
        frame=_WIDE,
        x_ticks=[(place(t, 0)[0], f"{t:,.0f}") for t in x_ticks],
        y_ticks=[(place(low, t)[1], _tick_text(t, y_ticks, share)) for t in y_ticks],
        lines=_labelled(lines),
        mark=place(tested, 0)[0],
    )


def _value(measured: float | None) -> float:
    return math.nan if measured is None else measured


def _labelled(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Place the lines' labels at their ends, apart where they would lie on each other."""
    places, lowest = {}, -math.inf
    for line in sorted(lines, key=lambda line: line["end"][1]):
        places[line["name"]] = lowest = max(line["end"][1], lowest + _LABEL_HEIGHT)
    over = max(0.0, lowest - _WIDE.bottom)
    return [{**line, "label_y": round(places[line["name"]] - over, 1)} for line in lines]


def _tick_text(value: float, ticks: list[float], share: bool) -> str:
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step * 100 if share else step) + 1e-9))
    return f"{100 * value:.{digits}f}%" if share else f"{value:,.{digits}f}"


def reliability_chart(bins: Sequence[Bin]) -> Chart:
    """Lay out a reliability diagram: one point per bin, with its interval, as large as its share.

    Args:
      bins: those that hold photos.

    Returns:
      The chart.
    """
    most = max((b.count for b in bins), default=1)
    whiskers, said = [], []
    for b in bins:
        x, y = _SQUARE.place(b.confidence, b.accuracy)
        low, high = (_SQUARE.place(0, bound)[1] for bound in (b.low, b.high))
        photos = f"{b.count:,} photos of {b.confidence:.0%} confidence"
        radius = round(3 + 7 * (b.count / most) ** 0.5, 1)
        text = f"{photos}: {b.accuracy:.0%} right"
        radius = round(3 + 7 * (b.count / most) ** 0.5, 1)
        text = f"{photos}: {b.accuracy:.0%} right"
        place = {"x": x, "y": y, "low": low, "high": high}
        whiskers.append({**place, "radius": radius, "text": text})
        said.append(f"{photos}, {b.accuracy:.0%} right")
    places = [(_SQUARE.place(share, share), f"{share:.0%}") for share in nice_ticks(0.0, 1.0)]
    return Chart(
        name="reliability",
        title="Confidence",
        summary="; ".join(said),
        frame=_SQUARE,
        x_ticks=[(x, text) for (x, _), text in places],
        y_ticks=[(y, text) for (_, y), text in places],
        whiskers=whiskers,
    )
