"""Pages of one file: rendered from templates, every value escaped, with the pictures inside."""

import base64
import dataclasses
import functools
import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from jaxcnn.data.encode import encode_image, to_pillow
from jaxcnn.host import text
from jaxcnn.host.files import write_text

_BASE = "jaxcnn.runs.report"
_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def render_page(template_name: str, *, package: str | None = None, **facts: Any) -> str:
    """Fill in a template; whatever a fact says is text on the page, never markup.

    Templates of other packages begin with `{% extends "base.html.jinja" %}` and may import the
    macros of "parts.html.jinja".

    Args:
      template_name: name of the template, such as "report.html.jinja".
      package: importable package whose folder `templates` is looked into first; None for the
        templates of this one alone.
      **facts: what the template names. A name that is missing is an error, never an empty place.

    Returns:
      The page as HTML.

    Raises:
      jinja2.TemplateNotFound: if no package has the template.
      jinja2.UndefinedError: if the template names a fact that is not given.

    Example:
      >>> page = render_page("base.html.jinja", title="<script>alert(1)</script>")
      >>> "<script>" in page, "&lt;script&gt;" in page
      (False, True)
    """
    return _environment(package).get_template(template_name).render(**facts)


def write_page(path: Path | str, page: str) -> Path:
    """Write a page, all at once.

    Args:
      path: where it goes; the folder exists.
      page: HTML. What UTF-8 cannot write, as names of files may hold, is replaced.

    Returns:
      `path`.
    """
    path = Path(path)
    write_text(path, page.encode("utf-8", "replace").decode())
    return path


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


@functools.cache
def _environment(package: str | None) -> jinja2.Environment:
    packages = [name for name in (package, _BASE) if name is not None]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in packages]),
        autoescape=True,  # always: the names of our templates say nothing that could decide it
        finalize=text.isolated,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("counted", "duration", "interval", "isolated", "listed", "number", "percent")
    environment.filters |= {name: getattr(text, name) for name in names}
    return environment
