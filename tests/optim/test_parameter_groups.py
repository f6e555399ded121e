"""Learning rates, decay and unfreezing by the names of parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.optim.optimizers import make_optimizer
from jaxcnn.optim.parameter_groups import check_patterns, parameter_names, parse_multipliers

PARAMS = {
    "stem": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
    "stage_3": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
    "head": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
}
NAMES = parameter_names(PARAMS)


def step(**options):
    optimizer = make_optimizer("sgd", 1.0, momentum=0.0, **options)
    updates, _ = optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)
    return {name: float(u.mean()) for name, u in zip(NAMES, jax.tree.leaves(updates), strict=True)}


def test_the_first_pattern_that_matches_holds_and_others_have_1():
    found = step(multipliers=parse_multipliers("stage_[34]=0.5,s.*/kernel=0.1"))
    assert found == {
        **{"head/bias": -1.0, "head/kernel": -1.0, "stem/bias": -1.0},
        **{"stage_3/bias": -0.5, "stage_3/kernel": -0.5, "stem/kernel": pytest.approx(-0.1)},
    }


def test_a_factor_of_0_keeps_parameters_and_leaves_them_out_of_the_gradients_norm():
    found = step(multipliers=[("head", 1.0), (".*", 0.0)], weight_decay=0.5, gradient_clip_norm=1.0)
    assert [found[name] for name in NAMES if not name.startswith("head")] == [0.0] * 4
    # Six ones are trained, so the norm is their root.
    np.testing.assert_allclose(found["head/bias"], -(6**-0.5), rtol=1e-6)


def test_decay_on_names():
    found = step(weight_decay=0.5, weight_decay_on=".*bias")
    assert {name for name in NAMES if found[name] == -1.5} == {n for n in NAMES if "bias" in n}


def test_layers_begin_at_their_step():
    optimizer = make_optimizer("sgd", 1.0, momentum=0.0, start_steps={"stem": 2, "stage_3": 1})
    state, params, moved = optimizer.init(PARAMS), PARAMS, []
    for _ in range(3):
        updates, state = jax.jit(optimizer.update)(PARAMS, state, params)
        params = optax.apply_updates(params, updates)
        moved.append([layer for layer, own in updates.items() if own["bias"].any()])
    assert moved == [["head"], ["head", "stage_3"], ["head", "stage_3", "stem"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("head", "must be PATTERN=FACTOR, .* got 'head'"),
        ("=1", "must be PATTERN=FACTOR"),
        ("head=-1", "factors of at least 0, .* got 'head=-1'"),
        ("head=inf", "must be PATTERN=FACTOR"),
        ("head[=1", "no regular expression"),
    ],
)
def test_multipliers_that_cannot_be_read(text, message):
    with pytest.raises(ValueError, match=message):
        parse_multipliers(text)


def test_a_pattern_that_matches_nothing_lists_names():
    with pytest.raises(ValueError, match=r"'stage_9' matches no parameter .*head, stage_3.*stem"):
        check_patterns(["head", "stage_9"], NAMES, setting="lr_multipliers")


def test_a_pattern_behind_one_that_takes_its_parameters_is_told():
    check_patterns(["head", ".*"], NAMES, setting="lr_multipliers")
    with pytest.raises(
        ValueError, match=r"'head' matches only .* that a pattern before it matches"
    ):
        check_patterns([".*", "head"], NAMES, setting="lr_multipliers")


def test_a_schedule_free_optimizer_keeps_parameters_exactly():
    params = {"stem": jnp.linspace(0.1, 7.7, 50), "head": jnp.ones(2)}
    optimizer = make_optimizer("schedule_free_adamw", 0.01, multipliers=[("stem", 0.0)])
    state, now = optimizer.init(params), params
    update = jax.jit(optimizer.update)
    for _ in range(20):
        updates, state = update(now, state, now)
        now = optax.apply_updates(now, updates)
    np.testing.assert_array_equal(now["stem"], params["stem"])
    assert (now["head"] != params["head"]).all()
