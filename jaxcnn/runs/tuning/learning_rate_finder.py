"""The learning-rate finder: a dozen rates tried for a few steps, side by side in one program.

Smith raises one network's rate step by step and looks where the loss falls fastest. Here each rate
has a network of its own, from the same start and on the same batches, and is the peak of a short
schedule: a warm-up and a cosine down to zero. So a rate's loss owes nothing to the rates before it,
and the noise of a high rate, which a whole run anneals away, does not tell against it.

Source: Smith 2017, arXiv:1506.01186, section 3.3 (the range test); the rule is this module's own.
"""

import logging

import numpy as np

from jaxcnn import optim, plots
from jaxcnn.data import batches
from jaxcnn.host.files import write_rows
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.phases import Phase, plan_phases
from jaxcnn.runs.tuning.trials import Trials
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_NUM_RATES = 12
_REACH = 300.0  # the highest rate over the optimizer's default, and that over the lowest
_MOST_STEPS, _MOST_EPOCHS = 100, 2
_WARMUP_SHARE = 0.1  # of the steps
_END_SHARE = 0.25  # of the steps, whose mean loss counts


def rates_to_try(optimizer: str, *, count: int = _NUM_RATES) -> np.ndarray:
    """Give the learning rates to try, evenly spaced by factors around the optimizer's default.

    Args:
      optimizer: one of `optim.list_optimizers()`.
      count: how many, at least 2.

    Returns:
      (count,) rates, the lowest first.

    Example:
      >>> [float(f"{rate:.2g}") for rate in rates_to_try("adamw", count=3)]
      [1e-05, 0.003, 0.9]
    """
    middle = optim.default_learning_rate(optimizer)
    return np.geomspace(middle / _REACH, middle * _REACH, count)


def suggest_rate(rates: np.ndarray, losses: np.ndarray) -> float:
    """Choose a peak learning rate by the loss that each rate ended with.

    The losses are averaged with their neighbours', weights 1, 2, 1 (what is not finite, or above
    the loss of the lowest rate by half, counts as that much), and the lowest of these means wins:
    a rate whose neighbours do well too is safe where a single lucky one is not.

    Args:
      rates: (R,) learning rates, evenly spaced by factors, the lowest first.
      losses: (R,) nats; not finite where training diverged.

    Returns:
      One of the rates, rounded to 2 digits.

    Raises:
      ValueError: if no loss is finite.

    Example:
      >>> suggest_rate(np.array([0.01, 0.1, 1.0, 10.0]), np.array([0.7, 0.3, 0.4, np.nan]))
      0.1
    """
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        raise ValueError(
            f"find_learning_rate: training diverged at each of {len(rates)} rates from "
            f"{rates[0]:.2g} to {rates[-1]:.2g}; check the images, or give learning_rate."
        )
    bad = 1.5 * finite[0]
    bounded = np.minimum(np.where(np.isfinite(losses), losses, bad), bad)
    padded = np.pad(bounded, 1, mode="edge")
    means = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return float(f"{rates[int(means.argmin())]:.2g}")


def short_schedule(config: TrainConfig, num_train: int) -> tuple[TrainConfig, Phase, int]:
    """Plan a training of a few steps with a whole schedule of its own, from warm-up to zero.

    Args:
      config: of the run that a rate is wanted for.
      num_train: its training examples.

    Returns:
      The settings and the phase to train with, and the steps to take.
    """
    (phase,) = plan_phases(config)
    steps_per_epoch = batches.steps_per_epoch(num_train, config.training.batch_size)
    num_steps = min(_MOST_STEPS, _MOST_EPOCHS * steps_per_epoch)
    phase = phase._replace(
        num_epochs=_MOST_EPOCHS,
        schedule_steps=num_steps,
        warmup_epochs=_WARMUP_SHARE * num_steps / steps_per_epoch,
    )
    if optim.is_schedule_free(config.training.optimizer):
        return config, phase, num_steps  # whose average stands for the way down
    return config.replace(schedule="cosine", schedule_options=None), phase, num_steps


def find_learning_rate(run: RunContext, variables: PyTree) -> float:
    """Train with each rate for a few steps, side by side, and suggest one.

    Args:
      run: the run that the rate is for; a picture and `sweep/learning_rates.jsonl` are written into
        its folder.
      variables: that it starts from.

    Returns:
      The suggestion.

    Raises:
      ValueError: if training diverges at every rate.
    """
    rates = rates_to_try(run.config.training.optimizer)
    config, phase, num_steps = short_schedule(run.config, len(run.data.train))
    trials = Trials(run._replace(config=config), phase, variables, {"learning_rate": rates})
    losses = trials.train(num_steps, f"{len(rates)} learning rates")
    ends = losses[-max(1, round(_END_SHARE * num_steps)) :].mean(axis=0)
    suggestion, is_finite = suggest_rate(rates, ends), np.isfinite(ends)
    rows = [
        {"learning_rate": float(rate), "loss": float(loss) if finite else None}
        for rate, loss, finite in zip(rates, ends, is_finite, strict=True)
    ]
    write_rows(run.folder.sweep / "learning_rates.jsonl", rows)
    picture, first_loss = run.folder.pictures / "learning_rate.png", float(losses[0].mean())
    plots.plot_learning_rates(picture, rates, ends, suggestion, first_loss=first_loss)
    logger.info(
        f"learning rate {suggestion:g}: of {len(rates)} from {rates[0]:.1g} to "
        f"{rates[-1]:.1g}, {int(is_finite.sum())} of them finite after {num_steps} steps, "
        "the one around which the loss ends lowest (pictures/learning_rate.png)"
    )
    return suggestion
