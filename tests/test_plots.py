import itertools
import math
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image

from jaxcnn import plots

WEIRD_NAMES = [
    "猫",
    "🐶 dog",
    "קטן כלב",
    "قطة صغيرة",
    "$\\bad{$",
    "",
    "  a\n\tb ",
    "\udcff\x07z",
    "猫",
]


def make_photos(count, *, size_px=8, channels=3, dtype=np.uint8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, size_px, size_px, channels))
    return pixels.astype(np.uint8) if dtype == np.uint8 else (pixels / 255).astype(dtype)


def make_history(num_epochs, *, gap=0.1, peak=None):
    epochs = np.arange(1, num_epochs + 1)
    rise = np.minimum(epochs / (peak or num_epochs), 1) - 0.1 * (epochs > (peak or num_epochs))
    return [
        {
            "epoch": int(epoch),
            "train_loss": 1.0 / epoch,
            "train_accuracy": 0.5 + 0.3 * r + gap,
            "validation_loss": 1.5 / epoch,
            "validation_accuracy": 0.5 + 0.3 * r,
            "learning_rate": 0.1 / epoch,
        }
        for epoch, r in zip(epochs, rise, strict=True)
    ]


def make_matrix(num_classes, right=10):
    matrix = np.eye(num_classes, dtype=np.int64) * right
    matrix[1, 0] = 3
    return matrix


def texts(figure: Figure) -> list[str]:
    found = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        found += [t.get_text() for t in axes.texts]
    return found


def heading(figure: Figure) -> str:
    return " ".join(t.get_text() for t in figure.texts if t.get_fontsize() == plots.TITLE_PT)


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def assert_nothing_clipped(figure: Figure) -> None:
    figure.canvas.draw()
    width, height = figure.bbox.size
    drawn = list(figure.texts)
    for axes in figure.axes:
        if axes.axison:
            # Locators may hold ticks beyond the limits, which are not drawn.
            ticks = [
                tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()
            ]
            drawn += [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, *ticks]
    for text in drawn:
        if text.get_visible() and text.get_text():
            box = text.get_window_extent()
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert inside, (text.get_text(), box, width, height)


PHOTOS, LABELS = make_photos(4), np.array([0, 1, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.99, 0.01], [0.7, 0.3]], dtype=np.float32)
CLASSES = ["cat", "dog"]

# name: (the plot's function, positional arguments, keyword arguments)
EACH = {
    "augmented": (
        "augmented_samples",
        (PHOTOS, np.stack([make_photos(3, size_px=6, dtype=np.float32, seed=s) for s in range(4)])),
        {"class_names": CLASSES, "labels": LABELS},
    ),
    "curves": ("learning_curves", (make_history(6),), {}),
    "confusion": ("confusion_matrix", (make_matrix(3), ["a", "b", "c"]), {}),
    "wrong": ("most_confidently_wrong", (PHOTOS, LABELS, PROBABILITIES, CLASSES), {}),
    "predictions": ("predictions", (PHOTOS, LABELS, PROBABILITIES, CLASSES), {}),
    "unlabelled": ("predictions", (PHOTOS, None, PROBABILITIES, CLASSES), {}),
    "baselines": ("baselines", ({"colour histogram": 0.6, "network": 0.9},), {"chance": 0.5}),
    "sheet": ("contact_sheet", (PHOTOS, LABELS, CLASSES), {}),
    "comparison": ("comparison_curves", ({"plain": make_history(4)},), {}),
}


def draw(case) -> Figure:
    name, args, kwargs = EACH[case]
    return getattr(plots, f"_figure_{name}")(*args, **kwargs)


@pytest.mark.parametrize("case", EACH)
def test_writes_a_png_and_returns_its_path(case, tmp_path):
    name, args, kwargs = EACH[case]
    path = tmp_path / "new folder" / "picture.bin"
    before = dict(mpl.rcParams)
    assert getattr(plots, f"plot_{name}")(str(path), *args, **kwargs) == path
    assert dict(mpl.rcParams) == before
    figure = draw(case)
    with Image.open(path) as image:
        assert image.format == "PNG"
        expected = np.round(figure.get_size_inches() * plots.DPI)
        np.testing.assert_allclose(image.size, expected, atol=1)
        assert min(image.size) >= 400
        pixels = np.asarray(image.convert("L"))
    assert pixels.max() == 255
    assert 0.005 < (pixels < 200).mean() < 0.95
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all((edge == 255).all() for edge in edges)


