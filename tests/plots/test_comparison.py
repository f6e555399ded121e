import itertools
import math

import numpy as np
import pytest

from jaxcnn.plots import comparison
from jaxcnn.plots.style import RUN_COLOURS, RUN_MARKERS


def test_comparison_curves(make_history, texts, heading):
    runs = {"plain": make_history(5, gap=0.2), "augmented": make_history(8, gap=0.05, peak=4)}
    runs["augmented"] = [
        r | {"validation_accuracy": r["validation_accuracy"] + 0.1} for r in runs["augmented"]
    ]
    figure = comparison.plot_comparison_curves.__wrapped__(runs)
    assert heading(figure) == "augmented is best: 90.0%, 10.0 points above plain"
    assert {"plain", "augmented"} <= set(texts(figure))
    assert "best 80.0%, gap 20.0 points" in texts(figure)
    curves = figure.axes[0].lines[:4]
    assert [line.get_linestyle() for line in curves] == ["--", "-", "--", "-"]
    assert [len(line.get_xdata()) for line in curves] == [5, 5, 8, 8]
    assert curves[1].get_marker() != curves[3].get_marker()
    assert curves[1].get_color() != curves[3].get_color()


@pytest.mark.parametrize("num_runs", [1, 15])
def test_comparison_labels_stay_apart(num_runs, make_history, texts, assert_nothing_clipped):
    runs = {f"run {i}": make_history(3) for i in range(num_runs)}
    runs["all lost"] = [dict.fromkeys(r, math.nan) | {"epoch": r["epoch"]} for r in make_history(3)]
    figure = comparison.plot_comparison_curves.__wrapped__(runs)
    assert_nothing_clipped(figure)
    names = [t for t in figure.axes[0].texts if t.get_text() in runs]
    tops = sorted((t.get_window_extent().y0, t.get_window_extent().y1) for t in names)
    assert all(below[1] <= above[0] for below, above in itertools.pairwise(tops))
    assert "best n/a" in texts(figure)


def test_comparison_looks_are_many():
    looks = {(RUN_COLOURS[i % len(RUN_COLOURS)], RUN_MARKERS[i % 7]) for i in range(42)}
    assert len(RUN_MARKERS) == 7
    assert len(looks) == 42


@pytest.mark.parametrize(
    ("heights", "step", "expected"),
    [
        ([0.1, 0.9], 0.2, [0.1, 0.9]),
        ([0.9, 0.9], 0.2, [0.8, 1.0]),
        ([0.5, 0.5, 0.65], 0.2, [0.35, 0.55, 0.75]),
        ([0.0, 0.0, 0.0], 0.5, [0.0, 0.5, 1.0]),
    ],
)
def test_spread(heights, step, expected):
    np.testing.assert_allclose(comparison._spread(heights, step), expected, atol=1e-3)


def test_baselines(texts, heading):
    accuracies = {"colour histogram": 0.612, "edge orientations": 0.684, "network": 0.931}
    figure = comparison.plot_baselines.__wrapped__(accuracies, chance=0.5)
    (axes,) = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], list(accuracies.values()))
    assert heading(figure) == "network is best: 93.1%, 24.7 points above edge orientations"
    assert texts(figure)[-4:] == ["chance", "61.2%", "68.4%", "93.1%"]
    assert axes.lines[0].get_xdata()[0] == 0.5
    assert [t.get_text() for t in axes.get_yticklabels()] == list(accuracies)


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan])
def test_baselines_of_one_extreme_method(value, assert_nothing_clipped):
    assert_nothing_clipped(comparison.plot_baselines.__wrapped__({"W" * 99: value}, chance=0.001))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: comparison.plot_comparison_curves.__wrapped__({}), "at least 1"),
        (lambda: comparison.plot_baselines.__wrapped__({"a": 93.1}, chance=0.5), "'a' is 93.1"),
        (lambda: comparison.plot_baselines.__wrapped__({"a": 0.9}, chance=50), "'chance' is 50"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
