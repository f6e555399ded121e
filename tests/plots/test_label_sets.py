"""Pictures of photos with several labels: what the captions say, and in which order."""

import numpy as np
import pytest

from jaxcnn import plots
from jaxcnn.plots.label_sets import most_wrong_first

CLASSES = ["cat", "dog", "a|b"]
LABELS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_captions_name_both_sets_where_they_differ(make_photos, texts, heading):
    sets = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0]], bool)
    figure = plots.plot_predicted_sets.__wrapped__(make_photos(3), LABELS, sets, CLASSES)
    said = texts(figure)
    assert {"✓ cat, a|b", "✗ cat", "true: none", "✗ none", "true: dog"} <= set(said)
    assert heading(figure).startswith("1 of 3 sets of labels right")


def test_the_probability_furthest_on_the_wrong_side_comes_first(make_photos, texts):
    probabilities = np.array([[0.9, 0.1, 0.8], [0.6, 0.1, 0.1], [0.1, 0.1, np.nan]])
    thresholds = np.array([0.5, 0.5, 0.85])
    # The first misses a|b by 0.05, the second has cat by 0.1 too much, the third lacks dog by 0.4.
    assert most_wrong_first(LABELS, probabilities, thresholds).tolist() == [2, 1, 0]
    figure = plots.plot_most_wrong_sets.__wrapped__(
        make_photos(3), LABELS, probabilities, thresholds, CLASSES, names=["x", "y", "z"]
    )
    said = [text for text in texts(figure) if text in "xyz"]
    assert said == ["z", "y", "x"]


def test_without_a_mistake_the_picture_says_so(make_photos, heading):
    figure = plots.plot_most_wrong_sets.__wrapped__(
        make_photos(3), LABELS, LABELS.astype(float), np.full(3, 0.5), CLASSES
    )
    assert heading(figure) == "No mistakes: all 3 sets are right"


def test_a_sheet_of_several_labels_counts_each(make_photos, texts):
    figure = plots.plot_contact_sheet.__wrapped__(make_photos(3), LABELS, CLASSES)
    assert {"cat, a|b", "none", "dog"} <= set(texts(figure))


@pytest.mark.parametrize("labels", [np.full((3, 3), 2), np.zeros((3, 2)), np.zeros(3)])
def test_what_is_no_table_is_refused(make_photos, labels):
    with pytest.raises(ValueError, match="expected"):
        plots.plot_predicted_sets.__wrapped__(make_photos(3), labels, LABELS > 0, CLASSES)


def test_curves_of_another_measure_are_named_by_it(make_history, heading, texts):
    rows = [
        {k.replace("accuracy", "mean_average_precision"): v for k, v in row.items()}
        for row in make_history(4)
    ]
    for row in rows:
        del row["train_mean_average_precision"]
    figure = plots.plot_learning_curves.__wrapped__(rows, measure="mean_average_precision")
    assert heading(figure).startswith("Validation mean average precision is best at epoch 4")
    assert "training" not in [line.get_label() for line in figure.axes[1].get_lines()]
