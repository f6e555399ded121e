"""Muon and schedule-free optimizers, against the papers' formulas written in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.optim.directions import evaluation_params, muon_labels
from jaxcnn.optim.optimizers import make_optimizer


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def make_params(seed=0):
    return {
        "conv": {"kernel": draw(3, 3, 2, 4, seed=seed), "bias": draw(4, seed=seed)},
        "head": {"kernel": draw(4, 2, seed=seed)},
    }


def test_muon_takes_matrices_and_adamw_the_rest():
    shapes = {
        "stem": {"kernel": (3, 3, 1, 8)},  # of grey images
        "block": {"conv": (3, 3, 8, 8), "depthwise": (3, 3, 1, 8), "scale": (8,)},
        "dense": {"kernel": (8, 4), "bias": (4,)},
        "head": {"kernel": (4, 2)},
    }
    params = jax.tree.map(np.zeros, shapes, is_leaf=lambda node: isinstance(node, tuple))
    assert muon_labels(params) == {
        "stem": {"kernel": "adam"},
        "block": {"conv": "muon", "depthwise": "adam", "scale": "adam"},
        "dense": {"kernel": "muon", "bias": "adam"},
        "head": {"kernel": "adam"},
    }


def orthogonalized(matrix):
    """Newton-Schulz steps of Jordan et al. 2024, in float64."""
    x = np.asarray(matrix, np.float64)
    flip = x.shape[0] > x.shape[1]
    x = x.T if flip else x
    x = x / np.linalg.norm(x)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return x.T if flip else x


def test_muon_orthogonalises_kernels_as_matrices_and_scales_them_to_adamws_size():
    params, gradients = make_params(), make_params(seed=1)
    optimizer = make_optimizer("muon", 0.1, weight_decay=0.5, momentum=0.0)
    updates, _ = jax.jit(optimizer.update)(gradients, optimizer.init(params), params)
    rows = np.asarray(gradients["conv"]["kernel"]).reshape(18, 4)
    direction = 0.2 * 18**0.5 * orthogonalized(rows).reshape(3, 3, 2, 4)
    expected = -0.1 * (direction + 0.5 * np.asarray(params["conv"]["kernel"]))
    np.testing.assert_allclose(updates["conv"]["kernel"], expected, rtol=2e-3, atol=1e-4)
    plain = make_optimizer("adamw", 0.1, weight_decay=0.5)
    others, _ = plain.update(gradients, plain.init(params), params)
    np.testing.assert_allclose(updates["head"]["kernel"], others["head"]["kernel"], rtol=1e-4)
    np.testing.assert_allclose(updates["conv"]["bias"], others["conv"]["bias"], rtol=1e-4)


def test_muon_trains_a_last_layer_alone_as_adamw_does():
    params = {"head": {"kernel": draw(4, 2)}}
    optimizer = make_optimizer("muon", 0.1)
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    expected = -0.1 * np.sign(params["head"]["kernel"])
    np.testing.assert_allclose(updates["head"]["kernel"], expected, rtol=1e-5)


@pytest.mark.parametrize("share", [None, lambda step: 1.0])
def test_schedule_free_sgd_evaluates_the_average_of_algorithm_1(share):
    """z' = z - rate (g + decay y), x the mean of all z, y = 0.1 z + 0.9 x."""
    rate, decay, target = 0.3, 0.01, 2.0
    injected = {"injected": ["learning_rate"], "share": share} if share else {}
    optimizer = make_optimizer("schedule_free_sgd", rate, weight_decay=decay, **injected)
    params = {"kernel": jnp.ones((1, 1))}
    state = optimizer.init(params)
    y = x = z = 1.0
    for step in range(5):
        gradients = jax.tree.map(lambda p: p - target, params)
        updates, state = jax.jit(optimizer.update)(gradients, state, params)
        params = optax.apply_updates(params, updates)
        z -= rate * (y - target + decay * y)
        x += (z - x) / (step + 1)
        y = 0.1 * z + 0.9 * x
    np.testing.assert_allclose(params["kernel"], [[y]], rtol=1e-5)
    np.testing.assert_allclose(evaluation_params(state, params)["kernel"], [[x]], rtol=1e-5)


def test_in_a_warmup_each_step_weighs_by_the_square_of_its_own_rate():
    optimizer = make_optimizer("schedule_free_sgd", lambda step: 0.1 * (step + 1))
    params = {"kernel": jnp.ones((1, 1))}
    state = optimizer.init(params)
    z, points, weights = 1.0, [], []
    for step in range(3):
        updates, state = optimizer.update({"kernel": jnp.ones((1, 1))}, state, params)
        params = optax.apply_updates(params, updates)
        z -= 0.1 * (step + 1)
        points, weights = [*points, z], [*weights, (step + 1) ** 2]
    expected = np.average(points, weights=weights)
    found = evaluation_params(state, params)["kernel"]
    np.testing.assert_allclose(found, [[expected]], rtol=1e-5)


def test_schedule_free_adamw_decays_kernels_alone():
    params = make_params()
    zeros = jax.tree.map(jnp.zeros_like, params)
    optimizer = make_optimizer("schedule_free_adamw", 0.1, weight_decay=0.5)
    updates, _ = optimizer.update(zeros, optimizer.init(params), params)
    np.testing.assert_allclose(updates["conv"]["bias"], 0, atol=1e-6)  # the average is rounded
    assert (updates["conv"]["kernel"] * params["conv"]["kernel"] < 0).all()


def test_a_factor_acts_within_the_average():
    params, gradients = make_params(), make_params(seed=1)
    optimizer = make_optimizer("schedule_free_sgd", 0.1, multipliers=[("conv", 0.0)])
    state = optimizer.init(params)
    for _ in range(3):
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    found = evaluation_params(state, params)["conv"]["kernel"]
    np.testing.assert_allclose(found, make_params()["conv"]["kernel"], rtol=1e-5)
    assert (params["head"]["kernel"] != make_params()["head"]["kernel"]).all()


def test_frozen_parameters_are_evaluated_as_they_are():
    params = make_params()
    optimizer = make_optimizer("schedule_free_sgd", 0.1)
    state = optimizer.init({"head": params["head"]})
    assert evaluation_params(state, params)["conv"] is params["conv"]
