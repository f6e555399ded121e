"""Photos on a figure: one in its place, or a grid of them with captions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.plots.canvas import add_axes, new_figure, put_text
from jaxcnn.plots.style import DPI, INK, MARGIN, PALE, SMALL_PT
from jaxcnn.plots.text import fit_text, font

Photos = np.ndarray | Sequence[np.ndarray]


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Turn any photo of the package's contract into (H, W, 3) uint8."""
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


def add_photo(
    figure: Figure, image: np.ndarray, left: float, top: float, size: float, frame: str = ""
) -> None:
    """Place a photo in a square of `size` inches, standing on its lower edge; maybe framed."""
    axes = add_axes(figure, left, top, size, size, anchor="S", xticks=[], yticks=[])
    pixels = to_rgb(image)
    # Few pixels stay visible squares; many are averaged, for dropping rows would look like noise.
    enlarged = max(pixels.shape[:2]) <= size * DPI
    axes.imshow(
        pixels,
        interpolation="nearest" if enlarged else "antialiased",
        origin="upper",
        aspect="equal",
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=frame or PALE, linewidth=3 if frame else 0.6)


_GAP = 0.22  # between two photos of a grid
_LINE_HEIGHT = SMALL_PT * 1.3 / 72


class CaptionLine(NamedTuple):
    """A line of a caption, of which only `name` may be shortened."""

    name: str
    before: str = ""
    after: str = ""
    color: str = INK
    weight: str = "normal"
    keep_end: bool = False


def photo_grid(
    images: Sequence[np.ndarray],
    captions: Sequence[Sequence[CaptionLine]],
    *,
    title: str,
    note: str,
    frames: Sequence[str] | None = None,
) -> Figure:
    """Lay captioned photos out in a grid about half as wide again as it is high.

    `frames` are the colours of the photos' frames; None frames none.
    """
    count = len(images)
    rows = math.ceil(count / math.ceil(math.sqrt(1.5 * count)))
    columns = math.ceil(count / rows)
    size = min(max(11 / columns - _GAP, 1.25), 2.6)
    below = 0.1 + max(map(len, captions)) * _LINE_HEIGHT + _GAP
    heights = [size * min(1, np.shape(image)[0] / np.shape(image)[1]) for image in images]
    # A row is as high as its highest photo: landscapes alone leave no band of white.
    pitches = [max(heights[i : i + columns]) + below for i in range(0, count, columns)]
    width = max(2 * MARGIN + columns * (size + _GAP) - _GAP, 7.0)
    figure, heading = new_figure(width, sum(pitches) + 0.1, title, note)
    for i, (image, lines) in enumerate(zip(images, captions, strict=True)):
        left = MARGIN + i % columns * (size + _GAP)
        foot = heading + 0.05 + sum(pitches[: i // columns + 1]) - below
        add_photo(figure, image, left, foot - size, size, frames[i] if frames else "")
        put_caption(figure, lines, left + size / 2, foot + 0.08, size + 0.6 * _GAP)
    return figure


def put_caption(
    figure: Figure, lines: Sequence[CaptionLine], middle: float, top: float, width: float
) -> None:
    """Write a caption's lines around `middle`, the first `top` inches below the figure's edge."""
    for i, line in enumerate(lines):
        text = fit_text(
            line.name,
            width,
            SMALL_PT,
            weight=line.weight,
            before=line.before,
            after=line.after,
            keep_end=line.keep_end,
        )
        look = font(SMALL_PT, color=line.color, fontweight=line.weight, ha="center")
        put_text(figure, middle, top + i * _LINE_HEIGHT, text, **look)
