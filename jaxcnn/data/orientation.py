"""Photos upright: what the EXIF orientation says, and the turn that it asks for."""

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

UPRIGHT = 1
_TAG = 0x0112

# Orientation to the turn that makes the photo upright.
_TURNS: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: np.rot90(array, -1),
    7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
    8: lambda array: np.rot90(array),
}


def orientation_of(image: Image.Image) -> int:
    """Read a photo's orientation.

    Args:
      image: as Pillow opened it.

    Returns:
      1 to 8 as EXIF defines them; 1, upright, where nothing readable is said.
    """
    try:
        return image.getexif().get(_TAG, UPRIGHT)
    except Exception:  # noqa: BLE001 - a photo with broken EXIF data is still a photo
        return UPRIGHT


def turn_array(array: np.ndarray, orientation: int) -> np.ndarray:
    """Make (H, W) or (H, W, C) pixels upright; gives a view.

    Example:
      >>> turn_array(np.zeros((2, 5, 3), np.uint8), 6).shape
      (5, 2, 3)
    """
    turn = _TURNS.get(orientation)
    return array if turn is None else turn(array)
