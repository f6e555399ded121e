import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data import fast_jpeg
from jaxcnn.data.decode import DecodeError, decode_and_resize, decode_image
from jaxcnn.data.fast_jpeg import (
    choose_decoder,
    decode_jpeg,
    decoder_version,
    describe_decoder,
    is_installed,
    reduction,
    resize_fast,
)
from jaxcnn.runs.config import make_config, resolve

needs_fast = pytest.mark.skipif(not is_installed(), reason="the extra jaxcnn[fast] is missing")


def resize_image(image, size_px, mode="crop", **options):
    """Resize an array to a square by Pillow, keeping its channels."""
    return decode_and_resize(image, size_px, mode, num_channels=image.shape[2], **options)


def _photo(height, width):
    """Smooth shapes with edges and a little noise, somewhat as photos are."""
    y, x = np.mgrid[:height, :width] / 40
    waves = [np.sin(x + 2 * c) * np.cos(y * (1 + c / 3)) * 90 + 128 for c in range(3)]
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    image = np.stack(waves, axis=-1) + noise + 60 * ((x + y) % 3 < 1)[:, :, None]
    return np.clip(image, 0, 255).astype(np.uint8)


def _jpeg(pixels, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **({"quality": 90} | options))
    return buffer.getvalue()


def _difference(first, second):
    return np.abs(first.astype(int) - second)


def _decode(data, num_channels=3, least_px=10**6):
    return decode_jpeg(data, num_channels=num_channels, least_px=least_px)


JPEGS = {
    "colour, half chroma": {},
    "colour, full chroma": {"subsampling": 0},
    "progressive": {"progressive": True},
    "grey": {"mode": "L"},
    "restart markers": {"restart_marker_rows": 1},
}


@needs_fast
@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("shape", [(300, 401), (401, 300), (17, 9), (1, 1)])
def test_a_jpeg_at_its_full_size_is_pillows(kind, shape):
    data = _jpeg(_photo(*shape), **JPEGS[kind])
    found = _decode(data)
    np.testing.assert_array_equal(found, decode_image(data))


@needs_fast
@pytest.mark.parametrize(
    ("least_px", "size"),
    [(301, (601, 803)), (300, (301, 402)), (151, (301, 402)), (150, (151, 201)), (75, (76, 101))],
)
def test_a_jpeg_at_a_reduced_size_is_pillows(least_px, size):
    """Never below what is asked for, and by the same arithmetic."""
    data = _jpeg(_photo(601, 803))
    found = _decode(data, least_px=least_px)
    assert found.shape[:2] == size
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft(None, (least_px, least_px))
        expected = np.asarray(opened)
    np.testing.assert_array_equal(found, expected)


def test_a_reduced_side_is_never_below_the_least():
    for shorter in range(1, 400):
        for least in (1, 3, 50, 96):
            factor = reduction(shorter, least)
            assert shorter >= factor * least or factor == 1
            assert factor == 8 or shorter < 2 * factor * least


# By interpolation: the mean difference in levels of 255, and the largest.
BOUNDS = {"bilinear": (0.25, 2), "bicubic": (0.3, 20), "lanczos": (0.35, 40)}


@needs_fast
@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
@pytest.mark.parametrize("interpolation", BOUNDS)
@pytest.mark.parametrize("size_px", [30, 112, 224, 500])
def test_resizing_is_pillows_but_for_rounding(mode, interpolation, size_px):
    mean, most = BOUNDS[interpolation]
    for shape in ((375, 500), (431, 300)):
        pixels = _photo(*shape)
        found = resize_fast(pixels, size_px, mode, interpolation)
        expected = resize_image(pixels, size_px, mode, interpolation=interpolation)
        assert found.shape == expected.shape
        assert _difference(found, expected).mean() < mean
        assert _difference(found, expected).max() <= most


@needs_fast
def test_resizing_is_antialiased():
    """Stripes finer than the new pixels become their mean, not a pattern of their own."""
    stripes = np.repeat(np.arange(300) % 2 * 255, 3).reshape(1, 300, 3).repeat(300, axis=0)
    found = resize_fast(stripes.astype(np.uint8), 70, "squash", "bilinear")
    assert np.abs(found[:, 2:-2].astype(int) - 127).max() < 20


@needs_fast
def test_any_shape_can_be_resized():
    """No box ends beyond its image by a rounding error."""
    for width in [*range(1, 70), 333, 1023]:
        for height in (1, 2, 7, 99):
            for size_px in (1, 3, 8, 97):
                for mode in ("crop", "squash", "pad"):
                    pixels = np.full((height, width, 1), 50, np.uint8)
                    found = resize_fast(pixels, size_px, mode, "bilinear")
                    assert found.shape == (size_px, size_px, 1)
                    assert found.max() == 50


@needs_fast
@pytest.mark.parametrize("mode", ["crop", "pad"])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("size_px", [40, 96])
def test_both_decoders_give_the_same_photo(mode, num_channels, size_px):
    for data in (_jpeg(_photo(400, 555)), _jpeg(_photo(400, 300), mode="L")):
        fast, pillow = (
            decode_and_resize(data, size_px, mode, num_channels=num_channels, decoder=decoder)
            for decoder in ("fast", "pillow")
        )
        assert fast.shape == pillow.shape == (size_px, size_px, num_channels)
        assert _difference(fast, pillow).mean() < 0.25
        assert _difference(fast, pillow).max() <= 2


