"""Layers of ConvNeXt against their formulas, computed in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import random_images

from jaxcnn.models import layers


def draw(layer, images):
    draws = np.random.default_rng(3)
    shapes = jax.eval_shape(lambda: layer.init(jax.random.key(0), images))
    return jax.tree.map(lambda x: jnp.asarray(draws.normal(size=x.shape), x.dtype), shapes)


def run(layer, images):
    variables = draw(layer, images)
    return layer.apply(variables, images), jax.device_get(variables["params"])


def test_layer_norm_normalises_the_channels_of_each_pixel():
    images = random_images(2, 3, 4, 5) * 3 + 1
    found, params = run(layers.LayerNorm(epsilon=0.1), images)
    x = np.asarray(images)
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    np.testing.assert_allclose(found, normal * params["scale"] + params["bias"], atol=1e-5)


def test_response_norm_scales_channels_by_their_share_of_the_energy():
    images = random_images(2, 3, 4, 5)
    found, params = run(layers.GlobalResponseNorm(), images)
    x = np.asarray(images)
    norms = np.sqrt((x**2).sum(axis=(1, 2), keepdims=True))
    relative = norms / (norms.mean(axis=-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(
        found, x + params["scale"] * x * relative + params["bias"], rtol=1e-5, atol=1e-5
    )


def test_response_norm_starts_as_the_identity_and_passes_gradients_by_dead_channels():
    images = random_images(1, 2, 2, 3).at[..., 1].set(0.0)
    layer = layers.GlobalResponseNorm()
    variables = layer.init(jax.random.key(0), images)
    np.testing.assert_array_equal(layer.apply(variables, images), images)
    drawn = draw(layer, images)
    gradient = jax.grad(lambda x: layer.apply(drawn, x).sum())(images)
    assert jnp.isfinite(gradient).all()


def test_layer_scale_multiplies_each_channel():
    images = random_images(2, 3, 4, 5)
    layer = layers.LayerScale(initial=0.25)
    np.testing.assert_array_equal(
        layer.apply(layer.init(jax.random.key(0), images), images), images * 0.25
    )
    found, params = run(layer, images)
    np.testing.assert_allclose(found, np.asarray(images) * params["factor"], rtol=1e-6)


@pytest.mark.parametrize(
    "layer", [layers.LayerNorm(), layers.GlobalResponseNorm(), layers.LayerScale()], ids=str
)
def test_half_precision_goes_in_and_comes_out(layer):
    images = random_images(2, 8, 8, 16, dtype=jnp.bfloat16)
    found, params = run(layer, images)
    assert found.dtype == jnp.bfloat16
    exact = layer.apply({"params": params}, images.astype(jnp.float32))
    np.testing.assert_allclose(found.astype("f"), exact, atol=0.02 * float(jnp.abs(exact).max()))


def test_gelu_is_exact_and_its_approximation_has_a_name():
    # By Gauss's distribution function at 1, 0.8413447; the approximation differs from the fourth.
    assert float(layers.ACTIVATIONS["gelu"](jnp.float32(1))) == pytest.approx(0.8413447, abs=1e-6)
    assert float(layers.ACTIVATIONS["gelu_tanh"](jnp.float32(1))) == pytest.approx(
        0.8411920, abs=1e-6
    )
