"""A run on photos with several labels each, from settings to a page and to predictions."""

import json
import logging
import re
import shutil

import numpy as np
import pytest

from jaxcnn.data.source import Example, Splits
from jaxcnn.metrics.multi_label import choose_thresholds, score_sets
from jaxcnn.runs import thresholds as thresholds_lib
from jaxcnn.runs.build import parse_class_weights
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import load_config, make_config
from jaxcnn.runs.config.train_config import settle_head
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.hard_examples import find_hard_examples
from jaxcnn.runs.report.run_page import write_report
from jaxcnn.runs.train_and_evaluate import load_data, train_classifier
from jaxcnn.training.checkpoints import CheckpointError

NAMES = ("red; or so", "grün", "<b>blue</b>")


class Photos(list):
    """Images of three channels, of which class k brightens channel k."""

    class_names = NAMES

    def __init__(self, count, seed):
        draws = np.random.default_rng(seed)
        self.labels = labels = draws.integers(0, 2, (count, 3)).astype(np.uint8)
        pixels = draws.integers(0, 140, (count, 20, 20, 3)) + 110 * labels[:, None, None]
        super().__init__(
            Example(image.astype(np.uint8), tuple(np.flatnonzero(row).tolist()), f"{seed}/{i}.png")
            for i, (image, row) in enumerate(zip(pixels, labels, strict=True))
        )


@pytest.fixture(scope="module")
def settings(tiny_config, tmp_path_factory):
    return tiny_config.replace(
        **{"dataset": "folder", "data_dir": str(tmp_path_factory.mktemp("photos"))},
        **{"augment": "flip", "crop_from": "square", "progressive_resizing": ""},
        **{"num_epochs": 6, "learning_rate": 0.02, "class_weights": "balanced"},
        **{"label_smoothing": 0.05, "metrics": "auroc,f1", "baselines": None, "ema_decay": 0.0},
        **{"eval_size_px": 16, "early_stopping_epochs": 5},
    )


@pytest.fixture(autouse=True)
def _photos(monkeypatch):
    splits = Splits(Photos(96, 0), Photos(48, 1), Photos(48, 2))
    monkeypatch.setattr("jaxcnn.runs.known_splits.load_splits", lambda *args, **kwargs: splits)


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "several"
    with pytest.MonkeyPatch.context() as patch:
        splits = Splits(Photos(96, 0), Photos(48, 1), Photos(48, 2))
        patch.setattr("jaxcnn.runs.known_splits.load_splits", lambda *a, **k: splits)
        summary = train_classifier(settings, folder, progress=False)
    return folder, summary


def test_the_labels_settle_the_head_and_the_run_learns(run):
    folder, summary = run
    config = load_config(Workdir(folder).config)
    assert config.network.head == "multi_label"
    assert config.training.best_metric == "mean_average_precision"
    assert summary["test_mean_average_precision"] > 0.95
    assert summary["test_subset_accuracy"] > 0.8
    low, high = summary["test_subset_accuracy_interval"]
    assert low < summary["test_subset_accuracy"] <= high
    assert not any("accuracy" in key and "subset" not in key for key in summary) or (
        summary["baseline_test_accuracies"] == {}
    )
    assert summary["test_metrics"].keys() == {"auroc", "f1"}
    rows = [json.loads(line) for line in Workdir(folder).metrics.read_text().splitlines()]
    assert {"train_subset_accuracy", "train_macro_f1", "validation_f1"} <= rows[0].keys()
    assert "validation_accuracy" not in rows[0]
    best = max(rows, key=lambda row: row["validation_mean_average_precision"])
    assert best["validation_mean_average_precision"] == pytest.approx(
        summary["validation_mean_average_precision"]
    )


def test_figures_are_those_of_the_answers_at_thresholds_of_validation(run):
    folder, summary = run
    classifier = Classifier.load(folder)
    data = load_data(classifier.config)
    validation, test = (classifier.probabilities(s.images) for s in (data.validation, data.test))
    chosen = choose_thresholds(data.validation.labels, validation)
    np.testing.assert_allclose(classifier.thresholds, chosen, atol=1e-5)
    assert summary["thresholds"] == pytest.approx(chosen.tolist(), abs=1e-5)
    found = score_sets(data.test.labels, test, chosen)
    assert summary["test_macro_f1"] == pytest.approx(found.macro_f1)
    assert summary["test_micro_f1"] == pytest.approx(found.micro_f1)
    assert summary["test_f1"] == pytest.approx(found.f1.tolist())
    assert summary["test_average_precision"] == pytest.approx(found.average_precision.tolist())
    assert summary["test_labels"] == data.test.labels.sum(axis=0).tolist()
    answer = classifier.predict(data.test.images[0])
    row = test[0]
    assert answer.labels == tuple(NAMES[i] for i in np.argsort(-row) if row[i] >= chosen[i])
    assert answer.label == NAMES[row.argmax()]


