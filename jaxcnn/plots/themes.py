"""The same figure for a light page and for a dark one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colors
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from PIL import Image

from jaxcnn.data.encode import encode_image
from jaxcnn.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    VERMILLION,
)

# Each colour of the house look, and what stands for it on a dark page: of the same hue, and as far
# from the page in lightness. The page is that of the report's style sheet.
DARK = {
    "#FFFFFF": "#14171B",
    BLACK: "#FFFFFF",
    INK: "#E7E9EC",
    GREY: "#A6ADB7",
    PALE: "#454C55",
    BLUE: "#5CB3EA",
    VERMILLION: "#F39A5E",
    GREEN: "#3CC79E",
    PURPLE: "#DD94BD",
    ORANGE: ORANGE,
}
_DARK_OF: Mapping[tuple[float, float, float], tuple[float, float, float]] = {
    colors.to_rgb(light): colors.to_rgb(dark) for light, dark in DARK.items()
}
_EXACT_BYTES = 100_000
AS_IT_IS = "as it is"  # the gid of an artist that keeps its colours, such as text on a photo


def web_pair(figure: Figure) -> tuple[bytes, bytes]:
    """Write a figure as two WebP files, for a light and for a dark page.

    Args:
      figure: in the colours of `plots.style`; it is dark afterwards.

    Returns:
      The light and the dark file. Each is exact where that takes no more than `_EXACT_BYTES`, as
      charts do; pictures with photos are compressed as photos are.
    """
    light = _webp(figure)
    darken(figure)
    return light, _webp(figure)


def darken(figure: Figure) -> None:
    """Turn the colours of the house look into those for a dark page; photos stay as they are.

    Args:
      figure: changed in place. An artist whose gid is `AS_IT_IS` keeps its colours, and so do
        colours that are none of `plots.style`.
    """
    figure.canvas.draw()  # ticks are made when they are first drawn
    done: set[int] = set()
    for artist in figure.findobj():
        if id(artist) not in done and artist.get_gid() != AS_IT_IS:
            done.add(id(artist))
            _darken(artist)


def _darken(artist: Artist) -> None:
    if isinstance(artist, Text):
        artist.set_color(_dark(artist.get_color()))
        box = artist.get_bbox_patch()
        if box is not None:
            _darken(box)
    elif isinstance(artist, Line2D):
        artist.set_color(_dark(artist.get_color()))
        artist.set_markerfacecolor(_dark(artist.get_markerfacecolor()))
        artist.set_markeredgecolor(_dark(artist.get_markeredgecolor()))
    elif isinstance(artist, Patch):
        # Two kinds of patch keep an alpha of their own, which a new colour would multiply.
        face, edge = artist.get_facecolor(), artist.get_edgecolor()
        artist.set_alpha(None)
        artist.set_facecolor(_dark(face))
        artist.set_edgecolor(_dark(edge))
    elif isinstance(artist, Collection):
        faces, edges = artist.get_facecolor(), artist.get_edgecolor()
        artist.set_alpha(None)
        artist.set_facecolor([_dark(each) for each in faces])
        artist.set_edgecolor([_dark(each) for each in edges])


def _dark(colour: Any) -> Any:
    """Give the dark page's colour for one of the house look, with the same alpha; else itself."""
    if isinstance(colour, str) and colour.lower() in ("none", "auto"):
        return colour
    red, green, blue, alpha = colors.to_rgba(colour)
    found = _DARK_OF.get((red, green, blue))
    return colour if found is None else (*found, alpha)


def _webp(figure: Figure) -> bytes:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    exact = encode_image(pixels, "WEBP", lossless=True)
    return exact if len(exact) <= _EXACT_BYTES else encode_image(pixels, "WEBP", quality=88)
