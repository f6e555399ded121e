"""The commands on a page, read back as flags, say the run's settings."""

import shlex

import pytest
from absl import flags

from jaxcnn.cli import command_line
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.report.commands import run_commands

CASES = {
    "plain": {},
    "photos": {"dataset": "folder", "data_dir": "my photos/$HOME; rm 'x'", "seed": 3},
    "network": {"model": "small_resnet", "flip_average": False, "weight_decay": 0.1},
    "no layers": {"dense_widths": (), "batch_norm": True, "augment": "none"},
    "members": {"num_seeds": 3, "member_order": "shared", "baselines": False},
    "fine-tuned": {"pretrained": True, "fine_tune": True, "dataset": "folder", "data_dir": "x"},
    "private": {"dp_clip_norm": 1.0, "dp_noise_multiplier": 0.5, "pixel_mean": (0.4, 0.5, 0.6)},
}


def read_back(command):
    """Parse a command of the page as the program would, but for its own flags."""
    values = flags.FlagValues()
    hints = command_line.setting_types()
    for field in config_lib.setting_fields().values():
        define = command_line.flag_definer(hints[field.name])
        define(field.name, field.default, "", flag_values=values)
    words = shlex.split(command.replace("\\\n", " "))  # as a shell joins lines
    assert words[:2] == ["jaxcnn", "train"]
    assert values(words[1:]) == ["train"]
    given = {name: values[name].value for name in config_lib.setting_fields()}
    for name, parse in (("dense_widths", int), ("pixel_mean", float), ("pixel_std", float)):
        if isinstance(given[name], str):
            given[name] = tuple(parse(part) for part in given[name].split(",") if part)
    return make_config(**given)


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_the_command_says_all_settings(changes):
    config = config_lib.resolve(make_config(**changes))
    command = run_commands(config, "run")["reproduce"]
    assert config_lib.resolve(read_back(command)) == config


def test_the_command_says_no_more_than_it_must():
    config = config_lib.resolve(make_config(dataset="cifar10", num_epochs=3))
    assert run_commands(config, "run")["reproduce"] == (
        "jaxcnn train --dataset=cifar10 --num_epochs=3"
    )


def test_folders_are_quoted():
    place = "my run; rm 'x'"
    commands = run_commands(config_lib.resolve(TrainConfig()), place)
    assert commands.pop("python") == f"Classifier.load({place!r})"
    del commands["reproduce"]  # into a new folder
    assert len(commands) == 6
    for command in commands.values():
        assert f"--workdir={place}" in shlex.split(command.replace("\\\n", " "))


def test_a_run_goes_on_by_its_folder_and_a_search_by_its_flags():
    config = config_lib.resolve(make_config(seed=3))
    assert run_commands(config, "run")["resume"] == "jaxcnn train --workdir=run --resume"
    search = run_commands(config.replace(find_learning_rate=True), "run")["resume"]
    assert "--find_learning_rate" in search
    assert "--seed=3" in search
