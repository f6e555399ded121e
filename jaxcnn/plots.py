"""Pictures of a training run, as PNG files that a slide or a web page can take as they are.

Each `plot_x(path, ...)` makes the folder of `path` where it is missing, writes a PNG whatever the
suffix, and returns the path. Its `_figure_x(...)` makes the same picture as a Matplotlib `Figure`
and touches no file.

The contract of all of them:
  photo: (H, W) or (H, W, C) with C = 1, 3 or 4; uint8, or floating in [0, 1] (clipped, NaN is
    black). Alpha is not shown.
  photos: an (N, ...) array, or a list whose photos differ in size.
  label: integer in [0, K), K being the number of class names.
  probability, accuracy: a fraction; the pictures say percent. NaN reads "n/a".
  name: any text. Characters that no installed font can draw are left out; a name of which nothing
    is left, or that then equals another, gets its number. Long names end in an ellipsis.

Host only: numpy and Matplotlib's object interface. No pyplot, no global state, so threads and
notebooks are safe.
"""

import functools
import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator, PercentFormatter

PathLike = str | os.PathLike[str]
Photos = np.ndarray | Sequence[np.ndarray]
History = Sequence[Mapping[str, Any]]

# -------------------- style --------------------

# Source: Okabe & Ito 2008, "Color Universal Design"; without its yellow and sky blue, which are too
# pale for lines on white.
BLACK, ORANGE, GREEN = "#000000", "#E69F00", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
INK, GREY, PALE = "#222222", "#666666", "#CCCCCC"
RUN_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK)
RUN_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # a number prime to the colours': 42 looks
TITLE_PT, TEXT_PT, SMALL_PT = 17.0, 12.0, 10.5
MARGIN = 0.35  # inches, as are all lengths in this file that do not say otherwise
HALO = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}  # behind text on lines
DPI = 200  # twice Matplotlib's 100

# The first draws nearly all scripts but Chinese, Japanese and Korean, and comes with Matplotlib.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Segoe UI Symbol",
)

# -------------------- text --------------------


@functools.cache
def _families() -> tuple[str, ...]:
    """List the installed ones of FONTS; naming an absent font makes Matplotlib log a warning."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in FONTS if name in installed)


@functools.cache
def _has_glyph(character: str) -> bool:
    """Tell whether our fonts draw a character both regular and bold."""
    return all(
        any(
            font_manager.get_font(
                font_manager.findfont(font_manager.FontProperties(family=family, weight=weight))
            ).get_char_index(ord(character))
            for family in _families()
        )
        for weight in ("normal", "bold")
    )


def _drawable(text: str) -> str:
    """Put a text on one line and leave out what no font can draw; "" if nothing visible is left."""
    kept = "".join(c for c in " ".join(str(text).split()) if _has_glyph(c)).strip()
    return kept if any(unicodedata.category(c)[0] in "LNPS" for c in kept) else ""


def _drawable_names(names: Sequence[str], kind: str = "class") -> list[str]:
    """Make names drawable and still distinct, by number where need be."""
    drawable = [_drawable(name) for name in names]
    seen: dict[str, int] = {}
    for name in drawable:
        seen[name] = seen.get(name, 0) + 1
    return [
        name if name and seen[name] == 1 else f"{name or kind} #{i}"
        for i, name in enumerate(drawable)
    ]


@functools.lru_cache(maxsize=4096)
def _text_width(text: str, size_pt: float, weight: str = "normal") -> float:
    """Measure a line of text, in inches."""
    properties = font_manager.FontProperties(family=list(_families()), size=size_pt, weight=weight)
    return RendererAgg(1, 1, 72).get_text_width_height_descent(text, properties, False)[0] / 72


def _fit(
    text: str,
    width: float,
    size_pt: float,
    *,
    weight: str = "normal",
    before: str = "",
    after: str = "",
    keep_end: bool = False,
) -> str:
    """Cut `text` with an ellipsis until `before + text + after` is at most `width` inches wide."""
    shortened = text
    most = int(width * 72 / size_pt / 0.2)  # no run of letters is narrower than a fifth of an em
    for length in range(min(len(text), most) - 1, -1, -1):
        if _text_width(before + shortened + after, size_pt, weight) <= width:
            break
        cut = text[len(text) - length :].lstrip() if keep_end else text[:length].rstrip()
        shortened = "…" + cut if keep_end else cut + "…"
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in shortened):
        # Left-to-right marks keep what stands beside a right-to-left name in its place.
        shortened = f"\u200e{shortened}\u200e"
    return before + shortened + after


def _wrap(text: str, width: float, size_pt: float, weight: str = "normal") -> list[str]:
    """Break a text into lines at most `width` inches wide."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(longer, size_pt, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(_fit(word, width, size_pt, weight=weight))
    return lines


def _font(size_pt: float = TEXT_PT, **changes: Any) -> dict[str, Any]:
    """Text properties; never mathematics, for a class may be named "$"."""
    look = {"fontfamily": list(_families()), "fontsize": size_pt, "color": INK, "parse_math": False}
    return look | changes


def _percent(fraction: float, digits: int = 1) -> str:
    if not math.isfinite(fraction):
        return "n/a"
    return "100%" if fraction == 1 else f"{100 * fraction:.{digits}f}%"


