import math

import numpy as np
import pytest

from jaxcnn.plots import curves
from jaxcnn.plots.curves import best_index


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def test_learning_curves_draws_each_series(make_history, texts):
    history = make_history(6, gap=0.073)
    figure = curves.plot_learning_curves.__wrapped__(history)
    loss, accuracy = figure.axes
    for axes, kind in ((loss, "loss"), (accuracy, "accuracy")):
        for label, split in (("training", "train"), ("validation", "validation")):
            expected = [row[f"{split}_{kind}"] for row in history]
            np.testing.assert_allclose(lines(axes)[label], expected)
        styles = {line.get_label(): line for line in axes.lines}
        assert styles["training"].get_linestyle() != styles["validation"].get_linestyle()
        assert styles["training"].get_marker() != styles["validation"].get_marker()
        assert axes.collections, "the gap is shaded"
    assert "gap\n7.3 points" in texts(figure)
    assert "Learning rate 0.1 at first, 0.0167 at last" in texts(figure)


def test_learning_curves_marks_the_best_epoch(make_history, texts, heading):
    figure = curves.plot_learning_curves.__wrapped__(make_history(10, peak=4))
    assert heading(figure) == "Validation accuracy is best at epoch 4: 80.0%"
    assert "best: 80.0%" in texts(figure)
    dotted = [line.get_xdata()[0] for axes in figure.axes for line in axes.lines[2:3]]
    assert dotted == [4, 4]


def test_learning_curves_of_a_validation_ahead_of_training(make_history, texts):
    figure = curves.plot_learning_curves.__wrapped__(make_history(3, gap=-0.021))
    assert "gap\n\u22122.1 points" in texts(figure)


@pytest.mark.parametrize("num_epochs", [1, 2, 1000])
def test_learning_curves_of_any_length(num_epochs, make_history, texts, assert_nothing_clipped):
    figure = curves.plot_learning_curves.__wrapped__(make_history(num_epochs))
    assert_nothing_clipped(figure)
    assert len(lines(figure.axes[0])["training"]) == num_epochs
    assert any(t.startswith("gap\n10.0") for t in texts(figure))
    ticks = figure.axes[0].get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_learning_curves_says_where_the_loss_diverged(
    make_history, heading, assert_nothing_clipped
):
    history = make_history(6)
    for row in history[3:]:
        row["train_loss"] = row["validation_loss"] = math.nan
    figure = curves.plot_learning_curves.__wrapped__(history)
    assert heading(figure) == "Training diverged: the loss is not finite at epoch 4"
    assert len(lines(figure.axes[0])["training"]) == 3
    assert_nothing_clipped(figure)


@pytest.mark.parametrize("value", [None, math.nan])
def test_learning_curves_without_validation(value, make_history, heading, assert_nothing_clipped):
    lost = {"validation_accuracy": value, "validation_loss": None}
    history = [row | lost for row in make_history(3)]
    figure = curves.plot_learning_curves.__wrapped__(history)
    assert heading(figure) == "3 epochs of training, validation accuracy not measured"
    assert_nothing_clipped(figure)


def test_learning_curves_of_all_nan(make_history, assert_nothing_clipped):
    history = [dict.fromkeys(make_history(1)[0], math.nan) | {"epoch": e} for e in range(3)]
    assert_nothing_clipped(curves.plot_learning_curves.__wrapped__(history))


@pytest.mark.parametrize(("first", "scale"), [(2.0, "linear"), (2000.0, "log")])
def test_a_huge_loss_is_drawn_by_powers_of_ten(first, scale, make_history):
    history = make_history(4)
    history[0]["train_loss"] = first
    assert curves.plot_learning_curves.__wrapped__(history).axes[0].get_yscale() == scale


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: curves.plot_learning_curves.__wrapped__([]), "history has 0 rows"),
        (
            lambda: curves.plot_learning_curves.__wrapped__([{"loss": 1}]),
            "each with the key 'epoch'",
        ),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_among_equal_accuracies_the_least_loss_is_the_best():
    accuracy, losses = np.array([0.8, 0.9, np.nan, 0.9, 0.9]), np.array([0.1, 0.5, 0.0, 0.3, 0.4])
    assert best_index(accuracy, losses=losses) == 3
    assert best_index(accuracy) == 1
    assert best_index(np.array([np.nan])) is None
