"""Callbacks: the moments, in their order; stopping; own loggers in a few lines."""

import os
import shutil
import signal
from types import SimpleNamespace

import flax.linen as nn
import numpy as np
import optax
import pytest

from jaxcnn import optim
from jaxcnn.host.signals import Interrupted
from jaxcnn.training import history
from jaxcnn.training.callbacks import (
    Callback,
    EarlyStopping,
    HistoryFile,
    OverfittingWarning,
    TensorBoard,
)
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import CheckpointError, fingerprints
from jaxcnn.training.fitting import fit
from jaxcnn.training.progress_bar import ProgressBar

STEPS = 4
OPTIONS = {"num_epochs": 2, "batch_size": 16, "key": 1}


class Net(nn.Module):
    @nn.compact
    def __call__(self, images, train):
        return nn.Dense(2)(images.mean(axis=(1, 2)))


def run(arrays, *callbacks, **options):
    optimizer = optim.make_optimizer("adam", 0.01)
    options = {**OPTIONS, **options}
    return fit(Net(), arrays, arrays, optimizer=optimizer, callbacks=callbacks, **options)


@pytest.fixture(scope="module")
def arrays(tiny_split):
    return np.asarray(tiny_split.gather(np.arange(66))[0]), tiny_split.labels


class Noting(Callback):
    """Notes each moment."""

    def __init__(self, name="", every_steps=None):
        self.name, self.every_steps, self.seen = name, every_steps, []

    def on_train_begin(self, view):
        self.seen.append(("begin", view.step, len(view.states)))

    def on_step_end(self, view):
        self.seen.append(("step", view.step, len(view.states)))
        assert view.epoch == (view.step - 1) // STEPS
        assert set(view.metrics) == {"loss", "accuracy"}

    def on_epoch_end(self, view):
        self.seen.append(("epoch", view.step, len(view.states)))
        assert view.history[-1]["step"] == view.step
        assert view.epoch == len(view.history)

    def on_train_end(self, view):
        self.seen.append(("end", view.step, view.outcome))


def test_the_four_moments_come_in_their_order(arrays):
    noting = Noting()
    run(arrays, noting)
    steps = [("step", n, 0) for n in range(1, 2 * STEPS + 1)]
    assert noting.seen == [
        ("begin", 0, 1),
        *steps[:STEPS],
        ("epoch", STEPS, 1),
        *steps[STEPS:],
        ("epoch", 2 * STEPS, 1),
        ("end", 2 * STEPS, "finished"),
    ]


def test_states_are_seen_where_they_are_asked_for(arrays):
    noting = Noting(every_steps=3)
    run(arrays, noting)
    assert [n for moment, n, states in noting.seen if moment == "step" and states] == [3, 6]


def test_watching_changes_nothing(arrays):
    watched = run(arrays, Noting(every_steps=1), ProgressBar())
    assert fingerprints(watched.state) == fingerprints(run(arrays).state)


class Says(Callback):
    """Notes who is called, and stops at a step or an epoch."""

    def __init__(self, calls, name, *, step=None, epoch=None):
        self.calls, self.name, self.step, self.epoch = calls, name, step, epoch

    def on_step_end(self, view):
        self.calls.append(self.name)
        return "it was enough" if view.step == self.step else None

    def on_epoch_end(self, view):
        return "the epoch was enough" if view.epoch == self.epoch else None


def test_callbacks_are_called_in_their_order(arrays):
    calls = []
    run(arrays, Says(calls, "a"), Says(calls, "b"), num_epochs=1)
    assert calls == ["a", "b"] * STEPS


def test_text_stops_after_an_epoch(arrays):
    noting = Noting()
    result = run(arrays, Says([], "a", epoch=1), noting, num_epochs=5)
    assert result.progress.stop_reason == "the epoch was enough"
    assert len(result.history) == 1
    assert noting.seen[-1] == ("end", STEPS, "stopped")


def test_a_stop_in_mid_epoch_validates_and_saves_and_stays(arrays, tmp_path):
    def start(*callbacks):
        return run(arrays, Checkpoint(tmp_path), *callbacks, num_epochs=5)

    result = start(Says([], "a", step=STEPS + 2))
    at = result.progress.step
    assert STEPS + 2 <= at <= STEPS + 3  # one step was under way
    assert result.history[-1]["step"] == at
    assert "validation_accuracy" in result.history[-1]
    noting = Noting()
    again = start(noting)
    assert noting.seen == [("begin", at, 1), ("end", at, "stopped")]
    assert fingerprints(again.state) == fingerprints(result.state)
    assert again.history == result.history
    assert again.progress.stop_reason == "it was enough"


def test_a_signal_is_told_to_callbacks_and_saved(arrays, tmp_path):
    class Kill(Callback):
        def on_step_end(self, view):
            if view.step == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    noting = Noting()
    with pytest.raises(Interrupted, match="SIGTERM") as stopped:
        run(arrays, Kill(), noting, Checkpoint(tmp_path))
    assert noting.seen[-1] == ("end", stopped.value.step, "interrupted")
    again = run(arrays, Checkpoint(tmp_path))
    assert fingerprints(again.state) == fingerprints(run(arrays).state)


def test_a_callback_that_raises_ends_training_and_the_others_are_told(arrays):
    class Broken(Callback):
        def on_epoch_end(self, view):
            raise RuntimeError("disk full")

    noting = Noting()
    with pytest.raises(RuntimeError, match="disk full"):
        run(arrays, Broken(), noting)
    assert noting.seen[-1] == ("end", STEPS, "failed")


