import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops.pooling import adaptive_avg_pool, avg_pool, max_pool

# (height, width), window, strides, padding: tiles first, then what falls back to XLA.
GEOMETRIES = {
    "tiles": ((6, 8), (2, 2), (2, 2), "VALID"),
    "odd": ((7, 5), (2, 2), (2, 2), "VALID"),
    "window_3": ((9, 10), (3, 3), (3, 3), "VALID"),
    "oblong": ((6, 10), (2, 3), (2, 3), "VALID"),
    "tiles_same": ((6, 8), (2, 2), (2, 2), "SAME"),
    "odd_same": ((7, 5), (2, 2), (2, 2), "SAME"),
    "padded": ((6, 7), (3, 3), (3, 3), ((1, 1), (2, 0))),
    "single": ((4, 4), (1, 1), (1, 1), "VALID"),
    "whole": ((4, 4), (4, 4), (4, 4), "VALID"),
    "large": ((10, 12), (5, 6), (5, 6), "VALID"),
    "overlapping": ((7, 8), (3, 3), (2, 2), "VALID"),
    "overlapping_same": ((7, 8), (3, 3), (2, 2), "SAME"),
    "overlapping_padded": ((7, 8), (3, 3), (2, 2), ((1, 1), (1, 1))),
    "gaps": ((7, 8), (2, 2), (3, 3), "VALID"),
}


