import numpy as np
import pytest

from jaxcnn import plots
from jaxcnn.metrics.calibration import CalibrationCurve
from jaxcnn.plots import calibration, explanations, likeness, receptive_fields

PHOTO = np.full((16, 16, 3), (200, 40, 60), np.uint8)


def heat(top, left, side=4):
    values = np.zeros((16, 16), np.float32)
    values[top : top + side, left : left + side] = 7.0
    return values


def test_heat_is_laid_where_the_map_is_high_and_nowhere_else():
    drawn = plots.overlay(PHOTO, heat(4, 8))
    assert drawn.shape == (16, 16, 3)
    grey = PHOTO.mean() / 255
    away = np.ones((16, 16), bool)
    away[4:8, 8:12] = False
    np.testing.assert_allclose(drawn[away], grey, atol=1e-5)
    assert (drawn[4, 8:12] == 1).all()  # the line around what is at least half the greatest
    assert np.ptp(drawn[5, 9]) > 0.1  # coloured within
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("values", [np.zeros((16, 16)), -heat(0, 0), np.full((16, 16), np.nan)])
def test_a_map_that_speaks_for_nothing_leaves_the_photo_grey(values):
    np.testing.assert_allclose(plots.overlay(PHOTO, values), PHOTO.mean() / 255, atol=1e-5)


def test_an_empty_map_is_said_to_be_empty(texts):
    figure = explanations.plot_explanations.__wrapped__(
        [PHOTO, PHOTO],
        [0, 0],
        ["cat", "dog"],
        probabilities=[0.5, 0.5],
        maps={"Grad-CAM": np.stack([heat(0, 0), np.zeros((16, 16))])},
    )
    assert texts(figure).count("nothing speaks for it") == 1


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match="resize it"):
        plots.overlay(PHOTO, np.zeros((8, 8)))


@pytest.mark.parametrize(
    ("accuracy", "title"),
    [
        ([0.5, 0.7], "surer than it is right, by 16.0 points"),
        ([0.6, 0.98], "less sure than it is right, by 8.4 points"),
        ([0.502, 0.903], "right as often as it says"),
        ([0.9, 0.8], "too sure of some answers"),
    ],
)
def test_calibration_is_said_in_words(accuracy, title, heading):
    curve = CalibrationCurve(
        np.linspace(0, 1, 3),
        np.array([0.5, 0.9]),
        np.array(accuracy),
        np.array([[0.0, 1.0]] * 2),
        np.array([20, 80]),
    )
    assert title in heading(calibration.plot_calibration.__wrapped__(curve))


def test_a_calibration_curve_of_nothing_is_refused():
    empty = CalibrationCurve(*(np.array([np.nan]) for _ in range(4)), np.array([0]))
    with pytest.raises(ValueError, match="no example"):
        calibration.plot_calibration.__wrapped__(empty)


def test_of_many_classes_the_most_frequent_are_told_apart(texts):
    labels = np.concatenate([np.arange(20), np.arange(12)])
    names = [f"class {i}" for i in range(20)]
    points = np.random.default_rng(0).normal(size=(32, 2))
    figure = likeness.plot_photo_map.__wrapped__(points, labels, names, method="tsne")
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["8 other classes", *names[:12]]
    assert "t-SNE" in " ".join(texts(figure))


def test_of_thousands_of_small_points_the_legend_is_as_large_as_of_few():
    labels = np.arange(5000) % 2
    points = np.random.default_rng(0).normal(size=(5000, 2))
    figure = likeness.plot_photo_map.__wrapped__(
        points, labels, ["cat", "dog"], method="pca", wrong=labels == 1
    )
    (axes,) = figure.axes
    drawn = {s.get_label(): s.get_sizes()[0] for s in axes.collections}
    assert drawn["cat"] == drawn["dog"] < 10
    handles = axes.get_legend().legend_handles
    assert [handle.get_sizes()[0] for handle in handles] == [60, 60, 60]


def test_a_field_larger_than_the_photo_ends_at_its_edges():
    figure = receptive_fields.plot_receptive_fields.__wrapped__(
        PHOTO, [plots.FieldRow("stem", 4, 2, False), plots.FieldRow("top", 99, 4, True)]
    )
    boxes = [(p.get_x(), p.get_width()) for p in figure.axes[0].patches]
    assert boxes[1] == (5.5, 4)
    assert boxes[3] == (-0.5, 16)
