"""From the bytes of a photo to pixels: any format, any mode, upright, one shape.

Pixels are uint8 in [0, 255], channels last. Whatever is wrong with the bytes, the one error raised
is DecodeError, and it says why. Nothing here changes the state of Pillow or of the process, so any
number of threads may decode at once.
"""

import io
import math

import numpy as np
from PIL import Image

from jaxcnn.data import resize
from jaxcnn.data.fast_jpeg import FAST, MAX_PIXELS, choose_decoder, decode_jpeg, resize_fast

# Photo formats only: Pillow also opens EPS by starting Ghostscript, which no data set should do.
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO"]

# Registering all formats now spares the threads a race to do so at the first photo.
Image.init()

# Least ratio of the side of a reduced JPEG to the target's: at 2 the mean difference from a full
# decode is three times as large, at 4 no smaller.
_DRAFT_RATIO = 3


class DecodeError(ValueError):
    """The data are not an image that can be used; the message says why."""


def decode_image(data: bytes | np.ndarray, *, num_channels: int = 3) -> np.ndarray:
    """Decode one image into upright 8-bit pixels.

    The EXIF orientation is applied. Transparent pixels are laid over white. 16-bit grey is scaled
    to 8 bits; so is 32-bit grey within [0, 65535]. Float grey within [0, 1] is multiplied by 255,
    within [0, 255] it is rounded. Other 32-bit and float images are stretched from their own least
    and greatest value to [0, 255]. Of an animation the first frame is taken.

    Args:
      data: an encoded image's bytes, or (H, W) or (H, W, C) uint8 with C of 1 to 4 (grey,
        grey + alpha, RGB, RGBA).
      num_channels: 3 for RGB, 1 for grey (luma of ITU-R 601).

    Returns:
      (H, W, num_channels) uint8.

    Raises:
      DecodeError: if the data are empty, cut off, no image, or of more than MAX_PIXELS, which is
        seen before they are decoded.
      ValueError: if `num_channels` is neither 1 nor 3.

    Example:
      >>> decode_image(np.full((2, 4), 7, np.uint8)).shape
      (2, 4, 3)
    """
    return resize.to_pixels(_decode(data, num_channels, draft_px=None))


def decode_and_resize(
    data: bytes | np.ndarray | Image.Image,
    size_px: int,
    mode: str = "crop",
    *,
    num_channels: int = 3,
    interpolation: str = "bilinear",
    decoder: str = "auto",
) -> np.ndarray:
    """Decode an image and resize it to a square, with antialiasing.

    A JPEG whose shorter side is 6, 12 or 24 times the target or more is decoded at a half, quarter
    or eighth of its size, never below three times the target. The pixels then differ from those of
    the photo decoded whole by less than one level of 255 in the mean, by 2 to 3 levels in finely
    textured photos. All others are the same.

    The fast decoder, see `jaxcnn.data.fast_jpeg`, gives JPEGs the same pixels before they are
    resized, and within 2 levels of 255 after bilinear resizing, 0.2 in the mean. Bicubic and
    Lanczos resizing differ by 0.2 in the mean too, and by up to 30 at single pixels beside the
    sharpest edges, where they overshoot.

    Args:
      data: an encoded image's bytes, an array, see `decode_image`, or a Pillow image.
      size_px: side of the square, in pixels.
      mode: "crop" scales the shorter side to size_px and keeps the centre; "squash" scales both
        sides to size_px; "pad" scales the longer side to size_px and fills up with black.
      num_channels: 3 for RGB, 1 for grey.
      interpolation: "bilinear", "bicubic" or "lanczos".
      decoder: "auto", "pillow" or "fast", see `choose_decoder`; only JPEGs have the choice.

    Returns:
      (size_px, size_px, num_channels) uint8.

    Raises:
      DecodeError: if the data are empty, cut off, no image, or of more than MAX_PIXELS.
      ValueError: if an option is unknown or out of range, or `decoder` is not installed.

    Example:
      >>> decode_and_resize(np.zeros((4, 8, 3), np.uint8), 2, "pad").shape
      (2, 2, 3)
    """
    resize.check_resize(size_px, mode, interpolation)
    _check_channels(num_channels)
    least_px = _DRAFT_RATIO * size_px
    if choose_decoder(decoder) == FAST and isinstance(data, bytes):
        pixels = decode_jpeg(data, num_channels=num_channels, least_px=least_px)
        if pixels is not None:
            return resize_fast(pixels, size_px, mode, interpolation)
    image = _decode(data, num_channels, draft_px=least_px)
    return resize.to_pixels(resize.resize_pillow(image, size_px, mode, interpolation))


