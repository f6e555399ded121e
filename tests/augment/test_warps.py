"""Perspective against Pillow, elastic against torchvision."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcnn import augment

FOUND = json.loads(Path(__file__).with_name("references").joinpath("torchvision.json").read_text())
SIZE = (HEIGHT, WIDTH) = (24, 30)
v, u = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), indexing="ij")
SMOOTH = np.stack([u * 8, v * 8, 100 + 4 * (u - v)], -1).astype(np.uint8)
CORNERS = np.array([[3, 2], [28, 5], [25, 21], [1, 24]], np.float32)


def pillow_coefficients():
    """Solve for Pillow's eight numbers, from output to input, as torchvision does."""
    ends = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], float)
    rows, sides = [], []
    for (x, y), (to_x, to_y) in zip(CORNERS, ends, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -to_x * x, -to_x * y], [0, 0, 0, x, y, 1, -to_y * x, -to_y * y]]
        sides += [to_x, to_y]
    return np.linalg.solve(np.array(rows, float), sides)


def test_perspective_equals_pillow():
    transform = (SIZE[::-1], Image.Transform.PERSPECTIVE, pillow_coefficients())
    expected = Image.fromarray(SMOOTH).transform(*transform, Image.Resampling.BILINEAR)
    inside = Image.new("L", SIZE[::-1], 255).transform(*transform, Image.Resampling.BILINEAR)
    image = jnp.asarray(SMOOTH, jnp.float32) / 255
    result = augment.perspective_warp(image, jnp.asarray(CORNERS), edge="constant", fill=0.5) * 255
    shown = np.asarray(inside) == 255
    assert 0.5 < shown.mean() < 0.95
    np.testing.assert_allclose(result[shown], np.asarray(expected, np.float32)[shown], atol=1.1)
    np.testing.assert_allclose(result[0, 0], 127.5)


def test_random_perspective_moves_corners_inwards_as_far_as_it_says():
    x, y = np.meshgrid(np.arange(20) + 0.5, np.arange(20) + 0.5)
    ramp = np.stack([x, y], -1).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 300)
    options = {"max_distortion": 0.5, "probability": 0.5}
    moved = np.asarray(
        jax.jit(jax.vmap(lambda key: augment.random_perspective(key, ramp, **options)))(keys)
    )
    same = np.abs(moved - ramp).max((1, 2, 3)) < 1e-4
    assert 0.4 < same.mean() < 0.6
    assert np.isfinite(moved).all()
    # A box that is nowhere cut into shows that the image shrinks, never grows.
    middle = moved[:, 10, 12, 0] - moved[:, 10, 8, 0]
    assert middle.min() > 3.99


def test_the_strongest_perspective_is_finite():
    image = jnp.asarray(np.random.default_rng(0).random((12, 17, 3), np.float32))
    keys = jax.random.split(jax.random.key(0), 200)
    options = {"max_distortion": 1.0, "probability": 1.0}
    images = jax.jit(jax.vmap(lambda key: augment.random_perspective(key, image, **options)))(keys)
    assert np.isfinite(images).all()
    assert images.min() >= 0
    assert images.max() <= 1


def test_elastic_equals_torchvision():
    image, shift = (np.array(FOUND[name], np.float32) for name in ("image", "shift"))
    result = np.asarray(augment.elastic_warp(image, jnp.asarray(shift), edge="constant", fill=0.5))
    height, width = image.shape[:2]
    x, y = np.arange(width) + shift[..., 0], np.arange(height)[:, None] + shift[..., 1]
    # Within half a pixel of the edge, torchvision blends with the fill and this does not.
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    assert 0.2 < inside.mean() < 0.8
    np.testing.assert_allclose(result[inside], np.array(FOUND["elastic"])[inside], atol=2e-5)


def test_elastic_shifts_are_as_large_as_told_and_smooth():
    x, y = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    ramp = np.stack([x, y], -1).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 20)
    draw = jax.jit(
        jax.vmap(lambda key: augment.random_elastic(key, ramp, alpha_px=25.0, sigma_px=5.0))
    )
    shifts = (np.asarray(draw(keys)) - ramp)[:, 20:44, 20:44]
    # Of blurred noise: the deviation of uniform noise over 2 sqrt(pi) sigma.
    expected = 25 / np.sqrt(3) / (2 * np.sqrt(np.pi) * 5)
    assert shifts.std() == pytest.approx(expected, rel=0.15)
    assert np.diff(shifts, axis=2).std() < 0.25 * shifts.std()
    assert abs(np.corrcoef(shifts[..., 0].ravel(), shifts[..., 1].ravel())[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("function", "shape", "message"),
    [
        ("perspective_warp", (4, 3), r"corners has shape \(4, 3\); expected \(4, 2\)"),
        ("elastic_warp", (24, 30, 3), r"shift has shape .* expected \(24, 30, 2\)"),
    ],
)
def test_mistakes_are_named(function, shape, message):
    with pytest.raises(ValueError, match=message):
        getattr(augment, function)(jnp.zeros((*SIZE, 3)), jnp.zeros(shape))


def test_sigma_must_be_positive():
    with pytest.raises(ValueError, match=r"sigma_px \(=\(0.0, 0.0\)\)"):
        augment.random_elastic(jax.random.key(0), jnp.zeros((8, 8, 3)), sigma_px=0.0)
