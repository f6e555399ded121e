"""What the tests of every family do with a network: fill it, run it, train it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax


def random_images(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)


def shapes_of(model, images):
    return jax.eval_shape(lambda key: model.init(key, images, train=False), jax.random.key(0))


def random_variables(model, images):
    """Fill the network's variables with numpy, which spares the compilation of `init`."""
    random = np.random.default_rng(1)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return jnp.asarray(random.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
        gain = (2 / max(np.prod(leaf.shape[:-1]), 1)) ** 0.5 if leaf.ndim > 1 else 0.1
        return jnp.asarray(gain * random.normal(size=leaf.shape), leaf.dtype)

    return jax.tree.map_with_path(draw, shapes_of(model, images))


def logits_of(model, variables, images):
    return jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)


def dropouts_of(model, images):
    """Note where dropout acts in training, and at what rate."""
    rates = {}

    def record(call, args, kwargs, context):
        if isinstance(context.module, nn.Dropout) and not context.module.deterministic:
            rates["/".join(context.module.path)] = context.module.rate
        return call(*args, **kwargs)

    keys = {"params": jax.random.key(0), "dropout": jax.random.key(0)}
    with nn.intercept_methods(record):
        jax.eval_shape(lambda: model.init(keys, images, train=True))
    return rates


def check_dropout_and_half_precision(model, images):
    """Train with and without dropout and in bfloat16: one key gives one result, all lie close."""
    variables = random_variables(model, images)

    @jax.jit
    def train(seed):
        return model.apply(variables, images, train=True, rngs={"dropout": jax.random.key(seed)})

    first, same, other = train(0), train(0), train(1)
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    evaluated = logits_of(model, variables, images)
    without = model.clone(hidden_dropout_rate=0.0)
    trained = jax.jit(lambda v: without.apply(v, images, train=True))(variables)
    np.testing.assert_allclose(trained, evaluated, rtol=1e-5, atol=1e-6)
    half = logits_of(model.clone(dtype=jnp.bfloat16), variables, images)
    assert half.dtype == jnp.float32
    assert (half != evaluated).any()
    np.testing.assert_allclose(half, evaluated, atol=0.05 * np.abs(evaluated).max())


def learn_by_heart(model, images, labels, *, learning_rate, num_steps):
    """Descend the loss on one batch.

    Returns:
      The losses, the variables then, and the last gradient, which is finite.
    """

    @jax.jit
    def step(variables):
        def loss(params):
            logits, updates = model.apply(
                variables | {"params": params}, images, train=True, mutable=["batch_stats"]
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), updates

        (value, moved), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        params = jax.tree.map(lambda p, g: p - learning_rate * g, variables["params"], gradient)
        return value, {"params": params} | moved, gradient

    losses, variables = [], random_variables(model, images)
    for _ in range(num_steps):
        value, variables, gradient = step(variables)
        losses.append(float(value))
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.isfinite(leaf).all(), path
    return losses, variables, gradient
