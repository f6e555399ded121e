"""RandAugment draws its operations evenly, and each does what Pillow's does."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from jaxcnn.augment import affine_matrix, affine_warp
from jaxcnn.augment.randaugment import (
    RAND_AUGMENT_OPERATIONS,
    change_colors,
    draw_operations,
    operations_matrix,
    rand_augment,
)

SIZE = (HEIGHT, WIDTH) = (24, 30)
BYTES = np.random.default_rng(0).integers(20, 236, (*SIZE, 3), np.uint8)
IMAGE = jnp.asarray(BYTES, jnp.float32) / 255
PHOTO = Image.fromarray(BYTES)
# A smooth picture, of which resampling by another rule shows little.
v, u = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), indexing="ij")
SMOOTH = np.stack([u * 8, v * 8, 100 + 4 * (u - v)], -1).astype(np.uint8)


@jax.jit
def apply_operations(image, operations, strengths):
    matrix = operations_matrix(operations, strengths, SIZE)
    warped = affine_warp(image, matrix, SIZE, edge="constant", fill=0.5)
    return change_colors(warped, operations, strengths)


def apply(names, strengths, image=IMAGE):
    operations = jnp.array([RAND_AUGMENT_OPERATIONS.index(name) for name in names])
    # Filled up to three with the identity, so that all share one program.
    missing = 3 - len(names)
    operations = jnp.pad(
        operations, (0, missing), constant_values=RAND_AUGMENT_OPERATIONS.index("identity")
    )
    strengths = jnp.pad(jnp.array(strengths, jnp.float32), (0, missing))
    return np.asarray(apply_operations(image, operations, strengths))


def test_the_fourteen_of_the_paper():
    expected = """identity autocontrast equalize rotate solarize color posterize contrast brightness
        sharpness shear_x shear_y translate_x translate_y"""
    assert sorted(RAND_AUGMENT_OPERATIONS) == sorted(expected.split())


def test_operations_and_signs_are_drawn_evenly_and_independently():
    keys = jax.random.split(jax.random.key(0), 7000)
    draw = jax.jit(jax.vmap(lambda key: draw_operations(key, magnitude=7.0)))
    operations, strengths = (np.asarray(x) for x in draw(keys))
    for place in range(2):
        counts = np.bincount(operations[:, place], minlength=14)
        assert len(counts) == 14
        assert 400 < counts.min() < counts.max() < 600  # 500 +- 22
    pairs = np.zeros((14, 14))
    np.add.at(pairs, tuple(operations.T), 1)
    assert 10 < pairs.min() < pairs.max() < 65  # 36 +- 6
    assert {-0.7, 0.7} == set(np.round(strengths.ravel().astype(float), 6))
    assert abs((strengths > 0).mean() - 0.5) < 0.02
    assert abs(np.corrcoef(strengths.T)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("name", "strength", "expected"),
    [
        ("identity", 0.9, PHOTO),
        ("autocontrast", 0.9, ImageOps.autocontrast(PHOTO)),
        ("equalize", 0.9, ImageOps.equalize(PHOTO)),
        ("solarize", 0.5, ImageOps.solarize(PHOTO, 128)),
        ("solarize", -0.5, ImageOps.solarize(PHOTO, 128)),
        ("solarize", 1.0, ImageOps.invert(PHOTO)),
        ("posterize", 1.0, ImageOps.posterize(PHOTO, 4)),
        ("posterize", -0.5, ImageOps.posterize(PHOTO, 6)),
        ("color", 1.0, ImageEnhance.Color(PHOTO).enhance(1.9)),
        ("color", -1.0, ImageEnhance.Color(PHOTO).enhance(0.1)),
        ("contrast", -0.5, ImageEnhance.Contrast(PHOTO).enhance(0.55)),
        ("brightness", 0.5, ImageEnhance.Brightness(PHOTO).enhance(1.45)),
        ("sharpness", 1.0, ImageEnhance.Sharpness(PHOTO).enhance(1.9)),
    ],
)
def test_colours_equal_pillow(name, strength, expected):
    result = apply([name], [strength]) * 255
    np.testing.assert_allclose(result, np.asarray(expected, np.float32), atol=1.6)


@pytest.mark.parametrize(
    ("name", "strength", "coefficients"),
    [
        # Pillow's AFFINE takes output pixels to input pixels; ours keep the centre (15, 12).
        ("shear_x", 1.0, (1, 0.3, -0.3 * 12, 0, 1, 0)),
        ("shear_x", -0.5, (1, -0.15, 0.15 * 12, 0, 1, 0)),
        ("shear_y", 1.0, (1, 0, 0, 0.3, 1, -0.3 * 15)),
        ("translate_x", 1.0, (1, 0, 30 * 150 / 331, 0, 1, 0)),
        ("translate_y", -1.0, (1, 0, 0, 0, 1, -24 * 150 / 331)),
    ],
)
def test_geometry_equals_pillow(name, strength, coefficients):
    photo = Image.fromarray(SMOOTH)
    expected = photo.transform(
        (WIDTH, HEIGHT), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    inside = Image.new("L", (WIDTH, HEIGHT), 255).transform(
        (WIDTH, HEIGHT), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    result = apply([name], [strength], jnp.asarray(SMOOTH, jnp.float32) / 255) * 255
    shown = np.asarray(inside) == 255
    assert 0.4 < shown.mean() < 1
    np.testing.assert_allclose(result[shown], np.asarray(expected, np.float32)[shown], atol=1.1)
    np.testing.assert_allclose(result[~shown], 127.5, atol=128)


def test_rotation_is_by_thirty_degrees_at_most():
    rotate = jnp.array([RAND_AUGMENT_OPERATIONS.index("rotate")])
    matrix = operations_matrix(rotate, jnp.array([1.0]), SIZE)
    expected = affine_matrix((0, 0, WIDTH, HEIGHT), SIZE, angle_radians=math.radians(30))
    np.testing.assert_allclose(matrix, expected, atol=1e-5)


def test_operations_follow_in_their_order():
    there = apply(["brightness", "solarize"], [-1.0, 0.5])
    back = apply(["solarize", "brightness"], [0.5, -1.0])
    np.testing.assert_allclose(there, IMAGE * 0.1, atol=1e-5)
    assert np.abs(there - back).max() > 0.01
    # Turned first and then shifted, the picture goes straight to the right.
    turn, right = (RAND_AUGMENT_OPERATIONS.index(n) for n in ("rotate", "translate_x"))
    matrix = operations_matrix(jnp.array([turn, right]), jnp.array([1.0, -1.0]), SIZE)
    centre = np.array([WIDTH / 2 + WIDTH * 150 / 331, HEIGHT / 2, 1])
    np.testing.assert_allclose(matrix @ centre, [WIDTH / 2, HEIGHT / 2], atol=1e-4)


def test_no_operation_leaves_the_image_bit_for_bit():
    np.testing.assert_array_equal(apply(["identity"], [0.9]), IMAGE)


def test_stays_in_range():
    keys = jax.random.split(jax.random.key(0), 32)
    draw = jax.jit(jax.vmap(lambda key: rand_augment(key, IMAGE, magnitude=10.0)))
    images = np.asarray(draw(keys))
    assert images.min() >= 0
    assert images.max() <= 1
    assert len(np.unique(images.reshape(32, -1), axis=0)) > 20


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"magnitude \(=11.0\) is outside \[0, 10\]"):
        draw_operations(jax.random.key(0), magnitude=11.0)
    with pytest.raises(ValueError, match="2 channels"):
        change_colors(IMAGE[..., :2], *draw_operations(jax.random.key(0), magnitude=9.0))
