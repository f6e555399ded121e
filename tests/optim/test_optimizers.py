"""Optimizers against NumPy, and what weight decay, clipping and factors do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.optim.factories import default_learning_rate
from jaxcnn.optim.optimizers import make_optimizer, with_hyperparameters
from jaxcnn.optim.parameter_groups import decay_mask, layer_factors
from jaxcnn.optim.schedules import make_schedule

OPTIMIZERS = ("sgd", "adam", "adamw", "lion", "lamb", "rmsprop")


def make_params(seed=0):
    """Draw the tree of a convolution with bias, a BatchNorm and a dense head."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    return {
        "conv": {"kernel": draw(3, 3, 1, 2), "bias": draw(2)},
        "bn": {"scale": draw(2), "bias": draw(2)},
        "head": {"kernel": draw(2, 3), "bias": draw(3)},
    }


def test_decay_mask_spares_biases_and_norms():
    assert decay_mask(make_params()) == {
        "conv": {"kernel": True, "bias": False},
        "bn": {"scale": False, "bias": False},
        "head": {"kernel": True, "bias": False},
    }


def numpy_update(name, p, g, memory, *, step, rate, decay, momentum):
    """One update of one array in float64; `memory` holds m and v; biases have no decay."""
    is_kernel = p.ndim > 1
    decay = decay if is_kernel else 0.0
    if name in ("sgd", "adam", "rmsprop"):
        g = g + decay * p
    m, v = memory.get("m", 0.0), memory.get("v", 0.0)
    if name in ("sgd", "rmsprop"):
        if name == "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            g = g / np.sqrt(v + 1e-8)
        m = momentum * m + g
        direction = m
    elif name == "lion":
        direction = np.sign(momentum * m + (1 - momentum) * g)
        m = 0.99 * m + 0.01 * g
    else:
        m = momentum * m + (1 - momentum) * g
        v = 0.999 * v + 0.001 * g**2
        m_hat = m / (1 - momentum ** (step + 1))
        epsilon = 1e-6 if name == "lamb" else 1e-8
        direction = m_hat / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + epsilon)
    if name in ("adamw", "lion", "lamb"):
        direction = direction + decay * p
    if name == "lamb" and is_kernel:
        direction = direction * np.linalg.norm(p) / np.linalg.norm(direction)
    memory.update(m=m, v=v)
    return p - rate * direction


NUMPY_CASES = [(name, 0.9) for name in OPTIMIZERS]
NUMPY_CASES += [("sgd", 0.0), ("rmsprop", 0.5), ("adam", 0.8), ("adamw", 0.8)]


@pytest.mark.parametrize(("name", "momentum"), NUMPY_CASES)
def test_three_updates_match_numpy(name, momentum):
    def schedule(step):
        return 0.1 / (1.0 + jnp.asarray(step, jnp.float32))

    optimizer = make_optimizer(name, schedule, weight_decay=0.1, momentum=momentum)
    params = make_params()
    expected, treedef = jax.tree.flatten(jax.tree.map(lambda x: np.asarray(x, np.float64), params))
    memories = [{} for _ in expected]
    state = optimizer.init(params)
    for step in range(3):
        gradients = make_params(seed=step + 1)
        updates, state = jax.jit(optimizer.update)(gradients, state, params)
        params = optax.apply_updates(params, updates)
        expected = [
            numpy_update(
                name,
                p,
                np.asarray(g, np.float64),
                memory,
                step=step,
                rate=0.1 / (1 + step),
                decay=0.1,
                momentum=momentum,
            )
            for p, g, memory in zip(expected, jax.tree.leaves(gradients), memories, strict=True)
        ]
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5),
        params,
        jax.tree.unflatten(treedef, expected),
    )


@pytest.mark.parametrize(
    ("name", "epsilon"), [("adam", 1e-8), ("adamw", 1e-8), ("lamb", 1e-6), ("rmsprop", 1e-8)]
)
def test_epsilon_shows_on_gradients_of_its_size(name, epsilon):
    g = np.sqrt(epsilon) if name == "rmsprop" else epsilon
    optimizer = make_optimizer(name, 1.0)
    gradient, params = jnp.full(1, g), jnp.ones(1)
    updates, _ = jax.jit(optimizer.update)(gradient, optimizer.init(params), params)
    expected = g / np.sqrt(0.1 * g**2 + epsilon) if name == "rmsprop" else g / (g + epsilon)
    np.testing.assert_allclose(updates, [-expected], rtol=1e-4)


