"""Charts keep their lines within their frames, and their labels apart."""

import numpy as np
import pytest

from jaxcnn.runs.report.answers import Bin
from jaxcnn.runs.report.charts import Series, line_chart, nice_ticks, reliability_chart


def places(line):
    return np.array([[float(v) for v in pair.split(",")] for pair in line.points.split()])


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.62, 0.97), (3, 3), (0, 1e6), (0.0, 2e-4)])
def test_ticks_are_round_and_cover_the_range(low, high):
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 8
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


@pytest.mark.parametrize("count", [1, 2, 50, 2000])
@pytest.mark.parametrize("share", [True, False])
def test_lines_lie_within_the_frame(count, share):
    values = np.random.default_rng(0).random(count)
    x = range(1, count + 1)
    series = [Series("a", values, "blue"), Series("b", values, "green", dashed=True)]
    chart = line_chart("c", "C", x, series, x_label="epoch", summary="", share=share)
    for line in chart.lines:
        xs, ys = places(line).T
        assert len(xs) <= 301
        assert chart.left <= xs.min() <= xs.max() <= chart.right
        assert chart.top <= ys.min() <= ys.max() <= chart.bottom
        assert (xs[-1], ys[-1]) == line.end
    assert abs(chart.lines[0].label_y - chart.lines[1].label_y) >= 16
    assert all(tick.text.endswith("%") for tick in chart.y_ticks) == share


def test_higher_is_higher():
    chart = line_chart(
        "c", "C", [1, 2], [Series("a", [0.1, 0.9], "blue")], x_label="", summary="", share=True
    )
    (_, first), (_, last) = places(chart.lines[0])
    assert last < first


def test_what_is_not_finite_is_left_out():
    series = [Series("a", [float("nan"), 1.0, float("inf")], "blue")]
    chart = line_chart("c", "C", [1, 2, 3], series, x_label="", summary="")
    assert len(places(chart.lines[0])) == 1


def test_perfect_calibration_lies_on_the_line():
    chart = reliability_chart("r", "R", [Bin(9, 0.25, 0.25, 0.1, 0.5), Bin(1, 1, 1, 0.2, 1)], "")
    for point in chart.whiskers:
        across = (point.x - chart.left) / (chart.right - chart.left)
        up = (chart.bottom - point.y) / (chart.bottom - chart.top)
        assert across == pytest.approx(up, abs=1e-3)
        assert point.high <= point.y <= point.low
    assert chart.whiskers[0].radius > chart.whiskers[1].radius
