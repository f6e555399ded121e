"""Learning-rate schedules by name, from Optax's parts.

A schedule maps a step to a learning rate. Step s is the number of updates already made, so the
updates of a run use schedule(0) ... schedule(total_steps - 1).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxcnn.host.names import unknown_name
from jaxcnn.optim.optax_schedules import check_schedule_options, from_optax, optax_schedules
from jaxcnn.types import Array

Schedule = Callable[[Array | int], jax.Array]

ONE_CYCLE_RISE = 0.3  # share of the steps, as in fastai and PyTorch
ONE_CYCLE_START = 25.0  # the peak over the first learning rate
ONE_CYCLE_FINAL = 1e4  # the first learning rate over the final one
_DROP_AT, _DROP_FACTOR = (1 / 3, 2 / 3, 8 / 9), 0.1  # shares of the steps
_SCHEDULES = ("constant", "linear", "cosine", "step", "one_cycle")


def list_schedules() -> list[str]:
    """List the names that `make_schedule` knows: the usual ones, then Optax's others.

    Example:
      >>> list_schedules()[:6]
      ['constant', 'linear', 'cosine', 'step', 'one_cycle', 'exponential_decay']
    """
    return [*_SCHEDULES, *optax_schedules()]


def _in_float32(schedule: optax.Schedule) -> Schedule:
    # Optax's schedules mix their integer count with floats, which strict promotion forbids.
    # float32 holds every step up to 2^24 exactly.
    def float32_schedule(step: Array | int) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)
        return jnp.broadcast_to(jnp.asarray(schedule(step), jnp.float32), step.shape)

    return float32_schedule


def make_schedule(
    name: str,
    *,
    learning_rate: float,
    total_steps: int,
    warmup_steps: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Schedule:
    """Make a learning-rate schedule.

    With T = total_steps, W = warmup_steps and peak = learning_rate, the rate at step s is

        s < W:     peak (s + 1) / (W + 1), a line from 0 at s = -1 to the peak at s = W, so that
                   the first update is small but not lost
        constant:  peak
        linear:    peak - peak (s - W) / (T - W)
        cosine:    the same ends, joined by (1 + cos(pi (s - W) / (T - W))) / 2
        step:      peak 0.1^d, d the number of f in (1/3, 2/3, 8/9) with round(f T) <= s: the
                   ImageNet classic, which drops at epochs 30, 60 and 80 of 90
        one_cycle: from peak / 25 at s = 0 to peak at s = W by half a cosine, then to
                   peak / 250,000 at s = T by another; there the rise is the warm-up

    and from s = T on it keeps its value at T, which no update of the run uses. Other names are
    Optax's, whose steps are filled in: transitions and decays last as long as the run; "sgdr" has
    num_cycles cosines, each length_factor times as long as the last; "piecewise_constant" has
    boundaries in shares of the steps, and a factor on the rate for each. One that has no warm-up
    follows that of the first line.

    Args:
      name: one of `list_schedules()`.
      learning_rate: the peak, > 0.
      total_steps: updates in the whole run, warm-up included; > 0.
      warmup_steps: in [0, total_steps); None for 0, or for "one_cycle" 30 % of total_steps.
      options: of one of Optax's schedules, see `schedule_options`.

    Returns:
      A pure function from a step, or an array of steps, to float32 learning rates of its shape.

    Raises:
      ValueError: if the name is unknown or an option is out of its range.

    Example:
      >>> schedule = make_schedule("cosine", learning_rate=1.0, total_steps=11, warmup_steps=1)
      >>> [round(float(schedule(s)), 3) for s in (0, 1, 6, 11)]
      [0.5, 1.0, 0.5, 0.0]

    Source: warm-up Goyal et al. 2017, arXiv:1706.02677; cosine Loshchilov & Hutter 2017,
    arXiv:1608.03983, without restarts; step He et al. 2016, arXiv:1512.03385; one_cycle Smith &
    Topin 2017, arXiv:1708.07120, with fastai's cosine halves.
    """
    if name not in list_schedules() and name.removesuffix("_schedule") not in optax_schedules():
        raise unknown_name("schedule", name, list_schedules())
    check_schedule_options(name, options or {})
    if warmup_steps is None:
        warmup_steps = int(ONE_CYCLE_RISE * total_steps) if name == "one_cycle" else 0
    check_range("total_steps", total_steps, total_steps >= 1, ">= 1")
    in_run = 0 <= warmup_steps < total_steps
    check_range("warmup_steps", warmup_steps, in_run, f"in [0, total_steps={total_steps})")
    check_range("learning_rate", learning_rate, 0 < learning_rate < math.inf, "finite and > 0")

    steps = total_steps - warmup_steps
    if name not in _SCHEDULES:
        main, is_whole = from_optax(
            name,
            learning_rate=learning_rate,
            total_steps=total_steps,
            warmup_steps=warmup_steps,
            options=options or {},
        )
        if is_whole:
            return _in_float32(main)
    elif name == "constant":
        main = optax.constant_schedule(learning_rate)
    elif name == "linear":
        main = optax.linear_schedule(learning_rate, 0.0, steps)
    elif name == "cosine":
        main = optax.cosine_decay_schedule(learning_rate, steps)
    elif name == "step":
        drops: dict[int, float] = {}  # steps after the warm-up; in a short run, drops may share one
        for share in _DROP_AT:
            step = round(share * total_steps) - warmup_steps
            drops[step] = drops.get(step, 1.0) * _DROP_FACTOR
        main = optax.piecewise_constant_schedule(learning_rate, drops)
    else:
        final = 1 / (ONE_CYCLE_START * ONE_CYCLE_FINAL)
        main = optax.cosine_decay_schedule(learning_rate, steps, alpha=final)
    if warmup_steps == 0:
        return _in_float32(main)
    if name == "one_cycle":  # a cosine decay to 25 times its start is a cosine rise
        rise = optax.cosine_decay_schedule(
            learning_rate / ONE_CYCLE_START, warmup_steps, alpha=ONE_CYCLE_START
        )
    else:
        rise = optax.linear_schedule(
            learning_rate / (warmup_steps + 1), learning_rate, warmup_steps
        )
    return _in_float32(optax.join_schedules([rise, main], [warmup_steps]))


def check_range(name: str, value: object, holds: bool, expected: str) -> None:
    """Raise a ValueError that names the option, what came and what was expected."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, got {value}.")