def random_array(shape, dtype=jnp.float32, seed=0):
    """Draw with numpy: jax.random compiles again, for a second or more, for each shape."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def random_images(size, dtype=jnp.float32):
    return random_array((2, *size, 3), dtype)


def with_ties(images):
    """Few distinct values, half of them zero, as after a ReLU of coarse numbers."""
    return np.maximum(np.round(images), np.zeros_like(images))


def value_and_gradient(pool, images):
    value, pull = jax.vjp(pool, images)
    cotangent = random_array(value.shape, value.dtype, seed=1)
    return value, pull(cotangent)[0]


def options(geometry):
    _, window, strides, padding = geometry
    return {"window": window, "strides": strides, "padding": padding}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, jnp.float32) for name in GEOMETRIES]
    + [(name, jnp.bfloat16) for name in ("odd", "odd_same", "overlapping")],
)
def test_max_pool_and_its_gradient_equal_xla(name, dtype):
    size, window, strides, padding = GEOMETRIES[name]
    ours = functools.partial(max_pool, **options(GEOMETRIES[name]))

    def stock(x):
        return nn.max_pool(x, window, strides, padding)

    @jax.jit
    def both(images):
        return value_and_gradient(ours, images), value_and_gradient(stock, images)

    for images in (random_images(size, dtype), with_ties(random_images(size, dtype))):
        (value, gradient), (want_value, want_gradient) = both(images)
        assert value.dtype == gradient.dtype == dtype
        np.testing.assert_array_equal(value, want_value)
        if strides is not None and window != strides:  # sums, taken in another order
            tolerance = 4 * float(jnp.finfo(dtype).eps)
            wide = [np.asarray(a, np.float32) for a in (gradient, want_gradient)]
            np.testing.assert_allclose(*wide, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(gradient, want_gradient)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_avg_pool_and_its_gradient_equal_flax(name):
    size, window, strides, padding = GEOMETRIES[name]

    def stock(x, count_include_pad):  # Flax's own code breaks the strict promotion of these tests
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return nn.avg_pool(x, window, strides, padding, count_include_pad)

    @jax.jit
    def both(images):
        return [
            value_and_gradient(functools.partial(pool, count_include_pad=count), images)
            for count in (True, False)
            for pool in (functools.partial(avg_pool, **options(GEOMETRIES[name])), stock)
        ]

    with_padding, stock_with_padding, without_padding, stock_without_padding = both(
        random_images(size)
    )
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, with_padding, stock_with_padding)
    jax.tree.map(close, without_padding, stock_without_padding)


def test_avg_pool_sums_bfloat16_in_float32():
    # In bfloat16 256 + 1 is 256, so a narrow sum of 256, 1, 1, 1, 1, ... stays at 256.
    image = np.ones((4, 4, 1), jnp.bfloat16)
    image[0, 0, 0] = 256
    pooled = avg_pool(jnp.asarray(image), window=4)
    assert pooled.dtype == jnp.bfloat16
    assert pooled.item() == np.asarray(271 / 16, jnp.bfloat16).item()


@pytest.mark.parametrize("strides", [2, 1], ids=["tiles", "overlapping"])
def test_max_pool_passes_nan_and_infinity_on(strides):
    image = jnp.array([[jnp.nan, 1.0], [-jnp.inf, 0.0]])
    image = jnp.concatenate([image, jnp.full((2, 2), -jnp.inf)], axis=1)[..., None]
    value = max_pool(image, window=2, strides=strides)
    assert jnp.isnan(value[0, 0, 0])
    assert value[0, -1, 0] == -jnp.inf


def test_max_pool_gradient_of_a_nan_window_reaches_one_pixel():
    image = jnp.array([[jnp.nan, 1.0], [2.0, jnp.nan]])[..., None]
    gradient = jax.grad(lambda x: max_pool(x, window=2).sum())(image)
    assert sorted(gradient.ravel().tolist()) == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("pool", [max_pool, avg_pool])
@pytest.mark.parametrize("name", ["odd", "padded", "overlapping_same"])
def test_vmap_and_no_leading_axis_equal_a_batch(pool, name):
    images = random_images(GEOMETRIES[name][0])
    ours = jax.jit(functools.partial(pool, **options(GEOMETRIES[name])))
    want_value, want_gradient = value_and_gradient(ours, images)
    value, gradient = value_and_gradient(jax.vmap(ours), images)
    np.testing.assert_allclose(value, want_value, rtol=1e-6)
    np.testing.assert_allclose(gradient, want_gradient, rtol=1e-6)
    np.testing.assert_allclose(ours(images[0]), want_value[0], rtol=1e-6)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_max_pool_forward_mode_agrees_with_reverse_mode(padding):
    images = random_images((5, 7))
    tangent = random_array(images.shape, seed=2)
    pool = functools.partial(max_pool, window=2, padding=padding)
    value, value_dot = jax.jvp(pool, (images,), (tangent,))
    cotangent = random_array(value.shape, seed=3)
    pulled = jax.vjp(pool, images)[1](cotangent)[0]
    np.testing.assert_allclose((value_dot * cotangent).sum(), (tangent * pulled).sum(), rtol=1e-4)


@pytest.mark.parametrize(
    ("platform", "is_stock"), [("cpu", False), ("cuda", True), ("rocm", True), ("tpu", True)]
)
def test_only_the_cpu_avoids_select_and_scatter(platform, is_stock):
    gradient = jax.jit(jax.grad(lambda x: max_pool(x, window=2).sum()))
    lowered = gradient.trace(random_images((4, 4))).lower(lowering_platforms=(platform,))
    assert ("select_and_scatter" in lowered.as_text()) == is_stock


def test_int_window_is_square_and_strides_follow_it():
    images = random_images((7, 9))
    want = max_pool(images, window=(3, 3), strides=(3, 3), padding=((0, 0), (0, 0)))
    np.testing.assert_array_equal(max_pool(images, window=3), want)
    assert want.shape == (2, 2, 3, 3)


@pytest.mark.parametrize("pool", [max_pool, avg_pool])
@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((4, 4), {"window": 2}, r"float32\[4, 4\]; add the missing axes"),
        ((1, 4, 1), {"window": 2}, r"window \(=\(2, 2\)\) exceeds .* \(=\(1, 4\)\)"),
        ((4, 4, 1), {"window": 0}, r"window \(=0\) must be"),
        ((4, 4, 1), {"window": (2, 2, 2)}, r"window .* must be one or two"),
        ((4, 4, 1), {"window": 2, "strides": -1}, r"strides \(=-1\) must be"),
        ((4, 4, 1), {"window": 2, "padding": "same"}, r"padding \(='same'\) must be 'SAME'"),
        ((4, 4, 1), {"window": 2, "padding": ((1, 1),)}, r"padding .* must be \(\(top"),
        ((4, 4, 1), {"window": 2, "padding": ((2, 0), (0, 0))}, "less than the window"),
        ((4, 4, 1), {"window": 2, "padding": ((0, 0), (-1, 0))}, "at least 0"),
    ],
)
def test_errors_name_the_argument(pool, shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        pool(jnp.zeros(shape), **arguments)


@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_integers_are_refused(pool):
    with pytest.raises(ValueError, match="must be floating"):
        pool(jnp.zeros((4, 4, 1), jnp.uint8), window=2)


def means_of_bins(images, height, width):
    """torch.nn.AdaptiveAvgPool2d's definition, in plain loops."""
    H, W = images.shape[1:3]
    pooled = np.zeros((images.shape[0], height, width, images.shape[3]), np.float32)
    for i in range(height):
        for j in range(width):
            rows = slice(math.floor(i * H / height), math.ceil((i + 1) * H / height))
            columns = slice(math.floor(j * W / width), math.ceil((j + 1) * W / width))
            pooled[:, i, j] = images[:, rows, columns].mean(axis=(1, 2))
    return pooled


