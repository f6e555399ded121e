"""The map lies where the evidence is, whichever way the network was shown the photo."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.decode import decode_and_resize
from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.photos.server.overlay import describe, draw_overlay, view_share


def drawn(evidence, share):
    overlay = draw_overlay(evidence, share, size_px=64)
    image = Image.open(io.BytesIO(overlay.map_png))
    assert image.mode == "RGBA"
    return np.asarray(image)


@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
@pytest.mark.parametrize("shape", [(90, 90), (60, 120), (120, 60)], ids=str)
def test_the_map_shows_the_place_that_the_network_saw(mode, shape):
    """A white spot is resized as for the network and as for the page; the map joins the two."""
    height, width = shape
    photo = np.zeros((height, width, 3), np.uint8)
    row, column = height // 2 - 14, width // 2 + 12
    photo[row - 4 : row + 4, column - 4 : column + 4] = 255
    stored, view = 96, 80
    seen = decode_and_resize(photo, stored, mode)[..., 0].astype(np.float32)
    margin = (stored - view) // 2
    evidence = seen[margin:-margin, margin:-margin]
    preprocessing = Preprocessing(decoding=Decoding(stored, mode), image_size_px=view)
    share = view_share(width, height, preprocessing)
    shown = decode_and_resize(photo, 64, "crop")[..., 0]
    alpha = drawn(evidence, share)[..., 3]
    rows, columns = np.nonzero(shown > 127)
    centre = round(rows.mean()), round(columns.mean())
    colour = drawn(evidence, share)[..., 0]
    hole = (alpha < 60) & (colour == 0)
    hole_rows, hole_columns = np.nonzero(hole)
    assert abs(hole_rows.mean() - centre[0]) <= 1.5
    assert abs(hole_columns.mean() - centre[1]) <= 1.5


def test_what_the_network_did_not_see_is_dark():
    alpha = drawn(np.ones((4, 4), np.float32), (1.25, 1.0))[..., 3]
    assert alpha[32, 2] > 100
    assert alpha[32, 32] == 0


def test_a_map_of_nothing_is_dark_and_says_so():
    overlay = draw_overlay(np.zeros((7, 7), np.float32), (1.0, 1.0))
    assert "Nothing" in overlay.words
    assert np.asarray(Image.open(io.BytesIO(overlay.map_png)))[..., 3].min() > 100


@pytest.mark.parametrize(
    ("rows", "columns", "place"),
    [
        ((0, 10), (0, 10), "at the top left, 11 %"),
        ((20, 30), (10, 20), "at the bottom, 11 %"),
        ((10, 20), (10, 20), "in the middle, 11 %"),
        ((10, 20), (20, 30), "at the right, 11 %"),
        ((0, 30), (0, 30), "in the middle, 100 %"),
    ],
)
def test_the_place_is_said_in_words(rows, columns, place):
    strength = np.zeros((30, 30))
    strength[slice(*rows), slice(*columns)] = 1
    assert place in describe(strength).replace("\xa0", " ")
    assert draw_overlay(strength, (1.0, 1.0)).is_low == ("bottom" in place)


def test_the_outline_surrounds_the_strong_part():
    evidence = np.zeros((8, 8), np.float32)
    evidence[3:5, 3:5] = 1
    pixels = drawn(evidence, (1.0, 1.0))
    line = (pixels == 255).all(-1)
    assert line.any()
    assert not line[:16].any()
    assert not line[:, :16].any()


@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
def test_the_share_of_an_oblong_view(mode):
    """The square of a 400 x 200 photo, in a view of 40 x 60 pixels out of 50 x 70."""
    preprocessing = Preprocessing(decoding=Decoding((50, 70), mode), image_size_px=(40, 60))
    expected = {
        "crop": (200 / (4 * 60), 200 / (4 * 40)),
        "squash": (200 / (400 / 70 * 60), 200 / (4 * 40)),
        "pad": (200 / (400 / 70 * 60), 200 / (400 / 70 * 40)),
    }
    assert view_share(400, 200, preprocessing) == pytest.approx(expected[mode])
