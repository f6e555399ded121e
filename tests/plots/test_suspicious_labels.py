"""The sheet of suspicious labels says what each photo is called and what it seems to be."""

import numpy as np
import pytest

from jaxcnn.plots.suspicious_labels import plot_suspicious_labels

LABELS, SEEMS = np.array([0, 1, 0]), np.array([1, -1, -1])


def draw(make_photos, **changes):
    given = {
        "images": make_photos(3),
        "labels": LABELS,
        "suspected": SEEMS,
        "probabilities": [0.02, 0.3, np.nan],
        "class_names": ["cat", "dog"],
    }
    return plot_suspicious_labels.__wrapped__(**{**given, **changes})


def test_each_photo_has_its_label_and_what_it_seems(make_photos, texts, heading):
    figure = draw(make_photos, num_examples=1200)
    written = texts(figure)
    assert heading(figure) == "1 label of these 3 photos may be wrong"
    assert any("of 1,200" in text for text in written)
    assert {"label: cat 2%", "looks like: dog", "label: dog 30%", "label: cat n/a"} <= set(written)
    assert written.count("hard to tell") == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suspected": [1, -1]}, "lengths are"),
        ({"suspected": np.array([2, -1, -1])}, "labels run from"),
        ({"labels": np.array([0, 1, 2])}, "labels run from"),
        ({"max_photos": 0}, "max_photos"),
    ],
)
def test_what_does_not_fit_is_refused(make_photos, changes, message):
    with pytest.raises(ValueError, match=message):
        draw(make_photos, **changes)
