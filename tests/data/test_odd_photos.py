"""Photos that look unlike photos, and those that do not."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.image_splits import DecodedSplit, StreamedSplit, decode_split
from jaxcnn.data.odd_photos import Looks, measure_looks, odd_reasons
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import Example
from jaxcnn.data.splits.joined_split import JoinedSplit

DRAWS = np.random.default_rng(0)


class _Photos(list):
    class_names = ("cat", "dog")


def pixels(low, high, size=(90, 120)):
    return DRAWS.integers(low, high, (*size, 3)).astype(np.uint8)


def with_spot(level, spot):
    """An even photo with a spot of another level in its middle."""
    array = np.full((90, 120, 3), level, np.uint8)
    array[40:55, 50:70] = spot
    return array


def photo_of(array, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", **options)
    return file.getvalue()


PHOTOS = {
    "usual": (pixels(0, 256), []),
    "dark": (with_spot(2, 90), ["too dark"]),
    "bright": (255 - with_spot(0, 130), ["too bright"]),
    "grey": (pixels(120, 126), ["blank"]),
    "black": (pixels(0, 1), ["blank", "too dark"]),
    "small": (pixels(0, 256, (15, 20)), ["small: 20 x 15 pixels"]),
    "long": (pixels(0, 256, (300, 80)), ["long: 3.8 times as high as wide"]),
    "stripe": (
        pixels(0, 256, (15, 61)),
        ["small: 61 x 15 pixels", "long: 4.1 times as wide as high"],
    ),
}


@pytest.mark.parametrize("kind", [decode_split, StreamedSplit])
def test_odd_photos_are_found(kind):
    source = _Photos(Example(photo_of(each), 0, name) for name, (each, _) in PHOTOS.items())
    options = {"progress": False} if kind is decode_split else {}
    split = kind(source, Decoding(64), **options)
    counts = []
    found = measure_looks(split, split.source, on_photos=counts.append)
    assert {name: odd_reasons(look) for name, look in zip(PHOTOS, found, strict=True)} == {
        name: reasons for name, (_, reasons) in PHOTOS.items()
    }
    assert sum(counts) == len(PHOTOS)


def test_a_photo_is_measured_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    source = _Photos([Example(photo_of(pixels(0, 256, (30, 200)), exif=exif), 0, "turned")])
    (look,) = measure_looks(decode_split(source, Decoding(64), progress=False), source)
    assert (look.width_px, look.height_px) == (30, 200)


def test_arrays_are_measured_as_they_are_stored():
    source = _Photos([Example(pixels(0, 256, (28, 28)), 0, "digit")])
    (look,) = measure_looks(decode_split(source, Decoding(32), progress=False), source)
    assert look[2:] == (28, 28, 32)
    assert odd_reasons(look) == []


def test_a_photo_that_is_missing_is_passed_over():
    source = _Photos([Example(b"no photo", 0, "a"), Example(photo_of(pixels(0, 256)), 0, "b")])
    split = StreamedSplit(source, Decoding(64), max_bad_share=0.9)
    assert [look is None for look in measure_looks(split, source)] == [True, False]


def test_nothing_is_odd_at_the_bounds():
    assert odd_reasons(Looks(0.06, 0.02, 192, 64, 256)) == []
    assert odd_reasons(Looks(0.97, 0.02, 64, 192, 256)) == []


def test_joined_splits_give_each_its_own_images():
    first = DecodedSplit(np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 1]), ["a", "b"], ("x", "y"))
    second = DecodedSplit(
        np.full((3, 4, 4, 3), 9, np.uint8), np.array([1, 1, 0]), list("cde"), ("x", "y")
    )
    joined = JoinedSplit([first, second])
    images, present = joined.gather(np.array([4, 1, 2]))
    assert images[:, 0, 0, 0].tolist() == [9, 0, 9]
    assert present.all()
    assert joined.names == list("abcde")
    assert joined.labels.tolist() == [0, 1, 1, 1, 0]
