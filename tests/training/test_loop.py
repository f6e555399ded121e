"""The loop: what it saves, when it stops, and that a stopped run goes on as if it never had."""

import io
import math
import os
import signal
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loop_trials import STEPS, TRAIN_STEP, crash, make_loop, stop_at, without_timings

from jaxcnn.host.signals import Interrupted
from jaxcnn.training.callbacks import EarlyStopping
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import fingerprints
from jaxcnn.training.history import Progress, make_rank
from jaxcnn.training.loop import NonFiniteLossError
from jaxcnn.training.progress_bar import ProgressBar


def run(split, folder, **changes):
    """Start a run in a folder, or go on with the one there."""
    return make_loop(split, keeper=Checkpoint(folder), **changes).run()


@pytest.fixture(scope="module")
def undisturbed(tiny_split):
    return make_loop(tiny_split).run()


def test_a_run_learns_and_keeps_a_row_an_epoch(undisturbed):
    state, progress = undisturbed
    assert int(state.step) == 3 * STEPS
    assert [row["step"] for row in progress.history] == [STEPS, 2 * STEPS, 3 * STEPS]
    assert progress.history[-1]["validation_accuracy"] > 0.8
    best = max(progress.history, key=lambda r: (r["validation_accuracy"], -r["validation_loss"]))
    assert progress.best_step == best["step"]
    assert progress.train_seconds > 0


@pytest.mark.parametrize("at", [1, STEPS + 3, 2 * STEPS + 1])
def test_a_run_cut_short_ends_with_the_same_bits(tiny_split, tmp_path, undisturbed, at):
    with pytest.raises(RuntimeError, match="power cut"):
        run(tiny_split, tmp_path, train_step=stop_at(at, crash))
    state, progress = run(tiny_split, tmp_path)
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert without_timings(progress.history) == without_timings(undisturbed[1].history)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_in_mid_epoch_and_the_run_goes_on(tiny_split, tmp_path, undisturbed, number):
    ask = stop_at(STEPS + 3, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted) as stop:
        run(tiny_split, tmp_path, train_step=ask)
    assert stop.value.step == STEPS + 3
    assert stop.value.signal_number == number
    keeper = Checkpoint(tmp_path)
    assert keeper.last.steps()[-1] == STEPS + 3
    state, progress = make_loop(tiny_split, keeper=keeper).run()
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert without_timings(progress.history) == without_timings(undisturbed[1].history)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_validation_at_once_and_the_run_goes_on(
    tiny_split, tmp_path, undisturbed, number
):
    loop = make_loop(tiny_split, keeper=Checkpoint(tmp_path))
    evaluate, asked = loop.evaluate, []

    def ask(variables):
        asked.append(len(asked))
        if len(asked) == 2:
            os.kill(os.getpid(), number)
            pytest.fail("the validation went on")
        return evaluate(variables)

    loop.evaluate = ask
    with pytest.raises(Interrupted) as stop:
        loop.run()
    assert (stop.value.step, stop.value.signal_number) == (2 * STEPS, number)
    state, progress = run(tiny_split, tmp_path)
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert without_timings(progress.history) == without_timings(undisturbed[1].history)


def test_checkpoints_between_epochs_change_nothing(tiny_split, tmp_path, undisturbed):
    keeper = Checkpoint(tmp_path, every_steps=5)
    with pytest.raises(RuntimeError):
        make_loop(tiny_split, keeper=keeper, train_step=stop_at(13, crash)).run()
    keeper = Checkpoint(tmp_path, every_steps=5)
    assert keeper.last.steps() == [8, 10]
    state, _ = make_loop(tiny_split, keeper=keeper).run()
    assert fingerprints(state) == fingerprints(undisturbed[0])


