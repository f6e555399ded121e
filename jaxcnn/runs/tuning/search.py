"""Before a run's training: find the hyper-parameters it asks for, once, and write them down."""

import logging
from pathlib import Path

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.host.files import read_json, write_json
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.run import Run
from jaxcnn.runs.transfer import Start
from jaxcnn.runs.tuning.learning_rate_finder import find_learning_rate
from jaxcnn.runs.tuning.sweep import parse_sweep, run_sweep

logger = logging.getLogger(__name__)


def check_search(config: TrainConfig) -> None:
    """Check what is looked for, before settings are completed and data is read.

    Args:
      config: settings as they were given, some of them None.

    Raises:
      ValueError: if the sweep cannot be read, a value is both given and looked for, or the run has
        two phases.
    """
    run = config.run
    swept = [] if run.sweep is None else [axis.name for axis in parse_sweep(run.sweep)]
    if run.sweep and run.find_learning_rate:
        raise ValueError("sweep and find_learning_rate exclude each other; give one.")
    option = "sweep" if run.sweep else "find_learning_rate"
    if config.training.fine_tune:
        raise ValueError(
            f"{option} is for a single phase of training, and fine_tune has two; give "
            "freeze=backbone or freeze=none instead, or set the rates yourself."
        )
    given, defaults = config.flat(), TrainConfig().flat()
    for name in swept or ["learning_rate"]:
        if given[name] != defaults[name]:
            raise ValueError(f"{name} is given and {option} is to find it; give one of the two.")


def go_on(workdir: Path, config: TrainConfig) -> TrainConfig:
    """Take up the values that an earlier start of a run chose.

    Args:
      workdir: the run's folder.
      config: complete settings; what is looked for still has its default.

    Returns:
      The settings with the best values found there, if any.
    """
    folder = Workdir(workdir)
    if not folder.best_trial.exists():
        return config
    before = config_lib.to_json(config)
    config = config.replace(**read_json(folder.best_trial))
    if read_json(folder.config) == before:  # stopped between the two files
        write_json(folder.config, config_lib.to_json(config))
    return config


def choose(
    config: TrainConfig,
    folder: Workdir,
    data: ImageSplits,
    *,
    start: Start | None = None,
    progress: bool = True,
) -> TrainConfig:
    """Find the values that the settings ask for, unless they were found before.

    Args:
      config: complete settings, as `go_on` gives.
      folder: the run's folder, where `best_trial.json` is written and `config.json` changed.
      data: the three splits; the test split is not looked at.
      start: the weights that the run starts from.
      progress: show a bar.

    Returns:
      The settings with the values of the best trial.

    Raises:
      ValueError: if every value that is tried diverges.
    """
    if folder.best_trial.exists():
        return config
    run = Run(config, folder, data, start=start, progress=progress)
    (variables,) = run.start_variables()
    if config.run.sweep:
        best = run_sweep(run.context, variables)
    else:
        best = {"learning_rate": find_learning_rate(run.context, variables)}
    config = config.replace(**best)
    write_json(folder.best_trial, best)
    write_json(folder.config, config_lib.to_json(config))
    logger.info("training with " + ", ".join(f"{name} {value:g}" for name, value in best.items()))
    return config
