"""The guide to `fit`, and the lines of it in README.md, run as they stand."""

import functools
import logging
import re
from pathlib import Path

import jax
import pytest

from jaxcnn.data import datasets

ROOT = Path(__file__).parent.parent.parent
GUIDE = ROOT / "jaxcnn" / "training" / "README.md"


def blocks_of(path):
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def as_a_user_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def test_the_guide_runs_from_top_to_bottom():
    pytest.importorskip("haiku")
    pytest.importorskip("equinox")
    names = {"__name__": "guide"}
    for block in blocks_of(GUIDE):
        exec(compile(block, "README.md", "exec"), names)
    assert names["result"].history[-1]["validation_confidence"] > 0.5
    assert names["logged"]
    assert [row["step"] for row in names["both"].history] == [6, 12]
    assert int(names["state"].step) == 1


def test_the_lines_of_readme_run_and_resume(caplog, monkeypatch):
    # As they stand, but on fewer drawings.
    few = functools.partial(datasets.load_splits, max_train_examples=640)
    monkeypatch.setattr(datasets, "load_splits", few)
    (block,) = [b for b in blocks_of(ROOT / "README.md") if "jaxcnn.fit(" in b]
    assert len(block.splitlines()) <= 28
    first, again = {"__name__": "readme"}, {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), first)
    assert first["result"].best.row["validation_accuracy"] > 0.5
    with caplog.at_level(logging.INFO, logger="jaxcnn"):
        exec(compile(block, "README.md", "exec"), again)
    assert "resuming at step 60" in caplog.text
    assert again["result"].history == first["result"].history