@pytest.mark.parametrize("case", EACH)
def test_nothing_is_clipped(case):
    assert_nothing_clipped(draw(case))


def test_imports_neither_pyplot_nor_itself_into_the_package():
    code = (
        "import sys, jaxcnn; assert 'matplotlib' not in sys.modules\n"
        "import jaxcnn.plots; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# ---- text


def test_drawable_names_are_distinct_and_visible():
    names = plots._drawable_names(WEIRD_NAMES)
    assert len(set(names)) == len(names)
    assert all(plots._drawable(name) == name for name in names)
    assert names[2:5] == ["קטן כלב", "قطة صغيرة", "$\\bad{$"]
    assert names[6:8] == ["a b", "z"]


def test_undrawable_names_get_their_number(monkeypatch):
    monkeypatch.setattr(plots, "_has_glyph", str.isascii)
    assert plots._drawable_names(["猫", "犬 dog", "dog"]) == ["class #0", "dog #1", "dog #2"]


def test_families_are_installed():
    installed = {font.name for font in font_manager.fontManager.ttflist}
    assert plots._families()[0] == "DejaVu Sans"
    assert set(plots._families()) <= installed


@pytest.mark.parametrize("keep_end", [False, True])
@pytest.mark.parametrize("text", ["W" * 50, "Staffordshire bull terrier", "i" * 5000])
def test_fit_shortens_to_the_width(text, keep_end):
    fitted = plots._fit(text, 1.0, 12, before="✓ ", after=" 98%", keep_end=keep_end)
    assert 0.7 < plots._text_width(fitted, 12) <= 1.0
    assert fitted.startswith("✓ …" if keep_end else "✓ " + text[0])
    assert fitted.endswith(text[-1] + " 98%" if keep_end else "… 98%")


def test_fit_leaves_what_fits_and_marks_right_to_left():
    assert plots._fit("cat", 1.0, 12) == "cat"
    assert plots._fit("قطة", 1.0, 12) == "\u200eقطة\u200e"


def test_wrap_keeps_every_word():
    text = "most often one long name is taken for another"
    wrapped = plots._wrap(text, 1.5, 12)
    assert " ".join(wrapped) == text
    assert len(wrapped) > 2
    assert all(plots._text_width(line, 12) <= 1.5 for line in wrapped)


@pytest.mark.parametrize(
    ("fraction", "digits", "text"),
    [(1.0, 1, "100%"), (0.9996, 1, "100.0%"), (0.073, 1, "7.3%"), (0.98, 0, "98%"),
     (math.nan, 1, "n/a")],
)  # fmt: skip
def test_percent(fraction, digits, text):
    assert plots._percent(fraction, digits) == text


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
    np.testing.assert_allclose(plots._spread(heights, step), expected, atol=1e-3)


# ---- photos


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.float16])
def test_to_rgb(channels, dtype):
    photo = make_photos(1, channels=channels, dtype=dtype)[0]
    rgb = plots._to_rgb(photo)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (8, 8, 3)
    np.testing.assert_array_equal(rgb, plots._to_rgb(make_photos(1, channels=channels)[0]))


def test_to_rgb_of_a_matrix_and_of_strange_values():
    np.testing.assert_array_equal(plots._to_rgb(np.eye(2))[..., 2], [[255, 0], [0, 255]])
    strange = np.array([[np.nan, -1.0, 2.0, 0.5]], dtype=np.float32)
    assert plots._to_rgb(strange)[0, :, 0].tolist() == [0, 0, 255, 128]


@pytest.mark.parametrize(("size_px", "interpolation"), [(28, "nearest"), (1200, "antialiased")])
def test_few_pixels_stay_crisp(size_px, interpolation):
    photos = make_photos(1, size_px=size_px, channels=1)
    figure = plots._figure_contact_sheet(photos, [0], ["digit"])
    assert figure.axes[0].images[0].get_interpolation() == interpolation


def test_augmented_samples_has_a_row_for_each_photo():
    figure = draw("augmented")
    _, (originals, augmented), _ = EACH["augmented"]
    assert len(figure.axes) == 4 * (1 + 3)
    drawn = [axes.images[0].get_array() for axes in figure.axes]
    for row in range(4):
        np.testing.assert_array_equal(drawn[4 * row], originals[row])
        for view in range(3):
            np.testing.assert_array_equal(
                drawn[4 * row + 1 + view], np.round(augmented[row, view] * 255)
            )
    assert [t for t in texts(figure) if t in CLASSES] == ["cat", "dog", "dog", "cat"]
    assert "nothing" not in heading(figure)


