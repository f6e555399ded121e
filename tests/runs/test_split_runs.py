"""Runs whose photos are split with care: folds, near-duplicates, photos added to an earlier run."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.runs import cross_validation
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import from_json, make_config, to_json
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.features_cache import SharedFeatures
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.known_splits import known_splits, read_split_names, write_split_names
from jaxcnn.runs.train_and_evaluate import check, load_data, train_classifier


def _photo(seed):
    coarse = np.random.default_rng(seed).integers(0, 160, (5, 5, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)


def _add(folder, numbers, *, copies=1):
    """Write photos; the copies of one are a little brighter each."""
    for i in numbers:
        for copy in range(copies):
            path = folder / ("cat", "dog")[i % 2] / f"{i:02d}_{copy}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            lift = 60 * (i % 2) + 8 * copy
            _photo(i).point(lambda value, lift=lift: value + lift).save(path)


@pytest.fixture
def photos(tmp_path):
    _add(tmp_path / "photos", range(30))
    return tmp_path / "photos"


@pytest.fixture
def config(tiny_config, photos):
    return tiny_config.replace(
        **{"dataset": "folder", "data_dir": str(photos), "batch_size": 4, "num_epochs": 1},
        max_train_examples=0,
    )


class CutError(Exception):
    pass


@pytest.mark.slow
def test_each_photo_is_tested_once_and_a_cut_fold_goes_on(config, tmp_path, monkeypatch, caplog):
    config, run = config.replace(folds=3), tmp_path / "run"
    train_fold = cross_validation._train_fold

    def cut(own, parts, number):
        if number == 1:
            raise CutError
        train_fold(own, parts, number)

    monkeypatch.setattr(cross_validation, "_train_fold", cut)
    with pytest.raises(CutError):
        train_classifier(config, run)
    monkeypatch.setattr(cross_validation, "_train_fold", train_fold)
    done = (run / "members/00/summary.json").stat().st_mtime_ns
    caplog.clear()
    summary = train_classifier(config, run, resume=True)
    assert (run / "members/00/summary.json").stat().st_mtime_ns == done
    assert "fold 1 of 3" not in caplog.text
    assert [row["num_test"] for row in summary["folds"]] == [10, 10, 10]
    assert summary["num_test"] == 30
    assert summary["mean"]["test_accuracy"] == pytest.approx(
        np.mean([row["test_accuracy"] for row in summary["folds"]])
    )
    with np.load(run / "out_of_fold.npz") as kept:
        names, fold = kept["names"].tolist(), kept["fold"]
        right = kept["probabilities"].argmax(axis=1) == kept["labels"]
    assert len(set(names)) == 30
    assert right.mean() == pytest.approx(summary["test_accuracy"])
    for row in summary["folds"]:
        assert right[fold == row["fold"]].mean() == pytest.approx(row["test_accuracy"])
    with (run / "out_of_fold.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == names
    page = (run / "report.html").read_text()
    assert "3 networks, each trained on 10 photos" in page
    assert "hard-examples" not in page
    assert len(Classifier.load(run).members) == 3
    with pytest.raises(ValueError, match="holds a cross-validation"):
        evaluate_classifier(run)


@pytest.mark.slow
def test_folds_of_a_frozen_network_share_its_features(config, tmp_path, monkeypatch):
    first = tmp_path / "first"
    train_classifier(config, first)
    made = []
    original = SharedFeatures.__init__

    def counted(self, *arguments):
        made.append(self)
        original(self, *arguments)

    monkeypatch.setattr(SharedFeatures, "__init__", counted)
    frozen = make_config(
        **{"data_dir": config.data.data_dir, "init_from": str(first), "freeze": "backbone"},
        **{"num_epochs": 1, "batch_size": 4, "folds": 3, "allow_seen_test_photos": True},
    )
    with pytest.raises(ValueError, match=r"of 30 test photos.*were seen in the training"):
        train_classifier(frozen.replace(allow_seen_test_photos=False), tmp_path / "refused")
    summary = train_classifier(frozen, tmp_path / "run")
    assert len(made) == 1
    assert summary["num_test"] == 30
    features = [
        path.name for path in tmp_path.glob("run/**/*.npz") if path.parent.name == "features"
    ]
    assert features == ["all.npz"]
    # The answers on features are those of the whole network.
    with np.load(tmp_path / "run/out_of_fold.npz") as kept:
        own = np.flatnonzero(kept["fold"] == 2)
        network = Classifier.load(tmp_path / "run/members/01")
        answers = network.predict([tmp_path / "photos" / kept["names"][i] for i in own])
        found = np.array([[a.probabilities[n] for n in ("cat", "dog")] for a in answers])
        np.testing.assert_allclose(found, kept["probabilities"][own], atol=1e-4)


@pytest.mark.slow
def test_photos_added_to_an_earlier_run_move_none(config, photos, tmp_path, caplog):
    train_classifier(config, tmp_path / "first")
    before = read_split_names(tmp_path / "first/splits.json")
    assert len(before) == 30
    _add(photos, range(30, 80))
    start = config.replace(init_from=str(tmp_path / "first"), depth=None, width_multiplier=None)
    summary = train_classifier(start, tmp_path / "second")
    now = read_split_names(tmp_path / "second/splits.json")
    assert before.items() <= now.items()
    assert len(now) == 80
    assert summary["num_test_seen"] == 0
    assert "changed their split" not in caplog.text
    # Tested again, it has the photos where they were, wherever the first run went.
    (tmp_path / "first/splits.json").unlink()
    assert evaluate_classifier(tmp_path / "second")["test"]["count"] == summary["num_test"]
    caplog.set_level("INFO")
    train_classifier(config.replace(split_seed=3), tmp_path / "second", overwrite=True)
    assert "of 80 photos changed their split since the run in" in caplog.text


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [({}, True), ({"near_duplicates": "group"}, False), ({"folds": 3}, False)],
)
def test_copies_are_told_of_the_splits_that_are_used(config, photos, settings, is_told, caplog):
    caplog.set_level("INFO", "jaxcnn")
    for path in (photos / "cat").glob("*_0.png"):
        shutil.copy(path, path.with_name(path.name.replace("_0", "_1")))
    load_data(check(config.replace(**settings)))
    assert ("in two splits, so the result is too good" in caplog.text) == is_told
    assert ("folder: train " in caplog.text) == is_told
    assert ("folder: 45 photos; classes: cat, dog" in caplog.text) != is_told


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 30])
def test_near_duplicates_share_a_split(config, photos, tmp_path, limit):
    _add(photos, range(30), copies=2)
    config = config.replace(max_train_examples=limit)
    summary = train_classifier(config, tmp_path / "reported")
    assert summary["num_near_duplicate_pairs"] >= (30 if not limit else 15)
    assert summary["num_near_duplicates_across_splits"] > 0
    with (tmp_path / "reported/near_duplicates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == summary["num_near_duplicate_pairs"]
    assert rows[0]["split"] != rows[0]["other_split"]
    assert (tmp_path / "reported/pictures/near_duplicates.png").exists()
    assert "nearly the same" in (tmp_path / "reported/report.html").read_text()
    grouped = config.replace(near_duplicates="group")
    summary = train_classifier(grouped, tmp_path / "grouped")
    assert summary["num_near_duplicates_across_splits"] == 0
    assert summary["num_train"] == (limit or summary["num_train"])
    now = read_split_names(tmp_path / "grouped/splits.json")
    for name in now:
        assert now[name] == now[name.replace("_0", "_1")]
    assert evaluate_classifier(tmp_path / "grouped")["test"]["count"] == summary["num_test"]


def test_a_run_of_an_older_version_was_split_by_hash():
    older = {k: v for k, v in to_json(make_config(seed=7)).items() if k != "split_method"}
    assert from_json(older).data.split_method == "hash"
    assert check(make_config()).data.split_method == "stratified"


def test_names_of_splits_are_kept_whatever_they_hold(tmp_path):
    found = {"a,b\n.jpg": "train", "=x": "test", "\udcff.jpg": "validation", '"é': "train"}
    write_split_names(tmp_path / "splits.json", found)
    assert read_split_names(tmp_path / "splits.json") == found
    assert read_split_names(tmp_path / "none.json") == {}
    (tmp_path / "splits.json").write_text('{"train": []}')
    with pytest.raises(ValueError, match=r"splits\.json is damaged \(validation is missing\)"):
        read_split_names(tmp_path / "splits.json")


def test_splits_of_another_way_of_splitting_are_not_taken_over(tmp_path):
    config, there = check(make_config()), Workdir(tmp_path)
    there.config.write_text(json.dumps(to_json(config)))
    write_split_names(there.splits, {"a": "test"})
    assert known_splits(config, there) == {"a": "test"}
    for other in ({"split_seed": 1}, {"group_by": "x"}, {"test_fraction": 0.3}):
        assert known_splits(config.replace(**other), there) == {}
    later = config.replace(init_from=str(tmp_path))
    assert known_splits(later, None) == {"a": "test"}
    assert known_splits(config, None) == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 2}, "folds must be 0 or at least 3, got 2"),
        (
            {"folds": 5, "num_seeds": 2},
            r"folds \(=5\) trains a network for each fold, and num_seeds",
        ),
        ({"folds": 5, "find_learning_rate": True}, "a search of settings trains several too"),
        ({"group_by": "("}, r"group_by \(=\(\) must be a regular expression"),
        ({"sampler": "square"}, "unknown sampler 'square'"),
        ({"near_duplicates": "drop"}, "unknown near_duplicates 'drop'"),
        ({"sampler": "sqrt", "dp_clip_norm": 1.0}, "the epsilon of dp_clip_norm does not cover"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        check(make_config(**settings))