def test_a_copied_checkpoint_has_its_thresholds(run, tmp_path):
    folder, summary = run
    copy = tmp_path / "copied"
    shutil.copytree(Workdir(folder).best_checkpoints, copy)
    assert Classifier.load(copy).thresholds.tolist() == summary["thresholds"]
    kept = json.loads((copy / "thresholds.json").read_text())
    assert list(kept["thresholds"]) == list(NAMES)


@pytest.mark.parametrize(
    ("text", "said"), [("{", "damaged"), ('{"step": 1, "thresholds": {"cat": 0.5}}', "another run")]
)
def test_damaged_thresholds_are_told(run, tmp_path, text, said):
    copy = tmp_path / "copied"
    shutil.copytree(Workdir(run[0]).best_checkpoints, copy)
    (copy / "thresholds.json").write_text(text)
    with pytest.raises(CheckpointError, match=said):
        Classifier.load(copy)


def test_thresholds_of_another_step_and_none_are_a_half(tmp_path, caplog):
    thresholds_lib.keep_thresholds(tmp_path, np.array([0.25, 0.75]), ["a", "b"], step=3)
    with caplog.at_level(logging.WARNING):
        assert thresholds_lib.load_thresholds(tmp_path, ["a", "b"], step=4).tolist() == [0.5, 0.5]
    assert "of step 3" in caplog.text
    (tmp_path / "thresholds.json").unlink()
    assert thresholds_lib.load_thresholds(tmp_path, ["a"], step=4).tolist() == [0.5]


def test_the_page_shows_classes_and_sets_and_no_confusion_matrix(run):
    folder, summary = run
    page = Workdir(folder).report.read_text("utf-8")
    assert "mean average precision" in page
    assert "Confusion matrix" not in page
    assert "hard-examples" not in page
    assert "<b>blue</b>" not in page
    assert "--head" not in page
    assert "best_metric" in page  # among all settings, not in a command
    assert "--best_metric" not in page
    for threshold in summary["thresholds"]:
        assert f"<td>{threshold:.2f}</td>" in page
    assert len(re.findall(r"<figure>", page)) >= 3
    before = page
    assert write_report(folder).read_text("utf-8") == before


def test_pictures_are_of_sets(run):
    names = {path.name for path in (run[0] / "pictures").iterdir()}
    assert {"predictions.png", "most_confidently_wrong.png", "learning_curves.png"} <= names
    assert "confusion_matrix.png" not in names


def test_the_run_is_tested_again_and_resumed(run, settings, tmp_path, caplog):
    folder, summary = run
    found = evaluate_classifier(folder)
    assert found["test"]["macro_f1"] == pytest.approx(summary["test_macro_f1"])
    assert found["test"]["subset_accuracy"] == summary["test_subset_accuracy"]
    copy = tmp_path / "again"
    shutil.copytree(folder, copy)
    with caplog.at_level(logging.INFO):
        again = train_classifier(settings, copy, resume=True, progress=False)
    assert again["thresholds"] == summary["thresholds"]
    assert "test mean average precision" in caplog.text
    assert "test mean average precision" in again._repr_html_()


def test_hard_examples_say_that_they_are_for_one_label(run):
    with pytest.raises(ValueError, match="several labels per photo"):
        find_hard_examples(run[0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head": "softmax"}, "head=softmax is for one label"),
        ({"loss": "binary_cross_entropy"}, "loss=binary_cross_entropy is for one"),
        ({"baselines": True}, "baselines=True"),
        ({"num_seeds": 2}, r"num_seeds \(=2\)"),
        ({"metrics": "top2"}, "top2, which is for one label"),
        ({"best_metric": "accuracy"}, "accuracy, which is for one label"),
        ({"sweep": "momentum:0.8..0.9:linear:2"}, "sweep compares"),
    ],
)
def test_settings_of_one_label_are_refused_before_a_run_begins(settings, tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        train_classifier(settings.replace(**changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_one_label_per_photo_refuses_the_head_of_several():
    with pytest.raises(ValueError, match="head=multi_label is for several"):
        settle_head(make_config(head="multi_label"), np.zeros(3, np.int32))
    one = settle_head(make_config(), np.zeros(3, np.int32))
    assert (one.network.head, one.training.best_metric) == ("softmax", "accuracy")


def test_balanced_weights_are_those_of_positives():
    assert parse_class_weights("balanced", [10, 50], 100).tolist() == [9, 1]
    assert parse_class_weights("balanced", [10, 50]).tolist() == pytest.approx([3, 0.6])
