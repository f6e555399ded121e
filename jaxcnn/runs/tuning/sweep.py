"""A sweep: successive halving over a grid of hyper-parameters, all trials in one program.

Source: Jamieson & Talwalkar 2016, arXiv:1502.07943, section 3 (successive halving); here the rungs
are fixed at epochs 1, 2, 4, ... and not by a budget, so later rungs train fewer trials for longer.
"""

import dataclasses
import itertools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from jaxcnn import plots
from jaxcnn.host.files import write_rows
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import in_columns
from jaxcnn.optim.optimizers import HYPERPARAMETERS
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.tuning.trials import Trials
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)


_FORM = "name:low..high:log|linear:count"
_SPACES: dict[str, Callable[..., np.ndarray]] = {"log": np.geomspace, "linear": np.linspace}
_RANGES = {
    "learning_rate": ("above 0", lambda value: value > 0),
    "weight_decay": ("at least 0", lambda value: value >= 0),
    "momentum": ("in [0, 1)", lambda value: 0 <= value < 1),
}
_MOST_ROWS = 20


class Axis(NamedTuple):
    """One hyper-parameter's values in a grid."""

    name: str
    scale: str  # "log" or "linear"
    values: tuple[float, ...]


def parse_sweep(text: str) -> list[Axis]:
    """Read a grid written as name:low..high:scale:count, comma-separated.

    Args:
      text: names are those of `optim.HYPERPARAMETERS`; scales log or linear.

    Returns:
      An axis for each part, in order; values are rounded to 4 digits.

    Raises:
      ValueError: naming the part that cannot be used, and why.

    Example:
      >>> parse_sweep("learning_rate:1e-4..1e-2:log:3,momentum:0.8..0.9:linear:2")[0].values
      (0.0001, 0.001, 0.01)
    """
    axes = [_parse_part(part.strip()) for part in text.split(",")]
    names = [axis.name for axis in axes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"sweep={text}: names {twice[0]} twice; give each hyper-parameter once.")
    return axes


def _parse_part(part: str) -> Axis:
    try:
        name, ends, scale, count_text = (word.strip() for word in part.split(":"))
        low, high = map(float, ends.split(".."))
        count = int(count_text)
    except ValueError:
        raise ValueError(
            f"sweep={part}: must be {_FORM}, with numbers low and high and a whole count, parts "
            "separated by commas."
        ) from None
    if name not in HYPERPARAMETERS:
        raise ValueError(f"sweep={part}: {unknown_name('hyper-parameter', name, HYPERPARAMETERS)}")
    if scale not in _SPACES:
        raise ValueError(f"sweep={part}: {unknown_name('scale', scale, _SPACES)}")
    expected, holds = _RANGES[name]
    if not all(math.isfinite(end) and holds(end) for end in (low, high)):
        raise ValueError(f"sweep={part}: must have low and high {expected}.")
    if not low < high or count < 2:
        raise ValueError(f"sweep={part}: must have low below high and a count of at least 2.")
    if scale == "log" and low <= 0:
        raise ValueError(f"sweep={part}: must start above 0 for log; use linear, or another low.")
    values = _SPACES[scale](low, high, count)
    return Axis(name, scale, tuple(float(f"{value:.4g}") for value in values))


@dataclasses.dataclass
class Trial:
    """One combination of values, and how it fared."""

    values: dict[str, float]
    # One row per rung: epoch, validation accuracy and loss.
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    dropped_at_epoch: int | None = None  # None of those that stayed to the end

    def rank(self) -> tuple[float, float, float]:
        """Order trials: by how long they stayed, then by accuracy, then by the lower loss."""
        last = self.history[-1]
        return (last["epoch"], *score(last["validation_accuracy"], last["validation_loss"]))


def score(accuracy: float, loss: float) -> tuple[float, float]:
    """Order by accuracy, then by the lower loss; below all where the loss is not finite."""
    return (accuracy, -loss) if math.isfinite(loss) else (-math.inf, -math.inf)


def rungs(num_epochs: int) -> list[int]:
    """List the epochs after which trials are compared: powers of 2, and the last.

    Example:
      >>> rungs(6), rungs(1)
      ([1, 2, 4, 6], [1])
    """
    powers = [2**i for i in range(num_epochs.bit_length()) if 2**i < num_epochs]
    return [*powers, num_epochs]