def _points(difference: float) -> str:
    """Write a difference of accuracies, with a true minus sign."""
    return f"{100 * difference:.1f} points".replace("-", "\u2212")


def _counted(count: int | np.integer, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


# -------------------- canvas --------------------


def _new_figure(width: float, body: float, title: str, note: str) -> tuple[Figure, float]:
    """Make a figure headed by title and note, with `body` inches free below; also their height."""
    room = width - 2 * MARGIN
    blocks = (
        (_wrap(title, room, TITLE_PT, "bold"), TITLE_PT, {"fontweight": "bold"}),
        (_wrap(note, room, TEXT_PT), TEXT_PT, {"color": GREY}),
    )
    line_height = 1.35 / 72
    heading = MARGIN + sum(len(lines) * size * line_height for lines, size, _ in blocks) + 0.15
    figure = Figure(figsize=(width, heading + body), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    top = MARGIN
    for lines, size, look in blocks:
        for line in lines:
            _put(figure, MARGIN, top, line, **_font(size, **look))
            top += size * line_height
    return figure, heading


def _put(figure: Figure, left: float, top: float, text: str, **look: Any) -> None:
    """Write a text whose upper edge is `top` inches below the figure's."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, va="top", **look)


def _chart_axes(figure: Figure, heading: float, columns: int = 1) -> list[Axes]:
    """Add axes in one row, with their labels kept inside the space that the heading leaves."""
    width, height = figure.get_size_inches()
    edge = 0.25
    rect = (edge / width, edge / height, 1 - 2 * edge / width, 1 - (heading + edge) / height)
    figure.set_layout_engine("constrained", rect=rect, wspace=0.08)
    return [_plain(figure.add_subplot(1, columns, i + 1)) for i in range(columns)]


def _plain(axes: Axes) -> Axes:
    """Give axes the look of all charts here: two thin spines, faint grid, readable ticks."""
    axes.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(visible=True, color=PALE, linewidth=0.6, linestyle="-")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TEXT_PT - 1, labelcolor=INK, color=GREY, labelfontfamily=FONTS[0])
    return axes


def _save(figure: Figure, path: PathLike) -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(target)  # savefig would ask the user's matplotlibrc
    return target


# -------------------- photos --------------------


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """Turn any photo of the module's contract into (H, W, 3) uint8."""
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4) or 0 in pixels.shape:
        raise ValueError(
            f"a photo has shape {np.shape(image)}; expected (H, W) or (H, W, C) with C = 1, 3 or 4."
        )
    if np.issubdtype(pixels.dtype, np.floating):
        unit = np.clip(np.nan_to_num(pixels.astype(np.float32)), 0, 1)
        pixels = np.round(unit * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ValueError(
            f"a photo has dtype {pixels.dtype}; expected uint8, or floating in [0, 1]: convert it."
        )
    return np.broadcast_to(pixels[..., :3], (*pixels.shape[:2], 3))


def _check_lengths(**arrays: Sequence[Any] | np.ndarray) -> None:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"lengths are {lengths}; expected all equal and at least 1.")


def _check_labels(labels: Sequence[int] | np.ndarray, num_classes: int) -> np.ndarray:
    checked = np.asarray(labels)
    if not np.issubdtype(checked.dtype, np.integer) or checked.ndim != 1:
        raise ValueError(
            f"labels are {checked.dtype} of shape {checked.shape}; expected (N,) integers."
        )
    if checked.min() < 0 or checked.max() >= num_classes:
        raise ValueError(
            f"labels run from {checked.min()} to {checked.max()}; expected 0 to {num_classes - 1}, "
            "one for each class name."
        )
    return checked


def _top_1(probabilities: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Find each photo's predicted class and its probability, NaN where all of them are."""
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != num_classes:
        raise ValueError(
            f"probabilities have shape {table.shape}; expected (N, {num_classes}), "
            "a column for each class name."
        )
    predicted = np.nan_to_num(table, nan=-np.inf).argmax(axis=1)
    return predicted, table[np.arange(len(table)), predicted]


def _add_photo(
    figure: Figure, image: np.ndarray, left: float, top: float, size: float, frame: str = ""
) -> None:
    """Place a photo in a square of `size` inches, standing on its lower edge; maybe framed."""
    width, height = figure.get_size_inches()
    box = (left / width, 1 - (top + size) / height, size / width, size / height)
    axes = figure.add_axes(box, anchor="S", xticks=[], yticks=[])
    pixels = _to_rgb(image)
    # Few pixels stay visible squares; many are averaged, for dropping rows would look like noise.
    enlarged = max(pixels.shape[:2]) <= size * DPI
    axes.imshow(
        pixels,
        interpolation="nearest" if enlarged else "antialiased",
        origin="upper",
        aspect="equal",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color=frame or PALE, linewidth=3 if frame else 0.6)


class _Line(NamedTuple):
    """A line of a caption, of which only `name` may be shortened."""

    name: str
    before: str = ""
    after: str = ""
    color: str = INK
    weight: str = "normal"
    keep_end: bool = False


def _photo_grid(
    images: Sequence[np.ndarray],
    captions: Sequence[Sequence[_Line]],
    *,
    title: str,
    note: str,
    frames: Sequence[str] | None = None,
) -> Figure:
    """Lay captioned photos out in a grid about half as wide again as it is high."""
    count, gap, line_height = len(images), 0.22, SMALL_PT * 1.3 / 72
    rows = math.ceil(count / math.ceil(math.sqrt(1.5 * count)))
    columns = math.ceil(count / rows)
    size = min(max(11 / columns - gap, 1.25), 2.6)
    below = 0.1 + max(map(len, captions)) * line_height + gap
    heights = [size * min(1, np.shape(image)[0] / np.shape(image)[1]) for image in images]
    # A row is as high as its highest photo: landscapes alone leave no band of white.
    pitches = [max(heights[i : i + columns]) + below for i in range(0, count, columns)]
    width = max(2 * MARGIN + columns * (size + gap) - gap, 7.0)
    figure, heading = _new_figure(width, sum(pitches) + 0.1, title, note)
    for i, (image, lines) in enumerate(zip(images, captions, strict=True)):
        left = MARGIN + i % columns * (size + gap)
        foot = heading + 0.05 + sum(pitches[: i // columns + 1]) - below
        _add_photo(figure, image, left, foot - size, size, frames[i] if frames else "")
        for j, line in enumerate(lines):
            text = _fit(
                line.name,
                size + 0.6 * gap,
                SMALL_PT,
                weight=line.weight,
                before=line.before,
                after=line.after,
                keep_end=line.keep_end,
            )
            look = _font(SMALL_PT, color=line.color, fontweight=line.weight, ha="center")
            _put(figure, left + size / 2, foot + 0.08 + j * line_height, text, **look)
    return figure


def plot_augmented_samples(
    path: PathLike,
    originals: Photos,
    augmented: Sequence[Photos] | np.ndarray,
    *,
    class_names: Sequence[str],
    labels: Sequence[int] | np.ndarray,
) -> Path:
    """Draw a row for each photo: the original at left, then its augmented views.

    Args:
      path: where the PNG goes.
      originals: (N, H, W, C) photos.
      augmented: (N, K, h, w, C) photos, K >= 1 views of each original.
      class_names: the name of each class.
      labels: (N,) the class of each photo.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ, are zero or exceed 60 photos, or a photo or label is out of
        contract.
    """
    figure = _figure_augmented_samples(originals, augmented, class_names=class_names, labels=labels)
    return _save(figure, path)


def _figure_augmented_samples(
    originals: Photos,
    augmented: Sequence[Photos] | np.ndarray,
    *,
    class_names: Sequence[str],
    labels: Sequence[int] | np.ndarray,
) -> Figure:
    _check_lengths(originals=originals, augmented=augmented, labels=labels)
    checked, names = _check_labels(labels, len(class_names)), _drawable_names(class_names)
    columns, count = len(augmented[0]), len(originals)
    if columns < 1 or count > 60:
        raise ValueError(
            f"got {count} photos of {columns} views; expected 1 to 60 photos, 1 view or more."
        )
    same = all(np.array_equal(views[0], view) for views in augmented for view in views[1:])
    title = (
        "Augmentation changes nothing here: all views of a photo are the same"
        if same and columns > 1
        else "Every view is new to the network, the label stays"
    )
    note = f"{_counted(count, 'photo')}, {_counted(columns, 'augmented view')} of each"
    size, gap, aside, pitch = 1.5, 0.1, 0.3, 1.5 + 0.4
    width = max(2 * MARGIN + (columns + 1) * (size + gap) + aside, 7.0)
    figure, heading = _new_figure(width, 0.35 + count * pitch, title, note)
    starts = [MARGIN] + [MARGIN + aside + (j + 1) * (size + gap) for j in range(columns)]
    for left, text in ((starts[0], "original"), (starts[1], "augmented")):
        _put(figure, left, heading, text, **_font(color=GREY))
    for i, (original, views) in enumerate(zip(originals, augmented, strict=True)):
        top = heading + 0.3 + i * pitch
        for left, image in zip(starts, [original, *views], strict=True):
            _add_photo(figure, image, left, top, size)
        name = _fit(names[checked[i]], size, TEXT_PT, weight="bold")
        _put(figure, MARGIN, top + size + 0.06, name, **_font(fontweight="bold"))
    return figure


def plot_most_confidently_wrong(
    path: PathLike,
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    max_photos: int = 16,
) -> Path:
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
    figure = _figure_most_confidently_wrong(
        images, labels, probabilities, class_names, names=names, max_photos=max_photos
    )
    return _save(figure, path)


def _figure_most_confidently_wrong(
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    max_photos: int = 16,
) -> Figure:
    _check_lengths(images=images, labels=labels, probabilities=probabilities)
    _check_lengths(images=images, names=labels if names is None else names)
    _check_max_photos(max_photos)
    classes, truth = _drawable_names(class_names), _check_labels(labels, len(class_names))
    predicted, confidence = _top_1(probabilities, len(classes))
    wrong = np.flatnonzero(predicted != truth)
    if not wrong.size:
        return _figure_none_wrong(len(truth))
    # The default sort puts NaN last, where a network that says nothing belongs.
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    first, shown = order[0], order[:max_photos]
    captions = [
        [
            _Line(classes[truth[i]], before="true: ", weight="bold"),
            _Line(
                classes[predicted[i]], "said: ", " " + _percent(confidence[i]), VERMILLION, "bold"
            ),
            *([_Line(_drawable(names[i]), color=GREY, keep_end=True)] if names is not None else []),
        ]
        for i in shown
    ]
    title = (
        f"The surest mistake: {_quoted(classes[truth[first]])} taken for "
        f"{_quoted(classes[predicted[first]])} with {_percent(confidence[first])}"
    )
    share = _percent(len(wrong) / len(truth))
    note = f"{len(wrong):,} of {_counted(len(truth), 'photo')} wrong ({share})"
    if len(shown) < len(wrong):
        note += f"; the {len(shown)} surest shown"
    return _photo_grid([images[i] for i in shown], captions, title=title, note=note)


def _figure_none_wrong(count: int) -> Figure:
    """Say in a picture that there is no mistake to show."""
    title = f"No mistakes: {'the photo is' if count == 1 else f'all {count:,} photos are'} right"
    figure, heading = _new_figure(7.0, 1.7, title, "")
    _put(figure, 3.5, heading, "✓", **_font(96, color=GREEN, ha="center"))
    return figure


def _check_max_photos(max_photos: int) -> None:
    if not 1 <= max_photos <= 400:
        raise ValueError(f"max_photos (={max_photos}) is out of range; expected 1 to 400.")


def _quoted(name: str) -> str:
    """Shorten a name for use within a title."""
    return _fit(name, 3.6, TITLE_PT, weight="bold")


def plot_predictions(
    path: PathLike,
    images: Photos,
    labels: Sequence[int] | np.ndarray | None,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    max_photos: int = 25,
) -> Path:
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
    figure = _figure_predictions(images, labels, probabilities, class_names, max_photos=max_photos)
    return _save(figure, path)


def _figure_predictions(
    images: Photos,
    labels: Sequence[int] | np.ndarray | None,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    max_photos: int = 25,
) -> Figure:
    _check_lengths(images=images, probabilities=probabilities)
    _check_max_photos(max_photos)
    classes = _drawable_names(class_names)
    predicted, confidence = _top_1(probabilities, len(classes))
    count = len(predicted)
    shown = range(min(count, max_photos))
    note = f"the first {len(shown)} shown" if len(shown) < count else ""
    if labels is None:
        captions = [
            [_Line(classes[predicted[i]], after=" " + _percent(confidence[i], 0), weight="bold")]
            for i in shown
        ]
        title = f"What the network sees in {_counted(count, 'photo')}"
        return _photo_grid([images[i] for i in shown], captions, title=title, note=note)
    _check_lengths(images=images, labels=labels)
    truth = _check_labels(labels, len(classes))
    right = predicted == truth
    colours = [GREEN if r else VERMILLION for r in right]
    captions = [
        [
            _Line(
                classes[predicted[i]],
                "✓ " if right[i] else "✗ ",
                " " + _percent(confidence[i], 0),
                colours[i],
                "bold",
            ),
            *([] if right[i] else [_Line(classes[truth[i]], "true: ")]),
        ]
        for i in shown
    ]
    title = (
        f"All {_counted(count, 'photo')} right"
        if right.all() and count > 1
        else f"{right.sum():,} of {_counted(count, 'photo')} right ({_percent(right.mean())})"
    )
    return _photo_grid(
        [images[i] for i in shown],
        captions,
        title=title,
        note=f"✓ right, ✗ wrong, with the probability of the class named{'; ' * bool(note)}{note}",
        frames=colours,
    )


def plot_contact_sheet(
    path: PathLike,
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    *,
    max_photos: int = 96,
) -> Path:
    """Draw photos by class under their labels, to see what the data are before training on them.

    Args:
      path: where the PNG goes.
      images: (N, H, W, C) photos.
      labels: (N,) their classes.
      class_names: the name of each class.
      max_photos: the most to draw, >= 1; of more, evenly spaced ones, each class by its share.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or are zero, or an argument is out of contract.
    """
    return _save(_figure_contact_sheet(images, labels, class_names, max_photos=max_photos), path)


def _figure_contact_sheet(
    images: Photos,
    labels: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    *,
    max_photos: int = 96,
) -> Figure:
    _check_lengths(images=images, labels=labels)
    _check_max_photos(max_photos)
    classes, truth = _drawable_names(class_names), _check_labels(labels, len(class_names))
    by_class = np.argsort(truth, kind="stable")
    count = min(len(truth), max_photos)
    shown = by_class[np.arange(count) * len(truth) // count]
    counts = np.bincount(truth, minlength=len(classes))
    present = np.count_nonzero(counts)
    title = f"{_counted(len(truth), 'photo')} of {_counted(present, 'class', 'classes')}"
    least, most = counts.argmin(), counts.argmax()
    note = f"{_counted(counts[most], 'photo')} of each class"
    if counts[least] < counts[most]:
        note = f"From {counts[least]:,} of {_quoted(classes[least])} "
        note += f"to {counts[most]:,} of {_quoted(classes[most])}"
    if count < len(truth):
        note += f"; {count} shown, evenly spaced"
    captions = [[_Line(classes[truth[i]])] for i in shown]
    return _photo_grid([images[i] for i in shown], captions, title=title, note=note)


# -------------------- curves --------------------


def _series(history: History, key: str) -> np.ndarray:
    """Read one column of a history, NaN where an epoch has no such value."""
    values = [row.get(key) for row in history]
    return np.array([np.nan if v is None else float(v) for v in values])


def _check_history(history: History) -> None:
    if not len(history) or any("epoch" not in row for row in history):
        raise ValueError(
            f"history has {len(history)} rows; expected at least 1, each with the key 'epoch'."
        )


def _best(values: np.ndarray) -> int | None:
    """Find the first of the greatest finite values."""
    finite = np.isfinite(values)
    return int(np.where(finite, values, -np.inf).argmax()) if finite.any() else None


def _draw_series(axes: Axes, epochs: np.ndarray, values: np.ndarray, **look: Any) -> None:
    """Draw the finite values; a dozen markers, more or less, so that 1000 epochs stay a line."""
    finite = np.isfinite(values)
    look = {"linewidth": 2.0, "markersize": 6, "markevery": max(1, finite.sum() // 12)} | look
    axes.plot(epochs[finite], values[finite], **look)


def _epoch_axis(axes: Axes, epochs: np.ndarray) -> None:
    axes.set_xlabel("epoch", **_font())
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    if epochs.min() == epochs.max():
        axes.set(xlim=(epochs[0] - 1, epochs[0] + 1), xticks=[epochs[0]])


def _accuracy_axis(axes: Axes, label: str) -> None:
    axes.set_ylabel(label, **_font())
    axes.yaxis.set_major_formatter(lambda value, _: f"{round(100 * value, 6):g}%")


def plot_learning_curves(path: PathLike, history: History) -> Path:
    """Draw loss and accuracy by epoch, training against validation, with the gap between them.

    A missing or None value is an epoch without a measurement; a training loss that is NaN or
    infinite is a divergence, and the title says so.

    Args:
      path: where the PNG goes.
      history: a row for each epoch with the keys epoch, train_loss, validation_loss (nats),
        train_accuracy, validation_accuracy, learning_rate; all but epoch may be missing.

    Returns:
      `path`.

    Raises:
      ValueError: if `history` is empty or a row lacks its epoch.
    """
    return _save(_figure_learning_curves(history), path)


def _figure_learning_curves(history: History) -> Figure:
    _check_history(history)
    epochs, accuracy = _series(history, "epoch"), _series(history, "validation_accuracy")
    title, note = _learning_curves_title(history)
    figure, heading = _new_figure(12.0, 4.9, title, note)
    best = _best(accuracy) if len(history) > 1 else None
    for axes, kind in zip(_chart_axes(figure, heading, 2), ("loss", "accuracy"), strict=True):
        train, validation = (
            _series(history, f"train_{kind}"),
            _series(history, f"validation_{kind}"),
        )
        both = np.isfinite(train) & np.isfinite(validation)
        shade: dict[str, Any] = {"color": ORANGE, "alpha": 0.2}
        axes.fill_between(epochs[both], train[both], validation[both], linewidth=0, **shade)
        if both.sum() == 1:  # one epoch has no area to fill
            axes.vlines(epochs[both], train[both], validation[both], linewidth=16, **shade)
        _draw_series(axes, epochs, train, label="training", color=BLUE, linestyle="--", marker="o")
        _draw_series(axes, epochs, validation, label="validation", color=VERMILLION, marker="s")
        _epoch_axis(axes, epochs)
        if best is not None:
            axes.axvline(epochs[best], color=GREY, linestyle=":", linewidth=1.5)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
            frameon=False,
            prop={"family": FONTS[0], "size": TEXT_PT},
        )
    _finish_loss_axes(figure.axes[0], history)
    _accuracy_axis(figure.axes[1], "accuracy")
    if best is not None:
        _mark_best(figure.axes[1], epochs[best], accuracy[best])
    _name_gap(figure.axes[1], history)
    return figure


def _learning_curves_title(history: History) -> tuple[str, str]:
    epochs, accuracy = _series(history, "epoch"), _series(history, "validation_accuracy")
    rate = _series(history, "learning_rate")
    known = rate[np.isfinite(rate)]
    note = f"Learning rate {known[0]:.3g}" if known.size else ""
    if known.size and known[0] != known[-1]:
        note += f" at first, {known[-1]:.3g} at last"
    losses = [row.get("train_loss") for row in history]
    diverged = [
        e for e, v in zip(epochs, losses, strict=True) if v is not None and not np.isfinite(v)
    ]
    best = _best(accuracy)
    if diverged:
        return f"Training diverged: the loss is not finite at epoch {diverged[0]:g}", note
    if best is None:
        return (
            f"{_counted(len(history), 'epoch')} of training, validation accuracy not measured",
            note,
        )
    if len(history) == 1:
        return f"Validation accuracy is {_percent(accuracy[0])} at epoch {epochs[0]:g}", note
    return (
        f"Validation accuracy is best at epoch {epochs[best]:g}: {_percent(accuracy[best])}",
        note,
    )


def _finish_loss_axes(axes: Axes, history: History) -> None:
    """Scale the loss by powers of ten where it spans two of them, as after a bad start."""
    both = np.concatenate([_series(history, "train_loss"), _series(history, "validation_loss")])
    losses = both[np.isfinite(both)]
    logarithmic = losses.size and losses.min() > 0 and losses.max() > 100 * losses.min()
    if logarithmic:
        axes.set_yscale("log")
    axes.set_ylabel("loss (nats, log scale)" if logarithmic else "loss (nats)", **_font())


def _mark_best(axes: Axes, epoch: float, accuracy: float) -> None:
    """Ring the best epoch, and name it at the foot of its line, for the curves are far above."""
    axes.plot([epoch], [accuracy], "o", markersize=14, mfc="none", mec=INK, mew=1.8)
    left, right = axes.get_xlim()
    late = epoch > (left + right) / 2
    axes.annotate(
        f"best: {_percent(accuracy)}",
        (epoch, 0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-7 if late else 7, 9),
        textcoords="offset points",
        bbox=HALO,
        **_font(ha="right" if late else "left", va="bottom", fontweight="bold"),
    )


def _name_gap(axes: Axes, history: History) -> None:
    """Write how far training is ahead of validation, beside the last epoch that has both."""
    train, validation = _series(history, "train_accuracy"), _series(history, "validation_accuracy")
    both = np.flatnonzero(np.isfinite(train) & np.isfinite(validation))
    if not both.size:
        return
    last = both[-1]
    middle = (train[last] + validation[last]) / 2
    text = f"gap\n{_points(train[last] - validation[last])}"
    look = _font(va="center", fontweight="bold")
    axes.text(1.03, middle, text, transform=axes.get_yaxis_transform(), **look)


def plot_comparison_curves(path: PathLike, runs: Mapping[str, History]) -> Path:
    """Draw the accuracy of several runs in one chart: validation solid, training dashed.

    Args:
      path: where the PNG goes.
      runs: a history for each run's name, as in `plot_learning_curves`.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no run, or a history is empty or a row lacks its epoch.
    """
    return _save(_figure_comparison_curves(runs), path)


def _figure_comparison_curves(runs: Mapping[str, History]) -> Figure:
    _check_lengths(runs=list(runs))
    for history in runs.values():
        _check_history(history)
    names = [_fit(name, 2.4, TEXT_PT, weight="bold") for name in _drawable_names(list(runs), "run")]
    best = [_best_accuracy(history) for history in runs.values()]
    note = "Accuracy by epoch: validation solid, training dashed"
    figure, heading = _new_figure(12.0, max(5.2, 0.6 * len(runs)), _winner(names, best), note)
    axes = _chart_axes(figure, heading)[0]
    every_epoch = np.concatenate([_series(history, "epoch") for history in runs.values()])
    _epoch_axis(axes, every_epoch)
    _accuracy_axis(axes, "accuracy")
    for i, history in enumerate(runs.values()):
        epochs, colour = _series(history, "epoch"), RUN_COLOURS[i % len(RUN_COLOURS)]
        train, validation = (_series(history, f"{s}_accuracy") for s in ("train", "validation"))
        _draw_series(axes, epochs, train, color=colour, linestyle="--", linewidth=1.3, alpha=0.8)
        _draw_series(
            axes, epochs, validation, color=colour, marker=RUN_MARKERS[i % len(RUN_MARKERS)]
        )
    _label_runs(axes, names, list(runs.values()))
    return figure


def _best_accuracy(history: History) -> float:
    accuracy = _series(history, "validation_accuracy")
    best = _best(accuracy)
    return math.nan if best is None else float(accuracy[best])


def _winner(names: Sequence[str], accuracies: Sequence[float]) -> str:
    """State which is best, and by how much."""
    order = sorted(
        (i for i, value in enumerate(accuracies) if math.isfinite(value)),
        key=lambda i: -accuracies[i],
    )
    if not order:
        return "No accuracy was measured"
    first = f"{_quoted(names[order[0]])} is best: {_percent(accuracies[order[0]])}"
    if len(order) == 1:
        return first.replace(" is best:", ":")
    lead = accuracies[order[0]] - accuracies[order[1]]
    return f"{first}, {_points(lead)} above {_quoted(names[order[1]])}"


def _label_runs(axes: Axes, names: Sequence[str], histories: Sequence[History]) -> None:
    """Name each run at the right of its curve's end, moved apart where two would overlap."""
    axes.autoscale_view()
    low, high = axes.get_ylim()
    ends = [_last_measured(history) for history in histories]
    heights = [(accuracy - low) / (high - low) for _, accuracy in ends]
    step = 0.6 / (axes.get_figure().get_size_inches()[1] - 1.6)  # type: ignore[union-attr]
    places = _spread([h if math.isfinite(h) else 0.0 for h in heights], step)
    for i, (end, place) in enumerate(zip(ends, places, strict=True)):
        colour, marker = RUN_COLOURS[i % len(RUN_COLOURS)], RUN_MARKERS[i % len(RUN_MARKERS)]
        across: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        if math.isfinite(end[1]):
            line = {"arrowstyle": "-", "color": colour, "linewidth": 1.0}
            corner = (1.06, place)
            axes.annotate("", end, xytext=corner, textcoords="axes fraction", arrowprops=line)
        axes.plot([1.07], [place], marker, color=colour, markersize=9, **across)
        axes.text(1.09, place, names[i], va="bottom", **across, **_font(fontweight="bold"))
        axes.text(1.09, place, _run_facts(histories[i]), va="top", **across, **_font())


def _run_facts(history: History) -> str:
    train, validation = _series(history, "train_accuracy"), _series(history, "validation_accuracy")
    gaps = (train - validation)[np.isfinite(train - validation)]
    best = f"best {_percent(_best_accuracy(history))}"
    return f"{best}, gap {_points(gaps[-1])}" if gaps.size else best


def _last_measured(history: History) -> tuple[float, float]:
    """Find the end of a validation curve; NaN where there is none."""
    epochs, accuracy = _series(history, "epoch"), _series(history, "validation_accuracy")
    finite = np.flatnonzero(np.isfinite(accuracy))
    return (epochs[finite[-1]], accuracy[finite[-1]]) if finite.size else (math.nan, math.nan)


def _spread(heights: Sequence[float], step: float) -> list[float]:
    """Move heights in [0, 1] at least `step` apart, in the same order and little from their places.

    Example:
      >>> _spread([0.5, 0.5, 0.0], 0.2)
      [0.4, 0.6, 0.0]
    """
    order = np.argsort(heights, kind="stable")
    groups: list[list[float]] = []  # neighbours that touch, laid out around their mean
    for i in order:
        groups.append([heights[i]])
        while len(groups) > 1 and _foot(groups[-1], step) < _foot(groups[-2], step) + step * len(
            groups[-2]
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    places = np.empty(len(heights))
    places[order] = [_foot(g, step) + k * step for g in groups for k in range(len(g))]
    return [round(float(place), 4) for place in places]


def _foot(group: Sequence[float], step: float) -> float:
    """Find where the lowest of a group goes, all of it staying in [0, 1] if it can."""
    span = step * (len(group) - 1)
    return max(min(float(np.mean(group)) - span / 2, 1 - span), 0.0)


def plot_baselines(path: PathLike, accuracies: Mapping[str, float], *, chance: float) -> Path:
    """Draw a bar for each method's accuracy, and the line that guessing reaches.

    Args:
      path: where the PNG goes.
      accuracies: the accuracy of each method, as a fraction; drawn from the top in this order.
      chance: the accuracy of guessing, as a fraction.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no method, or an accuracy or `chance` is outside [0, 1].

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     plot_baselines(f"{folder}/bars.png", {"network": 0.9}, chance=0.5).name
      'bars.png'
    """
    return _save(_figure_baselines(accuracies, chance=chance), path)


def _figure_baselines(accuracies: Mapping[str, float], *, chance: float) -> Figure:
    _check_lengths(accuracies=list(accuracies))
    for name, value in {**accuracies, "chance": chance}.items():
        if not (0 <= value <= 1 or math.isnan(value)):
            raise ValueError(f"accuracy of {name!r} is {value}; expected a fraction in [0, 1].")
    names, values = _drawable_names(list(accuracies), "method"), list(accuracies.values())
    rows = np.arange(len(values))
    best = _best(np.array(values, dtype=np.float64))
    note = f"Guessing reaches {_percent(chance)}"
    figure, heading = _new_figure(11.0, 1.3 + 0.75 * len(values), _winner(names, values), note)
    axes = _chart_axes(figure, heading)[0]
    axes.grid(visible=False, axis="y")
    axes.barh(
        rows, np.nan_to_num(values), height=0.6, color=[BLUE if i == best else PALE for i in rows]
    )
    axes.axvline(chance, color=VERMILLION, linestyle="--", linewidth=2)
    axes.text(chance, -0.62, "chance", **_font(color=VERMILLION, ha="center", fontweight="bold"))
    for i, value in enumerate(values):
        look = _font(TEXT_PT + 1, fontweight="bold", va="center", bbox=HALO)
        axes.annotate(
            _percent(value),
            (np.nan_to_num(value), i),
            xytext=(6, 0),
            textcoords="offset points",
            **look,
        )
    labels = [_fit(name, 2.4, TEXT_PT + 1) for name in names]
    axes.set_yticks(rows, labels, **_font(TEXT_PT + 1))
    axes.set(xlim=(0, 1), ylim=(len(values) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("accuracy", **_font())
    return figure


# -------------------- confusion matrix --------------------


def plot_confusion_matrix(path: PathLike, matrix: np.ndarray, class_names: Sequence[str]) -> Path:
    """Draw how often each true class is taken for each class, coloured by the share of the row.

    Up to 20 classes each cell has its count and percentage. Beyond, colour alone and a list of the
    pairs most often confused; beyond 40 classes only some are named on the axes, beyond 100 none.

    Args:
      path: where the PNG goes.
      matrix: (K, K) integer counts; rows are true classes, columns predicted ones.
      class_names: (K,) the name of each class.

    Returns:
      `path`.

    Raises:
      ValueError: if `matrix` is not (K, K) integers >= 0.
    """
    return _save(_figure_confusion_matrix(matrix, class_names), path)


def _figure_confusion_matrix(matrix: np.ndarray, class_names: Sequence[str]) -> Figure:
    counts, K = np.asarray(matrix), len(class_names)
    if counts.shape != (K, K) or not K or not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(
            f"matrix is {counts.dtype} of shape {counts.shape}; expected integers of shape "
            f"({K}, {K}), a row and a column for each class name."
        )
    if counts.min() < 0:
        raise ValueError(f"matrix holds the count {counts.min()}; expected none below 0.")
    names, totals = _drawable_names(class_names), counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros((K, K)), where=totals > 0)
    pairs, numbered = _most_confused(counts, limit=12), K <= 20
    side = min(max(5.0, 0.62 * K), 10.5) if numbered else 8.0
    ticks = _cell_ticks(names, side / K)
    left = MARGIN + 0.6 + ticks.breadth
    aside = 0.3 if numbered else 6.0
    note = "Each row is a true class: " + (
        "count, and share" if numbered else "colour is the share"
    )
    title, width = _confusion_title(counts, names, pairs), max(left + side + aside, 7.0)
    body = side + ticks.depth + 0.75
    figure, heading = _new_figure(width, body, title, note + " of the row")
    height = heading + body
    box = (left / width, 1 - (heading + 0.1 + side) / height, side / width, side / height)
    axes = _plain(figure.add_axes(box))
    # Beyond 20 classes the root lifts few mistakes among many out of the white.
    norm = PowerNorm(1.0 if numbered else 0.5, vmin=0, vmax=1)
    drawn = axes.imshow(shares, cmap="Blues", norm=norm, interpolation="nearest", origin="upper")
    axes.grid(visible=False)
    axes.set_ylabel("true class", **_font())
    axes.set_xlabel("predicted class", **_font())
    axes.set_yticks(ticks.places, ticks.labels, **_font(ticks.size_pt))
    axes.set_xticks(ticks.places, ticks.labels, **_font(ticks.size_pt, **ticks.turn))
    if numbered:
        _number_cells(axes, counts, shares, side / K)
    else:
        _add_colour_bar(figure, drawn, left + side + 0.2, heading + 0.1 + side / 4, side / 2)
        _list_pairs(figure, pairs, counts, shares, names, left=left + side + 1.8, top=heading)
    return figure


def _add_colour_bar(figure: Figure, drawn: AxesImage, left: float, top: float, size: float) -> None:
    width, height = figure.get_size_inches()
    box = (left / width, 1 - (top + size) / height, 0.2 / width, size / height)
    bar = figure.colorbar(drawn, cax=figure.add_axes(box), format=PercentFormatter(1.0))
    bar.ax.spines[:].set_visible(False)
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.ax.tick_params(labelsize=SMALL_PT, labelcolor=INK, color=GREY, labelfontfamily=FONTS[0])
    bar.set_label("share of the row", **_font())


def _most_confused(counts: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """Find the (true, predicted) pairs of different classes with the greatest counts."""
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:limit]
    rows, columns = np.unravel_index(order, counts.shape)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if mistakes[r, c]]


def _confusion_title(
    counts: np.ndarray, names: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> str:
    total = int(counts.sum())
    if not total:
        return "No photo was classified"
    if not pairs:
        return f"All {_counted(total, 'photo')} right"
    row, column = pairs[0]
    times = int(counts[row, column])
    return (
        f"{_percent(np.trace(counts) / total)} right; most often {_quoted(names[row])} "
        f"is taken for {_quoted(names[column])} ({_counted(times, 'time')})"
    )


class _Ticks(NamedTuple):
    """What names the cells of a matrix along both axes, and the inches that it takes."""

    places: list[int]
    labels: list[str]
    size_pt: float
    turn: dict[str, Any]  # of the labels below, where they would run into each other
    breadth: float  # at left
    depth: float  # below


def _cell_ticks(names: Sequence[str], cell: float) -> _Ticks:
    """Name all classes, only some beyond 40 and none beyond 100."""
    K = len(names)
    places = [] if K > 100 else list(range(0, K, 1 if K <= 40 else math.ceil(K / 20)))
    size_pt = TEXT_PT if K <= 20 else 9.0
    labels = [_fit(names[i], 1.8, size_pt) for i in places]
    breadth = max((_text_width(label, size_pt) for label in labels), default=0.0)
    if breadth < 0.9 * cell or not labels:
        return _Ticks(places, labels, size_pt, {}, breadth, size_pt / 72)
    if K > 20:
        return _Ticks(places, labels, size_pt, {"rotation": 90}, breadth, breadth)
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    return _Ticks(places, labels, size_pt, slant, breadth, breadth * 0.71 + 0.1)


def _number_cells(axes: Axes, counts: np.ndarray, shares: np.ndarray, cell: float) -> None:
    widest = max(len(f"{counts.max():,}"), len("100%"))
    size = min(cell * 72 / max(0.75 * widest, 3.2), 22.0)
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        text = f"{count:,}\n{_percent(share, 0)}" if counts[row].sum() else "0\n\u2013"
        look = _font(size, color="white" if share > 0.6 else INK if count else GREY)
        axes.text(column, row, text, ha="center", va="center", **look)


def _list_pairs(
    figure: Figure,
    pairs: Sequence[tuple[int, int]],
    counts: np.ndarray,
    shares: np.ndarray,
    names: Sequence[str],
    *,
    left: float,
    top: float,
) -> None:
    """List the pairs at the right: true, predicted, how often."""
    text = "Most often confused" if pairs else "No class is confused"
    _put(figure, left, top + 0.1, text, **_font(TEXT_PT + 1, fontweight="bold"))
    for i, (row, column) in enumerate(pairs):
        place = top + 0.55 + 0.58 * i
        after = f"  {counts[row, column]:,}\u00d7 ({_percent(shares[row, column], 0)})"
        _put(figure, left, place, _fit(names[row], 4.2, TEXT_PT), **_font())
        taken = _fit(names[column], 4.2, TEXT_PT, before="→ ", after=after)
        _put(figure, left, place + 0.22, taken, **_font(color=VERMILLION))
