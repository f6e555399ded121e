import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from jaxcnn.plots import predictions
from jaxcnn.plots.style import RIGHT, WRONG

PHOTOS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
LABELS, CLASSES = np.array([0, 1, 1, 0]), ["cat", "dog"]
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.99, 0.01], [0.7, 0.3]], dtype=np.float32)


def test_most_confidently_wrong_is_sorted_and_captioned(texts, heading, photos_in):
    names = [f"photo/{i}.jpg" for i in range(4)]
    figure = predictions.plot_most_confidently_wrong.__wrapped__(
        PHOTOS, LABELS, PROBABILITIES, CLASSES, names=names
    )
    shown = photos_in(figure)
    assert len(shown) == 2
    np.testing.assert_array_equal(shown[0].get_array(), PHOTOS[2])
    captions = [t for t in texts(figure) if t.startswith(("true", "said", "photo"))]
    assert captions == [
        "true: dog", "said: cat 99.0%", "photo/2.jpg",
        "true: dog", "said: cat 60.0%", "photo/1.jpg",
    ]  # fmt: skip
    assert heading(figure) == "The surest mistake: dog taken for cat with 99.0%"
    assert "2 of 4 photos wrong (50.0%)" in texts(figure)


def test_most_confidently_wrong_shows_at_most_max_photos(texts, photos_in):
    figure = predictions.plot_most_confidently_wrong.__wrapped__(
        PHOTOS, LABELS, PROBABILITIES, CLASSES, max_photos=1
    )
    assert len(photos_in(figure)) == 1
    assert any("the 1 surest shown" in t for t in texts(figure))


@pytest.mark.parametrize(
    ("count", "said"), [(1, "the photo is right"), (4, "all 4 photos are right")]
)
def test_most_confidently_wrong_with_nothing_wrong(
    count, said, heading, photos_in, assert_nothing_clipped
):
    right = np.eye(2)[LABELS[:count]]
    figure = predictions.plot_most_confidently_wrong.__wrapped__(
        PHOTOS[:count], LABELS[:count], right, CLASSES
    )
    assert said in heading(figure)
    assert not photos_in(figure)
    assert_nothing_clipped(figure)


def test_a_network_that_says_nan_is_drawn_last(texts):
    probabilities = np.full((4, 2), np.nan)
    probabilities[2] = [0.6, 0.4]
    figure = predictions.plot_most_confidently_wrong.__wrapped__(
        PHOTOS, LABELS, probabilities, CLASSES
    )
    said = [t for t in texts(figure) if t.startswith("said")]
    assert said == ["said: cat 60.0%", "said: cat n/a"]


def test_predictions_marks_right_and_wrong_by_symbol_and_colour(texts, heading):
    figure = predictions.plot_predictions.__wrapped__(PHOTOS, LABELS, PROBABILITIES, CLASSES)
    marked = {t.get_text(): t.get_color() for t in figure.texts if t.get_text().endswith("%")}
    assert list(marked) == ["✓ cat 90%", "✗ cat 60%", "✗ cat 99%", "✓ cat 70%"]
    assert marked["✓ cat 90%"] == RIGHT
    assert marked["✗ cat 99%"] == WRONG
    frames = [
        mpl.colors.to_hex(each.get_edgecolor())
        for each in figure.artists
        if isinstance(each, Rectangle)
    ]
    assert [f.upper() == RIGHT for f in frames] == [True, False, False, True]
    assert texts(figure).count("true: dog") == 2
    assert heading(figure) == "2 of 4 photos right (50.0%)"


def test_predictions_without_labels_judges_nothing(texts):
    figure = predictions.plot_predictions.__wrapped__(PHOTOS, None, PROBABILITIES, CLASSES)
    assert "cat 99%" in texts(figure)
    assert not any("✓" in t or "✗" in t or "right" in t for t in texts(figure))


def test_predictions_counts_all_and_shows_some(texts, heading, photos_in):
    figure = predictions.plot_predictions.__wrapped__(
        PHOTOS, np.zeros(4, np.int32), PROBABILITIES, CLASSES, max_photos=3
    )
    assert len(photos_in(figure)) == 3
    assert heading(figure) == "All 4 photos right"
    assert any("the first 3 shown" in t for t in texts(figure))


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        predictions.plot_predictions.__wrapped__(PHOTOS, None, np.eye(4), CLASSES)


def draw_suspicious(make_photos, **changes):
    given = {
        "images": make_photos(3),
        "labels": [0, 1, 0],
        "suspected": [1, -1, -1],
        "probabilities": [0.02, 0.3, np.nan],
        "class_names": ["cat", "dog"],
    }
    return predictions.plot_suspicious_labels.__wrapped__(**{**given, **changes})


def test_each_photo_has_its_label_and_what_it_seems(make_photos, texts, heading):
    figure = draw_suspicious(make_photos, num_examples=1200)
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
        draw_suspicious(make_photos, **changes)
