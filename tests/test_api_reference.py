"""The API reference is built from docstrings without a warning, and shows every public name."""

import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_it_is_built_and_shows_what_the_rooms_hand_out(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "api_reference.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'id="fit"' in (tmp_path / "jaxcnn.html").read_text()
    for room in ("models", "augment", "training", "metrics", "photos", "runs"):
        page = (tmp_path / "jaxcnn" / f"{room}.html").read_text()
        for name in importlib.import_module(f"jaxcnn.{room}").__all__:
            assert f'id="{name}"' in page, (room, name)
