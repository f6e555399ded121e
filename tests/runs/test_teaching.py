"""A run that learns from another run's answers."""

import json
import shutil

import numpy as np
import pytest

from jaxcnn.runs.config import load_config, make_config
from jaxcnn.runs.seen_photos import SeenPhotos, load_seen
from jaxcnn.runs.teaching import find_teacher, teacher_for
from jaxcnn.runs.train_and_evaluate import check, load_data, train_classifier

PHOTO = b"t" * 16  # the digest of one that the teacher alone was trained on


@pytest.fixture(scope="module")
def taught(tiny_run, tiny_config, tmp_path_factory, logged):
    """A finished run that the tiny run taught, its folder and what it logged."""
    workdir = tmp_path_factory.mktemp("taught") / "run"
    config = tiny_config.replace(teacher=str(tiny_run), num_epochs=1)
    found = find_teacher(config)
    seen = found.seen._replace(digests=found.seen.digests | {PHOTO}, unknown=("published",))
    with logged() as lines, pytest.MonkeyPatch.context() as patch:
        place = "jaxcnn.runs.train_and_evaluate.find_teacher"
        patch.setattr(place, lambda config: found._replace(seen=seen))
        train_classifier(config, workdir)
    return workdir, lines


def test_the_run_says_who_taught_it(taught, tiny_run):
    workdir, lines = taught
    summary = json.loads((workdir / "summary.json").read_text())
    assert summary["teacher"] == str(tiny_run)
    assert json.loads((workdir / "config.json").read_text())["teacher"] == str(tiny_run)
    assert (
        f"taught by {tiny_run} (six_conv): soft answers at temperature 3, label's share 0.1"
        in lines
    )
    page = (workdir / "report.html").read_text()
    assert "taught by" in page
    assert str(tiny_run) in page
    row = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[0])
    alone = json.loads((tiny_run / "metrics.jsonl").read_text().splitlines()[0])
    assert row["train_loss"] != alone["train_loss"]


def test_what_taught_the_teacher_counts_as_seen(taught, tiny_run):
    own = load_seen(taught[0] / "checkpoints/best", "run")
    assert load_seen(tiny_run / "checkpoints/best", "run").digests | {PHOTO} <= own.digests
    assert own.unknown == ("published",)


def test_it_goes_on_with_the_same_teacher_alone(taught, tiny_run, tiny_config, said):
    with pytest.raises(ValueError, match="the answers of the teacher are not those that the run"):
        train_classifier(tiny_config.replace(num_epochs=1), taught[0], resume=True)
    config = load_config(taught[0] / "config.json")
    assert train_classifier(config, taught[0], resume=True)["teacher"] == str(tiny_run)
    assert not [line for line in said if "has no effect" in line]  # of what the run had before


def test_a_run_does_not_replace_its_teacher(tiny_run, tiny_config):
    with pytest.raises(ValueError, match=r"teacher .* lies in workdir .* would be replaced"):
        train_classifier(tiny_config.replace(teacher=str(tiny_run)), tiny_run, overwrite=True)
    assert (tiny_run / "checkpoints/best").is_dir()


def test_a_teacher_of_other_channels_is_refused_before_images_are_read(
    tiny_run, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr("jaxcnn.runs.train_and_evaluate.load_images", pytest.fail)
    config = tiny_config.replace(teacher=str(tiny_run), num_channels=1)
    with pytest.raises(ValueError, match="takes images of 3 channels, num_channels is 1"):
        train_classifier(config, tmp_path / "run")


def test_classes_are_matched_by_name(tiny_run, tiny_config):
    config = tiny_config.replace(teacher=str(tiny_run), num_channels=3)
    found = find_teacher(config)
    views = np.random.default_rng(0).uniform(size=(2, 16, 16, 3)).astype(np.float32)
    there, other = (
        teacher_for(found, config, names, "softmax").answer(views)
        for names in (["cat", "dog"], ["dog", "cat"])
    )
    np.testing.assert_array_equal(there, other[:, ::-1])
    with pytest.raises(ValueError, match=r"knows 2 classes \(cat, dog\), and these photos have 3"):
        teacher_for(found, config, ["cat", "dog", "owl"], "softmax")
    with pytest.raises(ValueError, match="gives one label per photo, and this run the other kind"):
        teacher_for(found, config, ["cat", "dog"], "multi_label")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 3}, "teacher and folds=3 exclude each other: the teacher has been trained on"),
        ({"teacher": ""}, "teacher is empty"),
        ({"sweep": "learning_rate:1e-4..1e-1:log:2"}, "exclude each other; search first"),
        ({"dp_clip_norm": 1.0}, "dp_clip_norm bounds what one photo tells"),
        ({"freeze": "backbone", "pretrained": True}, "the last layer learns from cached features"),
        (
            {"teacher_views": 2, "crop_from": "photo", "dataset": "folder", "data_dir": "photos"},
            "give crop_from=square, or leave",
        ),
        ({"teacher_views": 2, "mixup": 0.2}, "teacher_views are not mixed"),
        ({"teacher_views": -1}, "teacher_views must be"),
        ({"distillation": "sotf"}, "nearest first: soft, hard"),
        ({"distillation_temperature": 0.0}, "distillation_temperature must be a number above 0"),
        ({"distillation_label_share": 1.0}, "distillation_label_share must be a share"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train_classifier(make_config(**({"teacher": "runs/other"} | settings)), tmp_path / "run")


def test_a_teacher_that_is_not_there_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, message in (
        (str(tmp_path / "empty"), "teacher: .*holds no"),
        ("efficientnet_lite0.lukemelsa", "is neither the folder of a run nor published weights"),
    ):
        with pytest.raises(ValueError, match=message):
            train_classifier(make_config(teacher=name), tmp_path / "run")


def test_photos_that_the_teacher_saw_are_no_test(tiny_run, tiny_config, tmp_path, monkeypatch):
    config = tiny_config.replace(teacher=str(tiny_run), num_epochs=1)
    digests = load_data(check(config)).digests[2]
    found = find_teacher(config)._replace(seen=SeenPhotos(frozenset(digests[:3])))
    monkeypatch.setattr("jaxcnn.runs.train_and_evaluate.find_teacher", lambda config: found)
    with pytest.raises(ValueError, match=r"3 of .* seen in the training of the teacher"):
        train_classifier(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_several_networks_learn_from_one_teacher(tiny_run, tiny_config, tmp_path):
    config = tiny_config.replace(teacher=str(tiny_run), num_epochs=1)
    alone = train_classifier(config.replace(seed=1), tmp_path / "alone")
    both = train_classifier(config.replace(num_seeds=2), tmp_path / "both")
    assert both["members"][1]["test_loss"] == pytest.approx(alone["test_loss"], rel=1e-4)


@pytest.mark.slow
def test_the_teacher_answers_once_before_training(
    taught, tiny_run, tiny_config, tmp_path, monkeypatch
):
    config = tiny_config.replace(teacher=str(tiny_run), num_epochs=1, teacher_views=2)
    first = train_classifier(config, tmp_path / "run")
    live = json.loads((taught[0] / "summary.json").read_text())
    assert first["test_loss"] != live["test_loss"]
    kept = np.load(tmp_path / "run/features/teacher.npz")["features"]
    assert kept.shape == (first["num_train"], 2, 2)
    shutil.rmtree(tmp_path / "run/checkpoints")
    monkeypatch.setattr("jaxcnn.runs.teaching.answer_views", None)  # it is not called again
    again = train_classifier(config, tmp_path / "run", resume=True)
    assert again["test_loss"] == first["test_loss"]
