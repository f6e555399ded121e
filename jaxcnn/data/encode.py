"""Write pixels as the files that pages and browsers show."""

import io
from typing import Any

import numpy as np
from PIL import Image


def encode_image(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """Write pixels as a file.

    Args:
      image: (H, W, C) uint8, C being 1, 3 or 4, or one of Pillow's images.
      kind: "JPEG", "PNG" or "WEBP".
      **options: Pillow's for that kind, such as `quality`.

    Returns:
      The file.
    """
    if isinstance(image, np.ndarray):
        image = to_pillow(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def to_pillow(image: np.ndarray) -> Image.Image:
    """Turn (H, W, C) uint8 into Pillow's kind of image."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
