"""The help of every program: what people use, in groups, with the values that they have."""

import os
import re
import subprocess
import sys

import pytest
from programs import ROOT, try_words

from jaxcnn.cli import COMMANDS

STUDIES = ("cats_dogs", "cifar10", "imagenet", "ablation", "benchmark", "understanding_cnn")
TRAINING = ("train", "cats_dogs", "cifar10", "imagenet", "ablation")
FLAG = re.compile(r"^  --(?:\[no\])?(\w+)", re.MULTILINE)
TITLE = re.compile(r"^(\w[\w, ]*):$", re.MULTILINE)


def groups_of(text):
    """The names of the flags by the title of their group, as the help shows them."""
    titles = [*TITLE.finditer(text)]
    ends = [title.start() for title in titles[1:]] + [len(text)]
    return {
        title[1]: FLAG.findall(text, title.end(), end)
        for title, end in zip(titles, ends, strict=True)
    }


@pytest.mark.parametrize("program", [*COMMANDS, *STUDIES])
def test_help_is_short_and_helpfull_is_whole(program):
    short, whole = (try_words(program, word) for word in ("--help", "--helpfull"))
    assert short.returncode == whole.returncode == 0
    assert not short.stderr
    assert not whole.stderr
    few, all_ = groups_of(short.stdout), groups_of(whole.stdout)
    assert sum(map(len, few.values())) <= 18
    assert few.keys() <= all_.keys()
    for title, names in few.items():
        assert names, title
        assert set(names) <= set(all_[title])
    if program in TRAINING:
        assert list(few) == ["data", "network", "training", "run"]
        assert {"learning_rate", "early_stopping_epochs"} <= set(all_["training"])
    flat = [name for names in all_.values() for name in names]
    assert len(flat) == len(set(flat))
    processes = {"coordinator_address", "num_processes", "process_id"}
    assert processes <= set(flat) or not processes & set(flat)
    assert (processes <= set(flat)) == (program in TRAINING and program != "ablation")
    for noise in ("None", "logtostderr", "pdb", "only_check_args"):
        assert noise not in whole.stdout
    assert max(map(len, short.stdout.splitlines())) <= 100


def test_defaults_are_those_that_a_run_would_have():
    plain = try_words("train", "--help").stdout
    frozen = try_words("train", "--pretrained", "--optimizer=sgd", "--help").stdout
    assert re.search(r"--num_epochs=N\n.*\[6\]", plain)
    assert re.search(r"--learning_rate=X\n(?:.*\n)?.*\[0.003\]", plain)
    assert re.search(r"--num_epochs=N\n.*\[30\]", frozen)
    assert "[efficientnet_lite0]" in frozen
    recipe = try_words("imagenet", "--help").stdout
    assert re.search(r"--num_epochs=N\n.*\[90\]", recipe)


def test_the_command_alone_lists_its_commands_and_names_the_nearest():
    for words in ((), ("--help",)):
        done = try_words("jaxcnn", *words)
        assert done.returncode == 0
        assert all(name in done.stdout for name in COMMANDS)
    assert try_words("jaxcnn", "help").stdout == done.stdout
    assert try_words("jaxcnn", "help", "plan").stdout == try_words("plan", "--help").stdout
    done = try_words("jaxcnn", "predcit")
    assert done.returncode == 2
    assert "nearest first: predict" in done.stderr
    assert "Traceback" not in done.stderr
    assert try_words("jaxcnn", "--version").stdout.startswith("jaxcnn ")


def test_a_reader_that_leaves_and_an_interrupt_end_quietly(tmp_path):
    for error, status in (("BrokenPipeError()", 141), ("KeyboardInterrupt()", 130)):
        script = tmp_path / "ends.py"
        script.write_text(
            "from jaxcnn.cli import command_line\n"
            "with command_line.running(''):\n"
            f"    raise {error}\n"
        )
        done = subprocess.run(
            [sys.executable, script],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert (done.returncode, done.stderr) == (status, "")


def test_closed_standard_streams_stay_away_from_files(tmp_path):
    code = (
        "import os, sys, jaxcnn.cli as cli; cli._open_closed_streams(); "
        "file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR); os.write(2, b'log'); "
        "sys.stderr.write('x'); sys.exit(0 if file > 2 else 3)"
    )
    closed = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh"]
    command = [*closed, sys.executable, "-c", code, tmp_path / "index"]
    done = subprocess.run(command, check=False, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "index").read_bytes() == b""


def test_a_folder_that_was_removed_under_the_shell_is_named(tmp_path):
    (tmp_path / "gone").mkdir()
    words = "import os; os.chdir('gone'); os.rmdir('../gone'); import jaxcnn.cli as c; c.main()"
    command = [sys.executable, "-c", words, "photos", "about", "--index=i.sqlite"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: the current folder does not exist")


@pytest.mark.parametrize("word", ["--help", "--helpfull", "--cifar"])
def test_a_program_without_groups_shows_its_flags(word):
    command = [sys.executable, "-m", "experiments.benchmarks.optimizers", word]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "--cifar10" in done.stdout + done.stderr


@pytest.mark.parametrize("program", ["train", "predict", "cats_dogs"])
def test_a_mistyped_flag_names_the_nearest(program):
    done = try_words(program, "--wrkdir=runs")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "error: unknown flag '--wrkdir'; known, nearest first: --workdir, " in done.stderr
    assert "--helpfull lists all." in done.stderr


def test_an_unknown_flag_may_be_short_or_very_long():
    short, long = try_words("train", "--lr=1"), try_words("train", "--" + "x" * 950)
    assert "nearest first: --learning_rate, --lr_multipliers, " in short.stderr
    assert "--logtostderr" not in try_words("train", "--optimiser=sgd").stderr  # absl's own
    assert "--logtostderr" not in try_words("train", "--optimiser=sgd").stderr  # absl's own
    assert long.returncode == 2
    assert long.stderr == f"error: unknown flag '--{'x' * 18}...'; --helpfull lists all flags.\n"
