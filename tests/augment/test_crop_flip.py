import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import center_crop, crop, random_crop

IMAGE = jnp.arange(7 * 9.0).reshape(7, 9, 1)


def test_center_crop_cuts_the_extra_pixel_at_the_bottom_right():
    np.testing.assert_array_equal(center_crop(IMAGE, 4), IMAGE[1:5, 2:6])
    np.testing.assert_array_equal(center_crop(IMAGE, (7, 9)), IMAGE)


def test_center_crop_takes_batches_of_bytes():
    images = jnp.stack([IMAGE, IMAGE + 1]).astype(jnp.uint8)
    result = center_crop(images, (3, 5))
    assert result.dtype == jnp.uint8
    np.testing.assert_array_equal(result[1], images[1, 2:5, 2:7])


def test_crop_stays_inside():
    np.testing.assert_array_equal(crop(IMAGE, 1, 2, (3, 4)), IMAGE[1:4, 2:6])
    np.testing.assert_array_equal(crop(IMAGE, 9, -5, (3, 4)), IMAGE[4:7, :4])


@pytest.mark.parametrize("size", [8, (8, 4), (4, 10)])
@pytest.mark.parametrize(
    "cut",
    [
        center_crop,
        lambda image, size_px: crop(image, 0, 0, size_px),
        lambda image, size_px: random_crop(jax.random.key(0), image, size_px=size_px),
    ],
)
def test_larger_than_the_image_is_an_error(cut, size):
    with pytest.raises(ValueError, match=r"size_px .* exceeds the image \(=7 x 9\)"):
        cut(IMAGE, size)


def test_center_crop_needs_an_image():
    with pytest.raises(ValueError, match=r"shape \(7, 9\)"):
        center_crop(IMAGE[..., 0], 4)
