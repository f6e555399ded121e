"""Steps scanned on the device are the steps one by one."""

import dataclasses
import io
import itertools
import json

import jax
import numpy as np
import pytest
from jaxcnn.training.progress_line import ProgressLine

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.data.batches import eval_batches, train_batches
from jaxcnn.data.image_splits import StreamedSplit
from jaxcnn.models import create_model
from jaxcnn.runs.train_and_evaluate import train_classifier
from jaxcnn.training import epoch_scan
from jaxcnn.training.checkpoints import CheckpointStore
from jaxcnn.training.epoch_scan import (
    ScannedSteps,
    choose_steps,
    make_epoch_step,
    position_batches,
    whole_split,
)
from jaxcnn.training.eval_step import make_eval_step
from jaxcnn.training.history import Progress
from jaxcnn.training.loop import Fit, NonFiniteLossError, Plan, Stores, restore_run
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step

BATCH, STEPS, CHUNK = 8, 8, 3  # an epoch of the 66 images is two chunks and two single steps
KEY = jax.random.key(3)
MODEL = create_model(
    "six_conv", 2, depth=2, widths=(4, 4), dense_widths=(), batch_norm=True, dropout_rate=0.3
)
OPTIMIZER = optim.make_optimizer("adam", 0.01)
LOSS = losses.make_loss("softmax", num_classes=2)
STEP = make_train_step(MODEL, OPTIMIZER, LOSS, make_augment("flip", image_size_px=12))
COMPILED_STEP = jax.jit(STEP)
EVAL_STEP = jax.jit(make_eval_step(MODEL, LOSS))


def fresh_state():
    return init_state(KEY, MODEL, OPTIMIZER, (12, 12, 3))


def assert_close(got, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), got, want)


@pytest.fixture(scope="module")
def scanned(tiny_split):
    data = jax.device_put(whole_split(tiny_split))
    return ScannedSteps(STEP, fresh_state(), data, KEY, batch_size=BATCH, chunk_steps=CHUNK)


def test_a_scan_is_its_steps_one_by_one(tiny_split):
    batches = list(itertools.islice(train_batches(tiny_split, batch_size=BATCH, seed=0), STEPS))
    want, each = fresh_state(), []
    for batch in batches:
        want, counted = COMPILED_STEP(want, batch, KEY)
        each.append(counted)
    traces = []

    def step(*arguments):
        traces.append(1)
        return STEP(*arguments)

    epoch_step = jax.jit(make_epoch_step(step))
    order = np.stack([batch.index for batch in batches])
    state, metrics = epoch_step(fresh_state(), whole_split(tiny_split), order, KEY)
    epoch_step(state, whole_split(tiny_split), order[::-1], KEY)
    assert len(traces) == 1
    assert_close(state, want)
    np.testing.assert_array_equal(metrics.count, [BATCH] * STEPS)
    np.testing.assert_array_equal(metrics.correct, [m.correct for m in each])
    assert_close(metrics.loss_sum, np.stack([m.loss_sum for m in each]))


def test_positions_are_those_of_the_batches_and_either_goes_on_after_the_other(tiny_split):
    full = train_batches(tiny_split, batch_size=BATCH, seed=4)
    bare = position_batches(tiny_split, batch_size=BATCH, seed=4)
    for _ in range(STEPS + 3):
        np.testing.assert_array_equal(next(full).index, next(bare).index)
    other = position_batches(tiny_split, batch_size=BATCH, seed=4)
    other.set_state(json.loads(json.dumps(full.get_state())))
    full.set_state(bare.get_state())
    np.testing.assert_array_equal(next(full).index, next(other).index)


class Run:
    """One start of a run in a folder, scanned or one by one."""

    def __init__(self, split, folder, steps=None, plan=None):
        self.said = io.StringIO()
        self.batches = (
            position_batches(split, batch_size=BATCH, seed=0)
            if steps
            else train_batches(split, batch_size=BATCH, seed=0)
        )
        self.stores = folder and Stores(
            CheckpointStore(folder / "last", max_to_keep=2),
            CheckpointStore(folder / "best", max_to_keep=3),
        )
        plan = plan or Plan(num_epochs=2, steps_per_epoch=STEPS)
        self.fit = Fit(
            train_step=steps or COMPILED_STEP,
            chunk_steps=CHUNK if steps else 1,
            eval_step=EVAL_STEP,
            batches=self.batches,
            validation=lambda: eval_batches(split, batch_size=16),
            key=KEY,
            plan=plan,
            stores=self.stores,
            learning_rate=lambda step: 0.01,
            line=ProgressLine(
                num_epochs=2, steps_per_epoch=STEPS, batch_size=BATCH, stream=self.said
            ),
        )

    def go(self):
        state, progress = fresh_state(), Progress()
        if self.stores:
            state, progress = restore_run(self.stores, state, self.batches)
        return self.fit.run(state, progress)


def numbers(progress):
    timings = ("images_per_second", "data_wait_share")
    return [{k: v for k, v in row.items() if k not in timings} for row in progress.history]


