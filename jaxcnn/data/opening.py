"""From a photo's file to an upright picture of Pillow, grey or RGB of 8 bits.

Whatever is wrong with the bytes, the one error raised is DecodeError, and it says why. It needs
numpy and Pillow only, since exported programs come with a copy of it.
"""

import functools
import importlib
import io
import logging
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np
from PIL import Image

logger = logging.getLogger(__name__)

# Photo formats only: Pillow also opens EPS by starting Ghostscript, which no data set should do.
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO"]
MAX_PIXELS = 89_478_485  # by default; the size from which Pillow warns of a decompression bomb
UPRIGHT = 1

_ORIENTATION, _LAST_UNTURNED = 0x0112, 4  # beyond, width and height change places
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281  # tags of TIFF
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_12_BITS, _16_BITS = 4095, 65535

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

# Registering all formats now spares the threads a race to do so at the first photo.
Image.init()


class DecodeError(ValueError):
    """The data are not an image that can be used; the message says why."""


class TooManyPixelsError(DecodeError):
    """The image has more pixels than is allowed; nothing else was found wrong with it."""


def open_upright(
    data: bytes | Image.Image,
    target: str,
    *,
    least_px: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Decode a photo, turned as its EXIF data say, transparent pixels over white.

    Args:
      data: an encoded image's bytes, or a picture as Pillow opened it, which stays as it is.
      target: "L" for grey or "RGB".
      least_px: a JPEG may be decoded at a half, quarter or eighth of its size where its shorter
        side stays as long as this; None for the whole size.
      max_pixels: images of more are refused. All pixels count; of a JPEG in one scan that is
        decoded at a reduced size, the reduced pixels.

    Returns:
      The picture, of mode `target`.

    Raises:
      DecodeError: if the data are empty, cut off or no image; `TooManyPixelsError` if they have
        too many pixels, which is seen before they are decoded.
    """
    if not data:
        raise DecodeError("the file is empty (0 bytes).")
    try:
        image = open_image(io.BytesIO(data)) if isinstance(data, bytes) else data
        size, greatest = image.size, 0
        if isinstance(data, bytes):
            if least_px is not None:
                image.draft("L" if target == "L" else None, (least_px, least_px))
            size = size if _needs_whole(image, data) else image.size
            greatest = _declared_greatest(image, data)
        _check_pixels(size, max_pixels)
        is_wide = _is_wide(image)
        image.load()
        orientation = orientation_of(image)
        if is_wide and not image.mode.startswith("I"):
            image = _widen(image, greatest >> 8)
        image = to_mode(image, target, greatest)
    except DecodeError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever hostile bytes lead them to
        raise DecodeError(_reason(error)) from error
    if orientation == UPRIGHT:
        return image
    return Image.fromarray(np.ascontiguousarray(turn_array(np.asarray(image), orientation)))


def open_image(file: BinaryIO) -> Image.Image:
    """Read a photo's header as `Image.open` does, but of any number of pixels.

    Raises:
      DecodeError: if it is HEIC, and pillow-heif is not installed.
      Exception: whatever Pillow raises because of broken bytes.
    """
    start = file.read(16)
    is_heic = start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS
    for name in [_heif_format()] if is_heic else FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory and (accept is None or accept(start) is True):
            file.seek(0)
            try:
                return factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue  # this is how a format says that a file is none of its own
    raise Image.UnidentifiedImageError


@functools.cache
def _heif_format() -> str:
    try:
        importlib.import_module("pillow_heif").register_heif_opener(thumbnails=False)
    except ImportError as error:
        raise DecodeError(
            "HEIC photos need the extra heic (pip install pillow-heif), or a JPEG copy."
        ) from error
    return "HEIF"


def _check_pixels(size: tuple[int, ...], max_pixels: int) -> None:
    """Refuse an image of too many pixels.

    Raises:
      TooManyPixelsError: if there are more than `max_pixels`.
    """
    pixels = math.prod(size)
    if pixels > max_pixels:
        raise TooManyPixelsError(
            f"too large: {' x '.join(map(str, size))} = {pixels} pixels, more than max_pixels "
            f"(={max_pixels}); raise max_pixels, or make it smaller."
        )


def _needs_whole(image: Image.Image, data: bytes) -> bool:
    """Tell whether a JPEG comes in several scans, which decoders keep whole until the last."""
    if image.format not in ("JPEG", "MPO") or "progressive" in image.info:
        return True
    at = 2
    while at + 4 < len(data) and data[at + 1] != 0xDA:  # the first scan's header
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[at + 4 : at + 5] != bytes([len(image.getbands())])


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not an image in a known format ({', '.join(FORMATS)}), or its header is broken."
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too large: a part of it has more pixels than Pillow decodes."
    if isinstance(error, OSError) and str(error):
        return str(error)  # Pillow's own words, such as "image file is truncated"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def orientation_of(image: Image.Image) -> int:
    """Read a photo's orientation.

    Args:
      image: as Pillow opened it.

    Returns:
      1 to 8 as EXIF defines them; 1, upright, if there is none that can be read.
    """
    try:
        return image.getexif().get(_ORIENTATION, UPRIGHT)
    except Exception:  # noqa: BLE001 - a photo with broken EXIF data is still a photo
        return UPRIGHT


def upright_size(data: bytes) -> tuple[int, int]:
    """Read a photo's width and height, turned as its EXIF data say; its pixels stay undecoded.

    Raises:
      Exception: whatever Pillow raises because of broken bytes.
    """
    image = open_image(io.BytesIO(data))
    width, height = image.size
    # Pillow turns TIFF by itself, and tells the size after that.
    lies = image.format != "TIFF" and orientation_of(image) > _LAST_UNTURNED
    return (height, width) if lies else (width, height)


def turn_array(array: np.ndarray, orientation: int) -> np.ndarray:
    """Make (H, W) or (H, W, C) pixels upright; gives a view.

    Example:
      >>> turn_array(np.zeros((2, 5, 3), np.uint8), 6).shape
      (5, 2, 3)
    """
    turn = _TURNS.get(orientation)
    return array if turn is None else turn(array)


def to_mode(image: Image.Image, target: str, greatest: int = 0) -> Image.Image:
    """Convert any Pillow mode to L or RGB, transparent pixels over white.

    Args:
      image: any picture.
      target: "L" or "RGB".
      greatest: value of white in grey of 16 bits, if the file says so; 0 for 65,535.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_to_8_bits(image, greatest))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")  # a palette, CMYK or YCbCr has no sound way to L but by RGB
    return image if image.mode == target else image.convert(target)


