"""Sizes of images: the side of a square, or height and width."""

import re
from typing import Any

ImageSize = int | tuple[int, int]  # the side of a square, or (height, width); in pixels

_TEXT = re.compile(r"([0-9]{1,6})(?:x([0-9]{1,6}))?")


def as_size(value: Any) -> ImageSize:
    """Read a size: a number of pixels, height and width, or the text of either.

    Args:
      value: a whole number, a pair of them, or text such as "224" or "224x160".

    Returns:
      The side of a square as one number, else (height, width).

    Raises:
      ValueError: if it is anything else.

    Example:
      >>> as_size("224x160"), as_size((96, 96)), as_size(64)
      ((224, 160), 96, 64)
    """
    if isinstance(value, str) and (found := _TEXT.fullmatch(value.strip())):
        value = [int(side) for side in found.groups() if side is not None]
        value = value[0] if len(value) == 1 else value
    if isinstance(value, list | tuple) and len(value) == 2:
        height, width = value
        value = height if height == width else (height, width)
    if all(isinstance(side, int) and not isinstance(side, bool) for side in _parts(value)):
        return value
    raise ValueError(
        f"expected a number of pixels for a square, or HEIGHTxWIDTH such as 224x160, got {value!r}."
    )


def _parts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) and len(value) == 2 else (value,)


def sides(size_px: ImageSize) -> tuple[int, int]:
    """Give the height and width of a size.

    Example:
      >>> sides(96), sides((224, 160))
      ((96, 96), (224, 160))
    """
    return (size_px, size_px) if isinstance(size_px, int) else size_px


def size_text(size_px: ImageSize, between: str = "x") -> str:
    """Write a size, a square's as one number.

    Example:
      >>> size_text(96), size_text((224, 160)), size_text((224, 160), " x ")
      ('96', '224x160', '224 x 160')
    """
    return str(size_px) if isinstance(size_px, int) else between.join(map(str, size_px))


def scaled(size_px: ImageSize, factor: float) -> ImageSize:
    """Multiply both sides, rounded to whole pixels.

    Example:
      >>> scaled(96, 7 / 6), scaled((96, 60), 7 / 6)
      (112, (112, 70))
    """
    return as_size(tuple(round(side * factor) for side in sides(size_px)))


def covers(size_px: ImageSize, other_px: ImageSize) -> bool:
    """Tell whether an image of one size is at least as high and as wide as another's.

    Example:
      >>> covers((224, 160), 160), covers((224, 160), 200)
      (True, False)
    """
    return all(side >= least for side, least in zip(sides(size_px), sides(other_px), strict=True))


def smallest(one_px: ImageSize, other_px: ImageSize) -> ImageSize:
    """Take the lesser of each side.

    Example:
      >>> smallest((224, 160), 200)
      (200, 160)
    """
    return as_size(tuple(map(min, sides(one_px), sides(other_px))))


def largest(one_px: ImageSize, other_px: ImageSize) -> ImageSize:
    """Take the greater of each side.

    Example:
      >>> largest((224, 160), 200)
      (224, 200)
    """
    return as_size(tuple(map(max, sides(one_px), sides(other_px))))
