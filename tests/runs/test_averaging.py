"""The mean of the last epochs' parameters becomes the best where it is better on validation."""

import contextlib
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxcnn.runs import averaging
from jaxcnn.runs.best_checkpoint import load_best
from jaxcnn.runs.config import make_config
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.train_and_evaluate import check, train_classifier
from jaxcnn.training.checkpoints import CheckpointStore


def prefer(monkeypatch, *, mean):
    """Let the mean, whose row has no epoch, always win or always lose."""
    monkeypatch.setattr(
        averaging, "make_rank", lambda best, known: lambda row: ("epoch" in row) != mean
    )


def run_with(tiny_config, workdir, **settings):
    config = tiny_config.replace(average_checkpoints=2, num_epochs=3, **settings)
    return train_classifier(config, workdir, resume=True)


def params_of(folder, shapes, step):
    return CheckpointStore(folder, read_only=True).restore(shapes, step=step).state["params"]


@pytest.mark.slow
def test_a_better_mean_is_tested_and_kept(tiny_config, tmp_path, monkeypatch, logged):
    prefer(monkeypatch, mean=True)
    with logged() as said:
        summary = run_with(tiny_config, tmp_path / "run")
    assert summary["averaged_epochs"] == 2
    assert summary["best_step"] == 9
    assert "mean of the last 2 epochs" in "\n".join(said)
    assert "tested is the mean of the last 2 epochs" in (tmp_path / "run/report.html").read_text()
    _, variables, _ = load_best(tmp_path / "run")
    recent = tmp_path / "run" / "checkpoints" / "recent"
    each = [params_of(recent, variables, step) for step in (6, 9)]
    expected = jax.tree.map(lambda a, b: (np.asarray(a) + np.asarray(b)) / 2, *each)
    jax.tree.map(np.testing.assert_array_equal, variables["params"], expected)
    assert evaluate_classifier(tmp_path / "run")["test"]["loss"] == summary["test_loss"]
    again = run_with(tiny_config, tmp_path / "run")  # finds the same
    same = ("averaged_epochs", "best_step", "test_loss", "test_accuracy")
    assert all(again[name] == summary[name] for name in same)


@pytest.mark.slow
def test_a_worse_mean_changes_nothing(tiny_config, tmp_path, monkeypatch):
    prefer(monkeypatch, mean=False)
    summary = run_with(tiny_config, tmp_path / "run", num_seeds=2)
    plain = train_classifier(tiny_config.replace(num_epochs=3, num_seeds=2), tmp_path / "plain")
    assert [row["averaged_epochs"] for row in summary["members"]] == [0, 0]
    assert summary["test_loss"] == plain["test_loss"]


def average(tmp_path, values, mean_accuracy):
    """Average one parameter of several epochs, of which the best has an accuracy of 0.7."""
    for number, value in enumerate(values, 1):
        with contextlib.closing(CheckpointStore(tmp_path / "recent")) as store:
            store.save(number, {"params": {"kernel": np.float32([value])}}, {"step": number})
    with contextlib.closing(CheckpointStore(tmp_path / "best")) as store:
        store.save(1, {"params": {"kernel": np.float32([values[0]])}}, {"classes": 2})
    rows = [{"validation_accuracy": accuracy, "validation_loss": 1.0} for accuracy in (0.7, 0.6)]
    member = SimpleNamespace(history=rows, best_step=1)
    progress = SimpleNamespace(members=[member], step=len(values))
    seen = []

    def evaluator(data, variables):
        seen.append(variables["params"]["kernel"])
        return SimpleNamespace(metrics={"accuracy": mean_accuracy, "loss": 1.0})

    run = SimpleNamespace(
        config=make_config(best_metric="accuracy"),
        layout=SimpleNamespace(state_shapes=lambda shapes: shapes),
        shapes={"params": {"kernel": np.zeros(1, np.float32)}},
        data=SimpleNamespace(validation=None),
        metrics=["accuracy"],
        evaluator=evaluator,
    )
    folders = {"recent": [tmp_path / "recent"], "best": [tmp_path / "best"]}
    found = averaging.average_last_epochs(run, None, progress, **folders, on_features=True)
    return found, member.best_step, seen


def test_the_mean_is_of_all_epochs_that_were_kept(tmp_path):
    found, best_step, seen = average(tmp_path, (1, 2, 6), mean_accuracy=0.8)
    assert (found, best_step) == ([3], 3)
    np.testing.assert_array_equal(seen, [[3.0]])
    with contextlib.closing(CheckpointStore(tmp_path / "best", read_only=True)) as store:
        kept = store.restore({"params": {"kernel": np.zeros(1, np.float32)}})
    np.testing.assert_array_equal(kept.state["params"]["kernel"], [3.0])
    assert (kept.metadata["classes"], kept.metadata["averaged_epochs"]) == (2, 3)


@pytest.mark.parametrize("mean_accuracy", [0.65, 0.7])
def test_a_mean_that_is_not_better_is_dropped(tmp_path, mean_accuracy):
    found, best_step, _ = average(tmp_path, (1, 2, 6), mean_accuracy=mean_accuracy)
    assert (found, best_step) == ([0], 1)
    assert CheckpointStore(tmp_path / "best", read_only=True).steps() == [1]


def test_one_epoch_is_no_mean(tmp_path, said):
    assert average(tmp_path, (1,), mean_accuracy=0.9)[:2] == ([0], 1)
    assert said == ["no average: 1 epoch of the last phase, 2 are needed"]


@pytest.mark.parametrize("count", [1, 4])
def test_a_count_that_does_not_fit_is_refused(tiny_config, count):
    with pytest.raises(ValueError, match=rf"must be 0 or from 2 to num_epochs .=3., got {count}"):
        check(tiny_config.replace(num_epochs=3, average_checkpoints=count))
