"""Before a run's training: find the hyper-parameters it asks for, once, and write them down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.host.files import write_json
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.single import Run
from jaxcnn.runs.transfer import Start
from jaxcnn.runs.tuning.learning_rate_finder import try_rates
from jaxcnn.runs.tuning.sweep import parse_sweep, run_sweep

Say = Callable[[str], None]


def is_asked_for(config: TrainConfig) -> bool:
    """Tell whether a run looks for hyper-parameters before it trains."""
    return bool(config.run.sweep) or config.run.find_learning_rate


def check_search(config: TrainConfig) -> None:
    """Check what is looked for, before settings are completed and data is read.

    Args:
      config: settings as they were given.

    Raises:
      ValueError: if the sweep cannot be read, or a value is both given and looked for.
    """
    swept = (
        [axis.name for axis in parse_sweep(config.run.sweep)]
        if config.run.sweep is not None
        else []
    )
    config_lib.check_search(config, swept)


def go_on(workdir: Path, config: TrainConfig) -> TrainConfig:
    """Take up the values that an earlier start of a run chose.

    Args:
      workdir: the run's folder.
      config: complete settings; what is looked for still has its default.

    Returns:
      The settings with the values chosen there, if any.
    """
    folder = Workdir(workdir)
    if not is_asked_for(config) or not folder.chosen.exists():
        return config
    before = config_lib.to_json(config)
    config = config.replace(**json.loads(folder.chosen.read_text()))
    if json.loads(folder.config.read_text()) == before:  # stopped between the two files
        write_json(folder.config, config_lib.to_json(config))
    return config


def choose(
    config: TrainConfig,
    folder: Workdir,
    data: ImageSplits,
    *,
    start: Start | None = None,
    say: Say = print,
) -> TrainConfig:
    """Find the values that the settings ask for, unless they were found before.

    Args:
      config: complete settings, as `go_on` gives.
      folder: the run's folder, where `chosen.json` is written and `config.json` changed.
      data: the three splits; the test split is not looked at.
      start: the weights that the run starts from.
      say: called with each line for the person who waits.

    Returns:
      The settings with the chosen values.

    Raises:
      ValueError: if every value that is tried diverges.
    """
    if not is_asked_for(config) or folder.chosen.exists():
        return config
    run = Run(config, folder, data, start=start, say=say)
    chosen: dict[str, Any]
    if config.run.sweep:
        chosen = run_sweep(run.context, run.start_variables())
    else:
        chosen = {"learning_rate": try_rates(run.context, run.start_variables()).suggestion}
    config = config.replace(**chosen)
    write_json(folder.chosen, chosen)
    write_json(folder.config, config_lib.to_json(config))
    say("training with " + ", ".join(f"{name} {value:g}" for name, value in chosen.items()))
    return config
