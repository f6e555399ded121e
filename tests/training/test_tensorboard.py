"""The TensorBoard callback writes events, and never imports torch for it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from jaxcnn.training.callbacks import TensorBoard

CODE = """
import sys; from types import SimpleNamespace; from jaxcnn.training.callbacks import TensorBoard
board, row = TensorBoard(sys.argv[1]), {"train_loss": 0.5, "train_f1": [0.5, 0.25]}
board.on_train_begin(SimpleNamespace(step=0))
board.on_epoch_end(SimpleNamespace(step=1, history=[row]))
board.on_train_end(SimpleNamespace())
print('tensorboardX' in sys.modules)
import torch  # it can still be imported by who wants it
"""


def test_events_are_written_without_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "tensorboard")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": path},
    )
    assert (done.stdout, done.stderr) == ("True\n", "torch was imported\n")
    (events,) = (tmp_path / "tensorboard").glob("events.*")
    assert b"train_loss" in events.read_bytes()
    assert b"train_f1" not in events.read_bytes()  # a number of each class is no curve


@pytest.mark.parametrize(("step", "purged"), [(0, None), (8, 9)])
def test_events_after_the_step_of_a_resumed_run_are_void(step, purged, monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr(
        "tensorboardX.SummaryWriter", lambda folder, **options: given.update(options)
    )
    TensorBoard(tmp_path).on_train_begin(SimpleNamespace(step=step))
    assert given["purge_step"] == purged
