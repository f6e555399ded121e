"""Photos with captions laid out on a figure: in a grid, or in rows."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import BboxImage
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox, TransformedBbox

from jaxcnn.plots.canvas import new_figure, put_text
from jaxcnn.plots.style import DPI, GREY, INK, MARGIN, PALE, SMALL_PT, TEXT_PT
from jaxcnn.plots.text import drawable, fit_text, font

Photos = np.ndarray | Sequence[np.ndarray]
_LINE_HEIGHT = SMALL_PT * 1.3 / 72


class CaptionLine(NamedTuple):
    """A line of a caption, of which only `text` may be shortened."""

    text: str
    before: str = ""
    after: str = ""
    color: str = INK
    weight: str = "normal"
    keep_end: bool = False


def file_line(name: str) -> CaptionLine:
    """Make the line of a caption that says what a photo is called."""
    return CaptionLine(drawable(name), color=GREY, keep_end=True)


class Tile(NamedTuple):
    """A photo with its caption."""

    image: np.ndarray
    caption: Sequence[CaptionLine] = ()
    frame: str = ""  # a colour; "" for no frame


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


def photo_grid(tiles: Sequence[Tile], *, title: str, note: str) -> Figure:
    """Lay photos out in a grid about half as wide again as it is high."""
    count, gap = len(tiles), 0.22
    rows = math.ceil(count / math.ceil(math.sqrt(1.5 * count)))
    columns = math.ceil(count / rows)
    size = min(max(11 / columns - gap, 1.25), 2.6)
    below = 0.1 + max(len(tile.caption) for tile in tiles) * _LINE_HEIGHT + gap
    shapes = [np.shape(tile.image) for tile in tiles]
    heights = [size * min(1, shape[0] / shape[1]) for shape in shapes]
    # A row is as high as its highest photo: landscapes alone leave no band of white.
    pitches = [max(heights[i : i + columns]) + below for i in range(0, count, columns)]
    width = max(2 * MARGIN + columns * (size + gap) - gap, 7.0)
    figure, heading = new_figure(width, sum(pitches) + 0.1, title, note)
    for i, tile in enumerate(tiles):
        left = MARGIN + i % columns * (size + gap)
        foot = heading + 0.05 + sum(pitches[: i // columns + 1]) - below
        _add_tile(figure, tile, left, foot - size, size, gap)
    return figure


def photo_rows(
    rows: Sequence[tuple[str, Sequence[Tile]]],
    *,
    title: str,
    note: str,
    headings: Sequence[str] = (),
    size: float = 1.5,
    aside: float = 0.0,
) -> Figure:
    """Lay photos out in rows, `size` inches wide; what stands first is what the others are about.

    A row is its heading, "" for none, and its photos, of which the first stands `aside` inches
    apart from the others. `headings` stand above the columns.
    """
    gap, columns = 0.12, max(len(tiles) for _, tiles in rows)
    lines = max(len(tile.caption) for _, tiles in rows for tile in tiles)
    above = 0.3 if any(heading for heading, _ in rows) else 0.0
    row_height = above + size + 0.1 + lines * _LINE_HEIGHT + 0.1
    width = max(2 * MARGIN + columns * (size + gap) - gap + aside, 7.0)
    body = 0.3 * bool(headings) + len(rows) * row_height + 0.15
    figure, top = new_figure(width, body, title, note)
    lefts = [MARGIN + j * (size + gap) + aside * (j > 0) for j in range(columns)]
    for left, text in zip(lefts, headings, strict=False):
        put_text(figure, left, top, fit_text(text, size, TEXT_PT), **font(color=GREY))
    top += 0.3 * bool(headings)
    for heading, tiles in rows:
        fitted = fit_text(heading, width - 2 * MARGIN, TEXT_PT, weight="bold")
        put_text(figure, MARGIN, top, fitted, **font(fontweight="bold"))
        for left, tile in zip(lefts, tiles, strict=False):
            _add_tile(figure, tile, left, top + above, size, gap)
        top += row_height
    return figure


def _add_tile(figure: Figure, tile: Tile, left: float, top: float, size: float, gap: float) -> None:
    """Place a photo in a square of `size` inches, standing on its lower edge, its caption below."""
    pixels = to_rgb(tile.image)
    height, width = (size * side / max(pixels.shape[:2]) for side in pixels.shape[:2])
    # Few pixels stay visible squares; many are averaged, for dropping rows would look like noise.
    enlarged = max(pixels.shape[:2]) <= size * DPI
    foot = figure.get_figheight() - top - size
    corner = (left + (size - width) / 2, foot)
    to_page = figure.dpi_scale_trans  # from inches; axes of its own would take ten times as long
    photo = BboxImage(
        TransformedBbox(Bbox.from_bounds(*corner, width, height), to_page),
        interpolation="nearest" if enlarged else "antialiased",
        origin="upper",
    )
    photo.set_data(pixels)
    figure.add_artist(photo)
    figure.add_artist(
        Rectangle(
            corner,
            width,
            height,
            fill=False,
            color=tile.frame or PALE,
            linewidth=3 if tile.frame else 0.6,
            transform=to_page,
        )
    )
    for i, line in enumerate(tile.caption):
        given = line._asdict()
        look = font(SMALL_PT, color=given.pop("color"), fontweight=line.weight, ha="center")
        text = fit_text(width=size + 0.6 * gap, size_pt=SMALL_PT, **given)
        put_text(figure, left + size / 2, top + size + 0.08 + i * _LINE_HEIGHT, text, **look)
