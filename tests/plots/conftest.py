"""One call of each plot, and what the tests of several plots read from a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import BboxImage

from jaxcnn import plots
from jaxcnn.metrics.calibration import CalibrationCurve
from jaxcnn.plots.style import TITLE_PT


def _make_photos(count, *, size_px=8, channels=3, dtype=np.uint8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, size_px, size_px, channels))
    return pixels.astype(np.uint8) if dtype == np.uint8 else (pixels / 255).astype(dtype)


def _make_history(num_epochs, *, gap=0.1, peak=None):
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


def _texts(figure: Figure) -> list[str]:
    found = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        found += [t.get_text() for t in axes.texts]
    return found


def _heading(figure: Figure) -> str:
    return " ".join(t.get_text() for t in figure.texts if t.get_fontsize() == TITLE_PT)


def _assert_nothing_clipped(figure: Figure) -> None:
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


@pytest.fixture(scope="session")
def make_photos():
    """(count, size_px, size_px, channels) noise; floating dtypes give the same in [0, 1]."""
    return _make_photos


@pytest.fixture(scope="session")
def make_history():
    """A history whose validation accuracy rises to 80% at `peak`, `gap` below training."""
    return _make_history


@pytest.fixture(scope="session")
def texts():
    """All that is written in a figure but its axis labels."""
    return _texts


@pytest.fixture(scope="session")
def photos_in():
    """The photos of a figure, as artists, in the order in which they were laid out."""
    return lambda figure: [each for each in figure.artists if isinstance(each, BboxImage)]


@pytest.fixture(scope="session")
def heading():
    """The title of a figure, on one line."""
    return _heading


@pytest.fixture(scope="session")
def assert_nothing_clipped():
    """Fail where a text leaves the figure."""
    return _assert_nothing_clipped


class Case(NamedTuple):
    """A call of a plot, and the arguments of one that must look different."""

    name: str
    args: tuple[Any, ...]
    changed: tuple[Any, ...]
    kwargs: Mapping[str, Any] = {}

    def plot(self, path: Path | str, *, changed: bool = False) -> Path:
        args = self.changed if changed else self.args
        return getattr(plots, f"plot_{self.name}")(path, *args, **self.kwargs)

    def draw(self) -> Figure:
        return getattr(plots, f"plot_{self.name}").__wrapped__(*self.args, **self.kwargs)


SETS = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
PHOTOS, LABELS, CLASSES = _make_photos(4), np.array([0, 1, 1, 0]), ["cat", "dog"]
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.99, 0.01], [0.7, 0.3]], dtype=np.float32)
VIEWS = np.stack([_make_photos(3, size_px=6, dtype=np.float32, seed=s) for s in range(4)])
MATRIX = np.array([[10, 0, 0], [3, 10, 0], [0, 0, 10]])
SWEPT = [
    {
        "learning_rate": rate,
        "weight_decay": decay,
        "epochs": 1 if decay else 4,
        "validation_accuracy": None if rate > 0.05 else 0.6 + rate + decay,
        "validation_loss": None if rate > 0.05 else 0.5 - rate,
        "dropped_at_epoch": 1 if decay else None,
    }
    for rate in (0.1, 0.001, 0.0001, 0.01)
    for decay in (0.1, 0.0)
]
CASES = [
    Case(
        "augmented_samples",
        (PHOTOS, VIEWS),
        (PHOTOS, VIEWS[::-1]),
        {"class_names": CLASSES, "labels": LABELS},
    ),
    Case("learning_curves", (_make_history(6),), (_make_history(6, gap=0.11),)),
    Case(
        "member_curves",
        ([_make_history(6), _make_history(6, peak=3)],),
        ([_make_history(6), _make_history(6, peak=2)],),
        {"ensemble_accuracy": 0.9},
    ),
    Case(
        "sweep",
        (SWEPT, {"learning_rate": "log", "weight_decay": "linear"}),
        (SWEPT[:-1], {"learning_rate": "log", "weight_decay": "linear"}),
    ),
    Case(
        "learning_rates",
        ([1e-4, 1e-3, 1e-2, 1e-1], [0.6, 0.3, 0.4, np.nan], 1e-3),
        ([1e-4, 1e-3, 1e-2, 1e-1], [0.6, 0.3, 0.4, 0.9], 1e-3),
        {"first_loss": 0.7},
    ),
    Case("confusion_matrix", (MATRIX, [*"abc"]), (MATRIX + np.eye(3, dtype=int), [*"abc"])),
    Case(
        "most_confidently_wrong",
        (PHOTOS, LABELS, PROBABILITIES, CLASSES),
        (PHOTOS[::-1], LABELS, PROBABILITIES, CLASSES),
    ),
    Case(
        "predictions",
        (PHOTOS, LABELS, PROBABILITIES, CLASSES),
        (PHOTOS, 1 - LABELS, PROBABILITIES, CLASSES),
    ),
    Case(
        "near_duplicates",
        (PHOTOS, PHOTOS[::-1]),
        (PHOTOS, PHOTOS),
        {
            "names": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
            "other_names": ["e.jpg", "f.jpg", "g.jpg", "h.jpg"],
            "splits": ["train", "train", "test", "test"],
            "other_splits": ["train", "test", "test", "validation"],
        },
    ),
    Case("predicted_sets", (PHOTOS, SETS, SETS > 0, CLASSES), (PHOTOS, SETS, SETS < 1, CLASSES)),
    Case(
        "most_wrong_sets",
        (PHOTOS, SETS, PROBABILITIES, np.array([0.5, 0.2]), CLASSES),
        (PHOTOS, SETS, PROBABILITIES, np.array([0.95, 0.2]), CLASSES),
        {"names": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]},
    ),
    Case("contact_sheet", (PHOTOS, SETS, CLASSES), (PHOTOS, SETS, CLASSES[::-1])),
    Case(
        "suspicious_labels",
        (PHOTOS, LABELS, [1, -1, 0, -1], PROBABILITIES[:, 1], CLASSES),
        (PHOTOS, LABELS, [1, 0, 0, -1], PROBABILITIES[:, 1], CLASSES),
        {"names": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"], "num_examples": 90},
    ),
    Case(
        "predictions",
        (PHOTOS, None, PROBABILITIES, CLASSES),
        (PHOTOS, None, PROBABILITIES[::-1], CLASSES),
    ),
    Case(
        "baselines",
        ({"colour histogram": 0.6, "network": 0.9},),
        ({"colour histogram": 0.61, "network": 0.9},),
        {"chance": 0.5},
    ),
    Case("contact_sheet", (PHOTOS, LABELS, CLASSES), (PHOTOS, LABELS, CLASSES[::-1])),
    Case(
        "comparison_curves",
        ({"plain": _make_history(4)},),
        ({"plain": _make_history(4, gap=0.2)},),
    ),
]


HEAT = np.linspace(0, 1, 4 * 64, dtype=np.float32).reshape(4, 8, 8)
MAPS = {"stem": VIEWS[0, ..., 0].transpose(1, 2, 0), "top": VIEWS[1, ..., 0].transpose(1, 2, 0)}
CHANNELS = {"stem": [0, 2], "top": [1, 0]}
RELIABLE = CalibrationCurve(
    np.linspace(0, 1, 4),
    np.array([np.nan, 0.5, 0.9]),
    np.array([np.nan, 0.4, 0.7]),
    np.array([[np.nan, np.nan], [0.2, 0.6], [0.6, 0.8]]),
    np.array([0, 20, 80]),
)
FIELDS = [plots.FieldRow("stem", 3, 2, False), plots.FieldRow("top", 40, 4, True)]
SPREAD = np.random.default_rng(0).normal(size=(40, 2))
KINDS = np.arange(40) % 2
CASES += [
    Case(
        "explanations",
        (PHOTOS, [0, 0, 1, 0], CLASSES),
        (PHOTOS, [1, 0, 1, 0], CLASSES),
        {
            "probabilities": [0.5, 0.9, 0.1, 1.0],
            "maps": {"Grad-CAM": HEAT, "occlusion": -HEAT},
            "attributions": {"gradients": PHOTOS / 255},
        },
    ),
    Case("feature_maps", (PHOTOS[0], MAPS), (PHOTOS[1], MAPS), {"channels": CHANNELS}),
    Case("filters", (VIEWS[0].transpose(1, 2, 3, 0),), (VIEWS[1].transpose(1, 2, 3, 0),)),
    Case("receptive_fields", (PHOTOS[0], FIELDS), (PHOTOS[0], FIELDS[:1])),
    Case(
        "excitations",
        ("top", [3, 1], [PHOTOS, PHOTOS[:2]]),
        ("top", [3, 2], [PHOTOS, PHOTOS[:2]]),
        {"num_photos": 900},
    ),
    Case(
        "neighbours",
        (PHOTOS[:2], [PHOTOS[1:3], PHOTOS[2:]]),
        (PHOTOS[1:3], [PHOTOS[1:3], PHOTOS[2:]]),
        {
            "labels": np.array([[0, 1], [1, 1]]),
            "similarities": np.array([[0.9, 0.8], [1.0, -0.2]]),
            "class_names": CLASSES,
            "names": ["a long file name of a photo.jpg", "b.jpg"],
        },
    ),
    Case(
        "photo_map",
        (SPREAD, KINDS, CLASSES),
        (SPREAD, 1 - KINDS, CLASSES),
        {"method": "pca", "wrong": KINDS == 1, "variance_share": 0.5},
    ),
    Case(
        "calibration",
        (RELIABLE,),
        (RELIABLE._replace(accuracy=np.array([np.nan, 0.3, 0.7])),),
        {"scaled": RELIABLE._replace(confidence=np.array([np.nan, 0.4, 0.7])), "temperature": 1.5},
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request):
    """One call of each plot in turn."""
    return request.param


@pytest.fixture(scope="session")
def cases():
    """All of them."""
    return CASES


_WEIRD_NAMES = (
    "猫",
    "🐶 dog",
    "קטן כלב",
    "قطة صغيرة",
    "$\\bad{$",
    "",
    "  a\n\tb ",
    "\udcff\x07z",
    "猫",
)


@pytest.fixture(scope="session")
def weird_names():
    """Names in several scripts, of no length, with control characters, and twice the same."""
    return list(_WEIRD_NAMES)