def test_augmented_samples_says_when_nothing_changes():
    views = np.repeat(make_photos(2, dtype=np.float32)[:, None], 3, axis=1)
    figure = plots._figure_augmented_samples(
        make_photos(2), views, class_names=CLASSES, labels=[0, 1]
    )
    assert "changes nothing" in heading(figure)


def test_most_confidently_wrong_is_sorted_and_captioned():
    names = [f"photo/{i}.jpg" for i in range(4)]
    figure = plots._figure_most_confidently_wrong(
        PHOTOS, LABELS, PROBABILITIES, CLASSES, names=names
    )
    assert len(figure.axes) == 2
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), PHOTOS[2])
    captions = [t for t in texts(figure) if t.startswith(("true", "said", "photo"))]
    assert captions == [
        "true: dog", "said: cat 99.0%", "photo/2.jpg",
        "true: dog", "said: cat 60.0%", "photo/1.jpg",
    ]  # fmt: skip
    assert heading(figure) == "The surest mistake: dog taken for cat with 99.0%"
    assert "2 of 4 photos wrong (50.0%)" in texts(figure)


def test_most_confidently_wrong_shows_at_most_max_photos():
    figure = plots._figure_most_confidently_wrong(
        PHOTOS, LABELS, PROBABILITIES, CLASSES, max_photos=1
    )
    assert len(figure.axes) == 1
    assert any("the 1 surest shown" in t for t in texts(figure))


@pytest.mark.parametrize(
    ("count", "said"), [(1, "the photo is right"), (4, "all 4 photos are right")]
)
def test_most_confidently_wrong_with_nothing_wrong(count, said):
    right = np.eye(2)[LABELS[:count]]
    figure = plots._figure_most_confidently_wrong(PHOTOS[:count], LABELS[:count], right, CLASSES)
    assert said in heading(figure)
    assert not figure.axes
    assert_nothing_clipped(figure)


def test_a_network_that_says_nan_is_drawn_last():
    probabilities = np.full((4, 2), np.nan)
    probabilities[2] = [0.6, 0.4]
    figure = plots._figure_most_confidently_wrong(PHOTOS, LABELS, probabilities, CLASSES)
    said = [t for t in texts(figure) if t.startswith("said")]
    assert said == ["said: cat 60.0%", "said: cat n/a"]


def test_predictions_marks_right_and_wrong_by_symbol_and_colour():
    figure = draw("predictions")
    marked = {t.get_text(): t.get_color() for t in figure.texts if t.get_text().endswith("%")}
    assert list(marked) == ["✓ cat 90%", "✗ cat 60%", "✗ cat 99%", "✓ cat 70%"]
    assert marked["✓ cat 90%"] == plots.GREEN
    assert marked["✗ cat 99%"] == plots.VERMILLION
    frames = [mpl.colors.to_hex(axes.spines["top"].get_edgecolor()) for axes in figure.axes]
    assert [f.upper() == plots.GREEN for f in frames] == [True, False, False, True]
    assert texts(figure).count("true: dog") == 2
    assert heading(figure) == "2 of 4 photos right (50.0%)"


def test_predictions_without_labels_judges_nothing():
    figure = draw("unlabelled")
    assert "cat 99%" in texts(figure)
    assert not any("✓" in t or "✗" in t or "right" in t for t in texts(figure))


def test_predictions_counts_all_and_shows_some():
    figure = plots._figure_predictions(
        PHOTOS, np.zeros(4, np.int32), PROBABILITIES, CLASSES, max_photos=3
    )
    assert len(figure.axes) == 3
    assert heading(figure) == "All 4 photos right"
    assert any("the first 3 shown" in t for t in texts(figure))


def test_contact_sheet_sorts_by_class_and_samples_evenly():
    figure = draw("sheet")
    assert [t for t in texts(figure) if t in CLASSES] == ["cat", "cat", "dog", "dog"]
    assert heading(figure) == "4 photos of 2 classes"
    assert "2 photos of each class" in texts(figure)
    labels = np.repeat([0, 1], [30, 10])
    some = plots._figure_contact_sheet(make_photos(40), labels, CLASSES, max_photos=8)
    assert [t for t in texts(some) if t in CLASSES] == ["cat"] * 6 + ["dog"] * 2
    assert "From 10 of dog to 30 of cat; 8 shown, evenly spaced" in texts(some)


