"""What holds for all plots: the PNG, the margins, strange names, and no trace left behind."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
from PIL import Image

from jaxcnn import plots
from jaxcnn.plots.style import DPI


def test_every_plot_has_a_case(cases):
    assert {f"plot_{case.name}" for case in cases} == {
        name for name in plots.__all__ if name.startswith("plot_")
    }


def test_writes_a_png_and_returns_its_path(case, tmp_path):
    path = tmp_path / "new folder" / "picture.bin"
    before = dict(mpl.rcParams)
    assert case.plot(str(path)) == path
    assert dict(mpl.rcParams) == before
    figure = case.draw()
    with Image.open(path) as image:
        assert image.format == "PNG"
        expected = np.round(figure.get_size_inches() * DPI)
        np.testing.assert_allclose(image.size, expected, atol=1)
        assert min(image.size) >= 400
        pixels = np.asarray(image.convert("L"))
    assert pixels.max() == 255
    assert 0.005 < (pixels < 200).mean() < 0.95
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all((edge == 255).all() for edge in edges)


def test_picture_follows_the_data(case, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcnn.plots.canvas.DPI", 60)  # few pixels are soon drawn
    first, again, other = (
        np.asarray(Image.open(case.plot(tmp_path / f"{i}.png", changed=i == 2)).convert("RGB"))
        for i in range(3)
    )
    # Not to the bit: once in some thousand drawings the text renderer sets a glyph otherwise.
    assert first.shape == again.shape
    assert (first != again).mean() < 1e-3
    assert first.shape != other.shape or (first != other).any()


def test_nothing_is_clipped(case, assert_nothing_clipped):
    assert_nothing_clipped(case.draw())


def test_imports_neither_pyplot_nor_itself_into_the_package():
    code = (
        "import sys, jaxcnn; assert 'matplotlib' not in sys.modules\n"
        "from jaxcnn.plots import *; assert 'matplotlib.figure' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_pictures_of_weird_names(weird_names, make_photos, make_history, assert_nothing_clipped):
    count = len(weird_names)
    photos, labels = make_photos(count), np.arange(count)
    probabilities = np.roll(np.eye(count), 1, axis=1)
    matrix = np.eye(count, dtype=np.int32) + np.roll(np.eye(count, dtype=np.int32), 1, axis=1) * 9
    runs = {name: make_history(2) for name in weird_names}
    accuracies = dict.fromkeys(weird_names, 0.5)
    wrong = plots.plot_most_confidently_wrong.__wrapped__(
        photos, labels, probabilities, weird_names, names=weird_names
    )
    figures = [
        wrong,
        plots.plot_predictions.__wrapped__(photos, labels, probabilities, weird_names),
        plots.plot_contact_sheet.__wrapped__(photos, labels, weird_names),
        plots.plot_suspicious_labels.__wrapped__(
            photos, labels, labels[::-1], labels / count, weird_names, names=weird_names
        ),
        plots.plot_confusion_matrix.__wrapped__(matrix, weird_names),
        plots.plot_comparison_curves.__wrapped__(runs),
        plots.plot_baselines.__wrapped__(accuracies, chance=0.1),
        plots.plot_augmented_samples.__wrapped__(
            photos, photos[:, None], class_names=weird_names, labels=labels
        ),
    ]
    for figure in figures:
        assert_nothing_clipped(figure)
