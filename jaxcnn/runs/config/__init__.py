"""The settings of a run: one frozen value, each field with its meaning and unit."""

from jaxcnn.runs.config.checks import check_search, check_values, count_frozen
from jaxcnn.runs.config.presets import PRESETS, num_channels_of, resolve
from jaxcnn.runs.config.settings import (MACHINE_SETTINGS, MODEL_OPTIONS, TrainConfig, from_json, load_config, starts_from_weights, to_json)

__all__ = [
    "MACHINE_SETTINGS",
    "MODEL_OPTIONS",
    "PRESETS",
    "TrainConfig",
    "check_search",
    "check_values",
    "count_frozen",
    "from_json",
    "load_config",
    "num_channels_of",
    "resolve",
    "starts_from_weights",
    "to_json",
]
