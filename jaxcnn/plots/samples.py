"""Training photos: a sheet of them by class, and what augmentation makes of some."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted
from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_label_table, check_labels, check_lengths, check_photos
from jaxcnn.plots.label_sets import set_text
from jaxcnn.plots.photo_layout import CaptionLine, Photos, Tile, photo_grid, photo_rows
from jaxcnn.plots.text import drawable_names, quoted


@writes_png
def plot_contact_sheet(
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    *,
    max_photos: int = 96,
) -> Figure:
    """Draw photos by class under their labels, to see what the data are before training on them.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      labels: (N,) their classes, or (N, K) of 0 and 1 where each has several.
      class_names: the name of each class.
      max_photos: the most to draw, >= 1; of more, evenly spaced ones, each class by its share.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.

    Example:
      >>> photos = np.zeros((4, 8, 8, 3), np.uint8)
      >>> path = plot_contact_sheet("photos.png", photos, [0, 1, 0, 1], ["cat", "dog"])
    """
    check_photos(max_photos, images=images, labels=labels)
    classes = drawable_names(class_names)
    truth, captions, counts = _described(labels, classes)
    by_class = np.argsort(truth, kind="stable")
    count = min(len(truth), max_photos)
    shown = by_class[np.arange(count) * len(truth) // count]
    present = int(np.count_nonzero(counts))
    title = f"{counted(len(truth), 'photo')} of {counted(present, 'class', 'classes')}"
    least, most = min(counts), max(counts)
    note = f"{counted(most, 'photo')} of each class"
    if least < most:
        note = f"From {least:,} of {quoted(classes[counts.index(least)])} "
        note += f"to {most:,} of {quoted(classes[counts.index(most)])}"
    if count < len(truth):
        note += f"; {count} shown, evenly spaced"
    tiles = [Tile(images[i], [CaptionLine(captions[truth[i]])]) for i in shown]
    return photo_grid(tiles, title=title, note=note)


@writes_png
def plot_augmented_samples(
    originals: Photos,
    augmented: Sequence[Photos] | np.ndarray,
    *,
    class_names: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    shares: np.ndarray | None = None,
) -> Figure:
    """Draw a row for each photo: the original at left, then its augmented views.

    Args:
      path: where the PNG goes.
      originals: (N, H, W, C) photos.
      augmented: (N, K, h, w, C) photos, K >= 1 views of each original.
      class_names: the name of each class.
      labels: (N,) the class of each photo, or (N, K) of 0 and 1 where each has several.
      shares: (N, K, classes) how much of each class a view shows, where views are mixed with other
        photos; None where each is all of its own class.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ, are zero or exceed 60 photos, or a photo or label is out of
        contract.

    Example:
      >>> photos, views = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 3, 8, 8, 3), np.uint8)
      >>> path = plot_augmented_samples(
      ...     "augmented.png", photos, views, class_names=["cat", "dog"], labels=[0, 1]
      ... )
    """
    check_lengths(originals=originals, augmented=augmented, labels=labels)
    names = drawable_names(class_names)
    checked, captions, _ = _described(labels, names)
    columns, count = len(augmented[0]), len(originals)
    if columns < 1 or count > 60:
        raise ValueError(
            f"got {count} photos of {columns} views; expected 1 to 60 photos, 1 view or more."
        )
    if shares is not None and shares.shape != (count, columns, len(names)):
        raise ValueError(
            f"shares has shape {shares.shape}; expected {(count, columns, len(names))}."
        )
    note = f"{counted(count, 'photo')}, {counted(columns, 'augmented view')} of each"
    if shares is not None:
        note += ", mixed with the photo in the row above"
    rows = []
    for i, (original, views) in enumerate(zip(originals, augmented, strict=True)):
        tiles = [Tile(original, [CaptionLine(captions[checked[i]], weight="bold")])]
        for j in range(columns):
            text = "" if shares is None else _shares_text(shares[i, j], names)
            tiles.append(Tile(views[j], [CaptionLine(text)]))
        rows.append(("", tiles))
    return photo_rows(
        rows,
        title=_augmented_title(augmented, shares is not None),
        note=note,
        headings=["original", "augmented"],
        aside=0.3,
    )


def _described(
    labels: Sequence[int] | np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, Sequence[str], list[int]]:
    """Number the labels, or the sets of labels; give each number's caption, and count classes."""
    if np.ndim(labels) != 2:
        truth = check_labels(labels, len(names))
        return truth, names, np.bincount(truth, minlength=len(names)).tolist()
    table = check_label_table(np.asarray(labels), len(names))
    sets, numbers = np.unique(table, axis=0, return_inverse=True)
    captions = [set_text(row, names) for row in sets]
    return numbers.reshape(-1), captions, table.sum(axis=0).tolist()


def _shares_text(share: np.ndarray, names: Sequence[str]) -> str:
    """Name the classes of a mixed label, the greatest first, as far as they show in per cent."""
    order = np.argsort(-share, kind="stable")
    return ", ".join(f"{share[k]:.0%} {names[k]}" for k in order if share[k] >= 0.005)


def _augmented_title(augmented: Sequence[Photos] | np.ndarray, is_mixed: bool) -> str:
    if is_mixed:
        return "Every view is new to the network, and its label as mixed as its photo"
    same = all(np.array_equal(views[0], view) for views in augmented for view in views[1:])
    if same and len(augmented[0]) > 1:
        return "Augmentation changes nothing here: all views of a photo are the same"
    return "Every view is new to the network, the label stays"
