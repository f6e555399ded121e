"""Sweeps: what may be written, which trials go on, and that a run takes the best of them."""

import json
import math

import pytest

from jaxcnn.runs.train_and_evaluate import check, train_classifier
from jaxcnn.runs.tuning import sweep
from jaxcnn.runs.tuning.sweep import Trial, better_half, parse_sweep, rungs
from jaxcnn.training.evaluation import Evaluation


def test_a_grid_is_read():
    axes = parse_sweep("learning_rate:1e-4..1e-1:log:4, weight_decay:0..0.1:linear:3")
    assert [axis.name for axis in axes] == ["learning_rate", "weight_decay"]
    assert axes[0].values == (1e-4, 1e-3, 1e-2, 1e-1)
    assert axes[1].values == (0.0, 0.05, 0.1)


MISTAKES = [
    ("", "must be name:low..high"),
    ("learning_rate", "sweep=learning_rate: must be name:low..high"),
    ("learning_rate:1e-3:log:3", "must be name:low..high"),
    ("learning_rate:a..b:log:3", "numbers low and high"),
    ("learning_rate:1e-3..1e-1:log:2.5", "a whole count"),
    ("learning_rat:1e-3..1e-1:log:3", "nearest first: learning_rate"),
    ("learning_rate:1e-3..1e-1:logg:3", "nearest first: log"),
    ("learning_rate:1e-1..1e-3:log:3", "low below high"),
    ("learning_rate:1e-3..1e-1:log:1", "count of at least 2"),
    ("learning_rate:0..1e-1:linear:3", "above 0"),
    ("weight_decay:0..1e-1:log:3", "must start above 0 for log"),
    ("weight_decay:-1..1:linear:3", "at least 0"),
    ("momentum:0.5..1:linear:3", r"in \[0, 1\)"),
    ("learning_rate:1e-3..inf:log:3", "above 0"),
    ("momentum:0..0.5:linear:2,momentum:0..0.9:linear:2", "momentum twice"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_grid_that_cannot_be_read_names_its_part(text, message):
    with pytest.raises(ValueError, match=message):
        parse_sweep(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sweep": MISTAKES[5][0]}, "nearest first: learning_rate"),
        ({"sweep": "learning_rate:1e-3..1e-1:log:3", "learning_rate": 0.1}, "is given and sweep"),
        ({"find_learning_rate": True, "learning_rate": 0.1}, "is given and find_learning_rate"),
        (
            {"sweep": "momentum:0..0.5:linear:2", "find_learning_rate": True},
            "exclude each other",
        ),
        ({"sweep": "momentum:0..0.5:linear:2", "fine_tune": True}, "single phase"),
        ({"sweep": "momentum:0..0.5:linear:2", "sweep_epochs": 0}, "sweep_epochs must be"),
    ],
)
def test_settings_of_a_search_are_checked_before_data_is_read(tiny_config, changes, message):
    with pytest.raises(ValueError, match=message):
        check(tiny_config.replace(**changes))


@pytest.mark.parametrize(
    ("num_epochs", "expected"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])]
)
def test_rungs_are_powers_of_two_and_the_last_epoch(num_epochs, expected):
    assert rungs(num_epochs) == expected


def test_the_better_half_is_kept_in_its_order():
    scores = [(0.5, -1.0), (0.9, -1.0), (-math.inf, -math.inf), (0.7, -0.5), (0.7, -0.6)]
    assert better_half(scores) == [1, 3, 4]
    assert better_half([(0.5, -1.0)]) == [0]


class Scripted:
    """Trials whose accuracies are written down, by epoch."""

    steps_per_epoch, mode = 3, "in_turn"

    def __init__(self, accuracies):
        self.left = list(range(len(accuracies)))
        self.accuracies, self.steps, self.sizes = accuracies, 0, []

    def train(self, num_steps, about):
        del about
        self.steps += num_steps
        self.sizes.append(len(self.left))

    def evaluate(self):
        epoch = self.steps // 3
        found = [self.accuracies[i][epoch - 1] for i in self.left]
        return [
            Evaluation({"loss": loss, "accuracy": accuracy}, None, None, None)
            for loss, accuracy in ((math.nan, 0.99) if a is None else (1 - a, a) for a in found)
        ]

    def keep(self, positions):
        self.left = [self.left[p] for p in positions]


def test_the_worse_half_leaves_at_each_rung():
    by_epoch = [
        (0.5, 0.6, 0.6, 0.95),
        (0.6, 0.7, 0.7, 0.7),
        (0.1, 0.9, 0.9, 0.9),  # would have come late
        (None, None, None, None),  # diverges, and says that it is right
        (0.7, 0.6, 0.6, 0.6),
    ]
    members = Scripted(by_epoch)
    trials = [Trial({"learning_rate": float(i)}) for i in range(5)]
    sweep._halve(members, trials, rungs(4))
    assert members.sizes == [5, 3, 2]
    assert [trial.dropped_at_epoch for trial in trials] == [None, None, 1, 1, 2]
    assert [row["epoch"] for row in trials[4].history] == [1, 2]
    assert max(trials, key=Trial.rank) is trials[0]


@pytest.fixture(scope="module")
def swept(tmp_path_factory, tiny_config, logged):
    workdir = tmp_path_factory.mktemp("sweep") / "run"
    config = tiny_config.replace(
        sweep="learning_rate:1e-7..1e-2:log:3", sweep_epochs=2, num_epochs=2
    )
    with logged() as said:
        summary = train_classifier(config, workdir)
    return workdir, config, summary, said


def test_a_run_goes_on_with_the_best_trial(swept):
    workdir, config, _, said = swept
    lines = (workdir / "sweep" / "trials.jsonl").read_text().splitlines()
    trials = [json.loads(line) for line in lines]
    written = json.loads((workdir / "config.json").read_text())
    assert len(trials) == 3
    assert written["learning_rate"] == trials[0]["learning_rate"]
    assert written["sweep"] == config.run.sweep
    assert [trial["epochs"] for trial in trials] == [2, 2, 1]
    assert trials[2]["dropped_at_epoch"] == 1
    assert trials[0]["validation_accuracy"] >= trials[1]["validation_accuracy"]
    assert (workdir / "pictures" / "sweep.png").stat().st_size > 10_000
    assert any("sweep of 3 trials" in line for line in said)


def test_a_resumed_run_does_not_sweep_again(swept, said):
    workdir, config, summary, _ = swept
    again = train_classifier(config, workdir, resume=True)
    assert not any("sweep of" in line for line in said)
    assert again["test_loss"] == summary["test_loss"]
