"""The product of a fully connected layer equals `lax`'s, in bfloat16 by oneDNN too."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.models.layers import Dense
from jaxcnn.ops.convolution import dot_general
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.lowering import stock_ops

LAYER = (((1,), (0,)), ((), ()))


@pytest.fixture
def by_onednn(monkeypatch):
    if not onednn.is_available():
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    monkeypatch.setattr(onednn, "is_usable", lambda dtype=None: True)


def draw(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def lowered(dtype, platform="cpu"):
    shapes = jax.ShapeDtypeStruct((4, 6), dtype), jax.ShapeDtypeStruct((6, 3), dtype)
    layer = jax.jit(lambda x, w: dot_general(x, w, LAYER))
    return layer.trace(*shapes).lower(lowering_platforms=(platform,)).as_text()


def test_bfloat16_goes_by_onednn_on_the_cpu_alone(by_onednn):
    del by_onednn
    assert "@__onednn$convolution" in lowered(jnp.bfloat16)
    for text in (lowered(jnp.float32), lowered(jnp.bfloat16, "cuda")):
        assert "onednn" not in text
        assert "stablehlo.dot_general" in text
    with stock_ops():
        assert "onednn" not in lowered(jnp.bfloat16)


def test_without_onednn_bfloat16_is_laxs_own(monkeypatch):
    monkeypatch.setattr(onednn, "is_usable", lambda dtype=None: False)
    x, w = draw(4, 6, dtype=jnp.bfloat16), draw(6, 3, seed=1, dtype=jnp.bfloat16)
    np.testing.assert_array_equal(dot_general(x, w, LAYER), lax.dot_general(x, w, LAYER))


@pytest.mark.parametrize("engine", ["onednn", "lax"])
def test_a_layers_values_and_gradients_are_float32s_to_bfloat16s_rounding(monkeypatch, engine):
    if engine == "onednn" and not onednn.runs_bfloat16():
        pytest.skip("oneDNN has no bfloat16 on this processor")
    if engine == "onednn" and not onednn.is_available():
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    monkeypatch.setattr(onednn, "is_usable", lambda dtype=None: engine == "onednn")
    x = draw(32, 40, dtype=jnp.bfloat16)
    params = {"kernel": draw(40, 12, seed=1), "bias": draw(12, seed=2)}

    def loss(layer, params, x):
        result = layer.apply({"params": params}, x)
        assert result.dtype == layer.dtype
        return jnp.square(result.astype(jnp.float32)).sum()

    found = jax.grad(loss, (1, 2))(Dense(12, dtype=jnp.bfloat16), params, x)
    expected = jax.grad(loss, (1, 2))(nn.Dense(12, dtype=jnp.float32), params, x)
    assert found[0]["kernel"].dtype == jnp.float32
    assert found[1].dtype == jnp.bfloat16
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        wide = one.astype(jnp.float32)
        scale = float(jnp.abs(other).max())
        np.testing.assert_allclose(wide, other.astype(jnp.float32), atol=0.02 * scale)


def test_what_is_no_layer_is_laxs():
    x, w = draw(2, 4, 6), draw(6, 3, seed=1)
    dimensions = (((2,), (0,)), ((), ()))
    np.testing.assert_array_equal(dot_general(x, w, dimensions), lax.dot_general(x, w, dimensions))
