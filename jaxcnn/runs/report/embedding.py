"""Pictures that lie within a page, as data URIs, each with what it shows in words."""

import base64
import dataclasses
import io

import numpy as np
from PIL import Image

from jaxcnn.data.encode import encode_image, to_pillow

_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture to be put into a page by the macro `picture` of "parts.html.jinja".

    Attributes:
      source: data URI.
      alt: what it shows, in words, for those who do not see it.
      width_px: its own width.
      height_px: its own height.
      dark: data URI of the version for a dark page; None for the same.
    """

    source: str
    alt: str
    width_px: int
    height_px: int
    dark: str | None = None


def embed_picture(data: bytes, *, alt: str, dark: bytes | None = None) -> Picture:
    """Turn a picture's file into one that lies within a page.

    Args:
      data: a PNG, JPEG, WebP or GIF file.
      alt: what it shows, in words.
      dark: the same picture for a dark page.

    Returns:
      The picture, as large as it is.

    Raises:
      ValueError: if the data is none of these.
    """
    source, (width, height) = _encode(data)
    return Picture(source, alt, width, height, None if dark is None else _encode(dark)[0])


def embed_photo(image: np.ndarray, *, alt: str, max_size_px: int = 160) -> Picture:
    """Turn pixels into a small photo that lies within a page.

    Args:
      image: (H, W, C) uint8, C being 1 or 3.
      alt: what it shows, in words.
      max_size_px: the longer side at most; larger photos are shrunk, smaller ones kept.
        Photos of at most 64 pixels are kept exactly.

    Returns:
      The picture.

    Raises:
      ValueError: if the image is not as stated.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(
            f"image is {image.dtype} of shape {image.shape}; expected uint8 (H, W, 1 or 3)."
        )
    photo = to_pillow(image)
    photo.thumbnail((max_size_px, max_size_px))
    look = {"kind": "PNG"} if max(photo.size) <= 64 else {"kind": "JPEG", "quality": 82}
    return embed_picture(encode_image(photo, optimize=True, **look), alt=alt)


def _encode(data: bytes) -> tuple[str, tuple[int, int]]:
    try:
        with Image.open(io.BytesIO(data), formats=tuple(_KINDS)) as image:  # reads the header only
            kind, size = _KINDS[str(image.format)], image.size
    except OSError as error:
        raise ValueError(
            f"the picture begins with {data[:12]!r}; expected a PNG, JPEG, WebP or GIF file."
        ) from error
    return f"data:{kind};base64,{base64.b64encode(data).decode()}", size
