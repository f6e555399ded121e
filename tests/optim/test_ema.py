"""The moving average against NumPy, at its ends, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.optim.ema import ema_update


def make_tree(seed):
    draws = np.random.default_rng(seed)
    shapes = {"kernel": (3, 3, 2, 4), "bias": (4,)}
    return {k: jnp.asarray(draws.normal(size=v), jnp.float32) for k, v in shapes.items()}


def test_ema_matches_numpy_over_a_run():
    average = {"params": make_tree(0), "stats": {"mean": jnp.zeros(3)}}
    expected = jax.tree.map(lambda x: np.asarray(x, np.float64), average)
    update = jax.jit(ema_update, static_argnames="decay")
    decays = []
    for step in range(40):
        new = {"params": make_tree(step + 1), "stats": {"mean": jnp.full(3, float(step))}}
        average = update(average, new, decay=0.75, step=jnp.int32(step))
        decays.append(min(0.75, (1 + step) / (10 + step)))
        expected = jax.tree.map(
            lambda e, n, d=decays[-1]: d * e + (1 - d) * np.asarray(n, np.float64), expected, new
        )
    assert decays[0] == 0.1
    assert 0.1 < decays[10] < 0.75 == decays[-1]
    jax.tree.map(
        lambda a, e: np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6), average, expected
    )


def test_ema_of_nothing_is_nothing():
    assert ema_update({}, {}, decay=0.9, step=0) == {}


def test_ema_keeps_constants_and_precision_near_one():
    tree = {"w": jnp.array([1.0, -3.0])}
    np.testing.assert_allclose(ema_update(tree, tree, decay=0.9999, step=10**6)["w"], tree["w"])
    moved = ema_update({"w": jnp.zeros(1)}, {"w": jnp.ones(1)}, decay=0.99999, step=10**7)
    np.testing.assert_allclose(moved["w"], 1e-5, rtol=1e-6)


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_ema_refuses(decay):
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\)"):
        ema_update({}, {}, decay=decay, step=0)


def test_ema_refuses_another_tree():
    with pytest.raises(ValueError, match="b"):
        ema_update({"a": jnp.ones(1)}, {"b": jnp.ones(1)}, decay=0.9, step=0)
