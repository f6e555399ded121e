"""The settings of a run: one frozen value in four groups, each field with its meaning and unit.

- `settings`: the groups of settings; `train_config`: all of them as one value, and its JSON;
- `presets`: what suits a data set, a network, weights and a kind of training, if nothing is said;
- `checks`: what values a setting may have, and which settings exclude each other.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.runs.config.presets import (
        PRESETS as PRESETS,
        resolve as resolve,
    )
    from jaxcnn.runs.config.settings import (
        MODEL_OPTIONS as MODEL_OPTIONS,
        DataSettings as DataSettings,
        NetworkSettings as NetworkSettings,
        RunSettings as RunSettings,
        TrainingSettings as TrainingSettings,
    )
    from jaxcnn.runs.config.train_config import (
        MACHINE_SETTINGS as MACHINE_SETTINGS,
        TrainConfig as TrainConfig,
        from_json as from_json,
        load_config as load_config,
        make_config as make_config,
        setting_fields as setting_fields,
        to_json as to_json,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
