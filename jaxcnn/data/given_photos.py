"""Photos as users give them in Python: paths, files, Pillow images, arrays; one or many."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from jaxcnn.data.decode import DecodeError
from jaxcnn.data.photo_files import read_file
from jaxcnn.host.text import printable

# An array is (H, W) or (H, W, C); arrays of other libraries, such as JAX's, are taken too.
Photo = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
KINDS = (
    "a path, an image file's bytes, an open file, a Pillow image, or an array of shape (H, W) or "
    "(H, W, C)"
)
_BYTES = (bytes, bytearray, memoryview)


def split_photos(photos: Any) -> tuple[bool, Iterator[Photo]]:
    """Tell one photo from many.

    Args:
      photos: one photo; or many: any iterable of them, or an array of shape (B, H, W, C).

    Returns:
      Whether it is one, and the photos.

    Raises:
      TypeError: if it is neither.
    """
    if isinstance(photos, (str, os.PathLike, Image.Image, *_BYTES)) or hasattr(photos, "read"):
        return True, iter([photos])
    if hasattr(photos, "__array__"):
        array = np.asarray(photos)
        are_many = array.ndim == 4 or (array.ndim == 1 and array.dtype.kind in "OUS")
        return not are_many, iter(array) if are_many else iter([array])
    if isinstance(photos, Iterable):
        return False, iter(photos)
    raise TypeError(f"got {type(photos).__name__}; expected {KINDS}; or many of them, as a list.")


def read_given(photo: Any) -> bytes | np.ndarray | Image.Image:
    """Give a photo as the decoder takes it.

    Args:
      photo: see `KINDS`. Values of arrays are uint8, or floats in [0, 1].

    Returns:
      An encoded file's bytes, a Pillow image, or (H, W) or (H, W, C) uint8 with C of 1 to 4.

    Raises:
      DecodeError: if an array has another shape or type, or its floats lie outside [0, 1].
      OSError: if the file cannot be read.
      TypeError: if it is none of `KINDS`.
    """
    if isinstance(photo, Image.Image):
        return photo
    if isinstance(photo, _BYTES):
        return bytes(photo)
    if isinstance(photo, (str, os.PathLike)):
        if os.path.isdir(photo):
            raise IsADirectoryError(f"{printable(photo)} is a folder; give the photos in it.")
        return read_file(photo)[0]
    if hasattr(photo, "read"):
        if photo.seekable():
            photo.seek(0)  # a file in memory that was just written stands at its end
        if isinstance(data := photo.read(), bytes):
            return data
        raise TypeError(f"got a file opened as text; open it with mode 'rb' ({photo!r}).")
    if hasattr(photo, "__array__"):
        return _to_uint8(np.asarray(photo))
    raise TypeError(f"got {type(photo).__name__} for a photo; expected {KINDS}.")


def _to_uint8(array: np.ndarray) -> np.ndarray:
    is_photo = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 2, 3, 4))
    what = f"got an array of shape {array.shape}, {array.dtype}"
    if not is_photo or not array.size:
        raise DecodeError(
            f"{what}; expected (H, W) or (H, W, C) with C of 1 to 4, channels last; many photos "
            "are a list, or (B, H, W, C)."
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        values = array.astype(np.float32)
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 1:
            return np.rint(values * 255).astype(np.uint8)
        what += f", from {low:.3g} to {high:.3g}"
    raise DecodeError(f"{what}; expected uint8 in [0, 255], or floats in [0, 1].")
