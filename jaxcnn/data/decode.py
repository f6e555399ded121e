"""From the bytes of a photo to pixels: any format, any mode, upright, one shape.

Pixels are uint8 in [0, 255], channels last. Whatever is wrong with the bytes, the one error raised
is DecodeError, and it says why. Nothing here changes the state of Pillow or of the process, so any
number of threads may decode at once.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from jaxcnn.data import resize
from jaxcnn.data.fast_jpeg import FAST, choose_decoder, decode_jpeg, resize_fast
from jaxcnn.data.image_size import ImageSize, sides
from jaxcnn.data.opening import (
    MAX_PIXELS,
    DecodeError as DecodeError,
    open_upright,
    to_mode,
    upright_size,
)

# Least ratio of the side of a reduced JPEG to the target's: at 2 the mean difference from a full
# decode is three times as large, at 4 no smaller.
_DRAFT_RATIO = 3


def decode_image(
    data: bytes | np.ndarray, *, num_channels: int = 3, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode one image into upright 8-bit pixels.

    The EXIF orientation is applied. Transparent pixels are laid over white. 16-bit grey is scaled
    to 8 bits, by the value of white where the file says that it has fewer bits (sBIT in PNG,
    BitsPerSample and MaxSampleValue in TIFF); so are colours of 16 bits, of which Pillow keeps the
    upper 8 alone, and 32-bit grey within [0, 65535]. Float grey within [0, 1] is multiplied by 255,
    within [0, 255] it is rounded. Other 32-bit and float images are stretched from their own least
    and greatest value to [0, 255]. Of an animation the first frame is taken.

    Args:
      data: an encoded image's bytes, or (H, W) or (H, W, C) uint8 with C of 1 to 4 (grey,
        grey + alpha, RGB, RGBA).
      num_channels: 3 for RGB, 1 for grey (luma of ITU-R 601).
      max_pixels: files of more pixels are refused.

    Returns:
      (H, W, num_channels) uint8.

    Raises:
      DecodeError: if the data are empty, cut off, no image, or of more than `max_pixels`, which
        is seen before they are decoded.
      ValueError: if `num_channels` is neither 1 nor 3.

    Example:
      >>> decode_image(np.full((2, 4), 7, np.uint8)).shape
      (2, 4, 3)
    """
    return resize.to_pixels(_decode(data, num_channels, max_pixels))


