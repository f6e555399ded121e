"""The commands that repeat a run, go on with it, and put it to use."""

import shlex
from collections.abc import Mapping
from typing import Any

from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig, make_config

_WIDTH = 76  # characters
_TRAIN = "train"  # it has a flag for each setting, so it repeats all runs


def reproduce_command(config: TrainConfig) -> str:
    """Write the command that trains with the same settings.

    Args:
      config: complete settings.

    Returns:
      A line for a shell, with a flag for each setting that differs from what the program would
      choose by itself.
    """
    return _command(_TRAIN, _flags(config))


def resume_command(config: TrainConfig, workdir: str) -> str:
    """Write the command that goes on with a run from its last checkpoint."""
    return _command(_TRAIN, [*_flags(config), f"--workdir={workdir}", "--resume"])


def predict_command(workdir: str) -> str:
    """Write the command that labels photos with a run's network."""
    return _command("predict", [f"--workdir={workdir}"]) + " PHOTO..."


def command_on(name: str, workdir: str) -> str:
    """Write the command of this name, as in "look-inside", on a run's folder."""
    return _command(name, [f"--workdir={workdir}"])


def evaluate_command(workdir: str) -> str:
    """Write the command that tests a run's network again."""
    return _command(_TRAIN, ["--mode=evaluate", f"--workdir={workdir}"])


def _command(name: str, flags: list[str]) -> str:
    """Write a command, one flag per line where it is long."""
    first, line = f"jaxcnn {name}", shlex.join(["jaxcnn", name, *flags])
    if len(line) <= _WIDTH:
        return line
    return " \\\n    ".join([first, *map(shlex.quote, flags)])


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
    while missing := _differing(values, given):
        given |= missing
    return {name: given[name] for name in values if name in given}


def _differing(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Find what `resolve` would fill in otherwise; all values where it refuses what is given."""
    try:
        filled = config_lib.resolve(make_config(**given)).flat()
    except ValueError:
        filled = {}
    return {
        name: value
        for name, value in values.items()
        if value is not None and name not in given and filled.get(name) != value
    }
