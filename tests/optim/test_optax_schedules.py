"""Optax's schedules by name: the run's steps are filled in."""

import numpy as np
import pytest

from jaxcnn.optim.optax_schedules import schedule_options
from jaxcnn.optim.schedules import list_schedules, make_schedule

OPTIONS = {
    "exponential_decay": {"decay_rate": 0.01},
    "warmup_exponential_decay": {"decay_rate": 0.01},
    "polynomial": {"power": 2},
    "piecewise_constant": {"boundaries": (0.5, 0.75), "scales": (0.1, 0.5)},
}
OTHERS = list_schedules()[5:]


def values(name, *, warmup_steps=0, **options):
    options = options or OPTIONS.get(name)
    schedule = make_schedule(
        name, learning_rate=0.5, total_steps=20, warmup_steps=warmup_steps, options=options
    )
    return np.asarray(schedule(np.arange(21)))


@pytest.mark.parametrize("name", OTHERS)
def test_each_reaches_the_peak_after_the_warmup_and_never_passes_it(name):
    found = values(name, warmup_steps=4)
    assert found[4] == pytest.approx(0.5)
    assert (np.diff(found[:5]) > 0).all()
    assert found.max() == pytest.approx(0.5)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "last"),
    [("exponential_decay", 0.005), ("warmup_exponential_decay", 0.005), ("polynomial", 0.0)],
)
def test_a_decay_lasts_as_long_as_the_run(name, last):
    assert values(name, warmup_steps=4)[20] == pytest.approx(last, abs=1e-7)
    assert values(name)[20] == pytest.approx(last, abs=1e-7)


def test_pieces_begin_at_their_share_of_the_steps():
    found = values("piecewise_constant", warmup_steps=2)
    assert found[[9, 10, 14, 15]] == pytest.approx([0.5, 0.05, 0.05, 0.025])


def test_cosines_restart_each_longer_than_the_last():
    found = values("sgdr", num_cycles=2, length_factor=3.0)
    assert [i for i in range(20) if found[i] == pytest.approx(0.5)] == [0, 5]
    assert found[20] == pytest.approx(0.0, abs=1e-7)


def test_a_name_may_end_in_schedule():
    np.testing.assert_array_equal(values("polynomial_schedule", power=2), values("polynomial"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("exponential_decay", {}, "needs options, e.g. decay_rate=0.01"),
        ("piecewise_constant", {"scales": 0.1}, "needs options, e.g. boundaries=0.5:0.75"),
        ("piecewise_constant", {"boundaries": 2, "scales": 0.1}, "shares of the steps"),
        ("polynomial", {"power": 2, "pover": 1}, "unknown option .* 'pover'; .* first: power"),
        ("polynomial", {"power": "x"}, "power of schedule=polynomial must be a finite .*, got x"),
        ("polynomial", {"power": float("nan")}, "power of .* must be a finite number above 0"),
        ("polynomial", {"power": 2, "transition_steps": 0}, "a whole number of steps above 0"),
        ("exponential_decay", {"decay_rate": 0.0}, "must be a finite number above 0, got 0.0"),
        ("exponential_decay", {"decay_rate": 0.1, "staircase": 2}, "must be true or false, got 2"),
        ("cosine_decay", {"exponent": True}, "exponent of .* must be a finite number"),
        ("cosine_onecycle", {"div_factor": 0}, "div_factor of .* must be a finite number above 0"),
        ("cosine_onecycle", {"pct_start": 2}, r"pct_start of .* must be in \(0, 1\), got 2"),
        ("linear_onecycle", {"pct_final": 0.2}, r"pct_final \(=0.2\) .* above the share .*=0.2222"),
        ("warmup_cosine_decay", {"decay_steps": 2}, "cannot have decay_steps=2: .*positive decay"),
        ("piecewise_constant", {"boundaries": 0.5, "scales": -1}, "as many factors of at least 0"),
        ("sgdr", {"num_cycles": 2.5}, "num_cycles of .* a whole number from 1 to 100, got 2.5"),
        ("sgdr", {"length_factor": 1e9}, "length_factor of .* must be a number from 0.01 to 100"),
        ("cosine", {"power": 2}, "schedule=cosine has no options, got power"),
        ("sgdr", {"num_cycles": 0}, "a whole number from 1 to 100, got 0"),
        ("polinomial", {}, "unknown schedule 'polinomial'; known, nearest first: polynomial"),
    ],
)
def test_what_does_not_fit_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_schedule(name, learning_rate=0.1, total_steps=9, warmup_steps=2, options=options)


def test_options_are_those_that_are_not_filled_in():
    assert schedule_options("cosine") == {}
    assert "init_value" not in schedule_options("exponential_decay")
