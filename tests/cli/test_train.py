"""`jaxcnn train`: what a resumed run takes from flags, and what from its folder."""

import json
import shutil
import subprocess
import sys

import pytest
from programs import try_words

# Prints the settings that a command line would train with.
SETTINGS = """
import json, sys
from absl import flags
from jaxcnn.cli.commands import train
from jaxcnn.runs.config import to_json

program = train.Program("jaxcnn train", "")
train.define_flags(program)
flags.FLAGS(sys.argv)
print(json.dumps(to_json(train._as_its_run(train.read_config(program), program))))
"""


def settings_of(*words):
    command = [sys.executable, "-c", SETTINGS, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def different(found, there):
    return {name: value for name, value in found.items() if there.get(name) != value}


@pytest.mark.slow
def test_a_resumed_run_has_its_own_settings_where_no_flag_is_given(tiny_run):
    there = json.loads((tiny_run / "config.json").read_text())
    workdir = f"--workdir={tiny_run}"
    assert different(settings_of("--resume", workdir), there) == {}
    assert different(settings_of("--resume", workdir, "--num_epochs=99"), there) == {
        "num_epochs": 99
    }
    assert "image_size_px" in different(settings_of(workdir), there)


@pytest.mark.parametrize("sweep", ["learning_rate:1e-4..1e-1:log:2"])
def test_a_resumed_search_has_the_settings_of_its_flags(tiny_run, tmp_path, sweep):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    there = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(there | {"sweep": sweep}))
    found = settings_of("--resume", f"--workdir={run}", f"--sweep={sweep}")
    assert found["learning_rate"] != there["learning_rate"]


@pytest.mark.parametrize("text", ["224x", "x", "0x5", "224X160", "224,160"])
def test_a_wrong_size_is_answered_in_one_line(text):
    done = try_words("train", f"--image_size_px={text}")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "image_size_px" in line
    assert text in line
