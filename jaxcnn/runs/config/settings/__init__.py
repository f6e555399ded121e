"""The settings in their four groups, each with its meaning and its default."""

from jaxcnn.runs.config.settings.data import SIZE_SETTINGS, TABLE_SETTINGS, DataSettings
from jaxcnn.runs.config.settings.network import MODEL_OPTIONS, NetworkSettings
from jaxcnn.runs.config.settings.run import RunSettings
from jaxcnn.runs.config.settings.training import TrainingSettings

__all__ = [
    "MODEL_OPTIONS",
    "SIZE_SETTINGS",
    "TABLE_SETTINGS",
    "DataSettings",
    "NetworkSettings",
    "RunSettings",
    "TrainingSettings",
]
