"""BatchNorm's averages computed again: each batch counts alike, and what is frozen stays."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.training.batch_statistics import recompute_batch_stats
from jaxcnn.training.sharding import Layout
from jaxcnn.types import Batch

KEY = jax.random.key(0)


class Net(nn.Module):
    """Two BatchNorms that collect, one after a frozen one."""

    @nn.compact
    def __call__(self, images, train):
        x = nn.BatchNorm(not train, momentum=0.99, use_scale=False, name="first")(images)
        x = nn.BatchNorm(True, name="frozen")(x)
        return nn.BatchNorm(not train, momentum=0.9, name="second")(x).mean((1, 2))


def batches(count):
    draws = np.random.default_rng(0)
    index = np.arange(6, dtype=np.int32)
    for number in range(count):
        images = draws.normal(number, 3, (6, 4, 4, 2)).astype(np.float32)
        yield Batch(images, index % 2, index >= 0, index)


def recomputed(variables, count=4):
    return recompute_batch_stats(
        Net(),
        variables,
        batches(count),
        prepare=lambda batch, key: (jnp.asarray(batch.image), jnp.asarray(batch.label)),
        key=KEY,
        layout=Layout.make("data:1"),
    )


def test_each_batch_counts_alike_and_frozen_averages_stay():
    variables = Net().init(KEY, next(batches(1)).image, train=False)
    variables["batch_stats"]["frozen"]["mean"] = jnp.full(2, 5.0)
    found = recomputed(variables)
    images = [batch.image for batch in batches(4)]
    mean = np.mean([x.mean((0, 1, 2)) for x in images], axis=0)
    np.testing.assert_allclose(found["first"]["mean"], mean, rtol=1e-4)
    variance = np.mean([x.var((0, 1, 2)) for x in images], axis=0)
    np.testing.assert_allclose(found["first"]["var"], variance, rtol=1e-4)
    assert found["frozen"]["mean"].tolist() == [5.0, 5.0]
    np.testing.assert_allclose(found["second"]["mean"], [-5.0, -5.0], rtol=1e-3)


def test_without_batches_or_averages_nothing_changes():
    variables = Net().init(KEY, next(batches(1)).image, train=False)
    assert recomputed(variables, count=0) is variables["batch_stats"]
    nothing = {"params": {}, "batch_stats": {}}
    assert recomputed(nothing) == {}
