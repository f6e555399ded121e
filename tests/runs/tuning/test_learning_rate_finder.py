"""The test of learning rates: its rule on curves drawn by hand, and a run that uses it."""

import json

import numpy as np
import pytest

from jaxcnn.optim.factories import default_learning_rate, list_optimizers
from jaxcnn.runs.build import build_parts
from jaxcnn.runs.config import resolve
from jaxcnn.runs.train_and_evaluate import train_classifier
from jaxcnn.runs.tuning.learning_rate_finder import rates_to_try, short_schedule, suggest_rate

RATES = np.geomspace(1e-5, 1.0, 6)  # factors of 10


@pytest.mark.parametrize("name", list_optimizers())
def test_the_rates_lie_around_the_optimizers_own(name):
    rates = rates_to_try(name)
    assert len(rates) == 12
    assert rates[0] < default_learning_rate(name) / 100
    assert rates[-1] > default_learning_rate(name) * 100
    np.testing.assert_allclose(rates[1:] / rates[:-1], rates[1] / rates[0])


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([0.7, 0.6, 0.4, 0.2, 0.5, 0.9], 1e-2),  # the bottom of a bowl
        ([0.7, 0.6, 0.4, 0.2, np.nan, np.nan], 1e-3),  # one step from where it breaks is too near
        ([0.7, 0.3, 0.3, 0.3, 0.9, 5e9], 1e-3),  # the middle of a plain
        ([0.7, 0.65, 0.3, 0.35, 0.28, np.inf], 1e-2),  # a lucky rate beside a cliff
        ([0.7, np.nan, np.nan, np.nan, np.nan, np.nan], 1e-5),
    ],
)
def test_the_suggestion_lies_where_neighbours_do_well_too(losses, expected):
    assert suggest_rate(RATES, np.array(losses)) == pytest.approx(expected)


def test_no_rate_is_suggested_where_all_diverge():
    with pytest.raises(ValueError, match="diverged at each of 6 rates from 1e-05 to 1"):
        suggest_rate(RATES, np.full(6, np.nan))


@pytest.mark.parametrize(("num_train", "num_steps"), [(48, 6), (4800, 100)])
def test_the_rate_is_the_peak_of_a_schedule_that_ends_with_the_test(
    tiny_config, num_train, num_steps
):
    config, phase, found = short_schedule(
        resolve(tiny_config.replace(num_epochs=30, learning_rate=0.1)), num_train
    )
    assert found == phase.schedule_steps == num_steps
    parts = build_parts(
        config, phase, class_counts=[num_train // 2] * 2, steps_per_epoch=num_train // 16
    )
    rates = [float(parts.schedule(step)) for step in range(num_steps + 1)]
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) <= 0.1 * num_steps + 1
    assert rates[-1] == pytest.approx(0, abs=1e-7)


@pytest.mark.slow
def test_a_run_trains_with_the_rate_that_was_found(tiny_config, tmp_path, monkeypatch, said):
    monkeypatch.setattr("jaxcnn.runs.tuning.learning_rate_finder._MOST_STEPS", 3)
    config = tiny_config.replace(find_learning_rate=True, num_epochs=1)
    summary = train_classifier(config, tmp_path / "run")
    written = json.loads((tmp_path / "run" / "config.json").read_text())
    chosen = json.loads((tmp_path / "run" / "best_trial.json").read_text())
    assert written["learning_rate"] == chosen["learning_rate"]
    assert any(line.startswith(f"learning rate {chosen['learning_rate']:g}: ") for line in said)
    lines = (tmp_path / "run" / "sweep" / "learning_rates.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert (tmp_path / "run" / "pictures" / "learning_rate.png").exists()
    said.clear()
    again = train_classifier(config, tmp_path / "run", resume=True)
    assert not any(line.startswith("learning rate") for line in said)
    assert again["test_loss"] == summary["test_loss"]
