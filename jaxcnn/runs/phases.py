"""The phases of a run's training: one, or the last layer first and then more."""

from typing import NamedTuple

from jaxcnn.runs.config import TrainConfig, starts_from_weights

HEAD, FINE_TUNE = "head", "fine-tune"


class Phase(NamedTuple):
    """A stretch of training in which the same layers are trained at the same rates."""

    name: str  # "" where a run has but one
    num_epochs: int
    learning_rate: float  # peak
    warmup_epochs: float | None
    freeze: str  # as the setting of that name
    layer_decay: float  # the learning rate of a stage over that of the next
    on_features: bool  # whether the backbone's outputs are computed once and cached
    schedule_steps: int | None = None  # length of the schedule; None for that of all epochs


def plan_phases(config: TrainConfig) -> list[Phase]:
    """Lay out the phases of a run.

    Args:
      config: complete settings, as `config.resolve` gives.

    Returns:
      One phase, or with `fine_tune` two.
    """
    freeze = config.network.freeze or "none"
    main = Phase(
        name=FINE_TUNE if config.training.fine_tune else "",
        num_epochs=config.training.num_epochs,
        learning_rate=config.training.learning_rate,
        warmup_epochs=config.training.warmup_epochs,
        freeze=freeze,
        layer_decay=config.training.layer_decay if starts_from_weights(config) else 1.0,
        on_features=config.training.cache_features and freeze == "backbone",
    )
    if not config.training.fine_tune or not config.training.head_epochs:
        return [main]
    head = Phase(
        name=HEAD,
        num_epochs=config.training.head_epochs,
        learning_rate=config.training.head_learning_rate,
        warmup_epochs=None
        if config.training.schedule == "one_cycle"
        else min(1.0, config.training.head_epochs / 2),
        freeze="backbone",
        layer_decay=1.0,
        on_features=config.training.cache_features,
    )
    return [head, main]
