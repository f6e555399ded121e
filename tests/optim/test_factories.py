"""Optax's optimizers by name: all train, decay kernels alone, and refuse what does not fit."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.optim.factories import (
    decays_decoupled,
    default_learning_rate,
    factories,
    finds_learning_rate,
    goes_by_loss,
    list_optimizers,
    optimizer_options,
)
from jaxcnn.optim.optimizers import make_optimizer, with_hyperparameters
from jaxcnn.training.state import start_state

ALL = list(factories())
# One of each kind: a mask of its own, decay without a mask, none, a rate that must be a number.
KINDS = ("ademamix", "prodigy", "adabelief", "sm3")


def make_params(seed=0):
    draws = np.random.default_rng(seed)
    shapes = {"kernel": (3, 4), "bias": (4,)}
    return {"layer": {k: jnp.asarray(draws.normal(size=s), "float32") for k, s in shapes.items()}}


def train(optimizer, state, params, steps=2):
    update = optax.with_extra_args_support(optimizer).update
    for step in range(steps):
        loss = functools.partial(loss_at, step)
        value, gradient = jax.value_and_grad(loss)(params)
        more = {"value": value, "grad": gradient, "value_fn": loss}
        updates, state = update(gradient, state, params, **more)
        params = optax.apply_updates(params, updates)
    return params, state


def loss_at(step, params):
    """Give a loss whose least value is at other parameters in each step."""
    wanted = make_params(seed=step + 1)
    return sum(jnp.sum((params["layer"][k] - x) ** 2) / 2 for k, x in wanted["layer"].items())


@pytest.mark.parametrize("name", ALL)
def test_each_factory_makes_an_optimizer_of_arrays_of_one_structure(name):
    params = make_params()
    decay = 0.0 if goes_by_loss(name) else 0.1
    optimizer = make_optimizer(name, lambda step: jnp.float32(0.01), weight_decay=decay)
    state = start_state({"params": params}, optimizer).opt_state
    # A donated buffer must not stand in two places.
    kept = {id(leaf) for leaf in jax.tree.leaves(params)}
    assert not kept & {id(leaf) for leaf in jax.tree.leaves(state)}
    new, after = train(optimizer, state, params, steps=1)
    kinds = [jax.tree.map(lambda x: (x.shape, x.dtype), tree) for tree in (state, after)]
    assert kinds[0] == kinds[1]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(new))
    assert default_learning_rate(name) > 0


def test_the_list_has_every_factory_of_optax_that_is_not_refused():
    assert {"prodigy", "ademamix", "adopt", "muon", "schedule_free_adamw"} <= {*list_optimizers()}
    assert {"nadam", "nadamw"} <= {*list_optimizers()}  # which are no functions, but partial ones
    assert {"sam", "lbfgs", "momo", "polyak_sgd"} <= {*list_optimizers()}
    assert not {"sophia", "lookahead", "scale_by_madgrad", "schedule_free"} & {*list_optimizers()}
    signatures = [inspect.signature(function).parameters for function in factories().values()]
    assert all("learning_rate" in parameters for parameters in signatures)


@pytest.mark.parametrize("name", KINDS)
def test_decay_acts_on_kernels_alone(name):
    def step(decay):
        optimizer = make_optimizer(name, 0.1, weight_decay=decay)
        params = make_params()
        return train(optimizer, optimizer.init(params), params, steps=1)[0]["layer"]

    plain, decayed = step(0.0), step(0.3)
    if name != "prodigy":  # whose step size depends on all parameters
        np.testing.assert_array_equal(plain["bias"], decayed["bias"])
    assert (plain["kernel"] != decayed["kernel"]).any()


def test_a_factory_has_optaxs_own_updates():
    params = make_params()
    ours = make_optimizer("ademamix", 0.02, momentum=0.8, options={"b3": 0.99, "alpha": 3.0})
    theirs = optax.contrib.ademamix(0.02, b1=0.8, b3=0.99, alpha=3.0)
    with jax.numpy_dtype_promotion("standard"):
        expected, _ = train(theirs, theirs.init(params), params)
    found, _ = train(ours, ours.init(params), params)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("momo", optax.contrib.momo(0.5)),
        ("momo_adam", optax.contrib.momo_adam(0.5)),
        ("polyak_sgd", optax.polyak_sgd(scaling=0.5)),
    ],
)
def test_those_that_go_by_the_loss_have_optaxs_own_updates(name, theirs):
    params = make_params()
    with jax.numpy_dtype_promotion("standard"):
        expected, _ = train(theirs, theirs.init(params), params)
    optimizer = make_optimizer(name, 0.5)
    found, _ = train(optimizer, optimizer.init(params), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)


def test_lbfgs_finds_the_least_value_of_a_parabola():
    params, optimizer = make_params(), make_optimizer("lbfgs", 1.0)
    state = optimizer.init(params)
    for _ in range(8):  # of one loss
        params, state = train(optimizer, state, params, steps=1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), params, make_params(1))


def test_the_learning_rate_of_lbfgs_is_a_factor_on_the_step_that_was_found():
    params = make_params()

    def moved(rate):
        optimizer = make_optimizer("lbfgs", rate)
        after, _ = train(optimizer, optimizer.init(params), params, steps=1)
        return jax.tree.map(lambda new, old: new - old, after, params)

    whole, quarter = moved(1.0), moved(lambda step: jnp.float32(0.25))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a / 4, b, rtol=1e-4), whole, quarter)


@pytest.mark.parametrize("name", KINDS)
def test_an_injected_learning_rate_gives_the_plain_updates(name):
    params, values = make_params(), {"learning_rate": 0.02, "weight_decay": 0.03}
    plain = make_optimizer(name, 0.02, weight_decay=0.03)
    injected = make_optimizer(name, 1.0, injected=tuple(values), share=lambda step: 1.0)
    expected, _ = train(plain, plain.init(params), params)
    state = with_hyperparameters(injected.init(params), values)
    found, _ = train(injected, state, params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


@pytest.mark.parametrize(("name", "option"), [("adamw", "nesterov"), ("sgd", "nesterov")])
def test_options_reach_the_usual_optimizers(name, option):
    def step(**options):
        optimizer = make_optimizer(name, 0.1, options=options)
        params = make_params()
        return train(optimizer, optimizer.init(params), params)[0]["layer"]["bias"]

    expected = getattr(optax, "adam" if name == "adamw" else name)
    momentum = {"momentum": 0.9} if name == "sgd" else {}
    theirs, params = expected(0.1, nesterov=True, **momentum), make_params()
    with jax.numpy_dtype_promotion("standard"):
        wanted = train(theirs, theirs.init(params), params)[0]["layer"]["bias"]
    np.testing.assert_allclose(step(**{option: True}), wanted, rtol=1e-5)
    assert (step() != step(**{option: True})).any()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("lookahead", {}, "optimizer=lookahead does not work here: it trains two sets"),
        ("lbfgs", {"weight_decay": 0.1}, "lbfgs takes no weight_decay: its step size goes by"),
        ("momo", {"injected": ["weight_decay"]}, "give weight_decay=0, and do not search it"),
        ("polyak_sgd", {"gradient_clip_norm": 2.0}, r"takes no gradient_clip_norm \(=2.0\)"),
        ("polyak_sgd", {"options": {"max_learning_rate": 0.0}}, "must be finite and above 0"),
        ("sam_adamw", {"options": {"b2": 1.0}}, r"b2 of sam_adamw must be in \[0, 1\), got 1.0"),
        ("sam", {"options": {"rho": -0.1}}, "rho of sam must be finite and at least 0, got -0.1"),
        ("prodigi", {}, "unknown optimizer 'prodigi'; known, nearest first: prodigy"),
        ("dog", {"momentum": 0.9}, "optimizer=dog has no momentum; leave momentum out"),
        ("adabelief", {"injected": ["momentum"]}, "momentum of optimizer=adabelief cannot be"),
        ("schedule_free_sgd", {"momentum": 0.0}, "must be above 0, got 0"),
        ("adamw", {"options": {"b3": 1}}, "unknown option of adamw 'b3'; known, nearest first: b2"),
        ("adamw", {"options": {"nesterov": 1}}, "nesterov of adamw must be true or false, .*got 1"),
        ("adamw", {"options": {"b1": 0.5}}, "b1 of adamw has .* its own; give momentum=0.5"),
        ("ademamix", {"options": {"b1": 0.5}}, "of its own; give momentum=0.5"),
        ("adamw", {"options": {"weight_decay": 0.5}}, "of its own; give weight_decay=0.5"),
        ("adamw", {"options": {"b2": 1.0}}, r"b2 of adamw must be in \[0, 1\), got 1.0"),
        ("adamw", {"options": {"eps": np.nan}}, "eps of adamw must be finite and at least 0"),
        ("adamw", {"options": {"eps": -1.0}}, "eps of adamw must be finite and at least 0"),
        ("muon", {"options": {"ns_steps": 0}}, "ns_steps of muon must be at least 1, got 0"),
        (
            "prodigy",
            {"options": {"betas": (0.9, 2)}},
            r"betas of prodigy must be in .*got 2",
        ),
        ("prodigy", {"options": {"betas": 0.9}}, "2 numbers with ':' between .*0.9:0.999; got 0.9"),
        ("sign_sgd", {"options": {"x": 0.9}}, "optimizer=sign_sgd has no options, got x"),
    ],
)
def test_what_does_not_fit_is_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(name, 0.1, **arguments)


def test_what_is_known_of_names():
    assert decays_decoupled("muon")
    assert decays_decoupled("nadamw")
    assert decays_decoupled("sam_adamw")
    assert not decays_decoupled("sam")
    assert not decays_decoupled("prodigy")
    assert finds_learning_rate("dog")
    assert optimizer_options("prodigy")["safeguard_warmup"] is False
    assert "weight_decay_mask" not in optimizer_options("adafactor")
