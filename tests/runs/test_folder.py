import json

import pytest

from jaxcnn.host.files import write_json, write_rows
from jaxcnn.runs.folder import WorkdirError, open_workdir

SETTINGS = {"num_epochs": 3, "dense_widths": (1, 2), "data_dir": None}


def test_a_new_folder_holds_the_settings(tmp_path):
    workdir = open_workdir(tmp_path / "a" / "b", SETTINGS)
    assert json.loads(workdir.config.read_text()) == {**SETTINGS, "dense_widths": [1, 2]}


def test_a_folder_with_a_run_is_refused(tmp_path):
    open_workdir(tmp_path, SETTINGS)
    with pytest.raises(WorkdirError, match=r"resume=True.*overwrite=True"):
        open_workdir(tmp_path, SETTINGS)


def test_resume_takes_the_same_settings_and_starts_where_there_is_none(tmp_path):
    open_workdir(tmp_path, SETTINGS, resume=True)
    assert open_workdir(tmp_path, SETTINGS, resume=True).config.exists()


def test_resume_shows_the_difference(tmp_path):
    open_workdir(tmp_path, SETTINGS)
    with pytest.raises(WorkdirError, match="num_epochs: 3 there, 4 now") as error:
        open_workdir(tmp_path, SETTINGS | {"num_epochs": 4}, resume=True)
    assert "dense_widths" not in str(error.value)


def test_overwrite_removes_the_run_and_nothing_else(tmp_path):
    workdir = open_workdir(tmp_path, SETTINGS)
    (tmp_path / "checkpoints").mkdir()
    workdir.summary.write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    open_workdir(tmp_path, SETTINGS | {"num_epochs": 9}, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "notes.txt"]
    assert json.loads(workdir.config.read_text())["num_epochs"] == 9


def test_checkpoints_of_unknown_settings_are_not_taken_over(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(WorkdirError, match=r"no config\.json"):
        open_workdir(tmp_path, SETTINGS, resume=True)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkdirError, match="is a file"):
        open_workdir(tmp_path / "file", SETTINGS)


def test_writing_leaves_no_part_behind(tmp_path):
    write_json(tmp_path / "a.json", {"x": 0.1 + 0.2})
    write_rows(tmp_path / "b.jsonl", [{"n": 1}, {"n": 2}])
    assert json.loads((tmp_path / "a.json").read_text())["x"] == 0.1 + 0.2
    assert [json.loads(r)["n"] for r in (tmp_path / "b.jsonl").read_text().splitlines()] == [1, 2]
    assert len(list(tmp_path.iterdir())) == 2
