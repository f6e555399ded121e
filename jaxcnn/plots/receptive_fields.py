"""How much of the photo a pixel of each stage sees."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from jaxcnn.host.text import counted
from jaxcnn.plots.canvas import add_axes, new_figure, put_text, writes_png
from jaxcnn.plots.photo_layout import to_rgb
from jaxcnn.plots.style import GREY, MARGIN, RUN_COLOURS, TEXT_PT
from jaxcnn.plots.text import drawable_names, fit_text, font, quoted

_STYLES: tuple[Any, ...] = ("-", "--", ":", "-.")
_SIDE, _LINE = 5.2, 0.32  # of the photo and between lines of the table


class FieldRow(NamedTuple):
    """What a stage's pixels see."""

    stage: str
    size_px: int  # side of the square that a pixel of the stage sees
    stride_px: int  # from the square of one pixel to that of the next
    sees_all: bool  # a mean over all pixels weighs the channels, too


@writes_png
def plot_receptive_fields(image: np.ndarray, fields: Sequence[FieldRow]) -> Figure:
    """Draw the field of each stage around the middle of a photo, with a table beside.

    Args:
      path: where the PNG goes.
      image: (H, W, C) photo, at the size that the network sees.
      fields: one row per stage, the first stage first.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no field, or more than 24.

    Example:
      >>> fields = [FieldRow("stem", 7, 2, False), FieldRow("stage_1", 43, 4, False)]
      >>> path = plot_receptive_fields("fields.png", np.zeros((64, 64, 3), np.uint8), fields)
    """
    if not 1 <= len(fields) <= 24:
        raise ValueError(f"got {len(fields)} fields; expected 1 to 24.")
    side = min(np.shape(image)[:2])
    beyond = sum(field.size_px >= side for field in fields)
    last = fields[-1]
    name = quoted(drawable_names([last.stage], "stage")[0])
    title = f"A pixel of the last map, {name}, sees {last.size_px:,} x {last.size_px:,} px"
    note = f"The fields of {counted(len(fields), 'stage')} around the middle"
    if beyond:
        note += f"; {counted(beyond, 'of them is', 'of them are')} as large as the photo or larger"
    figure, heading = new_figure(12.0, max(_SIDE, (len(fields) + 3) * _LINE) + 0.3, title, note)
    place = (MARGIN, heading, _SIDE, _SIDE)
    axes = add_axes(figure, *place, anchor="NW", xticks=[], yticks=[])
    axes.imshow(to_rgb(image), aspect="equal", interpolation="antialiased")
    axes.spines[:].set_visible(False)
    for number, field in enumerate(fields):
        # A square around the middle, cut off at the photo's edges.
        high, wide = (min(field.size_px, side) for side in np.shape(image)[:2])
        top, left = ((side - min(field.size_px, side)) / 2 - 0.5 for side in np.shape(image)[:2])
        for look in ({"color": "white", "linewidth": 3.6}, _line_look(number)):
            axes.add_patch(Rectangle((left, top), wide, high, fill=False, **look))
    _write_table(figure, fields, heading)
    return figure


def _line_look(number: int) -> dict[str, Any]:
    colour, style = RUN_COLOURS[number % len(RUN_COLOURS)], _STYLES[number % len(_STYLES)]
    return {"color": colour, "linestyle": style, "linewidth": 2.2, "clip_on": False}


def _write_table(figure: Figure, fields: Sequence[FieldRow], heading: float) -> None:
    """Write one line per stage: its line on the photo, its name, field and stride."""
    left = MARGIN + _SIDE + 0.5
    columns = (left + 0.7, left + 3.4, left + 4.5)

    def write(top: float, texts: Sequence[str], **look: Any) -> None:
        for place, text, side in zip(columns, texts, ("left", "right", "right"), strict=False):
            put_text(figure, place, top, text, **font(ha=side, **look))

    write(heading, ("stage", "field, px", "step, px"), color=GREY)
    width, height = figure.get_size_inches()
    names = drawable_names([field.stage for field in fields], "stage")
    for number, (field, name) in enumerate(zip(fields, names, strict=True)):
        top = heading + (number + 1.2) * _LINE
        across, at = (left / width, (left + 0.5) / width), 1 - (top + 0.1) / height
        figure.add_artist(Line2D(across, (at, at), **_line_look(number)))
        size = f"{field.size_px:,}{'*' * field.sees_all}"
        write(top, (fit_text(name, 1.7, TEXT_PT), size, f"{field.stride_px:,}"))
    if any(field.sees_all for field in fields):
        top = heading + (len(fields) + 1.5) * _LINE
        write(top, ("* and the whole photo, by squeeze-and-excitation",), color=GREY)
