"""Pictures that lie within a page, as data URIs, each with what it shows in words."""

import base64
import dataclasses
import io
import re

import numpy as np
from PIL import Image

from jaxcnn.data.encode import encode_image, to_pillow

_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
_SVG_SIZE = re.compile(
    rb"<svg[^>]*?\sviewBox=[\"']\s*[\d.+-]+[\s,]+[\d.+-]+[\s,]+([\d.]+)[\s,]+([\d.]+)", re.DOTALL
)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture to be put into a page by the macro `picture` of "parts.html.jinja".

    Attributes:
      source: data URI.
      alt: what it shows, in words, for those who do not see it.
      width_px: its own width; 0 where an SVG does not say.
      height_px: its own height, likewise.
      dark: data URI of the version for a dark page; None for the same.
    """

    source: str
    alt: str
    width_px: int
    height_px: int
    dark: str | None = None


def embed_picture(data: bytes | str, *, alt: str, dark: bytes | str | None = None) -> Picture:
    """Turn a picture's file into one that lies within a page.

    Args:
      data: a PNG, JPEG, WebP or GIF file, or an SVG as text or bytes. An SVG must bring its fonts
        and pictures; scripts in it do not run.
      alt: what it shows, in words.
      dark: the same picture for a dark page.

    Returns:
      The picture, as large as it is.

    Raises:
      ValueError: if the data is none of these.
    """
    source, width, height = _encode(data)
    return Picture(source, alt, width, height, None if dark is None else _encode(dark)[0])


def embed_photo(
    image: np.ndarray, *, alt: str, max_size_px: int = 160, quality: int = 82
) -> Picture:
    """Turn pixels into a small photo that lies within a page.

    Args:
      image: (H, W, C) uint8, C being 1 or 3.
      alt: what it shows, in words.
      max_size_px: the longer side at most; larger photos are shrunk, smaller ones kept.
      quality: JPEG's, in 1 to 95. Photos of at most 64 pixels are kept exactly instead.

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
    look = {"kind": "PNG"} if max(photo.size) <= 64 else {"kind": "JPEG", "quality": quality}
    return embed_picture(encode_image(photo, optimize=True, **look), alt=alt)


def _encode(data: bytes | str) -> tuple[str, int, int]:
    raw = data.encode() if isinstance(data, str) else data
    if b"<svg" in raw[:2000]:
        kind, (width, height) = "image/svg+xml", _svg_size(raw)
    else:
        kind, (width, height) = _raster_kind(raw)
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}", width, height


def _svg_size(raw: bytes) -> tuple[int, int]:
    found = _SVG_SIZE.search(raw)
    return (round(float(found[1])), round(float(found[2]))) if found else (0, 0)


def _raster_kind(raw: bytes) -> tuple[str, tuple[int, int]]:
    try:
        with Image.open(io.BytesIO(raw), formats=tuple(_KINDS)) as image:  # reads the header only
            return _KINDS[str(image.format)], image.size
    except OSError as error:
        raise ValueError(
            f"the picture begins with {raw[:12]!r}; expected a PNG, JPEG, WebP, GIF or SVG file."
        ) from error
