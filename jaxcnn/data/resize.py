"""From an image of any shape to one of a given size: geometry, and arithmetic by Pillow.

Every reduction is antialiased: each new pixel is an average over all that it covers.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxcnn.data.image_size import ImageSize, sides
from jaxcnn.host.names import unknown_name

RESIZE_MODES = ("crop", "squash", "pad")
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Placement(NamedTuple):
    """Which part of an image goes where in the result."""

    box: tuple[float, float, float, float]  # left, top, right, bottom in the image, pixels
    inner: tuple[int, int]  # width and height that this part is resized to
    corner: tuple[int, int]  # left and top of it in the result


def placement(width: int, height: int, size_px: ImageSize, mode: str) -> Placement:
    """Lay an image out in one of a given size.

    Args:
      width: of the image, pixels.
      height: of the image, pixels.
      size_px: side of the square that it becomes, or (height, width), pixels.
      mode: "crop", "squash" or "pad", see `decode_and_resize`.

    Returns:
      The part of the image that is taken, and its place.

    Example:
      >>> placement(8, 4, 2, "pad")
      Placement(box=(0, 0, 8, 4), inner=(2, 1), corner=(0, 0))
      >>> placement(8, 4, (4, 2), "crop")
      Placement(box=(3.0, 0.0, 5.0, 4.0), inner=(2, 4), corner=(0, 0))
    """
    target = sides(size_px)[::-1]
    whole = (0, 0, width, height)
    if mode == "squash":
        return Placement(whole, target, (0, 0))
    if mode == "crop":
        return Placement(_middle(width, height, target), target, (0, 0))
    scale = min(target[0] / width, target[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Placement(whole, inner, ((target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2))


def _middle(width: int, height: int, target: tuple[int, int]) -> tuple[float, float, float, float]:
    """Choose the largest centred part of the shape of `target`, (width, height).

    One resize of it: a sliver never grows to a huge image before its crop. It starts at a whole
    pixel of the resized image, so that at scale 1 pixels stay as they are.
    """
    is_wide = width * target[1] > height * target[0]
    across = height * target[0] / target[1] if is_wide else width
    down = height if is_wide else width * target[1] / target[0]
    left, top = (
        round((n - part) * end / part / 2) * part / end
        for n, part, end in zip((width, height), (across, down), target, strict=True)
    )
    return left, top, left + across, top + down


def placed(where: str | Placement, width: int, height: int, size_px: ImageSize) -> Placement:
    """Take a placement as it is, and lay an image out by the name of a mode."""
    return placement(width, height, size_px, where) if isinstance(where, str) else where


def check_resize(size_px: ImageSize, mode: str, interpolation: str) -> None:
    """Check the options of a resize.

    Args:
      size_px: side of the square, or (height, width), pixels.
      mode: one of RESIZE_MODES.
      interpolation: one of INTERPOLATIONS.

    Raises:
      ValueError: if one is unknown or out of range.
    """
    if interpolation not in INTERPOLATIONS:
        raise unknown_name("interpolation", interpolation, list(INTERPOLATIONS))
    if mode not in RESIZE_MODES:
        raise unknown_name("resize mode", mode, RESIZE_MODES)
    if min(sides(size_px)) < 1:
        raise ValueError(f"size_px is {size_px}; expected at least 1 pixel.")


def resize_pillow(
    image: Image.Image, size_px: ImageSize, where: str | Placement, interpolation: str
) -> Image.Image:
    """Resize a Pillow image to one size; see `decode_and_resize` for the options."""
    box, inner, corner = placed(where, *image.size, size_px)
    resized = image.resize(inner, INTERPOLATIONS[interpolation], box=box)
    size = sides(size_px)[::-1]
    if inner == size:
        return resized
    padded = Image.new(image.mode, size)
    padded.paste(resized, corner)
    return padded


def to_pixels(image: Image.Image) -> np.ndarray:
    """Copy a Pillow image of mode L or RGB to (H, W, C) uint8."""
    array = np.array(image)
    return array[:, :, None] if array.ndim == 2 else array
