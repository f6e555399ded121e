"""Rows of captioned photos: what stands first in a row is what the others are about."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.plots.canvas import new_figure, put_text
from jaxcnn.plots.image_grid import CaptionLine, add_photo, put_caption
from jaxcnn.plots.style import GREY, MARGIN, SMALL_PT, TEXT_PT
from jaxcnn.plots.text import fit_text, font

_GAP = 0.12
_LINE_HEIGHT = SMALL_PT * 1.3 / 72


class PhotoRow(NamedTuple):
    """One row: a heading, then photos with their captions."""

    heading: str  # above the row; "" for none
    images: Sequence[np.ndarray]
    captions: Sequence[Sequence[CaptionLine]] = ()  # a list of lines per photo; () for none
    frames: Sequence[str] = ()  # a colour per photo, "" for no frame; () for none


def photo_rows(
    rows: Sequence[PhotoRow],
    *,
    title: str,
    note: str,
    headings: Sequence[str] = (),
    size: float = 1.5,
    aside: float = 0.0,
) -> Figure:
    """Lay photos out in rows, `size` inches wide.

    `headings` stand above the columns. The first photo of a row stands `aside` inches apart from
    the others.
    """
    columns = max(len(row.images) for row in rows)
    pitch = size + _GAP
    lines = max((len(lines) for row in rows for lines in row.captions), default=0)
    above = 0.3 if any(row.heading for row in rows) else 0.0
    row_height = above + size + 0.1 + lines * _LINE_HEIGHT + 0.1
    width = max(2 * MARGIN + columns * pitch - _GAP + aside, 7.0)
    body = 0.3 * bool(headings) + len(rows) * row_height + 0.15
    figure, heading = new_figure(width, body, title, note)
    lefts = [MARGIN + j * pitch + aside * (j > 0) for j in range(columns)]
    for left, text in zip(lefts, headings, strict=False):
        fitted = fit_text(text, size, TEXT_PT)
        put_text(figure, left, heading, fitted, **font(color=GREY))
    top = heading + 0.3 * bool(headings)
    for row in rows:
        fitted = fit_text(row.heading, width - 2 * MARGIN, TEXT_PT, weight="bold")
        put_text(figure, MARGIN, top, fitted, **font(fontweight="bold"))
        for j, image in enumerate(row.images):
            frame = row.frames[j] if row.frames else ""
            add_photo(figure, image, lefts[j], top + above, size, frame)
            if row.captions:
                foot = top + above + size + 0.07
                put_caption(figure, row.captions[j], lefts[j] + size / 2, foot, size + _GAP / 2)
        top += row_height
    return figure