def decode_and_resize(
    data: bytes | np.ndarray | Image.Image,
    size_px: ImageSize,
    mode: str = "crop",
    *,
    num_channels: int = 3,
    interpolation: str = "bilinear",
    decoder: str = "auto",
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Decode an image and resize it to one size, with antialiasing.

    A JPEG whose shorter side is 6, 12 or 24 times the target or more is decoded at a half, quarter
    or eighth of its size, never below three times the target. The pixels then differ from those of
    the photo decoded whole by less than one level of 255 in the mean, by 2 to 3 levels in finely
    textured photos. All others are the same.

    The fast decoder, of the extra `fast`, gives JPEGs the same pixels before they are
    resized, and within 2 levels of 255 after bilinear resizing, 0.2 in the mean. Bicubic and
    Lanczos resizing differ by 0.2 in the mean too, and by up to 30 at single pixels beside the
    sharpest edges, where they overshoot.

    Args:
      data: an encoded image's bytes, an array, see `decode_image`, or a Pillow image.
      size_px: side of the square, or (height, width), in pixels.
      mode: "crop" fills the size and keeps the centre (of a square: the shorter side becomes
        size_px); "squash" scales each side to its own; "pad" fits the whole image in and fills up
        with black.
      num_channels: 3 for RGB, 1 for grey.
      interpolation: "bilinear", "bicubic" or "lanczos".
      decoder: "auto", "pillow" or "fast", see `choose_decoder`; only JPEGs have the choice.
      max_pixels: files are refused that are held in memory at more pixels than this. Of a JPEG
        that is decoded at a reduced size the reduced pixels count, unless it is progressive or
        otherwise comes in several scans.

    Returns:
      (height, width, num_channels) uint8.

    Raises:
      DecodeError: if the data are empty, cut off, no image, or of more than `max_pixels`.
      ValueError: if an option is unknown or out of range, or `decoder` is not installed.

    Example:
      >>> decode_and_resize(np.zeros((4, 8, 3), np.uint8), 2, "pad").shape
      (2, 2, 3)
    """
    resize.check_resize(size_px, mode, interpolation)
    found = _decode_small(
        data, num_channels, decoder, max_pixels, _DRAFT_RATIO * max(sides(size_px))
    )
    return _resized(found, size_px, mode, interpolation)


def decode_and_crop(
    data: bytes | np.ndarray,
    size_px: ImageSize,
    choose: Callable[[int, int], tuple[float, float, float, float]],
    *,
    num_channels: int = 3,
    interpolation: str = "bilinear",
    decoder: str = "auto",
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Decode an image and resize a part of it to one size, with antialiasing.

    A JPEG is decoded at a reduced size where the shorter side of the part stays three times the
    target, see `decode_and_resize`.

    Args:
      data: an encoded image's bytes, or an array, see `decode_image`.
      size_px: side of the square, or (height, width), in pixels.
      choose: (width, height) of the upright image to left, top, right and bottom of the part, in
        its pixels.
      num_channels: as `decode_and_resize` takes.
      interpolation: likewise.
      decoder: likewise.
      max_pixels: likewise.

    Returns:
      (height, width, num_channels) uint8.

    Raises:
      DecodeError: if the data are empty, cut off, no image, or of more than `max_pixels`.
      ValueError: if an option is unknown or out of range, or `decoder` is not installed.

    Example:
      >>> left_half = lambda width, height: (0, 0, width / 2, height)
      >>> decode_and_crop(np.zeros((4, 8, 3), np.uint8), 2, left_half).shape
      (2, 2, 3)
    """
    resize.check_resize(size_px, "crop", interpolation)
    width, height = _size_of(data, max_pixels)
    left, top, right, bottom = choose(width, height)
    least_px = max(
        math.ceil(_DRAFT_RATIO * side / (part / min(width, height)))
        for side, part in zip(sides(size_px), (bottom - top, right - left), strict=True)
    )
    found = _decode_small(data, num_channels, decoder, max_pixels, least_px)
    size = found.size if isinstance(found, Image.Image) else (found.shape[1], found.shape[0])
    across, down = size[0] / width, size[1] / height
    box = (left * across, top * down, right * across, bottom * down)
    where = resize.Placement(box, sides(size_px)[::-1], (0, 0))
    return _resized(found, size_px, where, interpolation)


def _size_of(data: bytes | np.ndarray, max_pixels: int) -> tuple[int, int]:
    """Read the width and height of an upright image, if possible undecoded."""
    if isinstance(data, bytes):
        try:
            return upright_size(data)
        except Exception:  # noqa: BLE001 - decoding says what is wrong
            data = decode_image(data, max_pixels=max_pixels)
    return data.shape[1], data.shape[0]


def _decode_small(
    data: bytes | np.ndarray | Image.Image,
    num_channels: int,
    decoder: str,
    max_pixels: int,
    least_px: int,
) -> np.ndarray | Image.Image:
    """Decode to pixels by the fast decoder, else to a picture; JPEGs not below a shorter side."""
    _check_channels(num_channels)
    if choose_decoder(decoder) == FAST and isinstance(data, bytes):
        pixels = decode_jpeg(
            data, num_channels=num_channels, least_px=least_px, max_pixels=max_pixels
        )
        if pixels is not None:
            return pixels
    return _decode(data, num_channels, max_pixels, draft_px=least_px)


def _resized(
    found: np.ndarray | Image.Image,
    size_px: ImageSize,
    where: str | resize.Placement,
    interpolation: str,
) -> np.ndarray:
    if isinstance(found, np.ndarray):
        return resize_fast(found, size_px, where, interpolation)
    return resize.to_pixels(resize.resize_pillow(found, size_px, where, interpolation))


def _check_channels(num_channels: int) -> None:
    if num_channels not in (1, 3):
        raise ValueError(f"num_channels is {num_channels}; expected 1 (grey) or 3 (RGB).")


def _decode(
    data: bytes | np.ndarray | Image.Image,
    num_channels: int,
    max_pixels: int,
    draft_px: int | None = None,
) -> Image.Image:
    """Decode to mode L or RGB, upright; a JPEG to not less than draft_px on its shorter side."""
    _check_channels(num_channels)
    target = "L" if num_channels == 1 else "RGB"
    if isinstance(data, np.ndarray):
        image = _from_array(data)
        return image if image.mode == target else to_mode(image, target)
    return open_upright(data, target, least_px=draft_px, max_pixels=max_pixels)


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
