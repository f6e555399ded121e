"""Convolution, bias, addition and activation in one pass equal the operations in turn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from jaxcnn.ops.conv_layer import ACTIVATIONS, conv_layer, gelu
from jaxcnn.ops.convolution import conv2d
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.lowering import stock_ops

KERNELS = [(3, 3, 4, 6, 1), (1, 1, 4, 6, 1), (3, 3, 1, 4, 4)]  # the last is the number of groups


@pytest.fixture(params=["onednn", "jax"])
def engine(request, monkeypatch):
    if request.param == "onednn" and not onednn.is_available():
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    monkeypatch.setattr(onednn, "is_usable", lambda dtype=None: request.param == "onednn")
    return request.param


def draw(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape) * 2, dtype)


def operands(kernel, dtype=jnp.float32):
    *shape, groups = kernel
    x, w, b = draw(2, 9, 8, 4, dtype=dtype), draw(*shape, seed=1), draw(shape[-1], seed=2)
    return x, w, b, draw(2, 5, 4, shape[-1], seed=3, dtype=dtype), groups


def in_turn(x, w, b, addend, groups, activation):
    result = conv2d(x, w, strides=2, groups=groups) + b.reshape(1, 1, 1, -1)
    return ACTIVATIONS[activation](result if addend is None else result + addend)


def ours(x, w, b, addend, groups, activation):
    return conv_layer(x, w, b, 2, "SAME", groups=groups, addend=addend, activation=activation)


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_one_pass_equals_the_operations_in_turn(engine, kernel, activation, adds):
    del engine
    x, w, b, addend, groups = operands(kernel)
    options = (addend if adds else None, groups, activation)
    found, expected = ours(x, w, b, *options), in_turn(x, w, b, *options)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_bfloat16_keeps_its_dtype_and_is_near_float32(engine, kernel):
    if engine == "onednn" and not onednn.runs_bfloat16():
        pytest.skip("oneDNN has no bfloat16 on this processor")
    x, w, b, addend, groups = operands(kernel, jnp.bfloat16)
    found = ours(x, w, b, addend, groups, "silu")
    assert found.dtype == jnp.bfloat16
    expected = in_turn(x.astype("f"), w, b, addend.astype("f"), groups, "silu")
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(found.astype("f"), expected, atol=0.02 * scale)


def test_gradients_are_those_of_the_operations_in_turn(engine):
    del engine
    x, w, b, addend, groups = operands(KERNELS[0])

    def loss(function):
        def of(*arrays):
            return jnp.square(function(*arrays, groups, "relu6")).sum()

        return jax.jit(jax.grad(of, (0, 1, 2, 3)))(x, w, b, addend)

    for one, other in zip(loss(ours), loss(in_turn), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_vmap_over_kernels_equals_a_loop(engine):
    del engine
    x, w, b, addend, groups = operands(KERNELS[0])
    kernels = jnp.stack([w, 2 * w, -w])
    found = jax.vmap(lambda w: ours(x, w, b, addend, groups, "relu"))(kernels)
    loop = [ours(x, w, b, addend, groups, "relu") for w in kernels]
    np.testing.assert_allclose(found, jnp.stack(loop), rtol=1e-4, atol=1e-4)


def lowered(platform):
    x, w, b, addend, groups = operands(KERNELS[0])
    layer = jax.jit(lambda *arrays: ours(*arrays, groups, "relu6"))
    return layer.trace(x, w, b, addend).lower(lowering_platforms=(platform,)).as_text()


def test_the_cpu_gets_one_call_and_other_platforms_none(engine):
    text = lowered("cpu")
    if engine == "onednn":
        assert text.count("@__onednn$convolution(") == 1
        for operation in ("BIAS", "BINARY_ADD", "RELU6"):
            assert operation in text
        assert "stablehlo.add" not in text
    assert "onednn" not in lowered("cuda")
    assert lowered("cuda").count("stablehlo.convolution") == 1
    with stock_ops():
        assert "onednn" not in lowered("cpu")


def test_gelu_is_the_exact_form_in_every_precision():
    x = np.linspace(-9, 9, 1001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    want, slope = x * scipy.special.ndtr(x), scipy.special.ndtr(x) + x * density
    np.testing.assert_allclose(gelu(jnp.float32(x)), want, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(gelu))(jnp.float32(x)), slope, atol=1e-6)
    half = jnp.asarray(x, jnp.bfloat16)
    assert gelu(half).dtype == jnp.bfloat16
    exact = np.asarray(half, np.float64)
    exact = exact * scipy.special.ndtr(exact)
    np.testing.assert_allclose(np.asarray(gelu(half), np.float64), exact, rtol=2**-8, atol=1e-6)