def test_photos_may_differ_in_size_and_a_row_is_as_high_as_its_highest():
    wide = [np.zeros((4, 16, 1), np.uint8), np.zeros((5, 10, 3), np.float32)]
    tall = [np.zeros((16, 4, 1), np.uint8), wide[1]]
    heights = [
        plots._figure_contact_sheet(p, [0, 1], CLASSES).get_size_inches()[1] for p in (wide, tall)
    ]
    assert heights[0] < heights[1]


@pytest.mark.parametrize("count", [1, 2, 7, 13])
def test_photo_grids_of_every_count(count):
    figure = plots._figure_contact_sheet(make_photos(count), [0] * count, ["cat"])
    assert len(figure.axes) == count
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(box.x0 > 0 and box.y0 > 0 and box.x1 < 1 and box.y1 < 1 for box in boxes)
    assert_nothing_clipped(figure)


def test_pictures_of_weird_names():
    count = len(WEIRD_NAMES)
    photos, labels = make_photos(count), np.arange(count)
    probabilities = np.roll(np.eye(count), 1, axis=1)
    matrix = np.eye(count, dtype=np.int32) + np.roll(np.eye(count, dtype=np.int32), 1, axis=1) * 9
    runs = {name: make_history(2) for name in WEIRD_NAMES}
    accuracies = dict.fromkeys(WEIRD_NAMES, 0.5)
    wrong = plots._figure_most_confidently_wrong(
        photos, labels, probabilities, WEIRD_NAMES, names=WEIRD_NAMES
    )
    figures = [
        wrong,
        plots._figure_predictions(photos, labels, probabilities, WEIRD_NAMES),
        plots._figure_contact_sheet(photos, labels, WEIRD_NAMES),
        plots._figure_confusion_matrix(matrix, WEIRD_NAMES),
        plots._figure_comparison_curves(runs),
        plots._figure_baselines(accuracies, chance=0.1),
        plots._figure_augmented_samples(
            photos, photos[:, None], class_names=WEIRD_NAMES, labels=labels
        ),
    ]
    for figure in figures:
        assert_nothing_clipped(figure)


# ---- curves


def test_learning_curves_draws_each_series():
    history = make_history(6, gap=0.073)
    figure = plots._figure_learning_curves(history)
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


def test_learning_curves_marks_the_best_epoch():
    figure = plots._figure_learning_curves(make_history(10, peak=4))
    assert heading(figure) == "Validation accuracy is best at epoch 4: 80.0%"
    assert "best: 80.0%" in texts(figure)
    dotted = [line.get_xdata()[0] for axes in figure.axes for line in axes.lines[2:3]]
    assert dotted == [4, 4]


def test_learning_curves_of_a_validation_ahead_of_training():
    figure = plots._figure_learning_curves(make_history(3, gap=-0.021))
    assert "gap\n\u22122.1 points" in texts(figure)


@pytest.mark.parametrize("num_epochs", [1, 2, 1000])
def test_learning_curves_of_any_length(num_epochs):
    figure = plots._figure_learning_curves(make_history(num_epochs))
    assert_nothing_clipped(figure)
    assert len(lines(figure.axes[0])["training"]) == num_epochs
    assert any(t.startswith("gap\n10.0") for t in texts(figure))
    ticks = figure.axes[0].get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_learning_curves_says_where_the_loss_diverged():
    history = make_history(6)
    for row in history[3:]:
        row["train_loss"] = row["validation_loss"] = math.nan
    figure = plots._figure_learning_curves(history)
    assert heading(figure) == "Training diverged: the loss is not finite at epoch 4"
    assert len(lines(figure.axes[0])["training"]) == 3
    assert_nothing_clipped(figure)


@pytest.mark.parametrize("value", [None, math.nan])
def test_learning_curves_without_validation(value):
    lost = {"validation_accuracy": value, "validation_loss": None}
    history = [row | lost for row in make_history(3)]
    figure = plots._figure_learning_curves(history)
    assert heading(figure) == "3 epochs of training, validation accuracy not measured"
    assert_nothing_clipped(figure)


def test_learning_curves_of_all_nan():
    history = [dict.fromkeys(make_history(1)[0], math.nan) | {"epoch": e} for e in range(3)]
    assert_nothing_clipped(plots._figure_learning_curves(history))


@pytest.mark.parametrize(("first", "scale"), [(2.0, "linear"), (2000.0, "log")])
def test_a_huge_loss_is_drawn_by_powers_of_ten(first, scale):
    history = make_history(4)
    history[0]["train_loss"] = first
    assert plots._figure_learning_curves(history).axes[0].get_yscale() == scale


