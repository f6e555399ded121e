"""Photos with what the network says of them, and its surest mistakes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted, percent
from jaxcnn.plots.canvas import new_figure, put_text, writes_png
from jaxcnn.plots.checks import check_labels, check_lengths, check_max_photos, top_1
from jaxcnn.plots.image_grid import CaptionLine, Photos, photo_grid
from jaxcnn.plots.style import GREEN, GREY, VERMILLION
from jaxcnn.plots.text import drawable, drawable_names, font, quoted


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
    """
    check_lengths(images=images, probabilities=probabilities)
    check_max_photos(max_photos)
    names = drawable_names(class_names)
    predicted, confidence = top_1(probabilities, len(names))
    count = len(predicted)
    said = [
        CaptionLine(names[c], after=" " + percent(p, 0), weight="bold")
        for c, p in zip(predicted[:max_photos], confidence[:max_photos], strict=True)
    ]
    shown = [images[i] for i in range(len(said))]
    note = f"the first {len(shown)} shown" if len(shown) < count else ""
    if labels is None:
        title = f"What the network sees in {counted(count, 'photo')}"
        return photo_grid(shown, [[line] for line in said], title=title, note=note)
    check_lengths(images=images, labels=labels)
    truth = check_labels(labels, len(names))
    right = predicted == truth
    note = f"✓ right, ✗ wrong, with the probability of the class named{'; ' * bool(note)}{note}"
    return photo_grid(
        shown,
        [_judged(line, names[truth[i]], right[i]) for i, line in enumerate(said)],
        title=_right_title(right),
        note=note,
        frames=[GREEN if r else VERMILLION for r in right],
    )


def _judged(said: CaptionLine, true_name: str, right: bool) -> list[CaptionLine]:
    """Mark a prediction as right or wrong, and then name the true class."""
    if right:
        return [said._replace(before="✓ ", color=GREEN)]
    return [said._replace(before="✗ ", color=VERMILLION), CaptionLine(true_name, "true: ")]


def _right_title(right: np.ndarray) -> str:
    if right.all() and len(right) > 1:
        return f"All {counted(len(right), 'photo')} right"
    return f"{right.sum():,} of {counted(len(right), 'photo')} right ({percent(right.mean())})"


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
    """
    check_lengths(images=images, labels=labels, probabilities=probabilities)
    check_lengths(images=images, names=labels if names is None else names)
    check_max_photos(max_photos)
    classes, truth = drawable_names(class_names), check_labels(labels, len(class_names))
    predicted, confidence = top_1(probabilities, len(classes))
    wrong = np.flatnonzero(predicted != truth)
    if not wrong.size:
        return _figure_none_wrong(len(truth))
    # The default sort puts NaN last, where a network that says nothing belongs.
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    first, shown = order[0], order[:max_photos]
    captions = [_mistake(classes[truth[i]], classes[predicted[i]], confidence[i]) for i in shown]
    if names is not None:
        for i, caption in zip(shown, captions, strict=True):
            caption.append(CaptionLine(drawable(names[i]), color=GREY, keep_end=True))
    title = (
        f"The surest mistake: {quoted(classes[truth[first]])} taken for "
        f"{quoted(classes[predicted[first]])} with {percent(confidence[first])}"
    )
    share = percent(len(wrong) / len(truth))
    note = f"{len(wrong):,} of {counted(len(truth), 'photo')} wrong ({share})"
    if len(shown) < len(wrong):
        note += f"; the {len(shown)} surest shown"
    return photo_grid([images[i] for i in shown], captions, title=title, note=note)


def _mistake(true_name: str, predicted_name: str, confidence: float) -> list[CaptionLine]:
    return [
        CaptionLine(true_name, before="true: ", weight="bold"),
        CaptionLine(predicted_name, "said: ", " " + percent(confidence), VERMILLION, "bold"),
    ]


def _figure_none_wrong(count: int) -> Figure:
    """Say in a picture that there is no mistake to show."""
    title = f"No mistakes: {'the photo is' if count == 1 else f'all {count:,} photos are'} right"
    figure, heading = new_figure(7.0, 1.7, title, "")
    put_text(figure, 3.5, heading, "✓", **font(96, color=GREEN, ha="center"))
    return figure
