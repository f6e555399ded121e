import functools
import io
import math
import os
import struct
import sys
import types
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data import opening
from jaxcnn.data.decode import DecodeError, decode_and_crop, decode_and_resize, decode_image
from jaxcnn.data.opening import TooManyPixelsError
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.resize import RESIZE_MODES

WHITE = (255, 255, 255)


def resize_image(image, size_px, mode="crop", **options):
    """Resize an array to a square by Pillow, keeping its channels."""
    return decode_and_resize(image, size_px, mode, num_channels=image.shape[2], **options)


def _encode(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _one_colour(mode, colour, file_format="PNG", **options):
    return _encode(Image.new(mode, (4, 3), colour), file_format, **options)


def _gradient(height, width):
    """A smooth picture with no symmetry."""
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // width, y * 255 // height, (x + y) * 120 // (width + height)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _transparent_palette():
    image = Image.new("P", (4, 3), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 0)
    return image


def _animation(file_format):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    return _encode(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)


def _grey_16(value, file_format="PNG"):
    return _encode(Image.fromarray(np.full((3, 4), value, np.uint16)), file_format)


def _tiff(array):
    return _encode(Image.fromarray(array), "TIFF")


PHOTOS = {
    "RGB": (_one_colour("RGB", (10, 20, 30)), (10, 20, 30)),
    "RGB BMP": (_one_colour("RGB", (10, 20, 30), "BMP"), (10, 20, 30)),
    "RGB TIFF": (_one_colour("RGB", (10, 20, 30), "TIFF"), (10, 20, 30)),
    "RGB WebP": (_one_colour("RGB", (10, 20, 30), "WEBP", lossless=True), (10, 20, 30)),
    "grey": (_one_colour("L", 77), (77, 77, 77)),
    "grey JPEG": (_one_colour("L", 77, "JPEG"), (77, 77, 77)),
    "1 bit": (_one_colour("1", 1), WHITE),
    "1 bit TIFF": (_one_colour("1", 0, "TIFF"), (0, 0, 0)),
    "CMYK JPEG": (_one_colour("CMYK", (0, 255, 255, 0), "JPEG", quality=100), (254, 0, 0)),
    "CMYK TIFF": (_one_colour("CMYK", (255, 0, 0, 0), "TIFF"), (0, 255, 255)),
    "YCbCr TIFF": (_one_colour("YCbCr", (76, 85, 255), "TIFF"), (254, 0, 0)),
    "palette": (
        _encode(Image.new("RGB", (4, 3), (200, 100, 50)).convert("P", palette=1)),
        (200, 100, 50),
    ),
    "palette, opaque pixel": (_encode(_transparent_palette(), transparency=0), (200, 100, 50)),
    "palette, transparent": (_encode(_transparent_palette(), transparency=1), WHITE),
    "palette, half": (
        _encode(_transparent_palette(), transparency=bytes([255, 0])),
        WHITE,
    ),
    "GIF, transparent": (_encode(_transparent_palette(), "GIF", transparency=1), WHITE),
    "LA": (_one_colour("LA", (100, 255)), (100, 100, 100)),
    "LA, transparent": (_one_colour("LA", (100, 0)), WHITE),
    "RGBA": (_one_colour("RGBA", (10, 20, 30, 255)), (10, 20, 30)),
    "RGBA, transparent": (_one_colour("RGBA", (10, 20, 30, 0)), WHITE),
    "RGBA, half": (_one_colour("RGBA", (0, 100, 255, 128)), (127, 177, 255)),
    "RGB, one colour transparent": (
        _one_colour("RGB", (10, 20, 30), transparency=(10, 20, 30)),
        WHITE,
    ),
    "16 bit, white": (_grey_16(65535), WHITE),
    "16 bit, middle": (_grey_16(32768), (128, 128, 128)),
    "16 bit, dark": (_grey_16(300), (1, 1, 1)),
    "16 bit TIFF": (_grey_16(32768, "TIFF"), (128, 128, 128)),
    "16 bit big-endian TIFF": (_tiff(np.full((3, 4), 32768, ">u2")), (128, 128, 128)),
    "16 bit PGM": (b"P5 4 3 65535\n" + b"\x80\x00" * 12, (128, 128, 128)),
    "32 bit": (_tiff(np.full((3, 4), 32768, np.int32)), (128, 128, 128)),
    "float of [0, 1]": (_tiff(np.full((3, 4), 0.5, np.float32)), (128, 128, 128)),
    "float of [0, 255]": (_tiff(np.full((3, 4), 60.4, np.float32)), (60, 60, 60)),
    "animated GIF": (_animation("GIF"), (255, 0, 0)),
    "animated WebP": (_animation("WEBP"), (255, 0, 0)),
    "animated PNG": (_animation("PNG"), (255, 0, 0)),
}


@pytest.mark.parametrize("kind", PHOTOS)
def test_every_kind_of_photo_has_its_colour(kind):
    data, colour = PHOTOS[kind]
    image = decode_image(data)
    assert image.shape == (3, 4, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[1, 1].astype(int), colour, atol=1)
    grey = decode_image(data, num_channels=1)
    assert grey.shape == (3, 4, 1)
    luma = np.dot(colour, [0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[1, 1].astype(float), luma, atol=1.5)


def test_ycck_jpeg_is_undone_to_rgb():
    """Pillow writes plain CMYK; marking the file as YCCK makes libjpeg convert it first."""
    data = _one_colour("CMYK", (0, 255, 255, 0), "JPEG", quality=100)
    adobe = data.index(b"Adobe")
    ycck = data[: adobe + 11] + b"\x02" + data[adobe + 12 :]
    with Image.open(io.BytesIO(ycck)) as opened:
        expected = np.asarray(opened.convert("RGB"))
    image = decode_image(ycck)
    np.testing.assert_array_equal(image, expected)
    assert np.abs(image.astype(int) - decode_image(data)).max() > 50


def test_32_bit_and_float_outside_their_range_are_stretched():
    wide = decode_image(_tiff(np.array([[-100_000, 0, 100_000]], np.int32)))
    assert wide[0, :, 0].tolist() == [0, 128, 255]
    wide = decode_image(_tiff(np.array([[-5.0, 0.0, 1000.0]], np.float32)))
    assert wide[0, :, 0].tolist() == [0, 1, 255]
    flat = decode_image(_tiff(np.full((1, 3), -7, np.int32)))
    assert flat[0, :, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("least", [-1, -40])
def test_pixels_below_zero_do_not_wrap_around(dtype, least):
    values = np.linspace(least, -least, 5).astype(dtype)[None]
    stretched = np.rint(255 * (values + -least) / (-2 * least)).astype(np.uint8)
    np.testing.assert_array_equal(decode_image(_tiff(values), num_channels=1)[..., 0], stretched)


def test_each_level_of_16_bits_goes_to_the_nearest_of_8():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    found = decode_image(file.getvalue(), num_channels=1)[..., 0]
    np.testing.assert_array_equal(found, np.rint(levels / 257).astype(np.uint8))


def test_float_pixels_that_are_no_numbers_are_refused():
    for value in (np.nan, np.inf):
        with pytest.raises(DecodeError, match="not finite"):
            decode_image(_tiff(np.array([[0.0, value]], np.float32)))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, file_format):
    upright = np.repeat(np.repeat(_gradient(3, 4), 8, axis=0), 8, axis=1)
    # How a camera held so stores the upright scene: the inverse of what the tag tells to do.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    image = Image.fromarray(np.ascontiguousarray(stored))
    data = _encode(image, file_format, exif=exif, **options.get(file_format, {}))
    np.testing.assert_allclose(decode_image(data).astype(int), upright, atol=4)
    assert opening.upright_size(data) == upright.shape[1::-1]
    expected = resize_image(upright, 8, "squash").astype(int)
    for decoder in ("auto", "pillow"):
        resized = decode_and_resize(data, 8, "squash", decoder=decoder)
        np.testing.assert_allclose(resized.astype(int), expected, atol=4)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_spoil_a_photo():
    data = _one_colour("L", 77, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken")
    assert (decode_image(data) == 77).all()


def _png_header(width, height):
    """A PNG that promises pixels and has none."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + checksum + b"\0\0\xff\xffIDAT"


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
HOSTILE = {
    "empty": (b"", "empty"),
    "text": (b"this is no photo, whatever its name says", "not an image"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "truncated JPEG": (_encode(Image.fromarray(NOISE), "JPEG")[:1500], "truncated"),
    "truncated PNG": (_encode(Image.fromarray(NOISE))[:1500], "truncated"),
    "truncated WebP": (_encode(Image.fromarray(NOISE), "WEBP")[:500], "decoder"),
    "truncated GIF": (_encode(Image.fromarray(NOISE), "GIF")[:2000], "truncated"),
    "first bytes of a JPEG": (_encode(Image.fromarray(NOISE), "JPEG")[:10], "Truncated"),
    "so large that Pillow warns": (_png_header(10_000, 10_000), "too large: "),
    "so large that Pillow refuses": (_png_header(50_000, 50_000), "too large: "),
    "header alone": (_png_header(10, 10), "truncated"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_data_give_the_reason(kind):
    data, message = HOSTILE[kind]
    with pytest.raises(DecodeError, match=message) as caught:
        decode_image(data)
    assert str(caught.value)
    with pytest.raises(DecodeError, match=message):
        decode_and_resize(data, 16)


def test_any_cut_and_any_flipped_byte_decode_or_raise_decode_error():
    data = _encode(Image.fromarray(NOISE[:16, :16]), "JPEG")
    random = np.random.default_rng(1)
    outcomes = set()
    for _ in range(200):
        broken = bytearray(data)
        for at in random.integers(0, len(data), 3):
            broken[at] = random.integers(0, 256)
        cut = bytes(broken[: random.integers(1, len(data) + 1)])
        try:
            outcomes.add(decode_image(cut).ndim)
        except DecodeError as error:
            outcomes.add(type(error))
    assert outcomes == {3, DecodeError}


def test_too_many_pixels_are_refused():
    data = _one_colour("RGB", (1, 2, 3))
    for call in (decode_image, functools.partial(decode_and_resize, size_px=2)):
        assert call(data, max_pixels=12).size
        for image in (data, Image.new("L", (4, 3))):
            with pytest.raises(TooManyPixelsError, match=r"4 x 3 = 12 .* max_pixels \(=11\)"):
                call(image, max_pixels=11)


def _scans_apart(jpeg):
    """Say in a JPEG's first scan that it holds one component, as where each has its own."""
    at = jpeg.index(b"\xff\xda")
    return jpeg[: at + 4] + b"\x01" + jpeg[at + 5 :]


@pytest.mark.parametrize("decoder", ["auto", "pillow"])
def test_what_is_decoded_counts_not_what_the_file_says(decoder):
    image = Image.fromarray(_gradient(640, 480))
    options = {"size_px": 20, "decoder": decoder, "max_pixels": 80 * 60}
    plain = _encode(image, "JPEG")
    expected = decode_and_resize(plain, 20, decoder=decoder)
    for data in (plain, _encode(image, "MPO", exif=b"Exif\0\0" + bytes(100))):
        found = decode_and_resize(data, **options)
        np.testing.assert_allclose(found.astype(int), expected, atol=1)
    whole = (_encode(image, "JPEG", progressive=True), _scans_apart(plain), _encode(image, "PNG"))
    for data in whole:
        with pytest.raises(TooManyPixelsError, match="480 x 640 = 307200 pixels"):
            decode_and_resize(data, **options)
    with pytest.raises(TooManyPixelsError, match="60 x 80 = 4800 pixels"):
        decode_and_resize(plain, **{**options, "max_pixels": 80 * 60 - 1})


def test_a_huge_jpeg_is_decoded_and_pillow_says_nothing():
    """Warnings are errors in tests; Pillow would refuse this one."""
    data = bytearray(_encode(Image.new("L", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 20_000, 20_000)
    assert decode_and_resize(bytes(data), 100).shape == (100, 100, 3)
    with pytest.raises(TooManyPixelsError, match="20000 x 20000"):
        decode_image(bytes(data))


def _png_with_depth(array, bits):
    """A PNG of 16 bits that says how many of them are significant."""
    data = _encode(Image.fromarray(array)) if array.ndim == 2 else _png_16(array)
    depths = b"sBIT" + bytes([bits] * (1 if array.ndim == 2 else 3))
    chunk = struct.pack(">I", len(depths) - 4) + depths + struct.pack(">I", zlib.crc32(depths))
    return data[:33] + chunk + data[33:] if bits else data


def _png_16(array):
    """A PNG of (H, W, 3) uint16, which Pillow does not write."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    height, width, _ = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _tiff_with_greatest(array, greatest):
    return _encode(Image.fromarray(array), "TIFF", tiffinfo={281: greatest})


def _with_top(top, shape=(3, 4)):
    return np.linspace(0, top, math.prod(shape)).reshape(shape).astype(np.uint16)


DEEP = {
    "PNG of 12 bits": (_png_with_depth(_with_top(4095), 12), 255, 0),
    "PNG of 10 bits": (_png_with_depth(_with_top(1023), 10), 255, 0),
    "PNG of 12 bits scaled up": (_png_with_depth(_with_top(65535), 12), 255, 0),
    "PNG that does not say": (_png_with_depth(_with_top(4095), 0), 16, 1),
    "dark PNG of 16 bits": (_png_with_depth(_with_top(5000), 0), 19, 0),
    "TIFF of 12 bits": (_tiff_with_greatest(_with_top(4095), 4095), 255, 0),
    "TIFF of 12 bits, a dark one": (_tiff_with_greatest(_with_top(2100), 2100), 131, 0),
    "TIFF that does not say": (_tiff(_with_top(4095)), 16, 1),
    "PGM of 12 bits": (b"P5 4 3 4095\n" + _with_top(4095).astype(">u2").tobytes(), 255, 0),
    "colours of 12 bits": (_png_with_depth(_with_top(4095, (3, 4, 3)), 12), 255, 0),
    "colours that do not say": (_png_with_depth(_with_top(4095, (3, 4, 3)), 0), 15, 1),
    "colours of 16 bits": (_png_with_depth(_with_top(65535, (3, 4, 3)), 16), 255, 0),
    "black": (_png_with_depth(_with_top(0), 0), 0, 0),
}


@pytest.mark.parametrize("kind", DEEP)
def test_16_bits_are_scaled_by_the_depth_that_the_file_says(kind, said):
    data, brightest, warnings = DEEP[kind]
    opening._warn_of_few_bits.cache_clear()
    for _ in range(2):
        found = decode_image(data)
        assert found.max() == brightest
        assert found.min() == 0
    assert len(said) == warnings
    assert all("at most 12 bits" in line for line in said)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_heic_is_refused_by_the_name_of_the_extra():
    with pytest.raises(DecodeError, match=r"need the extra heic"):
        decode_image(HEIC)


def test_heic_is_decoded_where_the_extra_is_installed(monkeypatch):
    def opened(file, name):
        assert file.read() == HEIC
        return Image.new("RGB", (4, 3), (10, 20, 30))

    def register_heif_opener(**options):
        monkeypatch.setitem(Image.OPEN, "HEIF", (opened, lambda start: True))

    plugin = types.SimpleNamespace(register_heif_opener=register_heif_opener)
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    opening._heif_format.cache_clear()
    try:
        assert decode_image(HEIC)[0, 0].tolist() == [10, 20, 30]
    finally:
        opening._heif_format.cache_clear()


def test_the_limit_is_one_number():
    assert Decoding(1).max_pixels == opening.MAX_PIXELS
    assert repr(Decoding(1, max_pixels=2)) == repr(Decoding(1))  # fingerprints are made of it


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_arrays_are_taken_as_they_are(channels):
    array = np.full((3, 4) if channels is None else (3, 4, channels), 255, np.uint8)
    array[0, 0] = 9
    image = decode_image(array)
    assert image.shape == (3, 4, 3)
    assert (image[1:] == 255).all()
    assert decode_image(array, num_channels=1).shape == (3, 4, 1)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2, 3), np.float32), np.zeros((2, 2, 5), np.uint8), np.zeros((0, 2, 3), np.uint8)],
)
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(DecodeError, match=r"expected uint8"):
        decode_image(array)


def test_one_pixel_becomes_a_square_of_its_colour():
    for file_format in ("PNG", "GIF", "BMP", "WEBP"):
        data = _encode(Image.new("RGB", (1, 1), (255, 0, 0)), file_format)
        for mode in RESIZE_MODES:
            image = decode_and_resize(data, 5, mode)
            assert image.shape == (5, 5, 3)
            np.testing.assert_allclose(image.astype(int), np.full((5, 5, 3), (255, 0, 0)), atol=2)


def test_a_sliver_is_resized_without_growing_first():
    sliver = np.full((1, 60_000, 3), 50, np.uint8)
    for mode in ("crop", "squash"):
        assert (resize_image(sliver, 224, mode) == 50).all()
    for image in (sliver, sliver.swapaxes(0, 1)):
        assert (resize_image(image, 224, "pad").max(axis=-1) > 0).sum() == 224


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (10, 10), (7, 5)])
def test_modes_agree_with_pillow(shape):
    array = _gradient(*shape)
    image = Image.fromarray(array)
    height, width = shape
    bilinear = Image.Resampling.BILINEAR
    squashed = np.asarray(image.resize((10, 10), bilinear))
    np.testing.assert_array_equal(resize_image(array, 10, "squash"), squashed)

    side = min(shape)
    left, top = (round((n - side) * 10 / side / 2) * side / 10 for n in (width, height))
    box = (left, top, left + side, top + side)
    cropped = np.asarray(image.resize((10, 10), bilinear, box=box))
    np.testing.assert_array_equal(resize_image(array, 10, "crop"), cropped)
    assert abs(left - (width - side) / 2) <= side / 20  # central to half a pixel of the result

    padded = resize_image(array, 10, "pad")
    inner = image.resize(
        (round(10 * width / max(shape)), round(10 * height / max(shape))), bilinear
    )
    top, left = (10 - inner.height) // 2, (10 - inner.width) // 2
    block = padded[top : top + inner.height, left : left + inner.width]
    np.testing.assert_array_equal(block, np.asarray(inner))
    assert int(padded.sum()) == int(block.sum())


def test_a_crop_of_an_image_that_has_the_size_keeps_its_pixels():
    array = np.random.default_rng(0).integers(0, 256, (10, 15, 3), np.uint8)
    for interpolation in ("bilinear", "bicubic", "lanczos"):
        found = resize_image(array, 10, "crop", interpolation=interpolation)
        np.testing.assert_array_equal(found, array[:, 2:12])


def test_interpolations_differ_and_unknown_ones_are_refused():
    array = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    found = {k: resize_image(array, 7, interpolation=k) for k in ("bilinear", "bicubic")}
    assert (found["bilinear"] != found["bicubic"]).any()
    with pytest.raises(ValueError, match=r"unknown interpolation 'cubic'.*bicubic"):
        resize_image(array, 7, interpolation="cubic")


def test_resizing_keeps_one_channel():
    assert resize_image(np.zeros((4, 6, 1), np.uint8), 3).shape == (3, 3, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resize_image(NOISE, 8, "cropp"), "unknown resize mode 'cropp'.*: crop"),
        (lambda: decode_and_resize(b"", 8, "zoom"), "unknown resize mode"),
        (lambda: resize_image(NOISE, 0), "size_px is 0"),
        (lambda: decode_image(NOISE, num_channels=2), "num_channels is 2"),
    ],
)
def test_wrong_options_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("num_channels", [1, 3])
def test_reduced_jpeg_is_close_to_the_full_one(mode, num_channels):
    data = _encode(Image.fromarray(_gradient(811, 1003)), "JPEG", quality=90)
    fast = decode_and_resize(data, 32, mode, num_channels=num_channels)
    full = resize_image(decode_image(data, num_channels=num_channels), 32, mode)
    difference = np.abs(fast.astype(int) - full)
    assert difference.mean() < 1
    assert difference.max() <= 4


def test_a_jpeg_is_reduced_only_far_above_the_target(monkeypatch):
    asked = []
    draft = Image.Image.draft
    from PIL.JpegImagePlugin import JpegImageFile

    plugin_draft = JpegImageFile.draft

    def spy(self, mode, size):
        result = plugin_draft(self, mode, size)
        asked.append(self.size)
        return result

    monkeypatch.setattr(JpegImageFile, "draft", spy)
    data = _encode(Image.fromarray(_gradient(600, 800)), "JPEG")
    for size_px in (101, 100, 50, 25):
        decode_and_resize(data, size_px, decoder="pillow")
    assert asked == [(800, 600), (400, 300), (200, 150), (100, 75)]
    assert Image.Image.draft is draft


def test_threads_decode_at_once():
    data = _encode(Image.fromarray(NOISE), "JPEG")
    bad = data[:1500]

    def outcome(item):
        try:
            return int(decode_image(item).sum())
        except DecodeError:
            return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(outcome, [data, bad] * 50))
    assert outcomes == [int(decode_image(data).sum()), None] * 50


SHARED = Path(os.environ.get("JAXCNN_SHARED", Path(__file__).parents[2] / ".." / "shared"))
REAL = SHARED / "data" / "imagenet_sample"


@pytest.mark.skipif(not REAL.is_dir(), reason="no real photos; set JAXCNN_SHARED to their folder")
def test_reduced_real_photos_are_close_to_the_full_ones():
    differences = []
    for path in sorted(REAL.glob("*.JPEG"))[:40]:
        data = path.read_bytes()
        full = resize_image(decode_image(data), 32)
        differences.append(np.abs(decode_and_resize(data, 32).astype(int) - full).mean())
    assert 0 < np.mean(differences) < 1
    assert np.max(differences) < 3


@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(40, 28), (28, 40)])
def test_an_oblong_size_is_that_part_of_the_photo(mode, size):
    """On a ramp, each pixel tells where in the photo it comes from."""
    y, x = np.meshgrid(np.arange(160), np.arange(200), indexing="ij")
    ramp = np.stack([x, y, np.full_like(x, 255)], -1).astype(np.uint8)
    found = resize_image(ramp, size, mode).astype(float)
    assert found.shape == (*size, 3)
    shown = found[..., 2] > 200
    step_x = np.diff(found[size[0] // 2, :, 0])[size[1] // 2]
    step_y = np.diff(found[:, size[1] // 2, 1])[size[0] // 2]
    whole = (200 / size[1], 160 / size[0])
    if mode == "squash":
        assert (step_x, step_y) == pytest.approx(whole, abs=1)
    else:
        step = min(whole) if mode == "crop" else max(whole)
        assert (step_x, step_y) == pytest.approx((step, step), abs=1)
    assert shown.all() == (mode != "pad")
    rows, columns = np.nonzero(shown)
    middle = found[rows, columns].mean(0)
    assert middle[:2] == pytest.approx((99.5, 79.5), abs=3)


def test_an_oblong_is_decoded_at_no_less_than_three_times_its_longer_side():
    y, x = np.meshgrid(np.arange(400), np.arange(480), indexing="ij")
    waves = 128 + 80 * np.sin(x / 3) * np.sin(y / 3)
    photo = np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)
    whole = resize_image(photo, (120, 40))
    reduced = decode_and_resize(_encode(Image.fromarray(photo), "JPEG", quality=95), (120, 40))
    assert np.abs(reduced.astype(int) - whole).max() < 6


def test_a_part_becomes_an_oblong():
    part = decode_and_crop(NOISE, (5, 3), lambda width, height: (0, 0, width, height))
    np.testing.assert_array_equal(part, resize_image(NOISE, (5, 3), "squash"))
