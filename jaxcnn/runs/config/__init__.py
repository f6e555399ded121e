"""The settings of a run: one frozen value in four groups, each field with its meaning and unit."""

from jaxcnn.runs.config.checks import check_search, check_values, count_frozen
from jaxcnn.runs.config.presets import PRESETS, num_channels_of, resolve
from jaxcnn.runs.config.settings import (
    GROUPS,
    MACHINE_SETTINGS,
    MODEL_OPTIONS,
    DataSettings,
    NetworkSettings,
    RunSettings,
    TrainConfig,
    TrainingSettings,
    from_json,
    load_config,
    make_config,
    setting_fields,
    starts_from_weights,
    to_json,
)

__all__ = [
    "GROUPS",
    "MACHINE_SETTINGS",
    "MODEL_OPTIONS",
    "PRESETS",
    "DataSettings",
    "NetworkSettings",
    "RunSettings",
    "TrainConfig",
    "TrainingSettings",
    "check_search",
    "check_values",
    "count_frozen",
    "from_json",
    "load_config",
    "make_config",
    "num_channels_of",
    "resolve",
    "setting_fields",
    "starts_from_weights",
    "to_json",
]
