"""Gaussian blur against torchvision."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import augment

FOUND = json.loads(Path(__file__).with_name("references").joinpath("torchvision.json").read_text())
IMAGE = jnp.array(FOUND["image"], jnp.float32)


def test_equals_torchvision():
    result = augment.gaussian_blur(IMAGE, 1.3, radius_px=2)
    np.testing.assert_allclose(result, FOUND["blur"], atol=1e-5)


def test_a_random_blur_lies_between_its_ends():
    dot = jnp.zeros((25, 25, 1)).at[12, 12].set(1.0)
    keys = jax.random.split(jax.random.key(0), 300)
    options = {"sigma_px": (0.5, 1.5), "radius_px": 8, "probability": 0.5}
    draw = jax.vmap(lambda key: augment.random_gaussian_blur(key, dot, **options)[12, 12, 0])
    peaks = np.asarray(jax.jit(draw)(keys))
    assert 0.4 < (peaks == 1).mean() < 0.6
    # The peak of a normal distribution in two dimensions is 1 / (2 pi sigma^2).
    sigma = 1 / np.sqrt(2 * np.pi * peaks[peaks < 1])
    assert 0.5 < sigma.min() < 0.6
    assert 1.45 < sigma.max() < 1.52


def test_a_small_image_takes_a_small_kernel():
    image = jnp.ones((2, 9, 3)) * 0.5
    result = augment.random_gaussian_blur(jax.random.key(0), image, probability=1.0)
    np.testing.assert_allclose(result, image, atol=1e-6)


@pytest.mark.parametrize("radius_px", [-1, 7])
def test_a_kernel_wider_than_the_image_is_refused(radius_px):
    message = rf"radius_px \(={radius_px}\) .* shorter side \(=7\)"
    with pytest.raises(ValueError, match=message):
        augment.gaussian_blur(IMAGE, 1.0, radius_px=radius_px)


def test_a_kernel_is_a_tenth_of_the_height():
    dot = jnp.zeros((40, 60, 1)).at[20, 30].set(1.0)
    options = {"probability": 1.0, "sigma_px": (50.0, 51.0)}  # so wide that no weight vanishes
    blurred = augment.random_gaussian_blur(jax.random.key(0), dot, **options)[..., 0]
    rows, columns = np.nonzero(np.asarray(blurred))
    assert (rows.min(), rows.max()) == (18, 22)
    assert (columns.min(), columns.max()) == (28, 32)
