"""The loop: what it saves, when it stops, and that a stopped run goes on as if it never had."""

import io
import os
import signal

import jax
import numpy as np
import pytest
from jaxcnn.training.progress_line import ProgressLine

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.data.batches import eval_batches, train_batches
from jaxcnn.host.signals import Interrupted
from jaxcnn.models import create_model
from jaxcnn.training.checkpoints import CheckpointStore, fingerprints
from jaxcnn.training.eval_step import make_eval_step
from jaxcnn.training.history import Progress
from jaxcnn.training.loop import Fit, NonFiniteLossError, Plan, Stores, restore_run
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step

BATCH = 8
STEPS = 8  # an epoch of the 66 images
KEY = jax.random.key(3)
TIMINGS = ("images_per_second", "data_wait_share")
MODEL = create_model(
    "six_conv", 2, depth=2, widths=(4, 4), dense_widths=(), batch_norm=True, dropout_rate=0.3
)
OPTIMIZER = optim.make_optimizer("adam", 0.01)
LOSS = losses.make_loss("softmax", num_classes=2)
TRAIN_STEP = jax.jit(
    make_train_step(MODEL, OPTIMIZER, LOSS, make_augment("flip", image_size_px=12))
)
EVAL_STEP = jax.jit(make_eval_step(MODEL, LOSS))


class Run:
    """One start of a run in a folder."""

    def __init__(self, split, folder, **changes):
        self.said = io.StringIO()
        self.stores = folder and Stores(
            CheckpointStore(folder / "last", max_to_keep=2),
            CheckpointStore(folder / "best", max_to_keep=3),
        )
        self.batches = train_batches(split, batch_size=BATCH, seed=0)
        plan = changes.pop("plan", Plan(num_epochs=3, steps_per_epoch=STEPS))
        options = {
            "train_step": TRAIN_STEP,
            "eval_step": EVAL_STEP,
            "batches": self.batches,
            "validation": lambda: eval_batches(split, batch_size=16),
            "key": KEY,
            "stores": self.stores,
            "learning_rate": lambda step: 0.01,
            "line": ProgressLine(
                num_epochs=plan.num_epochs,
                steps_per_epoch=STEPS,
                batch_size=BATCH,
                stream=self.said,
            ),
        }
        self.fit = Fit(plan=plan, **(options | changes))

    def go(self):
        state, progress = init_state(KEY, MODEL, OPTIMIZER, (12, 12, 3)), Progress()
        if self.stores:
            state, progress = restore_run(self.stores, state, self.batches)
        return self.fit.run(state, progress)


def without_timings(history):
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in history]


def stop_at(step, action):
    """A training step that does something just before its n-th call."""
    calls = []

    def train_step(state, batch, key):
        calls.append(1)
        if len(calls) == step:
            action()
        return TRAIN_STEP(state, batch, key)

    return train_step


@pytest.fixture(scope="module")
def undisturbed(tiny_split):
    return Run(tiny_split, None).go()


def test_a_run_learns_and_keeps_a_row_an_epoch(tiny_split, undisturbed):
    state, progress = undisturbed
    assert int(state.step) == 3 * STEPS
    assert [row["step"] for row in progress.history] == [STEPS, 2 * STEPS, 3 * STEPS]
    assert progress.history[-1]["validation_accuracy"] > 0.8
    best = max(progress.history, key=lambda r: (r["validation_accuracy"], -r["validation_loss"]))
    assert progress.best_step == best["step"]
    assert progress.train_seconds > 0


def crash():
    raise RuntimeError("power cut")


@pytest.mark.parametrize("at", [1, STEPS + 3, 2 * STEPS + 1])
def test_a_run_cut_short_ends_with_the_same_bits(tiny_split, tmp_path, undisturbed, at):
    with pytest.raises(RuntimeError, match="power cut"):
        Run(tiny_split, tmp_path, train_step=stop_at(at, crash)).go()
    state, progress = Run(tiny_split, tmp_path).go()
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert without_timings(progress.history) == without_timings(undisturbed[1].history)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_in_mid_epoch_and_the_run_goes_on(tiny_split, tmp_path, undisturbed, number):
    ask = stop_at(STEPS + 3, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted) as stop:
        Run(tiny_split, tmp_path, train_step=ask).go()
    assert stop.value.step == STEPS + 3
    assert stop.value.signal_number == number
    resumed = Run(tiny_split, tmp_path)
    assert resumed.stores.last.steps()[-1] == STEPS + 3
    state, progress = resumed.go()
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert without_timings(progress.history) == without_timings(undisturbed[1].history)