def _check_channels(num_channels: int) -> None:
    if num_channels not in (1, 3):
        raise ValueError(f"num_channels is {num_channels}; expected 1 (grey) or 3 (RGB).")


def _decode(
    data: bytes | np.ndarray | Image.Image, num_channels: int, draft_px: int | None
) -> Image.Image:
    """Decode to mode L or RGB, upright; a JPEG to not less than draft_px on its shorter side."""
    _check_channels(num_channels)
    target = "L" if num_channels == 1 else "RGB"
    if isinstance(data, np.ndarray):
        _check_size(data.shape[1::-1])
        return _to_mode(_from_array(data), target)
    if not data:
        raise DecodeError("the file is empty (0 bytes).")
    try:
        image = data if isinstance(data, Image.Image) else _open(data)
        _check_size(image.size)
        if draft_px is not None and image is not data:
            image.draft("L" if target == "L" else None, (draft_px, draft_px))
        image.load()
        orientation = resize.orientation_of(image)
        image = _to_mode(image, target)
    except DecodeError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever hostile bytes lead them to
        raise DecodeError(_reason(error)) from error
    if orientation == resize.UPRIGHT:
        return image
    return Image.fromarray(np.ascontiguousarray(resize.turn_array(np.asarray(image), orientation)))


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not an image in a known format ({', '.join(_FORMATS)}), or its header is broken."
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too large, may be a decompression bomb: {error}"
    if isinstance(error, OSError) and str(error):
        return str(error)  # Pillow's own words, such as "image file is truncated"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _check_size(size: tuple[int, ...]) -> None:
    pixels = math.prod(size)
    if pixels > MAX_PIXELS:
        raise DecodeError(
            f"too large, may be a decompression bomb: {' x '.join(map(str, size))} = {pixels} "
            f"pixels, more than {MAX_PIXELS}."
        )


def _from_array(array: np.ndarray) -> Image.Image:
    """Wrap an array as an image of mode L, LA, RGB or RGBA; one channel becomes none."""
    known = array.ndim == 2 or (array.ndim == 3 and 1 <= array.shape[2] <= 4)
    if array.dtype != np.uint8 or not known or not array.size:
        raise DecodeError(
            f"array of {array.dtype}, shape {array.shape}; expected uint8 of shape (H, W) or "
            "(H, W, C) with C of 1 to 4."
        )
    grey = array.ndim == 3 and array.shape[2] == 1
    return Image.fromarray(np.ascontiguousarray(array[:, :, 0] if grey else array))


def _to_mode(image: Image.Image, target: str) -> Image.Image:
    """Convert any Pillow mode to L or RGB, transparent pixels over white."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_to_8_bits(image))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")  # a palette, CMYK or YCbCr has no sound way to L but by RGB
    return image if image.mode == target else image.convert(target)


def _to_8_bits(image: Image.Image) -> np.ndarray:
    """Scale grey of 16 or 32 bits or float to (H, W) uint8; see decode_image for the ranges."""
    values = np.asarray(image).astype(np.float64)
    low, high = values.min(), values.max()
    if not np.isfinite(high - low):
        raise DecodeError("the image holds values that are not finite.")
    if image.mode == "F":
        scale = 255.0 if high <= 1 else 1.0
        inside = low >= 0 and high <= 255
    else:
        scale = 255.0 / 65535.0
        inside = low >= 0 and high <= 65535
    if not inside:
        values, scale = values - low, 255.0 / (high - low or 1.0)
    return np.rint(values * scale).astype(np.uint8)
