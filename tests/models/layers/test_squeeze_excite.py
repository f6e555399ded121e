import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import layers


@pytest.mark.parametrize(
    ("activation", "gate"), [("relu", "hard_sigmoid"), ("silu", "sigmoid"), ("relu", "sigmoid")]
)
def test_each_channel_is_weighed_by_a_gate_of_the_mean(activation, gate):
    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(2, 3, 4, 6)), jnp.float32)
    module = layers.SqueezeExcite(width=5, activation=activation, gate=gate)
    shapes = jax.eval_shape(lambda key: module.init(key, x), jax.random.key(0))
    assert shapes["params"]["reduce"]["kernel"].shape == (1, 1, 6, 5)
    variables = jax.tree.map(lambda s: jnp.asarray(random.normal(size=s.shape), s.dtype), shapes)
    reduce, expand = (variables["params"][name] for name in ("reduce", "expand"))
    hidden = x.mean(axis=(1, 2)) @ reduce["kernel"][0, 0] + reduce["bias"][None]
    weights = layers.ACTIVATIONS[activation](hidden) @ expand["kernel"][0, 0] + expand["bias"][None]
    want = x * layers.ACTIVATIONS[gate](weights)[:, None, None, :]
    np.testing.assert_allclose(module.apply(variables, x), want, rtol=1e-5, atol=1e-5)
