import numpy as np
import pytest

from jaxcnn.plots import samples

PHOTOS, LABELS, CLASSES = np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 1, 0]), ["cat", "dog"]


@pytest.mark.parametrize(("size_px", "interpolation"), [(28, "nearest"), (1200, "antialiased")])
def test_few_pixels_stay_crisp(size_px, interpolation, make_photos, photos_in):
    photos = make_photos(1, size_px=size_px, channels=1)
    figure = samples.plot_contact_sheet.__wrapped__(photos, [0], ["digit"])
    assert photos_in(figure)[0].get_interpolation() == interpolation


def test_augmented_samples_has_a_row_for_each_photo(make_photos, texts, heading, photos_in):
    originals = make_photos(4)
    augmented = np.stack([make_photos(3, size_px=6, dtype=np.float32, seed=s) for s in range(4)])
    figure = samples.plot_augmented_samples.__wrapped__(
        originals, augmented, class_names=CLASSES, labels=LABELS
    )
    drawn = [each.get_array() for each in photos_in(figure)]
    assert len(drawn) == 4 * (1 + 3)
    for row in range(4):
        np.testing.assert_array_equal(drawn[4 * row], originals[row])
        for view in range(3):
            np.testing.assert_array_equal(
                drawn[4 * row + 1 + view], np.round(augmented[row, view] * 255)
            )
    assert [t for t in texts(figure) if t in CLASSES] == ["cat", "dog", "dog", "cat"]
    assert "nothing" not in heading(figure)


def test_mixed_samples_tell_the_share_of_each_class(
    make_photos, texts, heading, assert_nothing_clipped
):
    views = np.stack([make_photos(2, dtype=np.float32, seed=s) for s in range(2)])
    shares = np.array([[[1, 0], [0.3, 0.7]], [[0.004, 0.996], [0.5, 0.5]]])
    figure = samples.plot_augmented_samples.__wrapped__(
        make_photos(2), views, class_names=CLASSES, labels=[0, 1], shares=shares
    )
    shown = [text for text in texts(figure) if "%" in text]
    assert shown == ["100% cat", "70% dog, 30% cat", "100% dog", "50% cat, 50% dog"]
    assert "label as mixed" in heading(figure)
    assert_nothing_clipped(figure)


def test_augmented_samples_says_when_nothing_changes(make_photos, heading):
    views = np.repeat(make_photos(2, dtype=np.float32)[:, None], 3, axis=1)
    figure = samples.plot_augmented_samples.__wrapped__(
        make_photos(2), views, class_names=CLASSES, labels=[0, 1]
    )
    assert "changes nothing" in heading(figure)


def test_contact_sheet_sorts_by_class_and_samples_evenly(make_photos, texts, heading):
    figure = samples.plot_contact_sheet.__wrapped__(PHOTOS, LABELS, CLASSES)
    assert [t for t in texts(figure) if t in CLASSES] == ["cat", "cat", "dog", "dog"]
    assert heading(figure) == "4 photos of 2 classes"
    assert "2 photos of each class" in texts(figure)
    labels = np.repeat([0, 1], [30, 10])
    some = samples.plot_contact_sheet.__wrapped__(make_photos(40), labels, CLASSES, max_photos=8)
    assert [t for t in texts(some) if t in CLASSES] == ["cat"] * 6 + ["dog"] * 2
    assert "From 10 of dog to 30 of cat; 8 shown, evenly spaced" in texts(some)


def test_photos_may_differ_in_size_and_a_row_is_as_high_as_its_highest():
    wide = [np.zeros((4, 16, 1), np.uint8), np.zeros((5, 10, 3), np.float32)]
    tall = [np.zeros((16, 4, 1), np.uint8), wide[1]]
    heights = [
        samples.plot_contact_sheet.__wrapped__(p, [0, 1], CLASSES).get_size_inches()[1]
        for p in (wide, tall)
    ]
    assert heights[0] < heights[1]


@pytest.mark.parametrize("count", [1, 2, 7, 13])
def test_photo_grids_of_every_count(count, make_photos, photos_in, assert_nothing_clipped):
    figure = samples.plot_contact_sheet.__wrapped__(make_photos(count), [0] * count, ["cat"])
    boxes = [each.get_window_extent() for each in photos_in(figure)]
    assert len(boxes) == count
    width, height = figure.bbox.size
    assert all(0 < box.x0 < box.x1 < width and 0 < box.y0 < box.y1 < height for box in boxes)
    assert_nothing_clipped(figure)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: samples.plot_contact_sheet.__wrapped__([], [], CLASSES), "at least 1"),
        (lambda: samples.plot_contact_sheet.__wrapped__(PHOTOS, [0, 1], CLASSES), "'labels': 2"),
        (
            lambda: samples.plot_contact_sheet.__wrapped__(PHOTOS, [0, 1, 2, 0], CLASSES),
            "expected 0 to 1",
        ),
        (lambda: samples.plot_contact_sheet.__wrapped__(PHOTOS, [0.0] * 4, CLASSES), "float64"),
        (
            lambda: samples.plot_contact_sheet.__wrapped__(PHOTOS, LABELS, CLASSES, max_photos=0),
            r"\(=0\)",
        ),
        (
            lambda: samples.plot_augmented_samples.__wrapped__(
                PHOTOS, np.zeros((4, 0, 2, 2, 3)), class_names=CLASSES, labels=LABELS
            ),
            "0 views",
        ),
        (
            lambda: samples.plot_augmented_samples.__wrapped__(
                PHOTOS, PHOTOS[:, None], class_names=CLASSES, labels=LABELS, shares=np.ones((4, 2))
            ),
            r"shares has shape \(4, 2\); expected \(4, 1, 2\)",
        ),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