@pytest.mark.parametrize(("second", "sign"), [(-0.08, 1), (-0.1, -1)])
def test_momentum_of_lion_keeps_99_parts_of_100(second, sign):
    """After a gradient of 1 the sign of 0.9 m + 0.1 g turns where g is -0.09."""
    optimizer, params = make_optimizer("lion", 1.0), jnp.ones(1)
    _, state = optimizer.update(jnp.ones(1), optimizer.init(params), params)
    updates, _ = optimizer.update(jnp.full(1, second), state, params)
    assert updates.tolist() == [-sign]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_alone_moves_kernels_alone(name):
    params = make_params()
    zeros = jax.tree.map(jnp.zeros_like, params)
    optimizer = make_optimizer(name, 0.1, weight_decay=0.5)
    updates, _ = jax.jit(optimizer.update)(zeros, optimizer.init(params), params)
    moved = jax.tree.map(lambda u: bool(jnp.any(u != 0)), updates)
    assert moved == decay_mask(params)
    for layer in ("conv", "head"):
        towards_zero = updates[layer]["kernel"] * params[layer]["kernel"] < 0
        assert bool(towards_zero.all())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rate_at_each_step_is_the_schedule_of_that_step(name):
    schedule = make_schedule("cosine", learning_rate=0.3, total_steps=5, warmup_steps=2)
    params, gradients = make_params(), make_params(seed=1)
    scheduled, unit = make_optimizer(name, schedule), make_optimizer(name, 1.0)
    state, unit_state = scheduled.init(params), unit.init(params)
    for step in range(5):
        updates, state = jax.jit(scheduled.update)(gradients, state, params)
        directions, unit_state = jax.jit(unit.update)(gradients, unit_state, params)
        rate = float(schedule(step))
        expected = jax.tree.map(lambda d, r=rate: r * d, directions)
        jax.tree.map(
            lambda u, e: np.testing.assert_allclose(u, e, rtol=1e-5, atol=1e-8), updates, expected
        )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_reduces_a_quadratic(name):
    target = make_params(seed=7)

    def loss_fn(params):
        squares = jax.tree.map(lambda p, t: jnp.sum((p - t) ** 2), params, target)
        return sum(jax.tree.leaves(squares))

    optimizer = make_optimizer(name, 0.02, gradient_clip_norm=100.0)

    def step(carry, _):
        params, state = carry
        loss, gradients = jax.value_and_grad(loss_fn)(params)
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), loss

    start = make_params()
    (params, _), losses = jax.jit(lambda carry: jax.lax.scan(step, carry, None, length=200))(
        (start, optimizer.init(start))
    )
    assert np.isfinite(losses).all()
    assert float(loss_fn(params)) < 0.5 * float(losses[0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_is_arrays_of_one_structure(name):
    params = make_params()
    schedule = make_schedule("cosine", learning_rate=0.1, total_steps=4)
    plain = make_optimizer(name, 0.1).init(params)
    full = make_optimizer(name, schedule, weight_decay=0.1, gradient_clip_norm=1.0)
    state = full.init(params)
    assert jax.tree.structure(plain) == jax.tree.structure(state)
    _, after = jax.jit(full.update)(params, state, params)
    described = [jax.tree.map(lambda x: (x.shape, x.dtype), tree) for tree in (state, after)]
    assert described[0] == described[1]
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(after))


@pytest.mark.parametrize(("norm", "factor"), [(1.0, 0.2), (5.0, 1.0), (50.0, 1.0), (None, 1.0)])
def test_clipping_bounds_the_gradient_before_decay(norm, factor):
    params = {"kernel": jnp.full((1, 1), 10.0), "bias": jnp.zeros(1)}
    gradients = {"kernel": jnp.full((1, 1), 3.0), "bias": jnp.full(1, 4.0)}  # global norm 5
    optimizer = make_optimizer("sgd", 1.0, momentum=0.0, weight_decay=0.5, gradient_clip_norm=norm)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    np.testing.assert_allclose(updates["kernel"], [[-(3 * factor + 5)]], rtol=1e-6)
    np.testing.assert_allclose(updates["bias"], [-4 * factor], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "adamv"}, "unknown optimizer 'adamv'; known, nearest first: adam"),
        ({"learning_rate": -0.1}, "learning_rate must be finite and > 0, got -0.1"),
        ({"weight_decay": -0.1}, "weight_decay must be finite and >= 0, got -0.1"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"gradient_clip_norm": 0.0}, "gradient_clip_norm must be > 0, got 0.0"),
    ],
)
def test_make_optimizer_refuses(change, message):
    options = {"name": "sgd", "learning_rate": 0.1, **change}
    with pytest.raises(ValueError, match=message):
        make_optimizer(options.pop("name"), options.pop("learning_rate"), **options)


