"""Learning-rate schedules by name, from Optax's parts.

A schedule maps a step to a learning rate. Step s is the number of updates already made, so the
updates of a run use schedule(0) ... schedule(total_steps - 1).
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax

from jaxcnn.host.names import unknown_name
from jaxcnn.types import Array

Schedule = Callable[[Array | int], jax.Array]

ONE_CYCLE_RISE = 0.3  # share of the steps, as in fastai and PyTorch
ONE_CYCLE_START = 25.0  # the peak over the first learning rate
ONE_CYCLE_FINAL = 1e4  # the first learning rate over the final one
_SCHEDULES = ("constant", "linear", "cosine", "step", "one_cycle")


def list_schedules() -> list[str]:
    """List the names that `make_schedule` knows.

    Example:
      >>> list_schedules()
      ['constant', 'linear', 'cosine', 'step', 'one_cycle']
    """
    return list(_SCHEDULES)


def _in_float32(schedule: optax.Schedule) -> Schedule:
    # Optax's schedules mix their integer count with floats, which strict promotion forbids.
    # float32 holds every step up to 2^24 exactly.
    def float32_schedule(step: Array | int) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)
        return jnp.broadcast_to(jnp.asarray(schedule(step), jnp.float32), step.shape)

    return float32_schedule


def _one_cycle(learning_rate: float, total_steps: int, rise_steps: int) -> Schedule:
    first = learning_rate / ONE_CYCLE_START
    fall = optax.cosine_decay_schedule(
        learning_rate, total_steps - rise_steps, alpha=1 / (ONE_CYCLE_START * ONE_CYCLE_FINAL)
    )
    if rise_steps == 0:
        return _in_float32(fall)
    # A cosine decay to 25 times its start is a cosine rise.
    rise = optax.cosine_decay_schedule(first, rise_steps, alpha=ONE_CYCLE_START)
    return _in_float32(optax.join_schedules([rise, fall], [rise_steps]))


def make_schedule(
    name: str,
    *,
    learning_rate: float,
    total_steps: int,
    warmup_steps: int | None = None,
    final_fraction: float = 0.0,
    drop_at: Sequence[float] = (1 / 3, 2 / 3, 8 / 9),
    drop_factor: float = 0.1,
) -> Schedule:
    """Make a learning-rate schedule.

    With T = total_steps, W = warmup_steps and peak = learning_rate, the rate at step s is

        s < W:     peak (s + 1) / (W + 1), a line from 0 at s = -1 to the peak at s = W, so that
                   the first update is small but not lost
        constant:  peak
        linear:    peak - (1 - final_fraction) peak (s - W) / (T - W)
        cosine:    the same ends, joined by (1 + cos(pi (s - W) / (T - W))) / 2
        step:      peak drop_factor^d, d the number of f in drop_at with round(f T) <= s
        one_cycle: from peak / 25 at s = 0 to peak at s = W by half a cosine, then to
                   peak / 250,000 at s = T by another; there the rise is the warm-up

    and from s = T on it keeps its value at T, which no update of the run uses.

    Args:
      name: one of `list_schedules()`.
      learning_rate: the peak, > 0.
      total_steps: updates in the whole run, warm-up included; > 0.
      warmup_steps: in [0, total_steps); None for 0, or for "one_cycle" 30 % of total_steps.
      final_fraction: rate at T over the peak, in [0, 1]; for "linear" and "cosine".
      drop_at: shares of the run after which the rate drops, each in [0, 1]; for "step". The
        default is the ImageNet classic, epochs 30, 60 and 80 of 90.
      drop_factor: what the rate is multiplied by at each drop, in (0, 1]; for "step".

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
    if name not in _SCHEDULES:
        raise unknown_name("schedule", name, _SCHEDULES)
    if warmup_steps is None:
        warmup_steps = int(ONE_CYCLE_RISE * total_steps) if name == "one_cycle" else 0
    _check_schedule(learning_rate, total_steps, warmup_steps, final_fraction, drop_at, drop_factor)
    if name == "one_cycle":
        return _one_cycle(learning_rate, total_steps, warmup_steps)

    steps = total_steps - warmup_steps
    if name == "constant":
        main = optax.constant_schedule(learning_rate)
    elif name == "linear":
        main = optax.linear_schedule(learning_rate, learning_rate * final_fraction, steps)
    elif name == "cosine":
        main = optax.cosine_decay_schedule(learning_rate, steps, alpha=final_fraction)
    else:
        drops = _drops(drop_at, drop_factor, total_steps, warmup_steps)
        main = optax.piecewise_constant_schedule(learning_rate, drops)
    if warmup_steps == 0:
        return _in_float32(main)
    warmup = optax.linear_schedule(learning_rate / (warmup_steps + 1), learning_rate, warmup_steps)
    return _in_float32(optax.join_schedules([warmup, main], [warmup_steps]))


def _drops(
    drop_at: Sequence[float], drop_factor: float, total_steps: int, warmup_steps: int
) -> dict[int, float]:
    """Map steps after the warm-up to factors; in a short run, drops may share a step."""
    drops: dict[int, float] = {}
    for fraction in drop_at:
        step = round(fraction * total_steps) - warmup_steps
        drops[step] = drops.get(step, 1.0) * drop_factor
    return drops


def _check_schedule(
    learning_rate: float,
    total_steps: int,
    warmup_steps: int,
    final_fraction: float,
    drop_at: Sequence[float],
    drop_factor: float,
) -> None:
    check_range("total_steps", total_steps, total_steps >= 1, ">= 1")
    in_run = 0 <= warmup_steps < total_steps
    check_range("warmup_steps", warmup_steps, in_run, f"in [0, total_steps={total_steps})")
    check_range("learning_rate", learning_rate, 0 < learning_rate < math.inf, "finite and > 0")
    check_range("final_fraction", final_fraction, 0 <= final_fraction <= 1, "in [0, 1]")
    check_range("drop_at", drop_at, all(0 <= f <= 1 for f in drop_at), "shares in [0, 1]")
    check_range("drop_factor", drop_factor, 0 < drop_factor <= 1, "in (0, 1]")


def check_range(name: str, value: object, holds: bool, expected: str) -> None:
    """Raise a ValueError that names the option, what came and what was expected."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, got {value}.")
