"""Schedules by table, against Optax, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

from jaxcnn.optim.schedules import list_schedules, make_schedule

ROOT_HALF = np.sqrt(0.5)
SCHEDULE_CASES = {
    "constant": ({"total_steps": 10}, {0: 1, 5: 1, 9: 1, 10: 1, 99: 1}),
    "constant, warm": (
        {"total_steps": 10, "warmup_steps": 4},
        {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 1, 9: 1, 99: 1},
    ),
    "linear": ({"total_steps": 10}, {0: 1, 1: 0.9, 5: 0.5, 9: 0.1, 10: 0, 99: 0}),
    "linear, warm": (
        {"total_steps": 10, "warmup_steps": 2},
        {0: 1 / 3, 1: 2 / 3, 2: 1, 6: 0.5, 10: 0, 99: 0},
    ),
    "cosine": (
        {"total_steps": 8},
        {0: 1, 2: (1 + ROOT_HALF) / 2, 4: 0.5, 6: (1 - ROOT_HALF) / 2, 8: 0, 99: 0},
    ),
    "cosine, warm": (
        {"total_steps": 9, "warmup_steps": 1},
        {0: 0.5, 1: 1, 5: 0.5, 9: 0, 99: 0},
    ),
    "step": (
        {"total_steps": 90},
        {0: 1, 29: 1, 30: 0.1, 59: 0.1, 60: 0.01, 79: 0.01, 80: 0.001, 90: 0.001, 99: 0.001},
    ),
    "step, warm": (
        {"total_steps": 18, "warmup_steps": 4},
        {0: 0.2, 3: 0.8, 4: 1, 5: 1, 6: 0.1, 11: 0.1, 12: 0.01, 15: 0.01, 16: 0.001, 99: 0.001},
    ),
    "step, drops meet": ({"total_steps": 1}, {0: 0.1, 1: 0.001}),
    "one_cycle": (
        {"total_steps": 20},
        {0: 0.04, 3: 0.52, 6: 1, 13: 0.5 + 2e-6, 20: 4e-6, 99: 4e-6},
    ),
    "one_cycle, warm": (
        {"total_steps": 20, "warmup_steps": 10},
        {0: 0.04, 5: 0.52, 10: 1, 15: 0.5 + 2e-6, 20: 4e-6},
    ),
    "one_cycle, no rise": ({"total_steps": 2, "warmup_steps": 0}, {0: 1, 1: 0.5 + 2e-6, 2: 4e-6}),
}


@pytest.mark.parametrize(("case", "options", "rates"), [(k, *v) for k, v in SCHEDULE_CASES.items()])
def test_schedule_by_table(case, options, rates):
    name = case.split(",")[0]
    schedule = make_schedule(name, learning_rate=0.5, **options)
    steps = jnp.array(list(rates), jnp.int32)
    expected = 0.5 * np.array(list(rates.values()))
    by_step = [schedule(s) for s in steps]
    assert {(r.dtype, r.shape) for r in by_step} == {(jnp.dtype("float32"), ())}
    np.testing.assert_allclose(by_step, expected, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(schedule(steps), expected, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(jax.jit(schedule)(steps), expected, rtol=2e-5, atol=1e-7)
    assert float(schedule(next(iter(rates)))) == pytest.approx(expected[0])


@given(
    st.sampled_from(list_schedules()[:5]), st.integers(1, 200), st.integers(0, 199) | st.just(None)
)
@settings(max_examples=25, deadline=None)
def test_every_update_has_a_rate_and_none_exceeds_the_peak(name, total_steps, warmup_steps):
    if warmup_steps is not None:
        warmup_steps = min(warmup_steps, total_steps - 1)
    schedule = make_schedule(
        name, learning_rate=0.3, total_steps=total_steps, warmup_steps=warmup_steps
    )
    # One shape for all examples, so that nothing compiles twice.
    rates = np.asarray(schedule(np.arange(210)))
    assert (rates[:total_steps] > 0).all()
    assert rates.max() <= 0.3 * (1 + 1e-5)
    assert (rates[total_steps:] == rates[total_steps]).all()
    rise = warmup_steps or 0
    assert (np.diff(rates[: rise + 1]) > 0).all() or name == "step"


def test_schedule_matches_optax_one_cycle():
    ours = make_schedule("one_cycle", learning_rate=0.3, total_steps=50)
    with jax.numpy_dtype_promotion("standard"):
        theirs = jax.jit(jax.vmap(optax.cosine_onecycle_schedule(50, 0.3)))(np.arange(51))
    np.testing.assert_allclose(ours(np.arange(51)), theirs, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "cosin"}, "unknown schedule 'cosin'; known, nearest first: cosine"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate .* got nan"),
        ({"total_steps": 0}, "total_steps must be >= 1, got 0"),
        ({"warmup_steps": 10}, r"warmup_steps must be in \[0, total_steps=10\), got 10"),
        ({"warmup_steps": -1}, "warmup_steps .* got -1"),
    ],
)
def test_make_schedule_refuses(change, message):
    options = {"name": "cosine", "learning_rate": 0.1, "total_steps": 10, **change}
    with pytest.raises(ValueError, match=message):
        make_schedule(options.pop("name"), **options)
