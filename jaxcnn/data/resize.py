"""From an image of any shape to a square: geometry, and arithmetic by Pillow.

Every reduction is antialiased: each new pixel is an average over all that it covers.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxcnn.host.names import unknown_name

RESIZE_MODES = ("crop", "squash", "pad")
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Placement(NamedTuple):
    """Which part of an image goes where in the square."""

    box: tuple[float, float, float, float]  # left, top, right, bottom in the image, pixels
    inner: tuple[int, int]  # width and height that this part is resized to
    corner: tuple[int, int]  # left and top of it in the square


def placement(width: int, height: int, size_px: int, mode: str) -> Placement:
    """Lay an image out in a square.

    Args:
      width: of the image, pixels.
      height: of the image, pixels.
      size_px: side of the square, pixels.
      mode: "crop", "squash" or "pad", see `decode_and_resize`.

    Returns:
      The part of the image that is taken, and its place.

    Example:
      >>> placement(8, 4, 2, "pad")
      Placement(box=(0, 0, 8, 4), inner=(2, 1), corner=(0, 0))
    """
    whole, square = (0, 0, width, height), (size_px, size_px)
    if mode == "squash":
        return Placement(whole, square, (0, 0))
    if mode == "crop":
        # One resize of the central square: a sliver never grows to a huge image before its crop. It
        # starts at a whole pixel of the resized image, so that at scale 1 pixels stay as they are.
        side = min(width, height)
        left, top = (
            round((n - side) * size_px / side / 2) * side / size_px for n in (width, height)
        )
        return Placement((left, top, left + side, top + side), square, (0, 0))
    scale = size_px / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Placement(whole, inner, ((size_px - inner[0]) // 2, (size_px - inner[1]) // 2))


def placed(where: str | Placement, width: int, height: int, size_px: int) -> Placement:
    """Take a placement as it is, and lay an image out by the name of a mode."""
    return placement(width, height, size_px, where) if isinstance(where, str) else where


def check_resize(size_px: int, mode: str, interpolation: str) -> None:
    """Check the options of a resize.

    Args:
      size_px: side of the square, pixels.
      mode: one of RESIZE_MODES.
      interpolation: one of INTERPOLATIONS.

    Raises:
      ValueError: if one is unknown or out of range.
    """
    if interpolation not in INTERPOLATIONS:
        raise unknown_name("interpolation", interpolation, list(INTERPOLATIONS))
    if mode not in RESIZE_MODES:
        raise unknown_name("resize mode", mode, RESIZE_MODES)
    if size_px < 1:
        raise ValueError(f"size_px is {size_px}; expected at least 1 pixel.")


def resize_pillow(
    image: Image.Image, size_px: int, where: str | Placement, interpolation: str
) -> Image.Image:
    """Resize a Pillow image to a square; see `decode_and_resize` for the options."""
    box, inner, corner = placed(where, *image.size, size_px)
    resized = image.resize(inner, INTERPOLATIONS[interpolation], box=box)
    if inner == (size_px, size_px):
        return resized
    padded = Image.new(image.mode, (size_px, size_px))
    padded.paste(resized, corner)
    return padded


def to_pixels(image: Image.Image) -> np.ndarray:
    """Copy a Pillow image of mode L or RGB to (H, W, C) uint8."""
    array = np.array(image)
    return array[:, :, None] if array.ndim == 2 else array
