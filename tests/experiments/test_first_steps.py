"""The notebook runs from top to bottom, and is kept without its output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent
NOTEBOOK = ROOT / "experiments" / "first_steps.ipynb"
LIMIT_SECONDS = 300  # of a cell


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_output(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) <= 12
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.slow
def test_it_runs_from_photos_to_a_search(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=LIMIT_SECONDS, resources=where).execute()
    printed = [
        output.get("text", "") + output.get("data", {}).get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    ]
    assert any("<caption>Classifier</caption>" in text for text in printed)
    assert any("160 new" in text for text in printed)
    assert (tmp_path / "explanation.png").stat().st_size > 10_000
    found = printed[-1].splitlines()
    assert len(found) == 3
    assert all((tmp_path / "photos/dog" / line.split()[-1]).exists() for line in found)