def _to_8_bits(image: Image.Image, greatest: int) -> np.ndarray:
    """Scale grey of 16 or 32 bits or float to (H, W) uint8; see `decode_image` for the ranges."""
    values = np.asarray(image).astype(np.float64)
    low, high = values.min(), values.max()
    if not np.isfinite(high - low):
        raise DecodeError("the image holds values that are not finite.")
    if image.mode == "F":
        scale = 255.0 if high <= 1 else 1.0
        inside = low >= 0 and high <= 255
    else:
        scale = 255.0 / (greatest if 0 < high <= greatest else _16_BITS)
        inside = low >= 0 and high <= _16_BITS
        if greatest < high <= _12_BITS and low >= 0:
            _warn_of_few_bits()
    if not inside:
        values, scale = values - low, 255.0 / (high - low or 1.0)
    return np.rint(values * scale).astype(np.uint8)


def _is_wide(image: Image.Image) -> bool:
    """Tell whether an image that is not loaded yet has samples of more than 8 bits."""
    return bool(re.search(r";1[26]", repr(getattr(image, "tile", ""))))


def _declared_greatest(image: Image.Image, data: bytes) -> int:
    """Read the value of white from a file with fewer than 16 bits in 16; 0 if it says none."""
    bits = 16
    if image.format == "PNG":
        at = data.find(b"sBIT", 0, max(0, data.find(b"IDAT")))
        if at >= 4:
            bits = max(data[at + 4 : at + 4 + data[at - 1]], default=bits)
    elif image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = max(tags.get(_BITS_PER_SAMPLE, (bits,)))
        # The tag may hold this photo's own maximum; rounded up to bits it is the depth of all.
        bits = min(bits, *(int(v).bit_length() for v in tags.get(_MAX_SAMPLE_VALUE, (2**16 - 1,))))
    return 2**bits - 1 if bits < 16 else 0


def _widen(image: Image.Image, greatest: int) -> Image.Image:
    """Scale colours of 16 bits by their value of white; Pillow keeps their upper 8 bits alone."""
    bands = image.getbands()
    num_colours = len(bands) - (bands[-1] == "A")
    extrema = [band.getextrema() for band in image.split()[:num_colours]]
    high = max(int(most) for _, most in extrema)  # type: ignore[arg-type]
    if not 0 < high <= greatest:
        if 0 < high <= _12_BITS >> 8:
            _warn_of_few_bits()
        return image
    table = [min(255, round(value * 255 / greatest)) for value in range(256)]
    return image.point(table * num_colours + list(range(256)) * (len(bands) - num_colours))


@functools.cache
def _warn_of_few_bits() -> None:
    """Warn once that photos come out nearly black."""
    logger.warning(
        "warning: photos stored with 16 bits have values of at most 12 bits and do not say so, so "
        "they come out nearly black; scale their values up to 65,535, or write their depth into "
        "the files (sBIT in PNG, MaxSampleValue in TIFF)."
    )
