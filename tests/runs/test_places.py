"""A run finds its photos from any folder and where they were moved, and tests on others."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.runs.config import make_config
from jaxcnn.runs.evaluate_again import OtherDataError, evaluate_classifier, load_run
from jaxcnn.runs.hard_examples import find_hard_examples
from jaxcnn.runs.train_and_evaluate import check, train_classifier


def _photos(folder, count, *, seed=0, names=("dark", "light")):
    draws = np.random.default_rng(seed)
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = draws.integers(0, 120, (16, 16, 3)) + 120 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def settings(home, tiny_config):
    _photos(home / "photos", 30)
    return tiny_config.replace(dataset="folder", data_dir="photos", num_epochs=1)


@pytest.fixture(scope="module")
def run(home, settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        train_classifier(settings, home / "run")
    return home / "run"


@pytest.fixture(scope="module")
def moved(home, run):
    shutil.copytree(home / "photos", home / "moved")
    return home / "moved"


def test_a_relative_place_is_found_from_any_folder(run):
    assert evaluate_classifier(run)["data"] == str(run.parent / "photos")


@pytest.mark.slow
def test_moved_photos_are_the_runs_own(run, moved, settings, tmp_path):
    own = evaluate_classifier(run)
    assert evaluate_classifier(run, data_dir=moved) == own | {"data": str(moved)}
    names = [name for split in load_run(run).data.splits for name in split.names]
    assert find_hard_examples(run, data_dir=moved)[0].names == names
    shutil.copytree(run, tmp_path / "run")
    config = settings.replace(data_dir=str(moved), memory_limit_gib=1e-6)  # streamed, not decoded
    train_classifier(config, tmp_path / "run", resume=True)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data_dir"] == str(moved)


def test_other_photos_do_not_stand_for_the_runs(run, settings, tmp_path):
    other = _photos(tmp_path / "other", 30, seed=1)
    with pytest.raises(ValueError, match="other are not those of the run"):
        load_run(run, data_dir=other)
    before = (run / "config.json").read_text()
    with pytest.raises(ValueError, match="not those that the run"):
        train_classifier(settings.replace(data_dir=str(other)), run, resume=True)
    assert (run / "config.json").read_text() == before


def test_a_run_is_tested_on_other_photos_of_its_classes(run, tmp_path):
    found = evaluate_classifier(run, data_dir=_photos(tmp_path / "new", 3, seed=1))
    assert (found["test"]["count"], found["num_test_seen"]) == (6, 0)
    assert "validation" not in found
    with pytest.raises(ValueError, match=r"holds classes that the network has not: red"):
        evaluate_classifier(run, data_dir=_photos(tmp_path / "x", 3, names=("dark", "red")))


def test_other_photos_need_neither_a_training_split_nor_every_class(run, tmp_path):
    _photos(tmp_path / "new" / "test", 3, seed=1, names=("light",))
    found = evaluate_classifier(run, data_dir=tmp_path / "new")
    assert found["test"]["count"] == 3
    (tmp_path / "new" / "test").rename(tmp_path / "new" / "val")
    with pytest.raises(ValueError, match="holds val, but no test/; add one"):
        evaluate_classifier(run, data_dir=tmp_path / "new")


def test_other_photos_with_training_photos_among_them_are_refused(run, moved, tmp_path):
    some = _photos(tmp_path / "some", 2, seed=1)
    first = load_run(run).data.train.names[0]
    shutil.copy(moved / first, some / "dark" / "again.png")
    with pytest.raises(ValueError, match=r"1 of 5 test photos, e\.g\. dark/again\.png"):
        evaluate_classifier(run, data_dir=some)
    found = evaluate_classifier(run, data_dir=some, allow_seen_test_photos=True)
    assert found["num_test_seen"] == 1


def test_photos_that_are_gone_are_told_with_what_to_give(run, home):
    (home / "photos").rename(home / "away")
    try:
        with pytest.raises(ValueError, match=r"photos, which is not there.*data_dir"):
            load_run(run)
    finally:
        (home / "away").rename(home / "photos")


@pytest.mark.parametrize("dataset", ["drawn_pets", "mnist"])
def test_photos_are_not_taken_for_a_set_that_has_a_name(dataset, tmp_path, monkeypatch):
    there = "jaxcnn.runs.evaluate_again.settings_of"
    monkeypatch.setattr(there, lambda _: check(make_config(dataset=dataset)))
    with pytest.raises(OtherDataError, match="are not those of the run"):
        load_run(tmp_path / "run", data_dir=tmp_path)
