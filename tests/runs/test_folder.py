import errno
import json
import os
import re

import pytest

from jaxcnn.host.files import write_json, write_rows
from jaxcnn.runs.folder import (
    CannotWriteError,
    WorkdirError,
    check_origin,
    open_workdir,
    telling_what_is_safe,
)

SETTINGS = {"num_epochs": 3, "dense_widths": (1, 2), "data_dir": None}


def test_a_new_folder_holds_the_settings(tmp_path):
    workdir = open_workdir(tmp_path / "a" / "b", SETTINGS)
    assert json.loads(workdir.config.read_text()) == {**SETTINGS, "dense_widths": [1, 2]}


def begin(path, settings=SETTINGS):
    """Open a folder, and leave a checkpoint as a run does."""
    workdir = open_workdir(path, settings)
    (workdir.last_checkpoints / "3").mkdir(parents=True)
    return workdir


def test_a_folder_with_a_run_is_refused(tmp_path):
    begin(tmp_path)
    with pytest.raises(WorkdirError, match=r"resume=True.*overwrite=True"):
        open_workdir(tmp_path, SETTINGS)


def test_resume_takes_the_same_settings_and_starts_where_there_is_none(tmp_path):
    open_workdir(tmp_path, SETTINGS, resume=True)
    assert open_workdir(tmp_path, SETTINGS, resume=True).config.exists()


def test_resume_shows_the_difference(tmp_path):
    begin(tmp_path)
    with pytest.raises(WorkdirError, match="num_epochs: 3 there, 4 now") as error:
        open_workdir(tmp_path, SETTINGS | {"num_epochs": 4}, resume=True)
    assert "dense_widths" not in str(error.value)


def test_overwrite_removes_all_of_the_run_and_nothing_else(tmp_path):
    workdir = begin(tmp_path)
    for folder in ("pictures", "tensorboard", "features", "members/00", "sweep", "look_inside"):
        (tmp_path / folder).mkdir(parents=True)
    for file in vars(workdir).values():
        if file.suffix and not file.exists():
            file.write_text("{}")
    for name in ("duplicates.csv", "hard_examples.csv", "best_trial.json", "chosen.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / ".summary.0123abcd.part.json").write_text("of a process that was killed")
    (tmp_path / "export").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    open_workdir(tmp_path, SETTINGS | {"num_epochs": 9}, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("config.json", "decisions.csv", "export", "notes.txt")
    ]
    assert json.loads(workdir.config.read_text())["num_epochs"] == 9


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_without_a_checkpoint_is_no_run(tmp_path, options):
    open_workdir(tmp_path, SETTINGS).metrics.write_text("")
    workdir = open_workdir(tmp_path, SETTINGS | {"num_epochs": 9}, **options)
    assert json.loads(workdir.config.read_text())["num_epochs"] == 9
    assert not workdir.metrics.exists()


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
@pytest.mark.parametrize("name", ["pictures/me.jpg", "checkpoints/3", "report.html", "config.json"])
def test_what_is_named_like_a_run_but_is_none_is_left_alone(tmp_path, options, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(WorkdirError, match=f"{name.split('/')[0]}.*[Mm]ove them away"):
        open_workdir(tmp_path, SETTINGS, **options)
    assert (tmp_path / name).read_text() == '{"mine": 1}'


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file", "file/x"):
        with pytest.raises(WorkdirError, match="file is a file"):
            open_workdir(tmp_path / name, SETTINGS)
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(WorkdirError, match="link is a link to what is not there"):
        open_workdir(tmp_path / "link", SETTINGS)


@pytest.mark.parametrize(
    ("run", "photos", "says"),
    [
        ("photos/runs/a", "photos", "lies in data_dir"),
        ("photos", "photos", "lies in data_dir"),
        ("run", "run/pictures", "writes its own files"),
    ],
)
def test_a_run_among_photos_and_photos_in_a_run_are_refused(tmp_path, run, photos, says):
    (tmp_path / photos).mkdir(parents=True)
    with pytest.raises(WorkdirError, match=says):
        open_workdir(tmp_path / run, SETTINGS | {"data_dir": str(tmp_path / photos)})
    assert not (tmp_path / run / "config.json").exists()


@pytest.mark.parametrize("start", ["run", "run/members/00"])
def test_a_run_is_not_replaced_by_one_that_starts_from_it(tmp_path, start):
    there = begin(tmp_path / "run")
    settings = SETTINGS | {"init_from": str(tmp_path / start)}
    with pytest.raises(WorkdirError, match="where it would be replaced; choose another workdir"):
        open_workdir(tmp_path / "run", settings, overwrite=True)
    assert there.holds_run


def test_writing_leaves_no_part_behind(tmp_path):
    write_json(tmp_path / "a.json", {"x": 0.1 + 0.2})
    write_rows(tmp_path / "b.jsonl", [{"n": 1}, {"n": 2}])
    assert json.loads((tmp_path / "a.json").read_text())["x"] == 0.1 + 0.2
    assert [json.loads(r)["n"] for r in (tmp_path / "b.jsonl").read_text().splitlines()] == [1, 2]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_goes_on_with_what_it_began_with_alone(tmp_path):
    workdir, origin = begin(tmp_path), {"data": "a", "weights": "b"}
    for _ in range(2):
        check_origin(workdir, origin)
    for name in origin:
        with pytest.raises(WorkdirError, match=f"the {name} are not those"):
            check_origin(workdir, {**origin, name: "other"})


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_no_more_is_told_in_one_line_with_what_is_safe(tmp_path, number):
    workdir = begin(tmp_path)
    (workdir.last_checkpoints / "6").mkdir()
    (workdir.last_checkpoints / "9.orbax-checkpoint-tmp").mkdir()
    failure = OSError(number, os.strerror(number), "metrics.jsonl")
    for error in (failure, RuntimeError(f"tensorstore: {os.strerror(number)} [source 1]")):
        with pytest.raises(CannotWriteError) as told, telling_what_is_safe(workdir):
            raise error
        assert str(told.value) == (
            f"{tmp_path} cannot be written to ({os.strerror(number).lower()}); step 6 is "
            "saved. Make room or make it writable, then go on with resume=True."
        )
    with pytest.raises(KeyError), telling_what_is_safe(workdir):
        raise KeyError("no matter of disks")


@pytest.mark.parametrize("there", [{}, {"schedule": "constant", "fine_tune": True}])
def test_a_refused_resume_says_what_trains_on(tmp_path, there):
    begin(tmp_path, SETTINGS | there)
    says = f"num_epochs: 3 there, 9 now.*init_from={re.escape(str(tmp_path))}.*overwrite=True"
    with pytest.raises(WorkdirError, match=says):
        open_workdir(tmp_path, SETTINGS | there | {"num_epochs": 9}, resume=True)


def test_a_run_of_constant_learning_rate_may_go_on_for_longer(tmp_path):
    constant = SETTINGS | {"schedule": "constant"}
    workdir = begin(tmp_path, constant)
    open_workdir(tmp_path, constant | {"num_epochs": 9}, resume=True)
    assert json.loads(workdir.config.read_text())["num_epochs"] == 9
    assert (workdir.last_checkpoints / "3").exists()
    with pytest.raises(WorkdirError, match="num_epochs: 9 there, 3 now"):
        open_workdir(tmp_path, constant, resume=True)
