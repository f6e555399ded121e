"""The resampling against Pillow, which defines the same map with the same pixel centres.

Pillow is given one float image per channel (mode F), so that no rounding to bytes blurs the
comparison; outside the image it paints zero, as edge="constant" does here.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcnn.augment import affine_matrix, affine_warp, flip

NOISE = np.random.default_rng(0).random((20, 24, 3), np.float32)
warp = jax.jit(affine_warp, static_argnames=("output_size_px", "edge"))


def change(image, *, box=None, edge="constant", **options):
    """Fill the image's frame with what a box of it, turned or slanted, encloses."""
    size = image.shape[:2]
    matrix = affine_matrix(box or (0, 0, size[1], size[0]), size, **options)
    return np.asarray(warp(image, matrix, size, edge=edge))


def per_channel(image, change):
    channels = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack([np.asarray(change(channel)) for channel in channels], -1)


MATRICES = {
    "identity": (1, 0, 0, 0, 1, 0),
    "shift": (1, 0, 2.25, 0, 1, -3.5),
    "zoom out": (1.7, 0, -3, 0, 1.3, -2),
    "zoom in": (0.4, 0, 5, 0, 0.6, 4),
    "turn": (0.9, -0.3, 4, 0.35, 0.8, -1),
    "flip and lean": (-1, 0.2, 22, 0, 1, 0),
}


@pytest.mark.parametrize("size", [(20, 24), (9, 31)])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_constant_edge_equals_pillow_to_the_last_pixel(matrix, size):
    expected = per_channel(
        NOISE,
        lambda channel: channel.transform(
            size[::-1], Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        ),
    )
    result = warp(NOISE, jnp.array(matrix, jnp.float32).reshape(2, 3), size, edge="constant")
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize("degrees", [-30, 10, 90, 200])
def test_rotate_equals_pillow(degrees):
    square = NOISE[:, :20]
    expected = per_channel(
        square, lambda channel: channel.rotate(degrees, Image.Resampling.BILINEAR)
    )
    result = change(square, angle_radians=np.radians(degrees))
    differs = np.abs(result - expected).max(-1) > 1e-3
    # Rounding decides for itself which points on the very border are inside.
    assert differs.mean() <= (0.1 if degrees % 90 == 0 else 0.0)
    assert not differs[1:-1, 1:-1].any()


@pytest.mark.parametrize("box", [(0, 0, 24, 20), (2.5, 1.25, 12, 9.5), (3, 4, 11, 12)])
def test_enlarging_equals_pillow(box):
    # Enlarging only: Pillow antialiases where it shrinks.
    expected = per_channel(
        NOISE, lambda channel: channel.resize((26, 22), Image.Resampling.BILINEAR, box=box)
    )
    result = np.asarray(warp(NOISE, affine_matrix(box, (22, 26)), (22, 26)))
    # Pillow does not look beyond the box, so its outermost pixels may differ.
    np.testing.assert_allclose(result[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-4)


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ("reflect", [2, 1, 1, 2, 3, 3, 2, 1, 1]),
        ("nearest", [1, 1, 1, 2, 3, 3, 3, 3, 3]),
        ("constant", [7, 7, 1, 2, 3, 7, 7, 7, 7]),
    ],
)
def test_edges(edge, expected):
    row = jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    two_left = jnp.array([[1.0, 0.0, -2.0], [0.0, 1.0, 0.0]])
    result = warp(row, two_left, (1, 9), edge=edge, fill=7.0)
    np.testing.assert_array_equal(result[0, :, 0], np.array(expected, np.float32))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5, 1), (5, 1, 2)])
def test_sides_of_one_pixel(shape):
    image = NOISE[: shape[0], : shape[1], : shape[2]]
    np.testing.assert_array_equal(change(image, edge="reflect"), image)


def test_flip_by_matrix_is_flip_and_twice_is_the_identity():
    np.testing.assert_array_equal(change(NOISE, edge="reflect", flip=True), flip(NOISE))
    np.testing.assert_array_equal(flip(flip(NOISE)), NOISE)


def test_directions():
    # A picture of a vertical post, and of one dot right of the middle.
    post = jnp.zeros((9, 9, 1)).at[:, 4].set(1.0)
    dot = jnp.zeros((9, 9, 1)).at[4, 7].set(1.0)
    leaning = change(post, shear_radians=0.5)[..., 0]
    assert leaning[0].argmax() > 4 > leaning[-1].argmax()
    turned = change(dot, angle_radians=np.pi / 2)[..., 0]
    assert np.unravel_index(turned.argmax(), turned.shape) == (1, 4)
    moved = change(dot, box=(1, -2, 10, 7))
    np.testing.assert_allclose(moved, jnp.zeros((9, 9, 1)).at[6, 6].set(1.0), atol=1e-5)


def test_stays_within_the_values_of_the_image():
    image = jnp.asarray(NOISE > 0.5, jnp.float32)
    result = change(image, angle_radians=0.4, edge="reflect")
    assert result.min() >= 0
    assert result.max() <= 1


def test_far_outside_and_large_turns_stay_finite():
    matrix = jnp.array([[1e4, 3e3, -1e6], [-2e3, 1e4, 1e6]])
    for edge in ("reflect", "nearest", "constant"):
        assert np.isfinite(warp(NOISE, matrix, 8, edge=edge)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"matrix": jnp.eye(3)}, r"matrix has shape \(3, 3\); expected \(2, 3\)"),
        ({"edge": "reflct"}, "unknown edge 'reflct'; known, nearest first: reflect"),
        ({"output_size_px": (4, 0)}, r"output_size_px \(=\(4, 0\)\) must be at least 1 px"),
    ],
)
def test_errors(arguments, message):
    valid = {"matrix": jnp.eye(3)[:2], "output_size_px": 4}
    with pytest.raises(ValueError, match=message):
        affine_warp(NOISE, **valid | arguments)