class FakeService:
    """Stands for wandb or mlflow."""

    def __init__(self):
        self.rows, self.open = [], False

    def init(self):
        self.open = True

    def log(self, row, step):
        self.rows.append((step, row))

    def finish(self):
        self.open = False


def test_a_logger_for_a_service_is_a_few_lines(arrays):
    wandb = FakeService()

    class Log(Callback):
        def on_train_begin(self, view):
            wandb.init()

        def on_epoch_end(self, view):
            wandb.log(view.history[-1], step=view.step)

        def on_train_end(self, view):
            wandb.finish()

    result = run(arrays, Log())
    assert wandb.rows == [(row["step"], row) for row in result.history]
    assert not wandb.open


@pytest.mark.parametrize("patience", [1, 2])
def test_early_stopping_waits_so_many_epochs(arrays, patience):
    still = optax.sgd(0.0)  # so that the first epoch stays the best
    result = fit(
        Net(),
        arrays,
        arrays,
        optimizer=still,
        callbacks=[EarlyStopping(patience)],
        **{**OPTIONS, "num_epochs": 6},
    )
    assert len(result.history) == 1 + patience
    assert result.best.step == STEPS
    assert f"no better validation accuracy in {patience} epochs" in result.progress.stop_reason


def test_early_stopping_by_another_metric(arrays):
    with pytest.raises(ValueError, match=r"best must be one of .*'acuracy'"):
        run(arrays, EarlyStopping(1, metric="acuracy"))
    with pytest.raises(ValueError, match="patience must be at least 1, got 0"):
        EarlyStopping(0)


def test_files_of_the_history(arrays, tmp_path):
    result = run(
        arrays, HistoryFile(tmp_path / "history.jsonl"), TensorBoard(tmp_path / "tensorboard")
    )
    rows = (tmp_path / "history.jsonl").read_text().splitlines()
    assert len(rows) == len(result.history) == 2
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_the_progress_bar_says_what_a_person_waits_for(arrays, capsys):
    run(arrays, ProgressBar())
    out = capsys.readouterr().out
    assert out.count("epoch") == 2
    for part in ("train loss", "validation loss", "accuracy", "img/s", "left", "*"):
        assert part in out


def test_a_folder_of_another_run_is_refused(arrays, tmp_path):
    run(arrays, Checkpoint(tmp_path))
    with pytest.raises(CheckpointError, match="key 1 there, 2 now"):
        run(arrays, Checkpoint(tmp_path), key=2)
    first = run(arrays)
    with pytest.raises(CheckpointError, match="each phase a Checkpoint with its own folder"):
        run(arrays, Checkpoint(tmp_path), after=first)


def test_a_resumed_run_can_be_made_longer(arrays, tmp_path):
    run(arrays, Checkpoint(tmp_path))
    longer = run(arrays, Checkpoint(tmp_path), num_epochs=3)
    assert fingerprints(longer.state) == fingerprints(run(arrays, num_epochs=3).state)


def test_the_mean_of_members_is_none_where_one_is_not_defined():
    rows = [{"epoch": 1, "validation_f1": [0.5, None]}, {"epoch": 1, "validation_f1": [1.0, 0.5]}]
    assert history.mean_row(rows)["validation_f1"] == [0.75, None]


def test_the_best_of_a_run_whose_states_are_gone_is_not_mixed_with_another(arrays, tmp_path):
    run(arrays, Checkpoint(tmp_path))
    shutil.rmtree(tmp_path / "last")
    with pytest.raises(CheckpointError, match=r"states are gone from .*last; give another folder"):
        run(arrays, Checkpoint(tmp_path))


def test_the_best_variables_are_those_of_the_best_row(arrays, tmp_path):
    checkpoint = Checkpoint(tmp_path)
    first, later = (run(arrays, checkpoint, num_epochs=number) for number in (1, 3))
    assert later.best.step > first.best.step
    for result in (first, later):
        found = result.evaluate(arrays)
        assert found.loss == pytest.approx(result.best.row["validation_loss"], rel=1e-5)


def test_areas_cannot_choose_without_validation(arrays):
    with pytest.raises(ValueError, match=r"best=auroc needs validation data"):
        fit(Net(), arrays, optimizer=optax.sgd(0.1), metrics=["auroc"], best="auroc")


def gap_rows(gaps):
    return [
        {"epoch": i, "train_loss": 1 / i, "train_accuracy": 0.5 + gap, "validation_accuracy": 0.5}
        for i, gap in enumerate(gaps, 1)
    ]


@pytest.mark.parametrize(("num_validation", "count"), [(None, 1), (500, 1), (9, 0)])
def test_memorising_is_warned_of_once_unless_it_may_be_chance(said, num_validation, count):
    warning = OverfittingWarning("more photos", num_validation)
    rows = gap_rows([0, 0, 0, 0.1, 0.15, 0.2, 0, 0, 0, 0.1, 0.2, 0.3])  # it begins twice
    for end in range(1, len(rows) + 1):
        warning.on_epoch_end(SimpleNamespace(history=rows[:end]))
    assert [line[-20:] for line in said] == [" Cures: more photos."] * count
    warning.on_epoch_end(SimpleNamespace(history=[{"epoch": 1, "train_loss": 1.0}]))
