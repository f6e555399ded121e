"""Optax's learning-rate schedules by name, for a run whose steps are known."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxcnn.host.names import unknown_name

_FILLED = ("value", "init_value", "peak_value", "warmup_steps", "cosine_kwargs")
_REQUIRED = {  # what a factory cannot do without, and an example
    "decay_rate": "decay_rate=0.01, the last learning rate over the first",
    "power": "power=2",
    "boundaries_and_scales": "boundaries=0.5:0.75,scales=0.1:0.1",
}
_PIECES = {"boundaries": (), "scales": ()}
_CYCLES = {"num_cycles": 3, "length_factor": 2.0}


@functools.cache
def optax_schedules() -> Mapping[str, Callable[..., optax.Schedule]]:
    """Find Optax's schedules by name; the word "schedule" at the end may be left out."""
    names = [
        *("exponential_decay", "polynomial_schedule", "sgdr_schedule"),
        *("piecewise_constant_schedule", "cosine_onecycle_schedule", "linear_onecycle_schedule"),
        *("warmup_constant_schedule", "warmup_cosine_decay_schedule"),
        *("warmup_exponential_decay_schedule", "cosine_decay_schedule"),
    ]
    return {name.removesuffix("_schedule"): getattr(optax, name) for name in names}


def schedule_options(name: str) -> dict[str, Any]:
    """List the options of one of Optax's schedules.

    Args:
      name: one of `list_schedules()`.

    Returns:
      {name: default}; None where it is filled in, or has to be given.

    Example:
      >>> schedule_options("sgdr")
      {'num_cycles': 3, 'length_factor': 2.0}
    """
    name = name.removesuffix("_schedule")
    if name not in optax_schedules():
        return {}
    if name == "sgdr":
        return dict(_CYCLES)
    if name == "piecewise_constant":
        return dict(_PIECES)
    parameters = inspect.signature(optax_schedules()[name]).parameters.items()
    empty = inspect.Parameter.empty
    return {k: None if p.default is empty else p.default for k, p in parameters if k not in _FILLED}


def check_schedule_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a schedule does not have, and ask for those that it needs.

    Args:
      name: one of `list_schedules()`.
      options: {name: value}.

    Raises:
      ValueError: listing those that there are.

    Example:
      >>> check_schedule_options("exponential_decay", {"decay_rate": 0.01})
    """
    known = schedule_options(name)
    for key, value in options.items():
        if key not in known:
            if not known:
                raise ValueError(f"schedule={name} has no options, got {key}; leave it out.")
            raise unknown_name(f"option of schedule={name}", key, known)
        if key not in _PIECES and not isinstance(value, (int, float)):
            raise ValueError(f"{key} of schedule={name} must be a number, got {value!r}.")
    for key, example in _REQUIRED.items():
        needs = name.startswith("piecewise") if key.startswith("boundaries") else key in known
        has = {*_PIECES} <= {*options} if key.startswith("boundaries") else key in options
        if needs and not has:
            raise ValueError(f"schedule={name} needs options, e.g. {example}.")


def from_optax(
    name: str,
    *,
    learning_rate: float,
    total_steps: int,
    warmup_steps: int,
    options: Mapping[str, Any],
) -> tuple[optax.Schedule, bool]:
    """Call one of Optax's factories, with the run's steps filled in.

    Args:
      name: one of `optax_schedules()`.
      learning_rate: the peak.
      total_steps: updates in the whole run.
      warmup_steps: those of the warm-up.
      options: checked ones.

    Returns:
      The schedule, and whether the warm-up is part of it; else it begins after the warm-up.
    """
    name = name.removesuffix("_schedule")
    steps = total_steps - warmup_steps
    if name == "sgdr":
        return _cycles(learning_rate, steps, **{**_CYCLES, **options}), False
    if name == "piecewise_constant":
        return _pieces(learning_rate, total_steps, warmup_steps, **options), False
    factory = optax_schedules()[name]
    has_warmup = name.startswith("warmup_")
    is_one_cycle = "onecycle" in name
    first = learning_rate / (warmup_steps + 1) if has_warmup else learning_rate
    filled: dict[str, Any] = {
        "init_value": first,
        "peak_value": learning_rate,
        "warmup_steps": warmup_steps,
        "decay_steps": total_steps if has_warmup else steps,
        "transition_steps": total_steps if is_one_cycle else steps,
        "end_value": 0.0 if name == "polynomial" else None,
    }
    if warmup_steps and is_one_cycle:
        filled["pct_start"] = warmup_steps / total_steps
    known = inspect.signature(factory).parameters
    arguments = {k: v for k, v in filled.items() if k in known and v is not None}
    made = factory(**{**arguments, **options})
    return (_of_each_step(made), True) if is_one_cycle else (made, has_warmup)


def _of_each_step(schedule: optax.Schedule) -> optax.Schedule:
    """Let a schedule that takes a single step, and mixes dtypes, take an array of steps."""

    def each(step: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return jnp.vectorize(schedule)(step)

    return each


def _cycles(peak: float, steps: int, *, num_cycles: int, length_factor: float) -> optax.Schedule:
    """Restart a cosine, each time for longer (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
    if num_cycles < 1 or length_factor <= 0:
        raise ValueError(
            f"num_cycles (={num_cycles}) must be at least 1, and length_factor (={length_factor}) "
            "above 0."
        )
    weights = [length_factor**i for i in range(int(num_cycles))]
    ends = [round(steps * sum(weights[: i + 1]) / sum(weights)) for i in range(len(weights))]
    lengths = [max(1, end - start) for start, end in zip([0, *ends], ends, strict=False)]
    return optax.sgdr_schedule(
        [
            {"init_value": peak, "peak_value": peak, "decay_steps": length, "warmup_steps": 0}
            for length in lengths
        ]
    )


def _pieces(
    peak: float, total_steps: int, warmup_steps: int, *, boundaries: Any, scales: Any
) -> optax.Schedule:
    """Multiply the rate by each scale where its share of the steps is done."""
    shares, factors = (v if isinstance(v, tuple) else (v,) for v in (boundaries, scales))
    numbers = all(isinstance(v, (int, float)) for v in (*shares, *factors))
    if not numbers or len(shares) != len(factors) or not all(0 < share < 1 for share in shares):
        raise ValueError(
            "boundaries must be shares of the steps between 0 and 1, and scales as many factors, "
            f"e.g. boundaries=0.5:0.75,scales=0.1:0.1; got {boundaries} and {scales}."
        )
    drops: dict[int, float] = {}  # in a short run, drops may share a step
    for share, factor in zip(shares, factors, strict=True):
        step = max(0, round(share * total_steps) - warmup_steps)
        drops[step] = drops.get(step, 1.0) * factor
    return optax.piecewise_constant_schedule(peak, drops)
