"""The faster convolution equals `lax`'s, in values and gradients, and steps aside where it must."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.ops import convolution
from jaxcnn.ops.convolution import conv_general_dilated

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def reference(images, kernel, padding, **options):
    return lax.conv_general_dilated(
        images,
        kernel,
        options.pop("strides", (1, 1)),
        padding,
        dimension_numbers=DIMENSIONS,
        **options,
    )


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def assert_close(a, b):
    scale = float(jnp.abs(b).max())
    np.testing.assert_allclose(a, b, atol=1e-5 * scale, rtol=1e-4)


@pytest.fixture(autouse=True)
def small_images_count(monkeypatch):
    """Use the patches on images small enough for a test."""
    monkeypatch.setattr(convolution, "_MIN_POSITIONS", 1)


CASES = [
    # images, kernel, padding
    ((2, 8, 8, 3), (3, 3, 3, 5), "SAME"),
    ((2, 8, 8, 6), (3, 3, 6, 5), "SAME"),
    ((1, 7, 9, 6), (3, 3, 6, 4), "VALID"),
    ((3, 6, 5, 1), (5, 5, 1, 2), "SAME"),
    ((2, 5, 5, 4), (2, 3, 4, 3), "SAME"),
    ((2, 5, 5, 5), (4, 1, 5, 3), ((2, 1), (0, 3))),
    ((1, 3, 3, 8), (3, 3, 8, 2), "VALID"),
]


@pytest.mark.parametrize(("images", "kernel", "padding"), CASES, ids=str)
def test_values_and_gradients_equal_lax(images, kernel, padding):
    x, w = draw(*images), draw(*kernel, seed=1)
    y = conv_general_dilated(x, w, (1, 1), padding)
    assert_close(y, reference(x, w, padding))
    weight = draw(*y.shape, seed=2)
    ours = jax.grad(
        lambda x, w: (conv_general_dilated(x, w, (1, 1), padding) * weight).sum(), (0, 1)
    )
    theirs = jax.grad(lambda x, w: (reference(x, w, padding) * weight).sum(), (0, 1))
    for a, b in zip(ours(x, w), theirs(x, w), strict=True):
        assert_close(a, b)
    for a, b in zip(jax.jit(ours)(x, w), theirs(x, w), strict=True):
        assert_close(a, b)


STRIDED = [
    # images, kernel, strides, padding, groups
    ((2, 8, 8, 6), (3, 3, 1, 6), (1, 1), "SAME", 6),
    ((2, 8, 7, 6), (3, 3, 1, 6), (2, 2), "SAME", 6),
    ((2, 8, 7, 6), (3, 3, 1, 6), (2, 2), ((1, 1), (1, 1)), 6),
    ((1, 9, 9, 4), (5, 5, 1, 4), (2, 1), "VALID", 4),
    ((1, 10, 6, 4), (3, 3, 1, 4), (3, 2), "VALID", 4),  # pixels that no window sees
    ((1, 5, 5, 4), (3, 3, 1, 4), (1, 1), ((3, 2), (0, 4)), 4),  # windows of padding alone
    ((2, 6, 5, 3), (1, 1, 3, 7), (1, 1), "VALID", 1),
    ((2, 6, 5, 3), (1, 1, 3, 7), (2, 2), "SAME", 1),
    ((2, 6, 6, 4), (3, 3, 2, 8), (2, 2), "SAME", 2),
    ((2, 6, 6, 4), (3, 3, 1, 8), (1, 1), "SAME", 4),  # two kernels a channel
]


@pytest.mark.parametrize(("images", "kernel", "strides", "padding", "groups"), STRIDED, ids=str)
def test_strides_and_groups_equal_lax(images, kernel, strides, padding, groups):
    x, w = draw(*images), draw(*kernel, seed=1)
    options = {"feature_group_count": groups}
    y = conv_general_dilated(x, w, strides, padding, **options)
    assert_close(y, reference(x, w, padding, strides=strides, **options))
    weight = draw(*y.shape, seed=2)
    ours = jax.grad(
        lambda x, w: (conv_general_dilated(x, w, strides, padding, **options) * weight).sum(),
        (0, 1),
    )
    theirs = jax.grad(
        lambda x, w: (reference(x, w, padding, strides=strides, **options) * weight).sum(), (0, 1)
    )
    for a, b in zip(jax.jit(ours)(x, w), theirs(x, w), strict=True):
        assert_close(a, b)


def test_vmapped_depthwise_equals_a_loop():
    x, w = draw(2, 6, 6, 3), draw(4, 3, 3, 1, 3, seed=1)

    def gradient(w):
        def total(w):
            return (conv_general_dilated(x, w, (2, 2), "SAME", feature_group_count=3) ** 2).sum()

        return jax.grad(total)(w)

    assert_close(jax.vmap(gradient)(w), jnp.stack([gradient(each) for each in w]))


def test_vmapped_kernels_and_gradients_equal_a_loop():
    x, w = draw(2, 6, 6, 3), draw(4, 3, 3, 3, 5, seed=1)

    def gradient(w):
        return jax.grad(lambda w: (conv_general_dilated(x, w, (1, 1), "SAME") ** 2).sum())(w)

    assert_close(jax.vmap(gradient)(w), jnp.stack([gradient(each) for each in w]))


def test_remat_and_scan():
    x, w = draw(2, 6, 6, 4), draw(3, 3, 4, 4, seed=1)

    def loss(w):
        def body(x, _):
            return jnp.tanh(
                jax.checkpoint(conv_general_dilated, static_argnums=(2, 3))(x, w, (1, 1), "SAME")
            ), None

        return lax.scan(body, x, length=2)[0].sum()

    def unrolled(w):
        return jnp.tanh(reference(jnp.tanh(reference(x, w, "SAME")), w, "SAME")).sum()

    assert_close(jax.grad(loss)(w), jax.grad(unrolled)(w))


@pytest.mark.parametrize(
    "options",
    [
        {"strides": (2, 2)},
        {"rhs_dilation": (2, 2)},
        {"lhs_dilation": (2, 2)},
        {"feature_group_count": 2},
    ],
    ids=str,
)
def test_all_else_is_laxs_own(options):
    x, w = draw(2, 8, 8, 4), draw(3, 3, 4 // options.get("feature_group_count", 1), 6, seed=1)
    strides = options.get("strides", (1, 1))
    rest = {k: v for k, v in options.items() if k != "strides"}
    padding = ((1, 1), (1, 1))
    found = conv_general_dilated(x, w, strides, padding, **rest)
    np.testing.assert_array_equal(found, reference(x, w, padding, **options))


def lowered(platform, *, images=(2, 8, 8, 6), dtype=jnp.float32):
    def loss(x, w):
        return conv_general_dilated(x, w, (1, 1), "SAME").sum()

    shapes = jax.ShapeDtypeStruct(images, dtype), jax.ShapeDtypeStruct((3, 3, images[3], 5), dtype)
    gradient = jax.jit(jax.grad(loss, argnums=1))
    return gradient.trace(*shapes).lower(lowering_platforms=(platform,)).as_text()


def test_patches_are_for_the_cpu_alone():
    assert "dot_general" in lowered("cpu")
    for platform in ("cuda", "tpu"):
        assert "dot_general" not in lowered(platform)
    assert "dot_general" not in lowered("cpu", dtype=jnp.bfloat16)


def test_small_work_and_large_patches_stay_with_lax(monkeypatch):
    monkeypatch.setattr(convolution, "_MAX_PATCH_BYTES", 1000)
    assert "dot_general" not in lowered("cpu")
    monkeypatch.undo()
    assert "dot_general" not in lowered("cpu")
