"""Gradients of single examples: their mean is the batch's, and their spread tells the noise."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import losses
from jaxcnn.metrics.per_example_gradients import (
    GradientSums,
    make_gradient_summary,
    noise_scale,
)
from jaxcnn.models import FeatureClassifier, create_model

LOSS = losses.make_loss("softmax", num_classes=3)


@functools.cache
def summary_of(model):
    return jax.jit(make_gradient_summary(model, LOSS))


@functools.cache
def linear_case(count=5):
    model = FeatureClassifier(num_classes=3, dropout_rate=0.5)
    vectors = jax.random.normal(jax.random.key(0), (count, 4))
    variables = model.init(jax.random.key(1), vectors, train=False)
    return model, variables, vectors, jnp.arange(count) % 3


@functools.cache
def network_case(count=4):
    model = create_model("six_conv", 3, depth=1, width_multiplier=0.125, batch_norm=True)
    images = jax.random.normal(jax.random.key(0), (count, 8, 8, 3))
    variables = model.init(jax.random.key(1), images, train=False)
    averages = jax.tree.map(lambda x: x + 0.5, variables["batch_stats"])
    return model, {**variables, "batch_stats": averages}, images, jnp.arange(count) % 3


@functools.partial(jax.jit, static_argnums=0)
def batch_gradient(model, variables, inputs, label, mask):
    def objective(params):
        logits = model.apply({**variables, "params": params}, inputs, train=False)
        return losses.mean_loss(LOSS(logits, label), mask)

    return jax.grad(objective)(variables["params"])


@pytest.mark.parametrize("case", [linear_case, network_case], ids=lambda case: case.__name__)
@pytest.mark.parametrize("num_padded", [0, 2])
def test_the_mean_is_the_batchs_gradient(case, num_padded):
    model, variables, inputs, label = case()
    mask = jnp.arange(len(label)) < len(label) - num_padded
    garbage = jnp.where(mask.reshape(-1, *(1,) * (inputs.ndim - 1)), inputs, jnp.nan)
    norms, sums = summary_of(model)(variables, garbage, label, mask)
    assert (np.asarray(norms > 0) == mask).all()
    clean = jnp.where(jnp.isnan(garbage), 0.0, garbage)
    expected = batch_gradient(model, variables, clean, label, mask)
    jax.tree.map(
        lambda total, mean: np.testing.assert_allclose(total / int(sums.count), mean, atol=2e-6),
        sums.gradient,
        expected,
    )


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 8])
def test_chunks_give_the_norms_of_all_gradients_at_once(chunk_size):
    model, variables, inputs, label = linear_case()
    mask = jnp.array([True, True, False, True, True])
    alone = [batch_gradient(model, variables, inputs, label, jnp.arange(5) == i) for i in range(5)]
    alone = [
        jax.tree.map(lambda leaf, m=m: float(m) * leaf, g) for g, m in zip(alone, mask, strict=True)
    ]
    squares = jnp.stack([optax.tree.norm(gradient) ** 2 for gradient in alone])
    summary = jax.jit(make_gradient_summary(model, LOSS, chunk_size=chunk_size))
    norms, sums = summary(variables, inputs, label, mask)
    np.testing.assert_allclose(norms, jnp.sqrt(squares), rtol=1e-5)
    assert int(sums.count) == 4
    np.testing.assert_allclose(sums.square, squares.sum(), rtol=1e-5)
    jax.tree.map(
        lambda total, *each: np.testing.assert_allclose(total, sum(each), atol=1e-6),
        sums.gradient,
        *alone,
    )


def test_the_norm_of_a_linear_layer_is_that_of_error_times_input():
    model, variables, inputs, label = linear_case()
    norms, _ = summary_of(model)(variables, inputs, label, jnp.ones(5, bool))
    error = jax.nn.softmax(model.apply(variables, inputs, train=False)) - jax.nn.one_hot(label, 3)
    lengths = jnp.sqrt(1 + (inputs**2).sum(axis=1))
    np.testing.assert_allclose(norms, jnp.linalg.norm(error, axis=1) * lengths, rtol=1e-5)


def test_frozen_layers_have_no_gradient():
    model, variables, images, label = network_case()
    names = set(variables["params"]) - {"head"}
    _, sums = make_gradient_summary(model, LOSS, frozen=names)(
        variables, images, label, jnp.ones(4, bool)
    )
    assert set(sums.gradient) == {"head"}


def test_no_chunk_is_refused():
    with pytest.raises(ValueError, match="chunk_size must be at least 1, got 0"):
        make_gradient_summary(None, LOSS, chunk_size=0)


def sums_of(gradients):
    gradients = np.asarray(gradients, np.float32)
    return GradientSums({"w": gradients.sum(axis=0)}, (gradients**2).sum(), len(gradients))


def test_the_estimates_are_unbiased():
    population = np.array([[3.0, 0.0], [1.0, 2.0], [-1.0, 1.0]])
    signal = (population.mean(axis=0) ** 2).sum()
    noise = ((population - population.mean(axis=0)) ** 2).sum(axis=1).mean()
    # All samples of two, drawn with replacement, are equally likely.
    found = [noise_scale(sums_of(pair)) for pair in itertools.product(population, repeat=2)]
    assert np.mean([f.signal for f in found]) == pytest.approx(signal, abs=1e-5)
    assert np.mean([f.noise for f in found]) == pytest.approx(noise, abs=1e-5)


def test_the_noise_is_the_variance_of_one_gradient():
    gradients = np.random.default_rng(0).normal(1, 3, (64, 5))
    found = noise_scale(sums_of(gradients))
    assert found.noise == pytest.approx(gradients.var(axis=0, ddof=1).sum(), rel=1e-5)
    assert found.batch_size == pytest.approx(found.noise / found.signal)


def test_sums_add_up():
    gradients = np.arange(12.0).reshape(6, 2)
    parts = jax.tree.map(np.add, sums_of(gradients[:2]), sums_of(gradients[2:]))
    found, whole = noise_scale(parts), noise_scale(sums_of(gradients))
    assert found.signal == pytest.approx(whole.signal)
    assert found.noise == pytest.approx(whole.noise)


def test_gradients_that_cancel_have_no_scale():
    assert noise_scale(sums_of([[1.0], [-1.0]])).batch_size == math.inf


def test_one_example_has_no_scale():
    with pytest.raises(ValueError, match="2 examples or more, got 1"):
        noise_scale(sums_of([[1.0]]))
