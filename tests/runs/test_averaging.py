"""The mean of the last epochs' parameters becomes the best where it is better on validation."""

import jax
import numpy as np
import pytest

from jaxcnn.runs import averaging
from jaxcnn.runs.best_checkpoint import load_best
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


@pytest.mark.parametrize("count", [1, 4])
def test_a_count_that_does_not_fit_is_refused(tiny_config, count):
    with pytest.raises(ValueError, match=rf"must be 0 or from 2 to num_epochs .=3., got {count}"):
        check(tiny_config.replace(num_epochs=3, average_checkpoints=count))
