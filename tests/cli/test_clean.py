"""`jaxcnn clean` from start to end, and how it ends on mistakes."""

import re
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request

import numpy as np
import pytest
from PIL import Image
from programs import ROOT, command, run_program, try_words

from jaxcnn.data.decisions.decision_table import read_decisions
from jaxcnn.runs.train_and_evaluate import train_classifier

WRONG = "train/dark/03.png", "test/bright/01.png"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--workdir is missing"),
        (["--workdir=/no/such/run"], "/no/such/run does not exist"),
        (["--workdir=/etc"], "/etc holds no run"),
        (["--workdir=/etc", "--port=70000"], "port"),
        (["photo.jpg"], "unexpected words"),
    ],
    ids=" ".join,
)
def test_mistakes_end_with_one_line_and_status_2(words, named):
    done = try_words("clean", *words)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_flask_is_asked_for_before_the_work(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    done = try_words("clean", f"--workdir={tmp_path}", blocked=("flask",))
    assert done.returncode == 2
    assert "needs flask, which is not installed" in done.stderr


@pytest.fixture
def run(tiny_config, tmp_path):
    """A run on dark and bright photos, two in the wrong folder, one of these in the test."""
    folder, draws = tmp_path / "photos", np.random.default_rng(0)
    for split, count in (("train", 24), ("validation", 6), ("test", 6)):
        for label, name in enumerate(("dark", "bright")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                path = f"{split}/{name}/{i:02d}.png"
                shade = 1 - label if path in WRONG else label
                pixels = draws.integers(0, 120, (18, 18, 3)) + 120 * shade
                Image.fromarray(pixels.astype(np.uint8)).save(folder / path)
    config = tiny_config.replace(
        dataset="folder", data_dir=str(folder), num_epochs=6, learning_rate=0.02
    )
    train_classifier(config, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.slow
def test_wrong_labels_are_found_mended_and_trained_with(run):
    with subprocess.Popen(
        command("clean", f"--workdir={run}", "--port=0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            lines = iter(process.stdout.readline, "")
            told = next(line for line in lines if "until Ctrl-C" in line)
            assert " of 72 photos to look through at http://127.0.0.1:" in told
            address = re.search(r"http://[\d.:]+", told)[0]
            for _ in WRONG:
                page = urllib.request.urlopen(address, timeout=60).read().decode()
                at = re.search(r'name="at" value="(\d+)"', page)[1]
                is_dark = "Labelled <b>dark</b>" in page
                choice = 0 if is_dark else 1  # classes are sorted: bright, dark
                form = urllib.parse.urlencode({"at": at, "version": 0, "choice": choice}).encode()
                urllib.request.urlopen(f"{address}/decide", form, timeout=60).close()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=300)
        finally:
            process.kill()  # where it did not end by itself
    assert process.returncode == 0
    found = read_decisions(run / "decisions.csv")
    assert {name: row.new_label for name, row in found.items()} == {
        WRONG[0]: "bright",
        WRONG[1]: "dark",
    }
    done = run_program(
        *("train", f"--data_dir={run.parent / 'photos'}", f"--decisions={run / 'decisions.csv'}"),
        *(f"--workdir={run.parent / 'again'}", "--image_size_px=16", "--stored_size_px=18"),
        *("--num_epochs=1", "--depth=2", "--width_multiplier=0.125", "--nobaselines"),
    )
    assert done.returncode == 0, done.stderr
    assert "decisions: 2 labels changed and 0 photos left out" in done.stdout
    shutil.rmtree(run)  # the second run needs nothing of the first
    again = run_program("train", "--mode=evaluate", f"--workdir={run.parent / 'again'}")
    assert again.returncode == 0, again.stderr
