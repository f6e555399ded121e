"""TrivialAugment draws evenly, from the ranges of the space "wide"."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import affine_matrix, trivial_augment
from jaxcnn.augment.randaugment import (
    IDENTITY,
    RAND_AUGMENT_OPERATIONS,
    change_colors,
    operations_matrix,
)
from jaxcnn.augment.trivialaugment import TRIVIAL_RANGES, draw_operation

SIZE = (HEIGHT, WIDTH) = (24, 30)
IMAGE = jnp.asarray(np.random.default_rng(0).random((*SIZE, 3), np.float32))
KEYS = jax.random.split(jax.random.key(0), 7000)


def draws(probability):
    draw = jax.jit(jax.vmap(lambda key: draw_operation(key, probability=probability)))
    operations, strengths = draw(KEYS)
    return np.asarray(operations)[:, 0], np.asarray(strengths)[:, 0]


def test_operations_strengths_and_signs_are_drawn_evenly():
    operations, strengths = draws(1.0)
    counts = np.bincount(operations, minlength=14)
    assert len(counts) == 14
    assert 400 < counts.min() < counts.max() < 600  # 500 +- 22
    levels = np.round(np.abs(strengths) * 30).astype(int)
    np.testing.assert_allclose(levels / 30, np.abs(strengths), atol=1e-6)
    counts = np.bincount(levels, minlength=31)
    assert len(counts) == 31
    assert 160 < counts.min() < counts.max() < 300  # 226 +- 15
    assert abs((strengths > 0).sum() / (strengths != 0).sum() - 0.5) < 0.02
    assert abs(np.corrcoef(operations, strengths)[0, 1]) < 0.05


def test_probability_is_that_of_an_operation():
    share = (draws(0.3)[0] == IDENTITY).mean()
    assert share == pytest.approx(0.7 + 0.3 / 14, abs=0.02)


def place(name):
    return jnp.array([RAND_AUGMENT_OPERATIONS.index(name)])


@pytest.mark.parametrize("level", [0, 7, 30])
def test_strengths_are_those_of_torchvision(level):
    """The tables are those of torchvision's `TrivialAugmentWide`, of 31 levels."""
    strength = jnp.array([level / 30])
    factor = 1 + 0.99 * level / 30
    bits = 8 - round(level / 5)
    brighter = change_colors(IMAGE * 0.5, place("brightness"), strength, ranges=TRIVIAL_RANGES)
    np.testing.assert_allclose(brighter, jnp.clip(IMAGE * 0.5 * factor, 0, 1), atol=1e-5)
    levels = change_colors(IMAGE, place("posterize"), strength, ranges=TRIVIAL_RANGES) * 255
    expected = np.round(np.asarray(IMAGE) * 255).astype(int) >> (8 - bits) << (8 - bits)
    np.testing.assert_allclose(levels, expected, atol=1e-3)
    turned = operations_matrix(place("rotate"), strength, SIZE, ranges=TRIVIAL_RANGES)
    box, angle = (0, 0, WIDTH, HEIGHT), math.radians(135 * level / 30)
    np.testing.assert_allclose(turned, affine_matrix(box, SIZE, angle_radians=angle), atol=1e-4)
    shifted = operations_matrix(place("translate_y"), strength, SIZE, ranges=TRIVIAL_RANGES)
    np.testing.assert_allclose(shifted[:, 2], [0, 32 * level / 30], atol=1e-4)
    leaned = operations_matrix(place("shear_x"), strength, SIZE, ranges=TRIVIAL_RANGES)
    np.testing.assert_allclose(leaned[0, 1], 0.99 * level / 30, atol=1e-5)


def test_stays_in_range():
    draw = jax.jit(jax.vmap(lambda key: trivial_augment(key, IMAGE)))
    images = np.asarray(draw(KEYS[:32]))
    assert images.min() >= 0
    assert images.max() <= 1
    assert len(np.unique(images.reshape(32, -1), axis=0)) > 20
