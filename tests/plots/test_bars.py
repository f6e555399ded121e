import math

import numpy as np
import pytest

from jaxcnn.plots import bars


def test_baselines(texts, heading):
    accuracies = {"colour histogram": 0.612, "edge orientations": 0.684, "network": 0.931}
    figure = bars.plot_baselines.__wrapped__(accuracies, chance=0.5)
    (axes,) = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], list(accuracies.values()))
    assert heading(figure) == "network is best: 93.1%, 24.7 points above edge orientations"
    assert texts(figure)[-4:] == ["chance", "61.2%", "68.4%", "93.1%"]
    assert axes.lines[0].get_xdata()[0] == 0.5
    assert [t.get_text() for t in axes.get_yticklabels()] == list(accuracies)


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan])
def test_baselines_of_one_extreme_method(value, assert_nothing_clipped):
    assert_nothing_clipped(bars.plot_baselines.__wrapped__({"W" * 99: value}, chance=0.001))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bars.plot_baselines.__wrapped__({"a": 93.1}, chance=0.5), "'a' is 93.1"),
        (lambda: bars.plot_baselines.__wrapped__({"a": 0.9}, chance=50), "'chance' is 50"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
