"""Blends against Pillow's ImageEnhance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from jaxcnn import augment

BYTES = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
NAMES = ("color", "contrast", "brightness", "sharpness")


def enhance(name):
    return getattr(augment, f"enhance_{name}")


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("factor", [0.0, 0.1, 0.6, 1.0, 1.9])
@pytest.mark.parametrize("name", NAMES)
def test_equals_pillow(name, factor, mode):
    pixels = BYTES if mode == "RGB" else BYTES[..., 0]
    expected = getattr(ImageEnhance, name.title())(Image.fromarray(pixels)).enhance(factor)
    image = jnp.asarray(pixels, jnp.float32).reshape(9, 11, -1) / 255
    result = np.asarray(enhance(name)(image, factor)) * 255
    # Pillow rounds the plain image to bytes (half a level, times 1 - factor), and cuts the blend.
    expected = np.asarray(expected, np.float32).reshape(result.shape)
    np.testing.assert_allclose(result, expected, atol=1.01 + 0.51 * abs(1 - factor))


def test_grayscale_equals_pillow():
    expected = np.asarray(Image.fromarray(BYTES).convert("L"), np.float32)[..., None]
    result = augment.to_grayscale(jnp.asarray(BYTES, jnp.float32) / 255) * 255
    assert result.shape == BYTES.shape
    np.testing.assert_allclose(result, np.broadcast_to(expected, BYTES.shape), atol=0.51)


@pytest.mark.parametrize("name", NAMES)
def test_factor_one_changes_nothing(name):
    image = jnp.asarray(BYTES, jnp.float32) / 255
    np.testing.assert_allclose(enhance(name)(image, 1.0), image, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_compiled_over_a_batch_equals_the_plain_loop(name):
    images = jnp.stack([jnp.asarray(BYTES, jnp.float32) / 255] * 3)
    factors = jnp.array([0.1, 1.0, 1.9])
    batch = jax.jit(jax.vmap(enhance(name)))(images, factors)
    loop = [enhance(name)(image, factor) for image, factor in zip(images, factors, strict=True)]
    np.testing.assert_allclose(batch, loop, atol=1e-6)
    half = jax.eval_shape(enhance(name), images[0].astype(jnp.bfloat16), factors[0])
    assert half.dtype == jnp.bfloat16


def test_an_image_too_small_to_be_smoothed_stays():
    image = jnp.ones((2, 5, 3))
    np.testing.assert_array_equal(augment.enhance_sharpness(image, 0.0), image)


@pytest.mark.parametrize("name", ["color", "contrast"])
def test_other_channels_are_refused(name):
    with pytest.raises(ValueError, match="4 channels"):
        enhance(name)(jnp.zeros((4, 4, 4)), 0.5)