def test_comparison_curves():
    runs = {"plain": make_history(5, gap=0.2), "augmented": make_history(8, gap=0.05, peak=4)}
    runs["augmented"] = [
        r | {"validation_accuracy": r["validation_accuracy"] + 0.1} for r in runs["augmented"]
    ]
    figure = plots._figure_comparison_curves(runs)
    assert heading(figure) == "augmented is best: 90.0%, 10.0 points above plain"
    assert {"plain", "augmented"} <= set(texts(figure))
    assert "best 80.0%, gap 20.0 points" in texts(figure)
    curves = figure.axes[0].lines[:4]
    assert [line.get_linestyle() for line in curves] == ["--", "-", "--", "-"]
    assert [len(line.get_xdata()) for line in curves] == [5, 5, 8, 8]
    assert curves[1].get_marker() != curves[3].get_marker()
    assert curves[1].get_color() != curves[3].get_color()


@pytest.mark.parametrize("num_runs", [1, 15])
def test_comparison_labels_stay_apart(num_runs):
    runs = {f"run {i}": make_history(3) for i in range(num_runs)}
    runs["all lost"] = [dict.fromkeys(r, math.nan) | {"epoch": r["epoch"]} for r in make_history(3)]
    figure = plots._figure_comparison_curves(runs)
    assert_nothing_clipped(figure)
    names = [t for t in figure.axes[0].texts if t.get_text() in runs]
    tops = sorted((t.get_window_extent().y0, t.get_window_extent().y1) for t in names)
    assert all(below[1] <= above[0] for below, above in itertools.pairwise(tops))
    assert "best n/a" in texts(figure)


def test_comparison_looks_are_many():
    looks = {
        (plots.RUN_COLOURS[i % len(plots.RUN_COLOURS)], plots.RUN_MARKERS[i % 7]) for i in range(42)
    }
    assert len(plots.RUN_MARKERS) == 7
    assert len(looks) == 42


def test_baselines():
    accuracies = {"colour histogram": 0.612, "edge orientations": 0.684, "network": 0.931}
    figure = plots._figure_baselines(accuracies, chance=0.5)
    (axes,) = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], list(accuracies.values()))
    assert heading(figure) == "network is best: 93.1%, 24.7 points above edge orientations"
    assert texts(figure)[-4:] == ["chance", "61.2%", "68.4%", "93.1%"]
    assert axes.lines[0].get_xdata()[0] == 0.5
    assert [t.get_text() for t in axes.get_yticklabels()] == list(accuracies)


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan])
def test_baselines_of_one_extreme_method(value):
    assert_nothing_clipped(plots._figure_baselines({"W" * 99: value}, chance=0.001))


# ---- confusion matrix


def test_confusion_matrix_numbers_each_cell():
    matrix = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 1239]])
    figure = plots._figure_confusion_matrix(matrix, ["a", "b", "c"])
    cells = [t.get_text() for t in figure.axes[0].texts]
    assert cells == [
        "8\n80%", "2\n20%", "0\n0%", "0\n\u2013", "0\n\u2013", "0\n\u2013",
        "1\n0%", "0\n0%", "1,239\n100%",
    ]  # fmt: skip
    assert heading(figure) == "99.8% right; most often a is taken for b (2 times)"
    np.testing.assert_allclose(
        figure.axes[0].images[0].get_array(), [[0.8, 0.2, 0], [0, 0, 0], [1 / 1240, 0, 1239 / 1240]]
    )


@pytest.mark.parametrize(
    ("num_classes", "num_cells", "num_ticks", "listed"),
    [(1, 1, 1, False), (2, 4, 2, False), (20, 400, 20, False), (21, 0, 21, True),
     (40, 0, 40, True), (41, 0, 14, True), (100, 0, 20, True), (101, 0, 0, True),
     (1000, 0, 0, True)],
)  # fmt: skip
def test_confusion_matrix_at_every_size(num_classes, num_cells, num_ticks, listed):
    names = [f"a rather long name of the class {i}" for i in range(num_classes)]
    matrix = make_matrix(num_classes) if num_classes > 1 else np.array([[5]])
    figure = plots._figure_confusion_matrix(matrix, names)
    axes = figure.axes[0]
    assert len(axes.texts) == num_cells
    assert len(axes.get_xticks()) == len(axes.get_yticks()) == num_ticks
    assert ("Most often confused" in texts(figure)) == listed
    if listed:
        assert "a rather long name of the class 1" in texts(figure)
        assert any(t.startswith("→ ") and t.endswith("3\u00d7 (23%)") for t in texts(figure))
    assert all(t.get_text().endswith("…") for t in axes.get_yticklabels())
    assert_nothing_clipped(figure)


