"""The program that writes a run's page again, from what the run kept or by testing it again."""

import numpy as np
import pytest
from PIL import Image
from programs import run_program, try_words

from jaxcnn.runs.train_and_evaluate import train_classifier

CLASSES = ("<img src=x onerror=alert(1)>", "dark & <b>bright")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, draws = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir()
        for i in range(30):
            pixels = draws.integers(0, 120, (18, 18, 3)) + 120 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"<script>{i}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos, tiny_config, tmp_path_factory, logged):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    config = tiny_config.replace(dataset="folder", data_dir=str(photos), num_epochs=1)
    with logged() as said:
        train_classifier(config, workdir)
    assert f"look at it: {workdir / 'report.html'}" in said
    return workdir


def test_a_run_ends_in_a_page(run):
    page = (run / "report.html").read_text("utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;script&gt;" in page
    assert "<img src=x" not in page
    assert "<script" not in page
    assert "class activation map</b>" in page


def test_the_page_is_written_again(run):
    page = run / "report.html"
    first = page.read_bytes()
    page.unlink()
    done = try_words("report", f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    assert str(page) in done.stdout
    assert page.read_bytes() == first


@pytest.mark.slow
def test_the_page_is_made_again(run):
    page = run / "report.html"
    first = page.read_bytes()
    for name in ("report.html", "test_answers.npz", "report_photos.npz"):
        (run / name).unlink()
    done = run_program("report", f"--workdir={run}", "--retest")
    assert done.returncode == 0, done.stderr
    assert page.read_bytes() == first


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
    done = try_words("report", f"--workdir={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "holds no run" in done.stderr


def test_home_is_found_in_the_text_of_a_flag(tmp_path):
    home = {"HOME": str(tmp_path)}
    found = try_words("report", "--workdir=~/run", environment=home)
    assert found.returncode == 2
    assert found.stderr.startswith(f"error: {tmp_path}/run does not exist")
