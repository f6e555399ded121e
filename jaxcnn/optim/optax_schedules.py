"""Optax's learning-rate schedules by name, for a run whose steps are known."""

import functools
import inspect
import math
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
_RANGES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("power", "exponent", "decay_rate", "div_factor", "final_div_factor"),
        (lambda value: 0 < value < math.inf, "a finite number above 0"),
    ),
    **dict.fromkeys(("pct_start", "pct_final"), (lambda value: 0 < value < 1, "in (0, 1)")),
    "alpha": (lambda value: 0 <= value <= 1, "in [0, 1]"),
    "end_value": (lambda value: 0 <= value < math.inf, "a finite number of at least 0"),
    "transition_begin": (lambda value: _is_whole(value) and value >= 0, "a whole number"),
    **dict.fromkeys(
        ("transition_steps", "decay_steps"),
        (lambda value: _is_whole(value) and value >= 1, "a whole number of steps above 0"),
    ),
    "num_cycles": (
        lambda value: _is_whole(value) and 1 <= value <= 100,
        "a whole number from 1 to 100",
    ),
    "length_factor": (lambda value: 0.01 <= value <= 100, "a number from 0.01 to 100"),
}
_RISE, _FINAL = 0.3, 0.85  # Optax's pct_start and pct_final
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
        if key not in _PIECES:
            _check_option(name, key, value)
    for key, example in _REQUIRED.items():
        needs = name.startswith("piecewise") if key.startswith("boundaries") else key in known
        has = {*_PIECES} <= {*options} if key.startswith("boundaries") else key in options
        if needs and not has:
            raise ValueError(f"schedule={name} needs options, e.g. {example}.")


def _check_option(name: str, key: str, value: Any) -> None:
    if key == "staircase":
        fits, expected = isinstance(value, bool), "true or false"
    else:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        in_range, expected = _RANGES[key]
        fits = is_number and in_range(value)
    if not fits:
        raise ValueError(f"{key} of schedule={name} must be {expected}, got {value}.")


def _is_whole(value: Any) -> bool:
    return type(value) is int


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
    if name == "linear_onecycle":
        _check_order(options, filled.get("pct_start", _RISE))
    known = inspect.signature(factory).parameters
    arguments = {k: v for k, v in filled.items() if k in known and v is not None}
    try:
        made = factory(**{**arguments, **options})
    except ValueError as error:  # such as a decay that ends within the warm-up
        given = ",".join(f"{key}={value}" for key, value in options.items())
        raise ValueError(f"schedule={name} cannot have {given}: {error}") from error
    return (_of_each_step(made), True) if is_one_cycle else (made, has_warmup)


def _check_order(options: Mapping[str, Any], rise: float) -> None:
    """Refuse a last part of `linear_onecycle` that begins before its peak."""
    start, final = options.get("pct_start", rise), options.get("pct_final", _FINAL)
    if final <= start:
        raise ValueError(
            f"pct_final (={final:g}) of schedule=linear_onecycle must be above the share of the "
            f"steps in which the rate rises (={start:g}); raise it, or lower pct_start or the "
            "warm-up."
        )


def _of_each_step(schedule: optax.Schedule) -> optax.Schedule:
    """Let a schedule that takes a single step, and mixes dtypes, take an array of steps."""

    def each(step: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return jnp.vectorize(schedule)(step)

    return each


def _cycles(peak: float, steps: int, *, num_cycles: int, length_factor: float) -> optax.Schedule:
    """Restart a cosine, each time for longer (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
    weights = [length_factor**i for i in range(num_cycles)]
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
    numbers = all(isinstance(v, (int, float)) and 0 <= v < math.inf for v in (*shares, *factors))
    if not numbers or len(shares) != len(factors) or not all(0 < share < 1 for share in shares):
        raise ValueError(
            "boundaries must be shares of the steps between 0 and 1, and scales as many factors "
            "of at least 0, "
            f"e.g. boundaries=0.5:0.75,scales=0.1:0.1; got {boundaries} and {scales}."
        )
    drops: dict[int, float] = {}  # in a short run, drops may share a step
    for share, factor in zip(shares, factors, strict=True):
        step = max(0, round(share * total_steps) - warmup_steps)
        drops[step] = drops.get(step, 1.0) * factor
    return optax.piecewise_constant_schedule(peak, drops)
