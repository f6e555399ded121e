import numpy as np
import pytest

from jaxcnn.plots import photo_layout


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.float16])
def test_to_rgb(channels, dtype, make_photos):
    photo = make_photos(1, channels=channels, dtype=dtype)[0]
    rgb = photo_layout.to_rgb(photo)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (8, 8, 3)
    np.testing.assert_array_equal(rgb, photo_layout.to_rgb(make_photos(1, channels=channels)[0]))


def test_to_rgb_of_a_matrix_and_of_strange_values():
    np.testing.assert_array_equal(photo_layout.to_rgb(np.eye(2))[..., 2], [[255, 0], [0, 255]])
    strange = np.array([[np.nan, -1.0, 2.0, 0.5]], dtype=np.float32)
    assert photo_layout.to_rgb(strange)[0, :, 0].tolist() == [0, 0, 255, 128]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: photo_layout.to_rgb(np.zeros((2, 2, 2), np.uint8)), r"shape \(2, 2, 2\)"),
        (lambda: photo_layout.to_rgb(np.zeros((2, 2, 3), np.int32)), "dtype int32"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
