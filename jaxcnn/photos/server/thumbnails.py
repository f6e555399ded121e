"""Small pictures of photos: the central square, as JPEG."""

import io

import numpy as np
from PIL import Image

from jaxcnn.data.decode import decode_and_resize

SIZE_PX = 256


def make_thumbnail(data: bytes, *, size_px: int = SIZE_PX) -> bytes:
    """Make a small picture of a photo.

    Args:
      data: the photo's file.
      size_px: side of the square.

    Returns:
      A JPEG file of the photo's central square, upright.

    Raises:
      DecodeError: if the photo cannot be decoded, or is too large to be.
    """
    return encode_jpeg(decode_and_resize(data, size_px, "crop"))


def encode_jpeg(image: np.ndarray, *, quality: int = 82) -> bytes:
    """Write pixels as a JPEG file.

    Args:
      image: (H, W, 3) uint8.
      quality: JPEG's, in 1 to 95.

    Returns:
      The file.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()
