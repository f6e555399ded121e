"""JPEGs at more than twice Pillow's speed, where the extra `jaxcnn[fast]` is installed.

simplejpeg decodes by libjpeg-turbo, as Pillow does, but straight into an array; cykooz-resizer
computes the resizing that Pillow computes, by vector instructions. So the pixels are Pillow's to
within a level or so of 255. Whatever is out of the ordinary is left to Pillow: `decode_jpeg`
answers None, and only one decoder reports what is wrong with a file.
"""

import functools
import importlib.util
import io
import math
from importlib import metadata

import numpy as np

from jaxcnn.data.image_size import ImageSize, sides
from jaxcnn.data.opening import MAX_PIXELS, UPRIGHT, open_image, orientation_of, turn_array
from jaxcnn.data.resize import Placement, placed
from jaxcnn.host.extras import install, require
from jaxcnn.host.names import unknown_name

PILLOW, FAST = "pillow", "fast"
DECODERS = ("auto", PILLOW, FAST)

_PACKAGES = {"simplejpeg": "simplejpeg", "cykooz_resizer": "cykooz-resizer"}
_ORDINARY = ("YCbCr", "RGB", "Gray")  # without CMYK, whose inversion Pillow knows
_FILTERS = {"bilinear": "bilinear", "bicubic": "catmull_rom", "lanczos": "lanczos3"}


def choose_decoder(name: str = "auto") -> str:
    """Decide what decodes JPEGs; the only place that does.

    Args:
      name: "auto" takes the fast decoder where it is installed; "pillow" and "fast" force one.

    Returns:
      "pillow" or "fast".

    Raises:
      ValueError: if the name is unknown, or "fast" is not installed.
    """
    if name not in DECODERS:
        raise unknown_name("decoder", name, DECODERS)
    if name == FAST:
        require("decoder=fast", *_PACKAGES, extra="fast")
    return FAST if name == FAST or (name == "auto" and is_installed()) else PILLOW


@functools.cache
def is_installed() -> bool:
    """Tell whether the extra is there."""
    return all(importlib.util.find_spec(module) for module in _PACKAGES)


def describe_decoder(name: str = "auto") -> str:
    """Name what decodes JPEGs, for a person; the arguments are `choose_decoder`'s."""
    if choose_decoder(name) == FAST:
        return "simplejpeg"
    return "Pillow" if is_installed() else f"Pillow ({install('fast')} is twice as fast)"


@functools.cache
def decoder_version(name: str = "auto") -> str:
    """Tell by what releases images are decoded; equal texts mean equal pixels."""
    packages = ["pillow", *(_PACKAGES.values() if choose_decoder(name) == FAST else ())]
    return ", ".join(f"{package} {metadata.version(package)}" for package in packages)


def decode_jpeg(
    data: bytes, *, num_channels: int, least_px: int, max_pixels: int = MAX_PIXELS
) -> np.ndarray | None:
    """Decode an ordinary JPEG, upright, at a reduced size if that is still large enough.

    Args:
      data: an encoded image's bytes.
      num_channels: 3 for RGB, 1 for grey.
      least_px: the shorter side is not reduced below this.
      max_pixels: a larger image is left to Pillow.

    Returns:
      (H, W, num_channels) uint8; None if Pillow is to decode it, or to report what is wrong.
    """
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in _ORDINARY or height * width > max_pixels:
            return None
        factor = reduction(min(height, width), least_px)
        pixels = simplejpeg.decode_jpeg(
            data,
            colorspace="GRAY" if num_channels == 1 else "RGB",
            min_height=math.ceil(height / factor),
            min_width=math.ceil(width / factor),
        )
        return turn_array(pixels, _orientation(data))
    except Exception:  # noqa: BLE001 - it is strict: Pillow may yet make a photo of it
        return None


def resize_fast(
    pixels: np.ndarray, size_px: ImageSize, where: str | Placement, interpolation: str
) -> np.ndarray:
    """Resize as `resize_pillow` does; the pixels differ from its by rounding alone.

    Args:
      pixels: (H, W, C) uint8, C 1 or 3.
      size_px: side of the square, or (height, width).
      where: "crop", "squash", "pad", or a part of the image.
      interpolation: "bilinear", "bicubic" or "lanczos".

    Returns:
      (height, width, C) uint8.
    """
    import cykooz_resizer as resizer

    height, width, channels = pixels.shape
    (left, top, right, bottom), inner, corner = placed(where, width, height, size_px)
    kind = resizer.PixelType.U8 if channels == 1 else resizer.PixelType.U8x3
    resized = resizer.ImageData(*inner, kind)
    # The box may end a rounding error beyond the image, which is refused there.
    box = resizer.CropBox(left, top, min(right, width) - left, min(bottom, height) - top)
    algorithm = resizer.ResizeAlg.convolution(resizer.FilterType[_FILTERS[interpolation]])
    resizer.Resizer().resize(
        resizer.ImageData(width, height, kind, pixels.tobytes()),
        resized,
        resizer.ResizeOptions(algorithm, crop_box=box),
    )
    found = np.frombuffer(resized.get_buffer(), np.uint8).reshape(inner[1], inner[0], channels)
    size = sides(size_px)
    if inner == size[::-1]:
        return found
    padded = np.zeros((*size, channels), np.uint8)
    padded[corner[1] : corner[1] + inner[1], corner[0] : corner[0] + inner[0]] = found
    return padded


def reduction(shorter_px: int, least_px: int) -> int:
    """Choose by how much a JPEG's decoding may reduce it, as Pillow's `draft` does.

    Args:
      shorter_px: shorter side of the image.
      least_px: what it must not fall below.

    Returns:
      8, 4, 2 or 1.

    Example:
      >>> reduction(600, 300), reduction(599, 300), reduction(9000, 300)
      (2, 1, 8)
    """
    return next((factor for factor in (8, 4, 2) if shorter_px >= factor * least_px), 1)


def _orientation(data: bytes) -> int:
    # Most photos of data sets were stripped of it, and opening one again takes time.
    if b"Exif\0" not in data and b"tiff:Orientation" not in data:
        return UPRIGHT
    return orientation_of(open_image(io.BytesIO(data)))