def test_checkpoints_between_epochs_change_nothing(tiny_split, tmp_path, undisturbed):
    plan = Plan(num_epochs=3, steps_per_epoch=STEPS, checkpoint_every_steps=5)
    with pytest.raises(RuntimeError):
        Run(tiny_split, tmp_path, plan=plan, train_step=stop_at(13, crash)).go()
    run = Run(tiny_split, tmp_path, plan=plan)
    assert run.stores.last.steps() == [8, 10]
    assert fingerprints(run.go()[0]) == fingerprints(undisturbed[0])


def test_a_damaged_checkpoint_costs_an_epoch_and_no_bit(tiny_split, tmp_path, undisturbed):
    with pytest.raises(RuntimeError):
        Run(tiny_split, tmp_path, train_step=stop_at(2 * STEPS + 2, crash)).go()
    newest = tmp_path / "last" / str(2 * STEPS)
    biggest = max((p for p in newest.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    biggest.write_bytes(biggest.read_bytes()[:-20])
    state, progress = Run(tiny_split, tmp_path).go()
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert len(progress.history) == 3


def test_a_finished_run_is_not_trained_again(tiny_split, tmp_path, undisturbed):
    Run(tiny_split, tmp_path).go()
    state, progress = Run(tiny_split, tmp_path, train_step=stop_at(1, crash)).go()
    assert fingerprints(state) == fingerprints(undisturbed[0])
    assert progress.epoch == 3


def test_the_best_checkpoint_holds_the_best_variables(tiny_split, tmp_path):
    run = Run(tiny_split, tmp_path, best_metadata={"class_names": ["dark", "bright"]})
    _, progress = run.go()
    metadata = run.stores.best.metadata(progress.best_step)
    assert metadata["class_names"] == ["dark", "bright"]
    assert metadata["validation"] == progress.history[progress.best_step // STEPS - 1]


@pytest.mark.parametrize("epochs", [1, 2])
def test_early_stopping_waits_so_many_epochs(tiny_split, tmp_path, epochs):
    plan = Plan(num_epochs=9, steps_per_epoch=STEPS, early_stopping_epochs=epochs)

    def still(state, batch, key):  # learns nothing, so that the first epoch stays the best
        new, counted = TRAIN_STEP(state, batch, key)
        return state._replace(step=new.step), counted

    run = Run(tiny_split, tmp_path, plan=plan, train_step=still)
    _, progress = run.go()
    assert progress.stopped_early
    assert len(progress.history) == 1 + epochs
    assert progress.best_step == STEPS


def break_at(step):
    def train_step(state, batch, key):
        if int(state.step) == step - 1:
            state = state._replace(params=jax.tree.map(lambda p: p * np.nan, state.params))
        return TRAIN_STEP(state, batch, key)

    return train_step


def test_a_loss_that_is_not_finite_names_step_and_last_good_checkpoint(tiny_split, tmp_path):
    run = Run(tiny_split, tmp_path, train_step=break_at(STEPS + 4))
    with pytest.raises(NonFiniteLossError, match=rf"step {STEPS + 4}; .* of step {STEPS} in"):
        run.go()
    assert run.stores.last.steps() == [STEPS]


def test_a_last_update_that_breaks_the_parameters_is_not_saved(tiny_split, tmp_path):
    def train_step(state, batch, key):
        new, counted = TRAIN_STEP(state, batch, key)
        if int(new.step) == STEPS:
            new = new._replace(params=jax.tree.map(lambda p: p * np.inf, new.params))
        return new, counted

    run = Run(tiny_split, tmp_path, train_step=train_step)
    with pytest.raises(NonFiniteLossError, match="there is no checkpoint yet"):
        run.go()


def test_progress_survives_json(undisturbed):
    progress = undisturbed[1]
    assert Progress.from_json(progress.to_json()) == progress


def test_the_screen_shows_what_a_person_waits_for(tiny_split, tmp_path, capsys):
    run = Run(tiny_split, tmp_path)
    run.go()
    out = capsys.readouterr().out
    assert out.count("epoch") == 3
    for part in ("train loss", "validation loss", "accuracy", "img/s", "left", "*"):
        assert part in out