def test_a_scanned_run_has_the_history_of_one_step_by_step(tiny_split, scanned):
    want_state, want = Run(tiny_split, None).go()
    state, progress = Run(tiny_split, None, scanned).go()
    assert_close(state, want_state)
    for row, wanted in zip(numbers(progress), numbers(want), strict=True):
        assert row == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(("every", "last_saved"), [(None, STEPS), (4, 12)])
def test_a_scanned_run_cut_short_ends_with_the_same_bits(
    tiny_split, scanned, tmp_path, every, last_saved
):
    plan = Plan(num_epochs=2, steps_per_epoch=STEPS, checkpoint_every_steps=every)
    state, progress = Run(tiny_split, None, scanned, plan).go()
    calls = []

    def cut(*arguments):
        calls.append(1)
        if len(calls) == 7:
            raise RuntimeError("power cut")
        return scanned(*arguments)

    with pytest.raises(RuntimeError, match="power cut"):
        Run(tiny_split, tmp_path, cut, plan).go()
    assert CheckpointStore(tmp_path / "last").steps()[-1] == last_saved
    again, resumed = Run(tiny_split, tmp_path, scanned, plan).go()
    assert jax.tree.all(jax.tree.map(np.array_equal, again, state))
    assert numbers(resumed) == numbers(progress)


def test_a_loss_that_is_not_finite_is_told_with_its_step_within_the_chunk(tiny_split, scanned):
    def broken(state, batches, key):
        state, metrics = scanned(state, batches, key)
        loss = np.array(metrics.loss_sum)
        if int(state.step) == 2 * CHUNK:
            loss[1] = np.nan
        return state, metrics._replace(loss_sum=loss)

    # The loop asks whether a device array is ready; numpy's arrays have no such method.
    def on_device(*arguments):
        state, metrics = broken(*arguments)
        return state, jax.tree.map(jax.numpy.asarray, metrics)

    with pytest.raises(NonFiniteLossError, match=f"at step {CHUNK + 2}"):
        Run(tiny_split, None, on_device).go()


def choose(split, setting):
    return choose_steps(
        setting,
        STEP,
        COMPILED_STEP,
        fresh_state(),
        split,
        lambda: train_batches(split, batch_size=BATCH, seed=0),
        KEY,
        batch_size=BATCH,
        steps_per_epoch=STEPS,
    )


@pytest.mark.parametrize("setting", ["auto", "off"])
def test_on_a_cpu_steps_go_one_by_one_unless_asked(tiny_split, setting, said):
    assert choose(tiny_split, setting) is None
    assert said == []


@pytest.mark.parametrize(
    ("plain", "scan", "chosen"),
    [(1.0, 0.25, 4), (1.0, 0.001, STEPS), (3.0, 2.0, 2), (1.0, 2.0, None)],
)
def test_auto_takes_what_the_trial_says(tiny_split, monkeypatch, plain, scan, chosen, said):
    monkeypatch.setattr(epoch_scan, "_fits", lambda split, devices: True)
    monkeypatch.setattr(epoch_scan, "_try_both", lambda *_: (plain, scan))
    monkeypatch.setattr(epoch_scan, "ScannedSteps", lambda *_, **options: options["chunk_steps"])
    assert choose(tiny_split, "auto") == chosen
    assert ("scanned (epoch_scan)" in said[0]) is (chosen is not None)


def test_the_trial_leaves_the_state_as_it_was(tiny_split, scanned):
    state = fresh_state()
    donating = jax.jit(STEP, donate_argnums=0)
    batches = train_batches(tiny_split, batch_size=BATCH, seed=0)
    trial = epoch_scan._try_both(donating, scanned, state, batches, KEY)
    assert min(trial) > 0
    assert jax.tree.all(jax.tree.map(np.array_equal, state, fresh_state()))


@dataclasses.dataclass
class Device:
    platform: str
    limit: int

    def memory_stats(self):
        return {"bytes_limit": self.limit, "bytes_in_use": 100}


@pytest.mark.parametrize(
    ("devices", "fits"),
    [
        ([Device("gpu", 10**6)], True),
        ([Device("gpu", 10**4)], False),
        ([Device("cpu", 10**6)], False),
        ([Device("gpu", 10**6)] * 2, False),
    ],
)
def test_auto_wants_one_accelerator_with_room(tiny_split, devices, fits):
    assert epoch_scan._fits(tiny_split, devices) is fits


def test_streamed_images_cannot_be_scanned(tiny_split):
    streamed = StreamedSplit.__new__(StreamedSplit)
    with pytest.raises(ValueError, match="memory_limit_gib"):
        choose(streamed, "on")
    assert not epoch_scan._fits(streamed, [Device("gpu", 10**6)])


@pytest.mark.slow
def test_a_whole_run_scanned_gives_the_summary_of_one_step_by_step(tiny_config, tmp_path):
    summaries = {}
    for setting in ("off", "on"):
        config = tiny_config.replace(epoch_scan=setting, num_epochs=2)
        summaries[setting] = train_classifier(config, tmp_path / setting)
    for name in ("test_loss", "validation_accuracy", "steps", "best_step"):
        assert summaries["on"][name] == pytest.approx(summaries["off"][name], rel=1e-4)
