"""Gradients of single examples: their mean is the batch's, and their spread tells the noise."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import losses
from jaxcnn.metrics.per_example_gradients import (
    GradientSums,
    add_sums,
    make_gradient_summary,
    make_per_example_gradients,
    noise_scale,
    noise_scale_of_batches,
)
from jaxcnn.models import FeatureClassifier, create_model

LOSS = losses.make_loss("softmax", num_classes=3)


def linear_case(count=5):
    model = FeatureClassifier(num_classes=3, dropout_rate=0.5)
    vectors = jax.random.normal(jax.random.key(0), (count, 4))
    variables = model.init(jax.random.key(1), vectors, train=False)
    return model, variables, vectors, jnp.arange(count) % 3


def network_case(count=4):
    model = create_model("six_conv", 3, depth=1, width_multiplier=0.125, batch_norm=True)
    images = jax.random.normal(jax.random.key(0), (count, 8, 8, 3))
    variables = model.init(jax.random.key(1), images, train=False)
    averages = jax.tree.map(lambda x: x + 0.5, variables["batch_stats"])
    return model, {**variables, "batch_stats": averages}, images, jnp.arange(count) % 3


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
    found = jax.jit(make_per_example_gradients(model, LOSS))(variables, garbage, label, mask)
    clean = jnp.where(jnp.isnan(garbage), 0.0, garbage)
    expected = batch_gradient(model, variables, clean, label, mask)
    for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert leaf.shape == (len(label), *wanted.shape)
        np.testing.assert_array_equal(leaf[len(label) - num_padded :], 0)
        mean = leaf.sum(axis=0) / mask.sum().astype(jnp.float32)
        np.testing.assert_allclose(mean, wanted, atol=2e-6)


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 8])
def test_chunks_give_the_norms_of_all_gradients_at_once(chunk_size):
    model, variables, inputs, label = linear_case()
    mask = jnp.array([True, True, False, True, True])
    gradients = make_per_example_gradients(model, LOSS)(variables, inputs, label, mask)
    squares = sum((leaf.reshape(5, -1) ** 2).sum(axis=1) for leaf in jax.tree.leaves(gradients))
    summary = jax.jit(make_gradient_summary(model, LOSS, chunk_size=chunk_size))
    norms, sums = summary(variables, inputs, label, mask)
    np.testing.assert_allclose(norms, jnp.sqrt(squares), rtol=1e-5)
    assert int(sums.count) == 4
    np.testing.assert_allclose(sums.square, squares.sum(), rtol=1e-5)
    for total, leaf in zip(jax.tree.leaves(sums.gradient), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(total, leaf.sum(axis=0), atol=1e-6)


def test_the_norm_of_a_linear_layer_is_that_of_error_times_input():
    model, variables, inputs, label = linear_case()
    norms, _ = make_gradient_summary(model, LOSS)(variables, inputs, label, jnp.ones(5, bool))
    error = jax.nn.softmax(model.apply(variables, inputs, train=False)) - jax.nn.one_hot(label, 3)
    lengths = jnp.sqrt(1 + (inputs**2).sum(axis=1))
    np.testing.assert_allclose(norms, jnp.linalg.norm(error, axis=1) * lengths, rtol=1e-5)


def test_frozen_layers_have_no_gradient():
    model, variables, images, label = network_case()
    names = set(variables["params"]) - {"head"}
    gradients = make_per_example_gradients(model, LOSS, frozen=names)
    assert set(gradients(variables, images, label, jnp.ones(4, bool))) == {"head"}


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


def test_two_batch_sizes_give_the_same_scale():
    gradients = np.random.default_rng(0).normal(1, 3, (64, 5))
    halves = [(part.mean(axis=0) ** 2).sum() for part in (gradients[:32], gradients[32:])]
    whole = (gradients.mean(axis=0) ** 2).sum()
    by_halves = noise_scale_of_batches(float(np.mean(halves)), float(whole), small=32, big=64)
    # |mean|^2 of the halves holds 1 / 32 of the variance between them, that of the whole 1 / 64.
    difference = ((gradients[:32].mean(axis=0) - gradients[32:].mean(axis=0)) ** 2).sum()
    assert by_halves.noise == pytest.approx(16 * difference)
    assert by_halves.signal == pytest.approx(2 * whole - np.mean(halves))
    by_one = noise_scale(sums_of(gradients))
    assert by_one.noise == pytest.approx(gradients.var(axis=0, ddof=1).sum(), rel=1e-5)
    assert by_one.batch_size == pytest.approx(by_one.noise / by_one.signal)


def test_sums_add_up():
    gradients = np.arange(12.0).reshape(6, 2)
    parts = add_sums(sums_of(gradients[:2]), sums_of(gradients[2:]))
    found, whole = noise_scale(parts), noise_scale(sums_of(gradients))
    assert found.signal == pytest.approx(whole.signal)
    assert found.noise == pytest.approx(whole.noise)


def test_gradients_that_cancel_have_no_scale():
    assert noise_scale(sums_of([[1.0], [-1.0]])).batch_size == math.inf


@pytest.mark.parametrize(("small", "big"), [(0, 4), (4, 4), (8, 4)])
def test_sizes_that_tell_nothing_are_refused(small, big):
    with pytest.raises(ValueError, match="1 <= small < big"):
        noise_scale_of_batches(1.0, 1.0, small=small, big=big)


def test_one_example_has_no_scale():
    with pytest.raises(ValueError, match="2 examples or more, got 1"):
        noise_scale(sums_of([[1.0]]))