def test_cell_numbers_stay_in_their_cells():
    matrix = np.full((12, 12), 12345, dtype=np.int64)
    figure = plots._figure_confusion_matrix(matrix, [str(i) for i in range(12)])
    figure.canvas.draw()
    axes = figure.axes[0]
    cell = axes.get_window_extent().width / 12
    boxes = [t.get_window_extent() for t in axes.texts]
    assert max(box.width for box in boxes) < cell
    assert max(box.height for box in boxes) < cell


@pytest.mark.parametrize(
    ("matrix", "said"),
    [(np.eye(2, dtype=int) * 4, "All 8 photos right"), (np.zeros((2, 2), int), "No photo was")],
)
def test_confusion_matrix_without_mistakes(matrix, said):
    assert said in heading(plots._figure_confusion_matrix(matrix, CLASSES))
    many = np.eye(30, dtype=int)
    assert "No class is confused" in texts(plots._figure_confusion_matrix(many, ["n"] * 30))


def test_most_confused_finds_the_greatest_counts_off_the_diagonal():
    matrix = np.array([[99, 3, 0], [7, 99, 0], [0, 5, 99]])
    assert plots._most_confused(matrix, limit=2) == [(1, 0), (2, 1)]
    assert plots._most_confused(matrix, limit=9) == [(1, 0), (2, 1), (0, 1)]


# ---- the picture follows the data; mistakes of the caller


@pytest.mark.parametrize(
    ("case", "changed"),
    [
        ("curves", (make_history(6, gap=0.11),)),
        ("confusion", (make_matrix(3, right=11), ["a", "b", "c"])),
        ("wrong", (PHOTOS[::-1], LABELS, PROBABILITIES, CLASSES)),
        ("predictions", (PHOTOS, 1 - LABELS, PROBABILITIES, CLASSES)),
        ("baselines", ({"colour histogram": 0.61, "network": 0.9},)),
        ("comparison", ({"plain": make_history(4, gap=0.2)},)),
    ],
)
def test_picture_follows_the_data(case, changed, tmp_path):
    name, args, kwargs = EACH[case]
    plot = getattr(plots, f"plot_{name}")
    first, again, other = (
        plot(tmp_path / f"{i}.png", *a, **kwargs).read_bytes()
        for i, a in enumerate((args, args, changed))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots._figure_learning_curves([]), "history has 0 rows"),
        (lambda: plots._figure_learning_curves([{"loss": 1}]), "each with the key 'epoch'"),
        (lambda: plots._figure_comparison_curves({}), "at least 1"),
        (lambda: plots._figure_baselines({"a": 93.1}, chance=0.5), "'a' is 93.1"),
        (lambda: plots._figure_baselines({"a": 0.9}, chance=50), "'chance' is 50"),
        (lambda: plots._figure_confusion_matrix(np.eye(2), CLASSES), "float64 of shape"),
        (lambda: plots._figure_confusion_matrix(np.eye(3, dtype=int), CLASSES), r"\(2, 2\)"),
        (lambda: plots._figure_confusion_matrix(-np.eye(2, dtype=int), CLASSES), "count -1"),
        (lambda: plots._figure_contact_sheet([], [], CLASSES), "at least 1"),
        (lambda: plots._figure_contact_sheet(PHOTOS, [0, 1], CLASSES), "'labels': 2"),
        (lambda: plots._figure_contact_sheet(PHOTOS, [0, 1, 2, 0], CLASSES), "expected 0 to 1"),
        (lambda: plots._figure_contact_sheet(PHOTOS, [0.0] * 4, CLASSES), "float64"),
        (lambda: plots._figure_contact_sheet(PHOTOS, LABELS, CLASSES, max_photos=0), "(=0)"),
        (lambda: plots._to_rgb(np.zeros((2, 2, 2), np.uint8)), r"shape \(2, 2, 2\)"),
        (lambda: plots._to_rgb(np.zeros((2, 2, 3), np.int32)), "dtype int32"),
        (lambda: plots._figure_predictions(PHOTOS, None, np.eye(4), CLASSES), r"\(N, 2\)"),
        (
            lambda: plots._figure_augmented_samples(
                PHOTOS, np.zeros((4, 0, 2, 2, 3)), class_names=CLASSES, labels=LABELS
            ),
            "0 views",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
