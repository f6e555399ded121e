"""BatchNorm equals Flax's, in values, statistics and gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import layers
from jaxcnn.ops.batch_norm import batch_norm, normalize
from jaxcnn.ops.lowering import stock_ops

ACTIVATIONS = ("linear", "relu", "relu6", "silu", "hard_swish")


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def by_definition(x, scale, bias, epsilon, activation):
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    wide = [c.reshape((1,) * (x.ndim - 1) + (-1,)) for c in (mean, variance, scale, bias)]
    normal = (x - wide[0]) / jnp.sqrt(wide[1] + epsilon)
    return activation(wide[2] * normal + wide[3]), mean, variance


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(4, 5, 3, 6), (7, 2), (2, 3, 4, 5, 1)], ids=str)
def test_values_and_gradients_equal_the_definition(shape, name):
    activation = layers.ACTIVATIONS[name]
    x, scale, bias = draw(*shape) * 3 + 1, draw(shape[-1], seed=1), draw(shape[-1], seed=2) + 1

    def ours(x, scale, bias):
        return batch_norm(x, scale, bias, epsilon=1e-3, activation=activation)

    def expected(x, scale, bias):
        return by_definition(x, scale, bias, 1e-3, activation)

    weights = draw(*shape, seed=3), draw(shape[-1], seed=4), draw(shape[-1], seed=5)
    for function in (lambda f: f, jax.jit):
        found, back = jax.vjp(function(ours), x, scale, bias)
        wanted, back_wanted = jax.vjp(expected, x, scale, bias)
        for one, other in zip(found + back(weights), wanted + back_wanted(weights), strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_flat_channels_have_no_variance_below_zero():
    """The mean of squares less the square of the mean falls below zero by rounding."""
    levels = jnp.asarray(np.random.default_rng(0).uniform(50, 5000, 64), jnp.float32)
    x, ones = jnp.broadcast_to(levels, (7, 5, 3, 64)), jnp.ones(64)
    found, _, variance = batch_norm(x, ones, ones, epsilon=1e-5)
    assert (variance >= 0).all()
    assert np.isfinite(found).all()
    gradient = jax.grad(lambda x: batch_norm(x, ones, ones, epsilon=1e-5)[0].sum())(x)
    assert np.isfinite(gradient).all()


def test_vmap_equals_a_loop():
    x, scale, bias = draw(3, 4, 5, 5, 2), draw(3, 2, seed=1), draw(3, 2, seed=2)

    def gradient(x, scale, bias):
        def loss(x):
            return (batch_norm(x, scale, bias, epsilon=1e-5)[0] ** 3).sum()

        return jax.grad(loss)(x)

    each = [gradient(*row) for row in zip(x, scale, bias, strict=True)]
    np.testing.assert_allclose(
        jax.vmap(gradient)(x, scale, bias), jnp.stack(each), rtol=1e-4, atol=1e-4
    )


def test_half_precision_is_normalised_in_float32():
    x = (draw(64, 8, 8, 2) + 20).astype(jnp.bfloat16)
    result, mean, variance = batch_norm(x, jnp.ones(2), jnp.zeros(2), epsilon=1e-5)
    assert (result.dtype, mean.dtype, variance.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)
    wide = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, wide.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, wide.var((0, 1, 2)), rtol=1e-2)


def loss_in(dtype):
    """A loss of all three results, from images of a dtype, and its arguments."""

    def loss(x, scale, bias, weights):
        outputs = batch_norm(x.astype(dtype), scale, bias, epsilon=1e-3, activation=nn.relu)
        wide = (a.astype(jnp.float32) * w for a, w in zip(outputs, weights, strict=True))
        return sum(a.sum() for a in wide)

    return loss


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (7, 7, 2), (11, 3), (2, 4, 4, 4, 1)], ids=str)
def test_bfloat16_has_the_gradients_of_float32(shape):
    x = (draw(*shape) * 3 + 1).astype(jnp.bfloat16)
    scale, bias = draw(shape[-1], seed=1), draw(shape[-1], seed=2) + 1
    of_result = draw(*shape, seed=3).astype(jnp.bfloat16).astype(jnp.float32)
    weights = of_result, draw(shape[-1], seed=4), draw(shape[-1], seed=5)
    found, expected = (
        jax.jit(jax.grad(loss_in(dtype), (0, 1, 2)))(x, scale, bias, weights)
        for dtype in (jnp.bfloat16, jnp.float32)
    )
    assert [a.dtype for a in found] == [jnp.bfloat16, jnp.float32, jnp.float32]
    np.testing.assert_allclose(
        found[0].astype(jnp.float32), expected[0].astype(jnp.float32), rtol=0.02, atol=0.02
    )
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)  # added up in float32


def test_bfloat16_over_a_mapped_axis_equals_a_loop():
    x, scale, bias = draw(3, 4, 5, 5, 2), draw(3, 2, seed=1), draw(3, 2, seed=2)
    weights = draw(4, 5, 5, 2, seed=3), jnp.ones(2), jnp.ones(2)
    gradient = jax.grad(lambda *a: loss_in(jnp.bfloat16)(*a, weights), (0, 1, 2))
    each = [gradient(*row) for row in zip(x, scale, bias, strict=True)]
    for one, loop in zip(jax.vmap(gradient)(x, scale, bias), zip(*each, strict=True), strict=True):
        np.testing.assert_allclose(one, jnp.stack(loop), rtol=1e-2, atol=1e-2)


def gradient_of_bfloat16():
    shapes = [jax.ShapeDtypeStruct(s, d) for s, d in (((16, 32, 32, 8), jnp.bfloat16), ((8,), "f"))]

    def loss(x, scale):
        result = batch_norm(x, scale, scale, epsilon=1e-3, activation=nn.relu)[0]
        return jnp.vdot(result, x).astype(jnp.float32)

    return jax.jit(jax.grad(loss)).trace(*shapes)


def test_no_float32_copy_of_bfloat16_images_reaches_memory():
    compiled = gradient_of_bfloat16().lower(lowering_platforms=("cpu",)).compile()
    entry = compiled.as_text().split("ENTRY")[1]
    assert "bf16[16,32,32,8]" in entry
    assert "f32[16,32,32,8]" not in entry


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_other_platforms_sum_bfloat16_as_xla_does(platform):
    text = gradient_of_bfloat16().lower(lowering_platforms=(platform,)).as_text()
    assert "bitcast_convert" not in text
    assert "bitcast_convert" in gradient_of_bfloat16().lower(lowering_platforms=("cpu",)).as_text()


@pytest.mark.parametrize(("scale", "bias"), [((3,), (2,)), ((2,), (1, 2)), ((1,), (1,))], ids=str)
def test_channels_must_fit(scale, bias):
    for function in (
        lambda *a: batch_norm(*a, epsilon=1e-5),
        lambda *a: normalize(*a, jnp.zeros(2), jnp.ones(2), epsilon=1e-5),
    ):
        with pytest.raises(ValueError, match=r"scale and bias must be \(C,\)"):
            function(jnp.ones((4, 4, 2)), jnp.ones(scale), jnp.ones(bias))


class Both(nn.Module):
    """The layer as networks use it."""

    constants: layers.BatchNorm = layers.BatchNorm(0.8, 1e-3)

    @nn.compact
    def __call__(self, x, *, train):
        return layers.batch_norm(
            x, train=train, name="bn", constants=self.constants, activation="relu6"
        )


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_layer_equals_flaxs_and_has_its_variables(train, frozen):
    module = Both(layers.BatchNorm(0.8, 1e-3, frozen=frozen))
    x = draw(4, 5, 3, 6) * 2 + 1
    variables = jax.tree.map(
        lambda v: v + 0.5 * jnp.abs(draw(*v.shape)), module.init(jax.random.key(0), x, train=False)
    )
    found = module.apply(variables, x, train=train, mutable=["batch_stats"])
    with stock_ops():
        expected = module.apply(variables, x, train=train, mutable=["batch_stats"])
        assert jax.tree.structure(variables) == jax.tree.structure(
            module.init(jax.random.key(0), x, train=False)
        )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        *map(dict, (found[1], expected[1])),
    )
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-5)