def test_a_damaged_checkpoint_costs_an_epoch_and_no_bit(tiny_split, tmp_path, undisturbed):
    with pytest.raises(RuntimeError):
        run(tiny_split, tmp_path, train_step=stop_at(2 * STEPS + 2, crash))
    newest = tmp_path / "last" / str(2 * STEPS)
    biggest = max((p for p in newest.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    biggest.write_bytes(biggest.read_bytes()[:-20])
    state, progress = run(tiny_split, tmp_path)
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert len(progress.history) == 3


def test_a_finished_run_is_not_trained_again(tiny_split, tmp_path, undisturbed):
    run(tiny_split, tmp_path)
    state, progress = run(tiny_split, tmp_path, train_step=stop_at(1, crash))
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert progress.epoch == 3


def test_the_best_checkpoint_holds_the_best_variables(tiny_split, tmp_path):
    keeper = Checkpoint(tmp_path, metadata=[{"class_names": ["dark", "bright"]}])
    _, progress = make_loop(tiny_split, keeper=keeper).run()
    metadata = keeper.best[0].metadata(progress.best_step)
    assert metadata["class_names"] == ["dark", "bright"]
    assert metadata["validation"] == progress.history[progress.best_step // STEPS - 1]


def test_a_row_has_the_rate_of_its_last_update_counted_from_the_phase(tiny_split):
    def step(state, batch, key):
        return state._replace(step=state.step + 1), {
            "loss": {"sum": jnp.float32(8), "count": jnp.int32(8)}
        }

    options = {"train_step": step, "metrics": {}, "best": "-loss", "evaluate": None}
    options |= {"num_epochs": 2, "learning_rate": lambda step: 100.0 + step}
    first = make_loop(tiny_split, **options)
    _, progress = first.run()
    assert [row["learning_rate"] for row in progress.history] == [107, 115]
    second = make_loop(tiny_split, **options)
    second.progress = progress.next_phase()
    second.__post_init__()
    _, progress = second.run()
    assert [row["step"] for row in progress.history] == [8, 16, 24, 32]
    assert [row["learning_rate"] for row in progress.history] == [107, 115, 107, 115]


@pytest.mark.parametrize(
    ("best", "better", "worse"),
    [
        ("accuracy", {"accuracy": 0.9, "loss": 2.0}, {"accuracy": 0.8, "loss": 1.0}),
        ("accuracy", {"accuracy": 0.9, "loss": 1.0}, {"accuracy": 0.9, "loss": 2.0}),
        ("-loss", {"accuracy": 0.8, "loss": 1.0}, {"accuracy": 0.9, "loss": 2.0}),
        ("accuracy", {"accuracy": 0.1, "loss": 9.0}, {"accuracy": math.nan, "loss": 1.0}),
    ],
)
def test_which_of_two_epochs_is_better(best, better, worse):
    rank = make_rank(best, ["accuracy"])
    for split in ("validation", "train"):
        rows = [{f"{split}_{k}": v for k, v in row.items()} for row in (better, worse)]
        assert rank(rows[0]) > rank(rows[1])
    assert rank({f"validation_{k}": v for k, v in better.items()} | {"train_loss": 99.0}) > rank(
        {f"validation_{k}": v for k, v in worse.items()} | {"train_loss": 0.0}
    )


def test_a_step_that_ends_an_epoch_is_saved_once(tmp_path, monkeypatch):
    keeper, saved = Checkpoint(tmp_path, every_steps=4), []
    monkeypatch.setattr(keeper, "_save", lambda view: saved.append(view.step))
    for step in range(1, 17):
        progress = SimpleNamespace(step_in_epoch=(step - 1) % 8 + 1, members=[])
        view = SimpleNamespace(step=step, steps_per_epoch=8, progress=progress, states=[])
        keeper.on_step_end(view)
        if step % 8 == 0:
            keeper.on_epoch_end(view)
    assert saved == [4, 8, 12, 16]


@pytest.mark.parametrize(
    ("outcome", "saved"),
    [("stopped", [8, 11]), ("interrupted", [8, 11]), ("failed", [8]), ("finished", [8])],
)
def test_the_end_of_a_run_is_saved_once_and_not_after_a_failure(
    tmp_path, monkeypatch, outcome, saved
):
    keeper, steps = Checkpoint(tmp_path), []
    monkeypatch.setattr(keeper.last, "save", lambda step, *_: steps.append(step))
    for step in (8, 11, 11):
        view = SimpleNamespace(
            step=step, progress=Progress(step=step), data_state={}, states=[{}], outcome=outcome
        )
        keeper.on_epoch_end(view) if step == 8 else keeper.on_train_end(view)
    assert steps == saved


def test_early_stopping_looks_at_its_own_phase():
    def told(*accuracies, first_epoch):
        rows = [
            {"step": 8 * i, "validation_accuracy": accuracy, "validation_loss": 1.0}
            for i, accuracy in enumerate(accuracies, start=1)
        ]
        progress = SimpleNamespace(first_epoch=first_epoch)
        view = SimpleNamespace(
            history=rows, progress=progress, best="accuracy", measures=["accuracy"]
        )
        return EarlyStopping(2).on_epoch_end(view)

    better_before = (0.9, 0.9, 0.5, 0.6)
    assert told(*better_before, first_epoch=0)
    assert told(*better_before, first_epoch=2) is None
    assert told(*better_before, 0.4, 0.4, first_epoch=2).endswith("the best was at step 32")
    assert told(*better_before, first_epoch=4) is None


@pytest.mark.parametrize("epochs", [1, 2])
def test_early_stopping_waits_so_many_epochs(tiny_split, tmp_path, epochs):
    def still(state, batch, key):  # learns nothing, so that the first epoch stays the best
        new, sums = TRAIN_STEP(state, batch, key)
        return state._replace(step=new.step), sums

    stopping = {"num_epochs": 9, "callbacks": [EarlyStopping(epochs)]}
    _, progress = run(tiny_split, tmp_path, train_step=still, **stopping)
    assert progress.stop_reason
    assert len(progress.history) == 1 + epochs
    assert progress.best_step == STEPS


def break_at(step):
    def train_step(state, batch, key):
        if int(state.step) == step - 1:
            state = state._replace(params=jax.tree.map(lambda p: p * np.nan, state.params))
        return TRAIN_STEP(state, batch, key)

    return train_step


def test_a_loss_that_is_not_finite_names_step_and_last_good_checkpoint(tiny_split, tmp_path):
    keeper = Checkpoint(tmp_path)
    with pytest.raises(NonFiniteLossError, match=rf"step {STEPS + 4}; .* of step {STEPS} in"):
        make_loop(tiny_split, keeper=keeper, train_step=break_at(STEPS + 4)).run()
    assert keeper.last.steps() == [STEPS]


def test_a_last_update_that_breaks_the_parameters_is_not_saved(tiny_split, tmp_path):
    def train_step(state, batch, key):
        new, sums = TRAIN_STEP(state, batch, key)
        if int(new.step) == STEPS:
            new = new._replace(params=jax.tree.map(lambda p: p * np.inf, new.params))
        return new, sums

    with pytest.raises(NonFiniteLossError, match="there is no checkpoint yet"):
        run(tiny_split, tmp_path, train_step=train_step)


def test_progress_survives_json(undisturbed):
    progress = undisturbed[1]
    assert Progress.from_json(progress.to_json()) == progress


def test_the_screen_shows_what_a_person_waits_for(tiny_split, tmp_path, capsys):
    run(tiny_split, tmp_path, callbacks=[ProgressBar(stream=io.StringIO())])
    out = capsys.readouterr().out
    assert out.count("epoch") == 3
    for part in ("train loss", "validation loss", "accuracy", "img/s", "left", "*"):
        assert part in out
