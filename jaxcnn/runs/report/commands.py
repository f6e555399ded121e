"""The commands that repeat a run, go on with it, and put it to use."""

import shlex
from typing import Any

import numpy as np

from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.config.train_config import settle_head

_WIDTH = 76  # characters


def run_commands(config: TrainConfig, workdir: str) -> dict[str, str]:
    """Write the commands of a run, each a line for a shell, broken where it is long.

    Args:
      config: complete settings.
      workdir: the run's folder.

    Returns:
      Commands by name. "reproduce" has a flag for each setting that differs from what the program
      would choose by itself; so has "resume" of a search, which is resumed by its own flags.
    """
    searched = config.replace(sweep=None, sweep_epochs=None, find_learning_rate=False)
    place, own = f"--workdir={workdir}", _flags(config) if config.run.searches else []
    return {
        "reproduce": _command("train", *_flags(searched)),
        "resume": _command("train", *own, place, "--resume"),
        "predict": _command("predict", place) + " PHOTO...",
        "evaluate": _command("train", "--mode=evaluate", place),
        "look_inside": _command("look-inside", place),
        "clean": _command("clean", place),
        "report": _command("report", place),
        "python": f"Classifier.load({workdir!r})",
    }


def _command(name: str, *flags: str) -> str:
    line = shlex.join(["jaxcnn", name, *flags])
    if len(line) <= _WIDTH:
        return line
    return " \\\n    ".join([f"jaxcnn {name}", *map(shlex.quote, flags)])


def _flags(config: TrainConfig) -> list[str]:
    return [_flag(name, value) for name, value in needed_settings(config).items()]


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"--{name}={text}"


def needed_settings(config: TrainConfig) -> dict[str, Any]:
    """Find settings that must be given for `config.resolve` to fill in the others.

    Args:
      config: complete settings.

    Returns:
      Values by name, in the order of the settings. None is never among them, since no flag says
      it; where a default would fill in a value that the run had not, the command cannot tell.

    Example:
      >>> needed_settings(config_lib.resolve(make_config(dataset="mnist", seed=3)))
      {'dataset': 'mnist', 'seed': 3}
    """
    values, plain = config.flat(), TrainConfig().flat()
    given = {
        name: value
        for name, value in values.items()
        if plain[name] is not None and value != plain[name]
    }
    while True:
        try:
            filled = _settled(config_lib.resolve(make_config(**given)), config).flat()
        except ValueError:  # what is given is refused: then all must be
            filled = {}
        missing = {
            name: value
            for name, value in values.items()
            if value is not None and name not in given and filled.get(name) != value
        }
        if not missing:
            return {name: given[name] for name in values if name in given}
        name = next(iter(missing))  # one alone, as the others may follow from it
        given[name] = missing[name]


def _settled(config: TrainConfig, there: TrainConfig) -> TrainConfig:
    """Fill in what labels like those of a run settle."""
    labels = np.zeros((0, 2) if there.has_several_labels else 0)
    try:
        return settle_head(config, labels)
    except ValueError:  # such settings are given
        return config
