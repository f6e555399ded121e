"""The gradient of parts is that of the whole batch, whatever pads it; each part draws its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.losses import mean_loss
from jaxcnn.training.gradient_accumulation import accumulate_gradients

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
KEY = jax.random.key(0)


def objective(weights, stats, key, rows, mask):
    answers = rows @ weights
    kept = jax.random.bernoulli(key, 0.5, (64,)).astype(jnp.float32)
    logits = jnp.broadcast_to(kept[None], (len(rows), 64))
    return mean_loss(answers**2, mask), (logits, stats)


def accumulated(mask, num_parts):
    weights, rows = jnp.ones(3), (jnp.asarray(ROWS), jnp.asarray(mask))
    return accumulate_gradients(objective, weights, {}, KEY, *rows, num_parts=num_parts)


@pytest.mark.parametrize("num_parts", [2, 3, 4])
@pytest.mark.parametrize("num_counted", [1, 5, 12])
def test_parts_with_unequal_padding_sum_to_the_whole(num_parts, num_counted):
    mask = np.arange(12) < num_counted
    rows = (jnp.asarray(ROWS), jnp.asarray(mask))
    (loss, _), gradient = jax.value_and_grad(objective, has_aux=True)(jnp.ones(3), {}, KEY, *rows)
    (found, _), of_parts = accumulated(mask, num_parts)
    np.testing.assert_allclose(of_parts, gradient, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found, loss, rtol=1e-5)


def test_each_part_has_draws_of_its_own_and_rows_keep_their_order():
    (_, (drawn, _)), _ = accumulated(np.ones(12, bool), 3)
    parts = np.asarray(drawn).reshape(4, 3, 64)
    np.testing.assert_array_equal(parts, np.broadcast_to(parts[:1], parts.shape))
    assert np.abs(np.corrcoef(parts[0]) - np.eye(3)).max() < 0.4