def better_half(scores: Sequence[tuple[float, ...]]) -> list[int]:
    """Choose the positions of the better half, the middle one of an odd number included.

    Example:
      >>> better_half([(0.5, -1.0), (0.9, -1.0), (0.9, -0.5)])
      [1, 2]
    """
    order = sorted(range(len(scores)), key=lambda i: scores[i], reverse=True)
    return sorted(order[: -(-len(scores) // 2)])


def run_sweep(run: RunContext, variables: PyTree) -> dict[str, float]:
    """Train every trial of the grid as a member of one program, and choose the best.

    Each is trained as a run of `sweep_epochs` would be. `sweep/trials.jsonl` and
    `pictures/sweep.png` are written into the run's folder.

    Args:
      run: the run that the values are for.
      variables: that it starts from.

    Returns:
      {name: value} of the best trial.

    Raises:
      ValueError: if no trial's validation loss is finite at the end.
    """
    num_epochs = cast(int, run.config.run.sweep_epochs)
    axes = parse_sweep(cast(str, run.config.run.sweep))
    names = [axis.name for axis in axes]
    grid = itertools.product(*(axis.values for axis in axes))
    trials = [Trial(dict(zip(names, values, strict=True))) for values in grid]
    # The run in small: as many epochs as the sweep has, the warm-up shortened alike.
    (phase,) = plan_phases(run.config)
    warmup = phase.warmup_epochs and phase.warmup_epochs * (num_epochs / phase.num_epochs)
    phase = phase._replace(num_epochs=num_epochs, warmup_epochs=warmup)
    members = Trials(run, phase, variables, {n: [p.values[n] for p in trials] for n in names})
    logger.info(
        f"sweep of {len(trials)} trials ({', '.join(names)}), {num_epochs} epochs, "
        f"{'in one program by vmap' if members.mode == 'vmap' else 'in turn by one program'}"
    )
    _halve(members, trials, rungs(num_epochs))
    trials.sort(key=Trial.rank, reverse=True)
    rows = [_row(trial) for trial in trials]
    write_rows(run.folder.sweep / "trials.jsonl", rows)
    scales = {axis.name: axis.scale for axis in axes}
    plots.plot_sweep(run.folder.pictures / "sweep.png", rows, scales)
    for line in table(trials):
        logger.info(line)
    if not math.isfinite(trials[0].history[-1]["validation_loss"]):
        raise ValueError("every trial of the sweep diverged; lower the values of the grid.")
    return trials[0].values


def _halve(members: Trials, trials: Sequence[Trial], epochs: Sequence[int]) -> None:
    """Drop the worse half of the trials after each rung, and note in `trials` what came of it."""
    left, before = list(trials), 0
    for epoch in epochs:
        about = f"sweep, epoch {before + 1} to {epoch}, {len(left)} trials"
        members.train((epoch - before) * members.steps_per_epoch, about)
        for trial, found in zip(left, members.evaluate(), strict=True):
            figures = {"validation_accuracy": found.accuracy, "validation_loss": found.loss}
            trial.history.append({"epoch": epoch, **figures})
        kept = list(range(len(left)))
        if epoch != epochs[-1]:
            kept = better_half([trial.rank() for trial in left])
        best = max(left, key=Trial.rank)
        values = ", ".join(f"{name} {value:g}" for name, value in best.values.items())
        logger.info(
            f"  epoch {epoch:>3}: {len(left)} trials, {len(kept)} stay; best {values}: "
            f"{best.history[-1]['validation_accuracy']:.1%}"
        )
        for i in set(range(len(left))) - set(kept):
            left[i].dropped_at_epoch = epoch
        if len(kept) == 1:
            return
        if len(kept) < len(left):
            members.keep(kept)
        left, before = [left[i] for i in kept], epoch


def _row(trial: Trial) -> dict[str, Any]:
    last = trial.history[-1]
    finite = math.isfinite(last["validation_loss"])
    return {
        **trial.values,
        "epochs": last["epoch"],
        "validation_accuracy": last["validation_accuracy"] if finite else None,
        "validation_loss": _number(last["validation_loss"]),
        "dropped_at_epoch": trial.dropped_at_epoch,
        "history": [
            row | {"validation_loss": _number(row["validation_loss"])} for row in trial.history
        ],
    }


def _number(value: float) -> float | None:
    """Give None for what is not finite, which JSON cannot hold."""
    return value if math.isfinite(value) else None


def table(trials: Sequence[Trial]) -> list[str]:
    """Write the trials as lines of a table, the best first.

    Args:
      trials: sorted, at least one.

    Returns:
      Lines: a head, and a row for each of the best.
    """
    lines = [(*(f"{name:>10}" for name in trials[0].values), "epochs", "accuracy", "loss")]
    for trial in trials[:_MOST_ROWS]:
        last, values = trial.history[-1], trial.values.values()
        accuracy, loss = f"{last['validation_accuracy']:.1%}", f"{last['validation_loss']:.3f}"
        lines.append((*(f"{value:.4g}" for value in values), str(last["epoch"]), accuracy, loss))
    left_out = len(trials) - _MOST_ROWS
    notes = [f"and {left_out} more, see sweep/trials.jsonl"] if left_out > 0 else []
    return [f"  {line}" for line in [*in_columns(lines, left=0), *notes]]
