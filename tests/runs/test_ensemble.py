"""A run of several seeds: what it writes, and that its answer is the mean of its networks'."""

import json

import numpy as np
import pytest

from jaxcnn.metrics.metric import ACCURACY
from jaxcnn.runs.best_checkpoint import load_best
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import load_config
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.summary import average
from jaxcnn.runs.train_and_evaluate import check, load_data, train_classifier
from jaxcnn.training.checkpoints import CheckpointError
from jaxcnn.training.evaluation import Evaluation

METRICS = {"accuracy": ACCURACY}
SAID = []


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_config, logged):
    workdir = tmp_path_factory.mktemp("run") / "two"
    config = tiny_config.replace(num_seeds=2, seed=3, num_epochs=2)
    with logged() as said:
        train_classifier(config, workdir)
    SAID.extend(said)
    return workdir


@pytest.fixture(scope="module")
def summary(run):
    return json.loads((run / "summary.json").read_text())


def test_the_folder_holds_each_network_and_all_of_them(run, summary):
    assert summary["num_members"] == 2
    assert [row["seed"] for row in summary["members"]] == [3, 4]
    for name, row in zip(("00", "01"), summary["members"], strict=True):
        folder = run / "members" / name
        assert json.loads((folder / "summary.json").read_text()) == row
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
        assert list((folder / "checkpoints" / "best").iterdir())
    for score in ("validation_accuracy", "test_accuracy", "test_loss", "test_calibration_error"):
        each = [row[score] for row in summary["members"]]
        assert summary["mean"][score] == pytest.approx(np.mean(each))
        assert summary["standard_deviation"][score] == pytest.approx(np.std(each, ddof=1))
    low, high = summary["test_accuracy_interval"]
    assert low <= summary["test_accuracy"] <= high
    assert 0 <= summary["test_calibration_error"] <= 1
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2
    pictures = {path.name for path in (run / "pictures").iterdir()}
    assert {"member_curves.png", "learning_curves.png", "predictions.png"} <= pictures


def test_the_screen_tells_of_each_of_their_mean_and_of_the_ensemble(run):
    said = "\n".join(SAID)
    for part in ("2 x six_conv (seeds 3 to 4), in turn", "member 00 (seed 3)", "member 01", "± "):
        assert part in said
    assert said.index("member 01") < said.index("mean of 2") < said.index("ensemble: test accuracy")


def test_the_classifier_of_a_run_averages_probabilities(run, summary):
    test = load_data(load_config(run / "config.json")).test
    found = Classifier.load(run).probabilities(test.images)
    each = [Classifier.load(run / "members" / f"0{k}").probabilities(test.images) for k in (0, 1)]
    np.testing.assert_allclose(found, (each[0] + each[1]) / 2, atol=1e-6)
    assert not np.allclose(each[0], each[1])
    assert (found.argmax(1) == test.labels).mean() == summary["test_accuracy"]


def test_each_network_and_all_together_keep_thresholds(run):
    together = Classifier.load(run).known_photos
    each = [Classifier.load(run / "members" / f"0{k}").known_photos for k in (0, 1)]
    # The score is that of the first network's features; sets are those of the mean answer.
    np.testing.assert_array_equal(together.scores, each[0].scores)
    assert not np.array_equal(together.scores, each[1].scores)
    assert not np.array_equal(together.label_scores, each[0].label_scores)


def test_evaluating_again_gives_the_same(run, summary):
    found = evaluate_classifier(run)
    assert found["test"]["accuracy"] == summary["test_accuracy"]
    assert found["members"][1]["test"]["accuracy"] == summary["members"][1]["test_accuracy"]


def test_a_single_network_is_not_taken_from_several(run):
    with pytest.raises(CheckpointError, match="holds 2 networks where one is wanted"):
        load_best(run)


def test_a_finished_run_is_resumed_without_training(run, summary, tiny_config):
    config = tiny_config.replace(num_seeds=2, seed=3, num_epochs=2)
    again = train_classifier(config, run, resume=True)
    assert again["members"] == summary["members"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_seeds": 0}, "num_seeds must be"),
        ({"member_order": "same"}, "nearest first: shared"),
        ({"members_mode": "vmapp"}, "nearest first: vmap"),
        ({"fine_tune": True, "pretrained": True}, "single phase"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tiny_config, changes, message):
    config = tiny_config.replace(**{"num_seeds": 2, **changes})
    with pytest.raises(ValueError, match=message):
        check(config)


def answers(probabilities, labels=(0, 1)):
    table, labels = np.array(probabilities, np.float32), np.array(labels, np.int32)
    metrics = {"loss": 0.0, "accuracy": float((table.argmax(1) == labels).mean())}
    return Evaluation(metrics, labels, table, np.arange(len(labels), dtype=np.int32))


def test_the_ensemble_answers_by_the_mean_probability():
    members = [answers([[0.9, 0.1], [0.6, 0.4]]), answers([[0.3, 0.7], [0.2, 0.8]])]
    found = average(members, METRICS)
    np.testing.assert_allclose(found.probabilities, [[0.6, 0.4], [0.4, 0.6]], atol=1e-6)
    assert (found.correct, found.accuracy) == (2, 1.0)
    assert found.loss == pytest.approx(-np.log(0.6))


def test_answers_to_other_examples_are_not_averaged():
    one = answers([[0.9, 0.1], [0.6, 0.4]])
    with pytest.raises(ValueError, match="same examples"):
        average([one, one._replace(index=one.index[::-1])], METRICS)
    with pytest.raises(ValueError, match="0 members"):
        average([], METRICS)