@pytest.mark.parametrize(
    ("image_size", "size"),
    [
        ((7, 7), (7, 7)),
        ((12, 14), (6, 7)),
        ((13, 9), (6, 6)),
        ((10, 15), (7, 7)),
        ((2, 3), (7, 5)),
        ((1, 1), (6, 6)),
        ((5, 8), (1, 1)),
    ],
)
def test_adaptive_avg_pool_and_its_gradient_follow_the_bins(image_size, size):
    images = random_images(image_size)
    value, gradient = value_and_gradient(lambda x: adaptive_avg_pool(x, size), images)
    want = means_of_bins(images, *size)
    np.testing.assert_allclose(value, want, rtol=1e-5, atol=1e-6)
    # Pooling is linear, so its gradient is what the loops give for each pixel alone.
    cotangent = random_array(value.shape, seed=1)
    pixels = np.eye(math.prod(image_size), dtype=np.float32).reshape(-1, *image_size, 1)
    weights = means_of_bins(pixels, *size)[..., 0].reshape(*image_size, *size)
    want_gradient = np.einsum("bijc,hwij->bhwc", cotangent, weights)
    np.testing.assert_allclose(gradient, want_gradient, rtol=1e-4, atol=1e-5)


def test_adaptive_avg_pool_equals_torch():
    # torch 2.13.0: AdaptiveAvgPool2d((3, 2))(torch.arange(20.).reshape(1, 1, 4, 5) ** 2)
    image = (jnp.arange(20.0) ** 2).reshape(4, 5, 1)
    want = [[115 / 6, 223 / 6], [475 / 6, 703 / 6], [1135 / 6, 1483 / 6]]
    np.testing.assert_allclose(adaptive_avg_pool(image, (3, 2))[..., 0], want, rtol=1e-6)


def test_adaptive_avg_pool_takes_one_int_and_any_leading_axes_and_half_precision():
    images = random_images((9, 10), jnp.bfloat16)
    pooled = adaptive_avg_pool(images, 4)
    assert (pooled.shape, pooled.dtype) == ((2, 4, 4, 3), jnp.bfloat16)
    wide = adaptive_avg_pool(images.astype(np.float32), 4).astype(jnp.bfloat16)
    np.testing.assert_array_equal(pooled, wide)
    np.testing.assert_array_equal(adaptive_avg_pool(images[1], 4), pooled[1])


@pytest.mark.parametrize(
    ("x", "size", "message"),
    [
        (np.zeros((4, 4), np.float32), 2, "add the missing axes"),
        (np.zeros((4, 4, 1), np.uint8), 2, "must be floating"),
        (np.zeros((4, 4, 1), np.float32), 0, r"size \(=0\) must be"),
        (np.zeros((4, 0, 1), np.float32), 2, r"got shape \(4, 0, 1\); use a larger image"),
    ],
)
def test_adaptive_avg_pool_refuses_what_it_cannot_pool(x, size, message):
    with pytest.raises(ValueError, match=message):
        adaptive_avg_pool(x, size)
