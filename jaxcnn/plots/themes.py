"""The same figure for a light page and for a dark one."""

from typing import Any

import numpy as np
from matplotlib import colors
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from PIL import Image

from jaxcnn.data.encode import encode_image
from jaxcnn.plots import style

# Each colour of the house look, and what stands for it on a dark page: of the same hue, and as far
# from the page in lightness. The page is that of the report's style sheet.
DARK = {
    "#FFFFFF": "#14171B",
    style.BLACK: "#FFFFFF",
    style.INK: "#E7E9EC",
    style.GREY: "#A6ADB7",
    style.PALE: "#454C55",
    style.BLUE: "#5CB3EA",
    style.VERMILLION: "#F39A5E",
    style.GREEN: "#3CC79E",
    style.PURPLE: "#DD94BD",
    style.ORANGE: style.ORANGE,
}
_DARK_OF = {colors.to_rgb(light): colors.to_rgb(dark) for light, dark in DARK.items()}
_PROPERTIES = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")
_EXACT_BYTES = 100_000


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
      figure: changed in place; colours that are none of `plots.style` stay.
    """
    figure.canvas.draw()  # ticks are made when they are first drawn
    for artist in {*figure.findobj()}:
        _darken(artist)


def _darken(artist: Artist) -> None:
    if isinstance(artist, Text) and (box := artist.get_bbox_patch()) is not None:
        _darken(box)
    colours = {name: getattr(artist, f"get_{name}", None) for name in _PROPERTIES}
    found = {name: get() for name, get in colours.items() if get is not None}
    if isinstance(artist, (Patch, Collection)):
        artist.set_alpha(None)  # some keep an alpha of their own, which a new colour would multiply
    artist.set(**{name: _dark(colour) for name, colour in found.items()})


def _dark(colour: Any) -> Any:
    """Give the dark page's colours for those of the house look, with the same alpha."""
    if isinstance(colour, np.ndarray) and colour.ndim == 2:
        return [_dark(each) for each in colour]
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
