"""Photos as browsers show them."""

import io
import math
import os
from typing import BinaryIO, NamedTuple

from flask import Response, send_file

from jaxcnn.data.decode import DecodeError, decode_image
from jaxcnn.data.encode import encode_image
from jaxcnn.data.opening import open_image

_MAX_FILE_BYTES = 512 * 2**20  # of a file that is read as a whole
_MOST_PIXELS = 2**28  # browsers show no more
# What browsers show, as Pillow names it; all else is sent to them as JPEG.
_SHOWN = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}
# A photo is a document of its own where it is opened: nothing in it may run.
_PHOTO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


class Original(NamedTuple):
    """A photo as a browser shows it."""

    file: BinaryIO  # to be closed by whoever sends it
    size: int  # bytes
    content_type: str


def as_browsers_show(file: BinaryIO) -> Original | None:
    """Give a photo's own file where browsers show it; None where it must be converted.

    Args:
      file: open for reading, at any place; its kind is found by its bytes, not its name.
    """
    content_type = _content_type(file)
    if content_type is None:
        return None
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return Original(file, size, content_type)


def convert_for_browsers(data: bytes) -> Original:
    """Write a photo as JPEG.

    Raises:
      DecodeError: if it cannot be decoded.
    """
    found = encode_image(decode_image(data), "JPEG", quality=92)
    return Original(io.BytesIO(found), len(found), "image/jpeg")


def read_all(file: BinaryIO) -> bytes:
    """Read a photo's file as a whole.

    Raises:
      DecodeError: if it is too large.
    """
    size = os.fstat(file.fileno()).st_size
    if size > _MAX_FILE_BYTES:
        raise DecodeError(f"too large: {size} bytes, at most {_MAX_FILE_BYTES} are read.")
    return file.read(_MAX_FILE_BYTES)


def send_photo(found: Original) -> Response:
    """Answer with a photo."""
    response = send_file(found.file, mimetype=found.content_type)
    response.content_length = found.size
    response.headers["Content-Security-Policy"] = _PHOTO_POLICY
    return response


def _content_type(file: BinaryIO) -> str | None:
    """Find what a file is by its bytes; None where browsers would not show it."""
    try:
        file.seek(0)
        image = open_image(file)
        return _SHOWN.get(str(image.format)) if math.prod(image.size) <= _MOST_PIXELS else None
    except Exception:  # noqa: BLE001 - hostile bytes; the decoder will say what is wrong
        return None
    finally:
        file.seek(0)