def test_default_learning_rates_are_known_for_each_optimizer():
    assert all(0 < default_learning_rate(name) < 1 for name in OPTIMIZERS)
    with pytest.raises(ValueError, match="unknown optimizer 'sdg'; known, nearest first: sgd"):
        default_learning_rate("sdg")


def test_layer_factors_scale_the_whole_update_of_a_layer():
    params = make_params()
    gradients = make_params(seed=1)
    factors = layer_factors(["conv", "bn", "head"], 0.5)
    assert factors == {"conv": 0.25, "bn": 0.5, "head": 1.0}

    def update(**options):
        optimizer = make_optimizer("adamw", 0.1, weight_decay=0.3, **options)
        return optimizer.update(gradients, optimizer.init(params), params)[0]

    plain, scaled = update(), update(layer_factors=factors)
    for name, factor in factors.items():
        for leaf, value in scaled[name].items():
            np.testing.assert_allclose(value, factor * plain[name][leaf], rtol=1e-6)


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.5])
def test_layer_factors_refuse(decay):
    with pytest.raises(ValueError, match=r"decay must be in \(0, 1\]"):
        layer_factors(["conv"], decay)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_injected_hyperparameters_give_a_plain_optimizers_updates(name):
    values = {"learning_rate": 0.02, "weight_decay": 0.03, "momentum": 0.8}
    schedule = make_schedule("cosine", learning_rate=0.02, total_steps=5, warmup_steps=2)
    rest = {"gradient_clip_norm": 1.0, "layer_factors": {"conv": 0.5, "bn": 0.5, "head": 1.0}}
    plain = make_optimizer(name, schedule, weight_decay=0.03, momentum=0.8, **rest)
    injected = make_optimizer(
        name, 1.0, injected=tuple(values), share=lambda step: schedule(step) / 0.02, **rest
    )

    def train(optimizer, opt_state):
        params = make_params()
        for step in range(4):
            gradients = make_params(seed=step + 1)
            updates, opt_state = optimizer.update(gradients, opt_state, params)
            params = optax.apply_updates(params, updates)
        return params

    found = train(injected, with_hyperparameters(injected.init(make_params()), values))
    expected = train(plain, plain.init(make_params()))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected
    )


def test_members_have_each_their_own_hyperparameters():
    optimizer = make_optimizer("sgd", 1.0, injected=["learning_rate"], momentum=0.0)
    params = {"bias": jnp.ones(1)}
    states = [
        with_hyperparameters(optimizer.init(params), {"learning_rate": rate}) for rate in (0.5, 2.0)
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    updates, _ = jax.vmap(optimizer.update, in_axes=(None, 0, None))(params, stacked, params)
    assert updates["bias"].tolist() == [[-0.5], [-2.0]]


def test_what_is_not_injected_is_refused():
    optimizer = make_optimizer("sgd", 1.0, injected=["learning_rate"])
    state = optimizer.init({"bias": jnp.ones(1)})
    with pytest.raises(ValueError, match="nearest first: learning_rate"):
        with_hyperparameters(state, {"momentum": 0.5})
    with pytest.raises(ValueError, match="unknown hyper-parameter 'decay'"):
        make_optimizer("sgd", 1.0, injected=["decay"])


def test_sam_climbs_by_what_is_trained_alone_and_stays_where_there_is_no_slope():
    """Of two parameters one is kept: the distance is measured along the other."""
    optimizer = make_optimizer(
        "sam", 1.0, momentum=0.0, options={"rho": 0.5}, multipliers=[("kept", 0.0)]
    )
    params = {"free": jnp.array([2.0]), "kept": jnp.array([3.0])}

    def update(slope):
        def gradient(params, _=None):
            return jax.grad(lambda p: slope * (p["free"][0] ** 3 + p["kept"][0]))(params)

        state = optimizer.init(params)
        return optimizer.update(gradient(params), state, params, grad_fn=gradient)[0]

    found = update(1.0)
    assert found["free"].tolist() == pytest.approx([-3 * 2.5**2])
    assert found["kept"].tolist() == [0.0]
    assert update(0.0)["free"].tolist() == [0.0]
