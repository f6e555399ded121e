"""Charts keep their lines within their frames, and their labels apart."""

import numpy as np
import pytest

from jaxcnn.runs.report.answers import Bin
from jaxcnn.runs.report.charts import epoch_chart, nice_ticks, reliability_chart


def places(line):
    return np.array([[float(v) for v in pair.split(",")] for pair in line["points"].split()])


def make_chart(kind, train, validation):
    rows = zip(train, validation, strict=True)
    history = [
        {"epoch": i + 1, f"train_{kind}": t, f"validation_{kind}": v}
        for i, (t, v) in enumerate(rows)
    ]
    return epoch_chart(kind, history, tested=1)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.62, 0.97), (3, 3), (0, 1e6), (0.0, 2e-4)])
def test_ticks_are_round_and_cover_the_range(low, high):
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 8
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


@pytest.mark.parametrize("count", [1, 2, 50, 2000])
@pytest.mark.parametrize("kind", ["accuracy", "loss"])
def test_lines_lie_within_the_frame(count, kind):
    values = np.random.default_rng(0).random(count)
    chart = make_chart(kind, values, values)
    frame = chart.frame
    for line in chart.lines:
        xs, ys = places(line).T
        assert len(xs) <= 301
        assert frame.left <= xs.min() <= xs.max() <= frame.right
        assert frame.top <= ys.min() <= ys.max() <= frame.bottom
        assert (xs[-1], ys[-1]) == line["end"]
    assert chart.mark == places(chart.lines[0])[0, 0]
    assert abs(chart.lines[0]["label_y"] - chart.lines[1]["label_y"]) >= 16
    assert all(text.endswith("%") for _, text in chart.y_ticks) == (kind == "accuracy")


def test_higher_is_higher():
    chart = make_chart("accuracy", [0.1, 0.9], [0.1, 0.9])
    (_, first), (_, last) = places(chart.lines[0])
    assert last < first
    assert "training from 10.0% to 90.0%" in chart.summary


def test_what_is_not_finite_is_left_out():
    chart = make_chart("loss", [float("nan"), 1.0, float("inf")], [1.0, 1.0, 1.0])
    assert [len(places(line)) for line in chart.lines] == [1, 3]


def test_perfect_calibration_lies_on_the_line():
    chart = reliability_chart([Bin(9, 0.25, 0.25, 0.1, 0.5), Bin(1, 1, 1, 0.2, 1)])
    frame = chart.frame
    for point in chart.whiskers:
        across = (point["x"] - frame.left) / (frame.right - frame.left)
        up = (frame.bottom - point["y"]) / (frame.bottom - frame.top)
        assert across == pytest.approx(up, abs=1e-3)
        assert point["high"] <= point["y"] <= point["low"]
    assert chart.whiskers[0]["radius"] > chart.whiskers[1]["radius"]
