"""Autocontrast, equalize, solarize and posterize against Pillow's ImageOps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageOps

from jaxcnn import augment

autocontrast, equalize, posterize, solarize = map(
    jax.jit, (augment.autocontrast, augment.equalize, augment.posterize, augment.solarize)
)

DRAWS = np.random.default_rng(0)
SIZE = (24, 30)


def photo(*, low=0, high=256, skew=1.0):
    values = DRAWS.random((*SIZE, 3)) ** skew
    return np.floor(low + (high - low) * values).astype(np.uint8)


PHOTOS = {
    "even": photo(),
    "dark": photo(low=10, high=200, skew=3.0),
    "narrow": photo(low=100, high=110),
    "one value a channel": np.broadcast_to(np.uint8([7, 0, 255]), (*SIZE, 3)).copy(),
    "two values": np.where(DRAWS.random((*SIZE, 3)) < 0.3, 40, 90).astype(np.uint8),
    "few pixels, so no equal share": photo()[:2, :4],
}


def unit(photo):
    return jnp.asarray(photo, jnp.float32) / 255


def as_bytes(image):
    return np.round(np.asarray(image) * 255)


@pytest.mark.parametrize("name", PHOTOS)
def test_autocontrast_equals_pillow(name):
    expected = np.asarray(ImageOps.autocontrast(Image.fromarray(PHOTOS[name])), np.float32)
    # Pillow cuts off the fraction of a level.
    result = np.asarray(autocontrast(unit(PHOTOS[name]))) * 255
    assert (result - expected).min() > -1e-3
    assert (result - expected).max() < 1.001


@pytest.mark.parametrize("name", PHOTOS)
def test_equalize_equals_pillow_to_the_level(name):
    expected = np.asarray(ImageOps.equalize(Image.fromarray(PHOTOS[name])), np.float32)
    np.testing.assert_array_equal(as_bytes(equalize(unit(PHOTOS[name]))), expected)


@pytest.mark.parametrize("threshold", [0, 1, 100, 255, 256])
def test_solarize_equals_pillow(threshold):
    expected = np.asarray(ImageOps.solarize(Image.fromarray(PHOTOS["even"]), threshold), np.float32)
    result = solarize(unit(PHOTOS["even"]), threshold / 255)
    np.testing.assert_array_equal(as_bytes(result), expected)


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_equals_pillow(bits):
    expected = np.asarray(ImageOps.posterize(Image.fromarray(PHOTOS["even"]), bits), np.float32)
    np.testing.assert_array_equal(as_bytes(posterize(unit(PHOTOS["even"]), bits)), expected)


@pytest.mark.parametrize(
    "change",
    [autocontrast, equalize, lambda x: solarize(x, 0.5), lambda x: posterize(x, 3)],
    ids=["autocontrast", "equalize", "solarize", "posterize"],
)
def test_compiled_over_a_batch_equals_the_plain_loop(change):
    images = jnp.stack([unit(PHOTOS[name]) for name in ("even", "dark", "narrow")])
    batch = jax.jit(jax.vmap(change))(images)
    with jax.disable_jit():
        np.testing.assert_allclose(batch[0], change(images[0]), atol=1e-6)
    np.testing.assert_allclose(batch, [change(image) for image in images], atol=1e-6)
    bfloat16 = jax.eval_shape(change, images[0].astype(jnp.bfloat16))
    assert bfloat16.dtype == jnp.bfloat16
