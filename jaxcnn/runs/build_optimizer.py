"""The optimizer and the learning-rate schedule of a phase, from settings."""

from collections.abc import Collection, Sequence

import optax

from jaxcnn import optim
from jaxcnn.host.text import listed
from jaxcnn.optim import schedules
from jaxcnn.optim.parameter_groups import Multipliers, check_patterns, factor_of
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.config.checks import count_frozen
from jaxcnn.runs.model_options import parse_options
from jaxcnn.runs.phases import HEAD, Phase
from jaxcnn.types import PyTree


def build_optimizer(
    config: TrainConfig,
    phase: Phase,
    *,
    layers: Sequence[str],
    params: PyTree,
    steps_per_epoch: int,
    injected: Collection[str] = (),
) -> tuple[optax.Schedule, optax.GradientTransformation]:
    """Create the schedule and the optimizer of a phase.

    Args:
      config: complete settings.
      phase: one of `phases.plan_phases`.
      layers: names of the network's stages and of its head, in order.
      params: of the whole network, or their shapes.
      steps_per_epoch: updates per epoch.
      injected: hyper-parameters that are to be arrays in the optimizer's state, see
        `optim.make_optimizer`.

    Returns:
      The two.

    Raises:
      ValueError: if a name is unknown or a value does not fit.
    """
    training = config.training
    total_steps = phase.schedule_steps or phase.num_epochs * steps_per_epoch
    warmup_steps = None
    if phase.warmup_epochs is not None:  # a short run may end within its warm-up
        warmup_steps = min(round(phase.warmup_epochs * steps_per_epoch), total_steps - 1)
    schedule = schedules.make_schedule(
        training.schedule,
        learning_rate=phase.learning_rate,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
        options=parse_options(training.schedule_options or "", "schedule_options"),
    )
    num_frozen = count_frozen(phase.freeze, len(layers) - 1)
    peak, decay = phase.learning_rate, phase.layer_decay
    optimizer = optim.make_optimizer(
        training.optimizer,
        peak if injected else schedule,
        weight_decay=training.weight_decay,
        momentum=training.momentum,
        options=parse_options(training.optimizer_options or "", "optimizer_options"),
        gradient_clip_norm=training.gradient_clip_norm,
        multipliers=_multipliers(config, params, layers[num_frozen:], phase),
        weight_decay_on=training.weight_decay_on,
        layer_factors=None if decay == 1 else optim.layer_factors(layers, decay),
        start_steps=start_steps(phase, layers[num_frozen:], steps_per_epoch),
        injected=injected,
        share=(lambda step: schedule(step) / peak) if injected else None,
    )
    return schedule, optimizer


def _multipliers(
    config: TrainConfig, params: PyTree, trained: Sequence[str], phase: Phase
) -> list[tuple[str, float]]:
    """Read the learning rates by parameter, and check their patterns on what the run trains."""
    training = config.training
    found = optim.parse_multipliers(training.lr_multipliers or "")
    if found or training.weight_decay_on:
        names = optim.parameter_names(params)
        learning = [name for name in names if name.split("/")[0] in trained]
        _check_trains(found, learning)
        if phase.name != HEAD:  # before it, the patterns are of what is trained later
            patterns = [pattern for pattern, _ in found]
            check_patterns(patterns, learning, setting="lr_multipliers")
            own = [training.weight_decay_on] if training.weight_decay_on else []
            check_patterns(own, learning, setting="weight_decay_on")
    return found


def _check_trains(multipliers: Multipliers, names: Sequence[str]) -> None:
    """Refuse factors of 0 on all that a phase trains."""
    if not any(factor_of(name, multipliers) for name in names):
        raise ValueError(
            f"lr_multipliers are 0 for all of {listed(names, 3)}, which is all that is trained; "
            "give one of them a factor above 0."
        )


def start_steps(phase: Phase, layers: Sequence[str], steps_per_epoch: int) -> dict[str, int] | None:
    """Plan at which step each layer begins to learn, the last one first.

    Args:
      phase: one of `phases.plan_phases`.
      layers: names of those that are trained, in order.
      steps_per_epoch: updates per epoch.

    Returns:
      {name: updates before its first}; None where all begin at once.

    Raises:
      ValueError: if the phase ends before the first layer begins.

    Source: Howard & Ruder 2018, arXiv:1801.06146, section 3.3 (gradual unfreezing).
    """
    every = phase.unfreeze_epochs
    if not every:
        return None
    # Where the last layer was trained alone, the first epochs train the one before it too.
    waits = [max(0, number - phase.is_second) for number in range(len(layers))]
    if waits[-1] * every >= phase.num_epochs:
        last = waits[-1] * every
        raise ValueError(
            f"num_epochs (={phase.num_epochs}) is too few for unfreeze_epochs (={every:g}): "
            f"{layers[0]} begins to learn after {last:g} epochs. Raise num_epochs above {last:g}, "
            "lower unfreeze_epochs, or freeze the first stages."
        )
    starts = [round(wait * every * steps_per_epoch) for wait in waits]
    return dict(zip(reversed(layers), starts, strict=True))
