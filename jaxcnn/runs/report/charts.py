"""Charts as numbers: where lines, ticks and labels go; templates/charts.html.jinja draws them.

Lengths are in the chart's own units, which the browser scales to the page. Colours are names of the
style sheet, so that a chart suits a light page, a dark one and paper.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxcnn.runs.report.answers import Bin

WIDTH, HEIGHT = 440, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 94, 12, 46
_MOST_POINTS = 300  # a line of more is drawn through every so many-th
_LABEL_HEIGHT = 17.0


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


class Line(NamedTuple):
    """One line of a chart, its name at its end."""

    name: str
    colour: str  # a name of the style sheet: blue, vermillion, green or purple
    dashed: bool
    points: str  # as SVG's polyline takes them
    end: tuple[float, float]
    label_y: float


class LineChart(NamedTuple):
    """Lines over an axis."""

    name: str  # unique on the page
    title: str
    summary: str  # what it shows, in words
    x_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    mark: Tick | None  # a vertical line with its text
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


class Series(NamedTuple):
    """What a line is drawn of."""

    name: str
    values: Sequence[float]
    colour: str
    dashed: bool = False


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Choose round numbers that cover a range.

    Args:
      low: lower end.
      high: upper end, >= low.
      most: about how many steps, >= 1.

    Returns:
      Numbers a step of 1, 2 or 5 times a power of ten apart, the first <= low, the last >= high.

    Example:
      >>> nice_ticks(0.0, 1.0), nice_ticks(3, 47)
      ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    """
    span = max(high - low, 1e-9 * max(abs(high), 1.0))
    rough = span / most
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * m for m in (1, 2, 5, 10) if scale * m >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def line_chart(
    name: str,
    title: str,
    x: Sequence[float],
    series: Sequence[Series],
    *,
    x_label: str,
    summary: str,
    share: bool = False,
    mark: tuple[float, str] | None = None,
) -> LineChart:
    """Lay out lines over an axis of whole numbers.

    Args:
      name: of the chart, unique on its page.
      title: what the heading says.
      x: (N,) positions, increasing, at least one.
      series: lines of N values each.
      x_label: what the axis counts.
      summary: the chart in words.
      share: whether the values are shares in [0, 1], written as percentages.
      mark: a position on the axis to point at, and what to say there.

    Returns:
      The chart.
    """
    values = [v for one in series for v in one.values if math.isfinite(v)] or [0.0]
    y_ticks = nice_ticks(min(values) if share else min(0.0, *values), max(values))
    y_ticks = [t for t in y_ticks if not share or 0 <= t <= 1]
    low, high = min(x), max(x)
    span = max(high - low, 1e-9)

    def x_at(value: float) -> float:
        place = (value - low) / span if high > low else 0.5
        return round(_LEFT + place * (WIDTH - _LEFT - _RIGHT), 1)

    def y_at(value: float) -> float:
        place = (value - y_ticks[0]) / max(y_ticks[-1] - y_ticks[0], 1e-9)
        return round(HEIGHT - _BOTTOM - place * (HEIGHT - _TOP - _BOTTOM), 1)

    lines = [_line(one, [x_at(v) for v in x], y_at) for one in series]
    ticks = [t for t in nice_ticks(low, high) if low <= t <= high and t.is_integer()] or [low]
    return LineChart(
        name=name,
        title=title,
        summary=summary,
        x_label=x_label,
        x_ticks=[Tick(x_at(t), f"{t:,.0f}") for t in ticks],
        y_ticks=[Tick(y_at(t), _tick_text(t, y_ticks, share)) for t in y_ticks],
        lines=_apart(lines),
        mark=None if mark is None else Tick(x_at(mark[0]), mark[1]),
    )


def _line(one: Series, x: list[float], y_at) -> Line:  # type: ignore[no-untyped-def]
    every = -(-len(x) // _MOST_POINTS)
    keep = sorted({*range(0, len(x), every), len(x) - 1})
    places = [(x[i], y_at(one.values[i])) for i in keep if math.isfinite(one.values[i])]
    end = places[-1] if places else (x[-1], y_at(0.0))
    points = " ".join(f"{a:g},{b:g}" for a, b in places)
    return Line(one.name, one.colour, one.dashed, points, end, end[1])


def _apart(lines: list[Line]) -> list[Line]:
    """Move the lines' labels apart where they would lie on each other."""
    order = sorted(range(len(lines)), key=lambda i: lines[i].label_y)
    places: dict[int, float] = {}
    lowest = -math.inf
    for i in order:
        places[i] = lowest = max(lines[i].label_y, lowest + _LABEL_HEIGHT)
    over = max(0.0, lowest - (HEIGHT - _BOTTOM))
    return [line._replace(label_y=round(places[i] - over, 1)) for i, line in enumerate(lines)]


def _tick_text(value: float, ticks: list[float], share: bool) -> str:
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    scaled = step * 100 if share else step
    digits = max(0, -math.floor(math.log10(scaled) + 1e-9))
    return f"{100 * value:.{digits}f}%" if share else f"{value:,.{digits}f}"


class Whisker(NamedTuple):
    """What came of the photos whose confidence lies in one bin."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    text: str


class ReliabilityChart(NamedTuple):
    """How often the network is right, by how sure it says it is."""

    name: str
    title: str
    summary: str
    ticks: list[Tick]  # along x; y has the same texts
    y_ticks: list[Tick]
    whiskers: list[Whisker]
    width: int = 420
    height: int = 400
    left: int = 64
    right: int = 396
    top: int = 12
    bottom: int = 344


def reliability_chart(name: str, title: str, bins: Sequence[Bin], summary: str) -> ReliabilityChart:
    """Lay out a reliability diagram: one point per bin, with its interval, as large as its share.

    Args:
      name: of the chart, unique on its page.
      title: what the heading says.
      bins: those that hold photos.
      summary: the chart in words.

    Returns:
      The chart.
    """
    empty = ReliabilityChart(name, title, summary, [], [], [])
    side = empty.right - empty.left
    most = max((b.count for b in bins), default=1)

    def x_at(value: float) -> float:
        return round(empty.left + value * side, 1)

    def y_at(value: float) -> float:
        return round(empty.bottom - value * side, 1)

    whiskers = [
        Whisker(
            x_at(b.confidence),
            y_at(b.accuracy),
            y_at(b.low),
            y_at(b.high),
            round(3 + 7 * float(np.sqrt(b.count / most)), 1),
            f"{b.count:,} photos of {b.confidence:.0%} confidence: {b.accuracy:.0%} right",
        )
        for b in bins
    ]
    shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    return empty._replace(
        ticks=[Tick(x_at(s), f"{s:.0%}") for s in shares],
        y_ticks=[Tick(y_at(s), f"{s:.0%}") for s in shares],
        whiskers=whiskers,
    )
