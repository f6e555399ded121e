"""Colour arithmetic against Pillow where the definitions agree, else against colorsys and numpy."""

import colorsys

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageEnhance

from jaxcnn.augment import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
)

BYTES = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
# Greys and pure colours, where hue or saturation has no value or sits on a corner.
BYTES[0] = [
    (0, 0, 0),
    (255, 255, 255),
    (90, 90, 90),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (9, 9, 0),
]
IMAGE = BYTES.astype(np.float32) / 255


def as_bytes(image):
    return np.clip(np.asarray(image) * 255, 0, 255)


def through_hsv(change):
    pixels = [
        colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*rgb))) for rgb in IMAGE.reshape(-1, 3)
    ]
    return np.array(pixels, np.float32).reshape(IMAGE.shape)


@pytest.mark.parametrize("delta", [-0.3, 0.0, 0.2])
def test_brightness_equals_pillow_adding_a_constant(delta):
    constant = Image.new("RGB", (7, 6), (round(abs(delta) * 255),) * 3)
    add = ImageChops.add if delta >= 0 else ImageChops.subtract
    expected = np.asarray(add(Image.fromarray(BYTES), constant)).astype(np.float32)
    result = as_bytes(adjust_brightness(IMAGE, delta))
    np.testing.assert_allclose(result, expected, atol=0.51)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.7])
def test_contrast_of_grey_equals_pillow(factor):
    # On one channel, Pillow's mean of the luma is our mean of the channel, but for its rounding.
    expected = ImageEnhance.Contrast(Image.fromarray(BYTES[..., 0])).enhance(factor)
    result = as_bytes(adjust_contrast(IMAGE[..., :1], factor))[..., 0]
    np.testing.assert_allclose(result, np.asarray(expected).astype(np.float32), atol=1.5)


def test_contrast_keeps_each_channels_mean():
    result = np.asarray(adjust_contrast(IMAGE, 1.5))
    np.testing.assert_allclose(result.mean((0, 1)), IMAGE.mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(result.std((0, 1)), 1.5 * IMAGE.std((0, 1)), rtol=1e-5)


def test_gamma_is_a_power_of_the_clipped_image():
    image = jnp.array([[[-0.5], [0.25], [1.5]]])
    result = adjust_gamma(image, 0.5)
    np.testing.assert_allclose(np.ravel(result), [0.0, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.5])
def test_saturation_equals_colorsys(factor):
    expected = through_hsv(lambda h, s, v: (h, min(s * factor, 1), v))
    np.testing.assert_allclose(adjust_saturation(IMAGE, factor), expected, atol=1e-5)


@pytest.mark.parametrize("delta", [-0.4, -0.1, 0.0, 1 / 3, 0.5])
def test_hue_equals_colorsys(delta):
    expected = through_hsv(lambda h, s, v: ((h + delta) % 1, s, v))
    np.testing.assert_allclose(adjust_hue(IMAGE, delta), expected, atol=1e-5)
