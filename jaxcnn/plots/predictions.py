"""Photos with what the network says of them: its surest mistakes, and labels that look wrong."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import new_figure, put_text, writes_png
from jaxcnn.plots.checks import check_labels, check_photos, top_1
from jaxcnn.plots.photo_layout import CaptionLine, Photos, Tile, file_line, photo_grid
from jaxcnn.plots.style import GREY, RIGHT, WRONG
from jaxcnn.plots.text import drawable_names, font, quoted


@writes_png
def plot_predictions(
    images: Photos,
    labels: Sequence[int] | np.ndarray | None,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    max_photos: int = 25,
) -> Figure:
    """Draw photos with the predicted class and its probability; with labels, also right or wrong.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      labels: (N,) the true classes, or None where they are not known.
      probabilities: (N, K) the network's.
      class_names: (K,) the name of each class.
      max_photos: the most to draw, >= 1; the title counts all N.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.

    Example:
      >>> photos, answers = np.zeros((2, 8, 8, 3), np.uint8), np.array([[0.9, 0.1], [0.2, 0.8]])
      >>> path = plot_predictions("predictions.png", photos, [0, 1], answers, ["cat", "dog"])
    """
    check_photos(max_photos, images=images, labels=labels, probabilities=probabilities)
    names = drawable_names(class_names)
    predicted, confidence = top_1(probabilities, len(names))
    truth = None if labels is None else check_labels(labels, len(names))
    count, tiles = len(predicted), []
    for i in range(min(count, max_photos)):
        said = CaptionLine(
            names[predicted[i]], after=" " + percent(confidence[i], 0), weight="bold"
        )
        if truth is None:
            tiles.append(Tile(images[i], [said]))
        elif predicted[i] == truth[i]:
            tiles.append(Tile(images[i], [said._replace(before="✓ ", color=RIGHT)], RIGHT))
        else:
            said = said._replace(before="✗ ", color=WRONG)
            true = CaptionLine(names[truth[i]], "true: ")
            tiles.append(Tile(images[i], [said, true], WRONG))
    note = f"the first {len(tiles)} shown" if len(tiles) < count else ""
    if truth is None:
        title = f"What the network sees in {counted(count, 'photo')}"
        return photo_grid(tiles, title=title, note=note)
    right = predicted == truth
    title = f"{right.sum():,} of {counted(count, 'photo')} right ({percent(right.mean())})"
    if right.all() and count > 1:
        title = f"All {counted(count, 'photo')} right"
    note = f"✓ right, ✗ wrong, with the probability of the class named{'; ' * bool(note)}{note}"
    return photo_grid(tiles, title=title, note=note)


@writes_png
def plot_most_confidently_wrong(
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    max_photos: int = 16,
) -> Figure:
    """Draw the photos that the network got wrong, the surest mistake first.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      labels: (N,) the true classes.
      probabilities: (N, K) the network's.
      class_names: (K,) the name of each class.
      names: (N,) what to call each photo, such as its file name; None says nothing.
      max_photos: the most to draw, >= 1.

    Returns:
      `path`; with nothing wrong the picture says so.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.

    Example:
      >>> photos, answers = np.zeros((2, 8, 8, 3), np.uint8), np.array([[0.9, 0.1], [0.2, 0.8]])
      >>> path = plot_most_confidently_wrong("wrong.png", photos, [1, 1], answers, ["cat", "dog"])
    """
    lengths = {"labels": labels, "probabilities": probabilities, "names": names}
    check_photos(max_photos, images=images, **lengths)
    classes, truth = drawable_names(class_names), check_labels(labels, len(class_names))
    predicted, confidence = top_1(probabilities, len(classes))
    wrong, count = np.flatnonzero(predicted != truth), len(truth)
    if not wrong.size:
        photos = "the photo is" if count == 1 else f"all {count:,} photos are"
        return no_mistakes(photos)
    # The default sort puts NaN last, where a network that says nothing belongs.
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    first, tiles = order[0], []
    for i in order[:max_photos]:
        said = CaptionLine(
            classes[predicted[i]], "said: ", " " + percent(confidence[i]), WRONG, "bold"
        )
        caption = [CaptionLine(classes[truth[i]], before="true: ", weight="bold"), said]
        caption += [] if names is None else [file_line(names[i])]
        tiles.append(Tile(images[i], caption))
    title = (
        f"The surest mistake: {quoted(classes[truth[first]])} taken for "
        f"{quoted(classes[predicted[first]])} with {percent(confidence[first])}"
    )
    note = f"{len(wrong):,} of {counted(count, 'photo')} wrong ({percent(len(wrong) / count)})"
    note += f"; the {len(tiles)} surest shown" * (len(tiles) < len(wrong))
    return photo_grid(tiles, title=title, note=note)


def no_mistakes(photos: str) -> Figure:
    """Say that nothing is wrong: `photos` is such as "all 30 photos are"."""
    figure, heading = new_figure(7.0, 1.7, f"No mistakes: {photos} right", "")
    put_text(figure, 3.5, heading, "✓", **font(96, color=RIGHT, ha="center"))
    return figure


@writes_png
def plot_suspicious_labels(
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    suspected: Sequence[int] | np.ndarray,
    probabilities: Sequence[float] | np.ndarray,
    class_names: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    num_examples: int | None = None,
    max_photos: int = 40,
) -> Figure:
    """Draw photos in the order of their rank, each with its label and what it seems to be.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos, the most suspicious first.
      labels: (N,) the labels that they carry.
      suspected: (N,) the class that each seems to be; -1 where that is hard to tell.
      probabilities: (N,) the probability of the label, of a classifier that has not seen it.
      class_names: (K,) the name of each class.
      names: (N,) what to call each photo, such as its file name; None says nothing.
      num_examples: how many photos were ranked, where it is more than are given.
      max_photos: the most to draw, >= 1.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.

    Example:
      >>> path = plot_suspicious_labels(
      ...     "labels.png", np.zeros((1, 8, 8, 3), np.uint8), [0], [1], [0.02], ["cat", "dog"]
      ... )
    """
    lengths = {"labels": labels, "probabilities": probabilities, "names": names}
    check_photos(max_photos, images=images, suspected=suspected, **lengths)
    classes, given = drawable_names(class_names), check_labels(labels, len(class_names))
    seems = np.asarray(suspected)
    check_labels(np.maximum(seems, 0), len(class_names))
    tiles = []
    for i in range(min(len(given), max_photos)):
        caption = [
            CaptionLine(classes[given[i]], "label: ", f" {percent(probabilities[i], 0)}"),
            CaptionLine("hard to tell", color=GREY),
        ]
        if seems[i] >= 0:
            caption[1] = CaptionLine(classes[seems[i]], "looks like: ", "", WRONG, "bold")
        caption += [] if names is None else [file_line(names[i])]
        tiles.append(Tile(images[i], caption, WRONG if seems[i] >= 0 else ""))
    wrong = int(np.count_nonzero(seems[: len(tiles)] >= 0))
    title = f"{counted(wrong, 'label')} of these {counted(len(tiles), 'photo')} may be wrong"
    ranked = num_examples or len(given)
    note = f"Most suspicious first, of {ranked:,}; with the probability given to the label"
    return photo_grid(tiles, title=title, note=note)
