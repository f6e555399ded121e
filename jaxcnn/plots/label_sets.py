"""Photos with the sets of labels that the network gives them, right or wrong."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_label_table, check_photos
from jaxcnn.plots.photo_layout import CaptionLine, Photos, Tile, file_line, photo_grid
from jaxcnn.plots.predictions import no_mistakes
from jaxcnn.plots.style import RIGHT, WRONG
from jaxcnn.plots.text import drawable_names

NONE = "none"  # a photo that shows no class, or is given none


@writes_png
def plot_predicted_sets(
    images: Photos,
    labels: np.ndarray,
    sets: np.ndarray,
    class_names: Sequence[str],
    *,
    max_photos: int = 25,
) -> Figure:
    """Draw photos with the set of labels that each is given, and the true one where they differ.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      labels: (N, K) of 0 and 1.
      sets: (N, K) bool, what each is given, as `jaxcnn.metrics.predicted_sets` gives.
      class_names: (K,) the name of each class.
      max_photos: the most to draw, >= 1; the title counts all N.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.

    Example:
      >>> photos, labels = np.zeros((2, 8, 8, 3), np.uint8), np.array([[1, 1], [0, 1]])
      >>> path = plot_predicted_sets("sets.png", photos, labels, labels > 0, ["cat", "dog"])
    """
    check_photos(max_photos, images=images, labels=labels, sets=sets)
    names = drawable_names(class_names)
    truth, given = (check_label_table(table, len(names)) for table in (labels, sets))
    right, count, tiles = (truth == given).all(axis=1), len(truth), []
    for i in range(min(count, max_photos)):
        tiles.append(Tile(images[i], _caption(truth[i], given[i], names), _frame(right[i])))
    title = f"{right.sum():,} of {counted(count, 'set')} of labels right ({percent(right.mean())})"
    note = "✓ exactly the true labels, ✗ one too many or missing"
    if len(tiles) < count:
        note += f"; the first {len(tiles)} shown"
    return photo_grid(tiles, title=title, note=note)


@writes_png
def plot_most_wrong_sets(
    images: Photos,
    labels: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    class_names: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    max_photos: int = 16,
) -> Figure:
    """Draw the photos whose set of labels is wrong, the answer furthest from the truth first.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      labels: (N, K) of 0 and 1.
      probabilities: (N, K) the network's.
      thresholds: (K,) from which a class is given.
      class_names: (K,) the name of each class.
      names: (N,) what to call each photo, such as its file name; None says nothing.
      max_photos: the most to draw, >= 1.

    Returns:
      `path`; with nothing wrong the picture says so.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.

    Example:
      >>> photos, labels = np.zeros((2, 8, 8, 3), np.uint8), np.array([[1, 1], [0, 1]])
      >>> answers, thresholds = np.array([[0.9, 0.8], [0.7, 0.6]]), np.array([0.5, 0.5])
      >>> path = plot_most_wrong_sets(
      ...     "wrong.png", photos, labels, answers, thresholds, ["cat", "dog"]
      ... )
    """
    check_photos(max_photos, images=images, labels=labels, probabilities=probabilities, names=names)
    classes = drawable_names(class_names)
    truth = check_label_table(labels, len(classes))
    given = np.asarray(probabilities) >= np.asarray(thresholds)
    order = most_wrong_first(truth, probabilities, thresholds)
    count, tiles = len(truth), []
    if not len(order):
        return no_mistakes(f"all {count:,} sets are")
    for i in order[:max_photos]:
        caption = _caption(truth[i], given[i], classes)
        caption += [] if names is None else [file_line(names[i])]
        tiles.append(Tile(images[i], caption))
    share = percent(len(order) / count)
    note = f"{len(order):,} of {counted(count, 'photo')} with a wrong set ({share})"
    note += f"; the {len(tiles)} furthest from the truth shown" * (len(tiles) < len(order))
    return photo_grid(tiles, title="Sets of labels that are wrong", note=note)


def most_wrong_first(
    labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Order the examples whose set is wrong by the probability furthest on the wrong side.

    Args:
      labels: (N, K) of 0 and 1.
      probabilities: (N, K).
      thresholds: (K,).

    Returns:
      Positions of those that are wrong.
    """
    over = np.nan_to_num(np.asarray(probabilities) - np.asarray(thresholds), nan=-1.0)
    is_wrong = (over >= 0) != (np.asarray(labels) > 0)
    furthest = np.where(is_wrong, np.abs(over), -1.0).max(axis=1)
    wrong = np.flatnonzero(is_wrong.any(axis=1))
    return wrong[np.argsort(-furthest[wrong], kind="stable")]


def set_text(row: np.ndarray, names: Sequence[str]) -> str:
    """Write a set of labels for a caption; "none" where it is empty."""
    return ", ".join(names[k] for k in np.flatnonzero(row).tolist()) or NONE


def _caption(truth: np.ndarray, given: np.ndarray, names: Sequence[str]) -> list[CaptionLine]:
    said = set_text(given, names)
    if (truth == given).all():
        return [CaptionLine(said, "✓ ", color=RIGHT, weight="bold")]
    wrong = CaptionLine(said, "✗ ", color=WRONG, weight="bold")
    return [wrong, CaptionLine(set_text(truth, names), "true: ")]


def _frame(is_right: bool) -> str:
    return RIGHT if is_right else WRONG