def _turned(photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _jpeg(photo, exif=exif)


@needs_fast
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_come_upright(orientation):
    data = _turned(_photo(60, 90), orientation)
    np.testing.assert_array_equal(_decode(data), decode_image(data))


@needs_fast
def test_an_orientation_in_xmp_counts():
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation>'
    data = _jpeg(_photo(60, 90), xmp=packet)
    assert decode_image(data).shape[:2] == (90, 60)
    np.testing.assert_array_equal(_decode(data), decode_image(data))


def _with_extra_bytes(data):
    """A file that decoders warn of, and decode."""
    scan = data.index(b"\xff\xda")
    return data[:scan] + b"\0\0\0" + data[scan:]


LEFT_TO_PILLOW = {
    "CMYK": _jpeg(_photo(30, 40), mode="CMYK"),
    "truncated": _jpeg(_photo(30, 40))[:900],
    "first bytes": _jpeg(_photo(30, 40))[:10],
    "PNG": b"\x89PNG\r\n\x1a\n",
    "empty": b"",
    "bytes too many": _with_extra_bytes(_jpeg(_photo(30, 40))),
}


@needs_fast
@pytest.mark.parametrize("kind", LEFT_TO_PILLOW)
def test_what_is_out_of_the_ordinary_is_left_to_pillow(kind):
    data = LEFT_TO_PILLOW[kind]
    assert _decode(data) is None
    outcomes = []
    for decoder in ("fast", "pillow"):
        try:
            outcomes.append(decode_and_resize(data, 8, decoder=decoder).tolist())
        except DecodeError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], list) == (kind in ("CMYK", "bytes too many"))


@needs_fast
def test_an_image_of_too_many_pixels_is_left_to_pillow(monkeypatch):
    import simplejpeg

    calls = []
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: calls.append(a))
    data = _jpeg(_photo(30, 40))
    assert decode_jpeg(data, num_channels=3, least_px=24, max_pixels=1199) is None
    with pytest.raises(DecodeError, match=r"40 x 30 = 1200 pixels, more than max_pixels"):
        decode_and_resize(data, 8, decoder="fast", max_pixels=1199)
    assert calls == []


@needs_fast
def test_the_decoder_that_is_asked_for_decodes(monkeypatch):
    import simplejpeg

    calls = []
    decode = simplejpeg.decode_jpeg
    monkeypatch.setattr(
        simplejpeg, "decode_jpeg", lambda *a, **k: calls.append(a) or decode(*a, **k)
    )
    data = _jpeg(_photo(30, 40))
    for decoder, count in (("pillow", 0), ("fast", 1), ("auto", 2)):
        decode_and_resize(data, 8, decoder=decoder)
        assert len(calls) == count


@needs_fast
def test_the_fast_decoder_is_named_where_it_is_there():
    assert (choose_decoder(), choose_decoder("pillow")) == ("fast", "pillow")
    assert describe_decoder() == "simplejpeg"
    assert describe_decoder("pillow") == "Pillow"
    assert "simplejpeg" in decoder_version("fast")
    assert decoder_version("pillow") == f"pillow {Image.__version__}"


def test_without_the_extra_pillow_decodes(monkeypatch):
    monkeypatch.setattr(fast_jpeg, "is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert choose_decoder("auto") == "pillow"
    assert "pip install cykooz-resizer simplejpeg" in describe_decoder("auto")
    with pytest.raises(ValueError, match=r"decoder=fast needs simplejpeg.*pip install cykooz"):
        choose_decoder("fast")
    data = _jpeg(_photo(30, 40))
    expected = resize_image(decode_image(data), 16)
    np.testing.assert_array_equal(decode_and_resize(data, 16), expected)


@pytest.mark.parametrize("module", ["simplejpeg", "cykooz_resizer"])
def test_half_of_the_extra_is_none(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    fast_jpeg.is_installed.cache_clear()
    try:
        assert choose_decoder("auto") == "pillow"
        with pytest.raises(ValueError, match=f"decoder=fast needs {module}, which is not"):
            choose_decoder("fast")
    finally:
        fast_jpeg.is_installed.cache_clear()


def test_settings_name_an_unknown_decoder():
    with pytest.raises(ValueError, match="unknown decoder 'fats'; known, nearest first: fast"):
        resolve(make_config(decoder="fats"))
    with pytest.raises(ValueError, match="image_cache_gib must be a number of at least 0, got -1"):
        resolve(make_config(image_cache_gib=-1.0))


SHARED = Path(os.environ.get("JAXCNN_SHARED", Path(__file__).parents[2] / ".." / "shared"))
REAL = SHARED / "data" / "imagenet_sample"


@needs_fast
@pytest.mark.skipif(not REAL.is_dir(), reason="no real photos; set JAXCNN_SHARED to their folder")
def test_real_photos_are_the_same_by_both_decoders():
    for path in sorted(REAL.glob("*.JPEG"))[:30]:
        data = path.read_bytes()
        np.testing.assert_array_equal(_decode(data), decode_image(data))
        for interpolation, (mean, most) in BOUNDS.items():
            fast, pillow = (
                decode_and_resize(data, 112, interpolation=interpolation, decoder=decoder)
                for decoder in ("fast", "pillow")
            )
            assert _difference(fast, pillow).mean() < mean
            assert _difference(fast, pillow).max() <= most
