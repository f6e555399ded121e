"""The phases of a run's training: one, or the last layer first and then more."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxcnn.models import model_options
from jaxcnn.runs.config.train_config import TrainConfig, starts_from_weights
from jaxcnn.training.progressive_resizing import parse_shares

HEAD, FINE_TUNE = "head", "fine-tune"
# Settings of a network's size, and the next smaller one.
_SIZES: dict[str, Callable[[float], float]] = {
    "width_multiplier": lambda width: width / 2,
    "depth": lambda depth: max(1, depth - 1),
}


class Phase(NamedTuple):
    """A stretch of training in which the same layers are trained at the same rates."""

    name: str  # "" where a run has but one
    num_epochs: int
    learning_rate: float  # peak
    warmup_epochs: float | None
    freeze: str  # as the setting of that name
    layer_decay: float  # the learning rate of a stage over that of the next
    on_features: bool  # whether the backbone's outputs are computed once and cached
    progressive_resizing: Mapping[int, float] = {}  # see `training.progressive_resizing`
    schedule_steps: int | None = None  # length of the schedule; None for that of all epochs
    unfreeze_epochs: float = 0.0  # after which the next stage begins to learn; 0: all at once
    is_second: bool = False  # whether the last layer was trained alone before


def plan_phases(config: TrainConfig) -> list[Phase]:
    """Lay out the phases of a run.

    Args:
      config: complete settings, as `config.resolve` gives.

    Returns:
      One phase, or with `fine_tune` two.
    """
    freeze = config.network.freeze or "none"
    on_features = config.training.cache_features and freeze == "backbone"
    shares = parse_shares(config.training.progressive_resizing or "")
    main = Phase(
        name=FINE_TUNE if config.training.fine_tune else "",
        num_epochs=config.training.num_epochs,
        learning_rate=config.training.learning_rate,
        warmup_epochs=config.training.warmup_epochs,
        freeze=freeze,
        layer_decay=config.training.layer_decay if starts_from_weights(config) else 1.0,
        on_features=on_features,
        progressive_resizing={} if on_features else shares,
        unfreeze_epochs=config.training.unfreeze_epochs,
        is_second=bool(config.training.fine_tune and config.training.head_epochs),
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


def augments(config: TrainConfig) -> bool:
    """Tell whether augmentation has an effect: it has none on features that were cached once."""
    on_photos = not plan_phases(config)[-1].on_features
    return config.training.augment != "none" and (on_photos or config.training.feature_views > 0)


def cures(config: TrainConfig) -> str:
    """Say what may keep the network of a run from memorising, of the settings that it has.

    Args:
      config: complete settings.
    """
    network, options = config.network, model_options(config.network.model)
    found = ["more photos"]
    if plan_phases(config)[-1].on_features and not config.training.feature_views:
        found.append("augmented views (feature_views)")
    elif config.training.augment == "none":
        found.append("augmentation (augment)")
    elif not config.training.augment.startswith("strong"):
        found.append("stronger augmentation")
    found.append("a higher weight_decay")
    if "dropout_rate" in options:
        found.append("a higher dropout_rate")
    sizes = {name: config.flat()[name] or options[name] for name in _SIZES if name in options}
    if sizes and not starts_from_weights(config):
        smaller = {name: _SIZES[name](size) for name, size in sizes.items()}
        named = [f"{name}={size:g}" for name, size in smaller.items() if size < sizes[name]]
        found.append(f"a smaller network ({' or '.join(named)})")
    elif not sizes and network.freeze != "backbone":
        found.append("a smaller network")
    return _alternatives(found)


def underfitting_cures(config: TrainConfig, *, stopped_early: bool = False) -> str:
    """Say what may make the network of a run right on more of its training photos.

    Args:
      config: complete settings.
      stopped_early: whether early stopping ended the run, so that more epochs bring nothing.
    """
    is_frozen = plan_phases(config)[-1].freeze == "backbone"
    found = ["training more layers (fine_tune)" if is_frozen else "a larger network"]
    if not stopped_early:
        found.append("more epochs")
    if augments(config):
        found.append("weaker augmentation")
    return _alternatives(found)


def _alternatives(found: list[str]) -> str:
    return " or ".join([part for part in (", ".join(found[:-1]), found[-1]) if part])
