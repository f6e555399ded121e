"""Label files and folders from the command line."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.trainer import train_classifier

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_config):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    train_classifier(tiny_config, workdir, say=lambda text: None)
    return workdir


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "my photos"
    (folder / "inner").mkdir(parents=True)
    draws = np.random.default_rng(0)
    for name in ("b.png", "a Ünï.jpg", "inner/c.png"):
        Image.fromarray(draws.integers(0, 256, (30, 20, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no photo")
    return folder


def predict(*words):
    return subprocess.run(
        [sys.executable, "-m", "experiments.predict", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


def test_a_folder_becomes_a_table_csv_and_json(run, photos, tmp_path):
    done = predict(
        f"--workdir={run}", f"--csv={tmp_path}/o.csv", f"--json={tmp_path}/o.json", photos
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) == 3
    rows = list(csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text("utf-8"))))
    assert [Path(row["path"]).name for row in rows] == ["a Ünï.jpg", "b.png", "c.png"]
    for row, record in zip(rows, json.loads((tmp_path / "o.json").read_text()), strict=True):
        assert float(row["cat"]) + float(row["dog"]) == pytest.approx(1, abs=1e-5)
        assert record["label"] == row["label"]
        assert record["probability"] == float(row["probability"]) >= 0.5


def test_unreadable_files_are_listed_and_the_others_labelled(run, photos):
    (photos / "zero.jpg").write_bytes(b"")
    done = predict(f"--workdir={run}", photos)
    assert done.returncode == 1
    assert len(done.stdout.strip().splitlines()) == 3
    assert "1 of 4 files could not be read" in done.stderr
    assert "zero.jpg" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["photo.jpg"], "--workdir"),
        (["--workdir=/no/such/run", str(ROOT / "experiments")], "holds no photo"),
        (["--workdir=/no/such/run", str(ROOT / "README.md")], "holds no trained network"),
        (["--workdir=/no/such/run", "/no/such/photo.jpg"], "does not exist"),
        (["--workdir=/no/such/run"], "no photo to label"),
        (["--batch_size=0", "x"], "batch_size"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_end_with_one_line_and_status_2(words, named, tmp_path):
    done = predict(*words)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
