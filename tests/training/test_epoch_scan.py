"""Steps scanned on the device are the steps one by one."""

import dataclasses
import itertools
import json

import jax
import numpy as np
import pytest
from loop_trials import (
    BATCH,
    KEY,
    STEP,
    STEPS,
    TRAIN_STEP,
    crash,
    make_loop,
    start,
    stop_at,
    without_timings,
)

from jaxcnn.data.batches import train_batches
from jaxcnn.data.image_splits import StreamedSplit
from jaxcnn.runs.train_and_evaluate import train_classifier
from jaxcnn.training import epoch_scan
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import CheckpointStore
from jaxcnn.training.epoch_scan import (
    ScannedSteps,
    choose_steps,
    make_epoch_step,
    position_batches,
    whole_split,
)
from jaxcnn.training.loop import NonFiniteLossError

CHUNK = 3  # an epoch of the 66 images is two chunks and two single steps


def assert_close(got, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), got, want)


@pytest.fixture(scope="module")
def scanned(tiny_split):
    data = jax.device_put(whole_split(tiny_split))
    return ScannedSteps(STEP, start(), data, KEY, batch_size=BATCH, chunk_steps=CHUNK)


def test_a_scan_is_its_steps_one_by_one(tiny_split):
    batches = list(itertools.islice(train_batches(tiny_split, batch_size=BATCH, seed=0), STEPS))
    want, each = start(), []
    for batch in batches:
        want, counted = TRAIN_STEP(want, batch, KEY)
        each.append(counted)
    traces = []

    def step(*arguments):
        traces.append(1)
        return STEP(*arguments)

    epoch_step = jax.jit(make_epoch_step(step))
    order = np.stack([batch.index for batch in batches])
    state, sums = epoch_step(start(), whole_split(tiny_split), order, KEY)
    epoch_step(state, whole_split(tiny_split), order[::-1], KEY)
    assert len(traces) == 1
    assert_close(state, want)
    np.testing.assert_array_equal(sums["loss"]["count"], [BATCH] * STEPS)
    want_sums = jax.tree.map(lambda *leaves: np.stack(leaves), *each)
    np.testing.assert_array_equal(sums["accuracy"]["correct"], want_sums["accuracy"]["correct"])
    assert_close(sums, want_sums)


def test_a_scan_of_repeats_is_their_batches(tiny_split):
    options = {"batch_size": BATCH, "seed": 0, "repeats": 2}
    batches = list(itertools.islice(train_batches(tiny_split, **options), 2))
    bare = itertools.islice(position_batches(tiny_split, **options), 2)
    order = np.stack([batch.index for batch in bare])
    epoch_step = make_epoch_step(lambda state, batch, key: (state, batch))
    _, got = epoch_step(0, whole_split(tiny_split), order, KEY)
    for number, batch in enumerate(batches):
        for part, whole in zip(batch, got, strict=True):
            np.testing.assert_array_equal(part, whole[number])
    assert len(set(order[0])) == 2 * len(set(order[0] % len(tiny_split))) == BATCH


def test_positions_are_those_of_the_batches_and_either_goes_on_after_the_other(tiny_split):
    full = train_batches(tiny_split, batch_size=BATCH, seed=4)
    bare = position_batches(tiny_split, batch_size=BATCH, seed=4)
    for _ in range(STEPS + 3):
        np.testing.assert_array_equal(next(full).index, next(bare).index)
    other = position_batches(tiny_split, batch_size=BATCH, seed=4)
    other.set_state(json.loads(json.dumps(full.get_state())))
    full.set_state(bare.get_state())
    np.testing.assert_array_equal(next(full).index, next(other).index)


def train(split, steps=None, folder=None, *, every=None):
    """Start a run, scanned or one by one, or go on with the one in the folder."""
    options = {"num_epochs": 2, "keeper": folder and Checkpoint(folder, every_steps=every)}
    if steps is not None:
        options |= {
            "train_step": steps,
            "chunk_steps": CHUNK,
            "batches": position_batches(split, batch_size=BATCH, seed=0),
        }
    return make_loop(split, **options).run()


def test_a_scanned_run_has_the_history_of_one_step_by_step(tiny_split, scanned):
    want_state, want = train(tiny_split)
    state, progress = train(tiny_split, scanned)
    assert_close(state, want_state)
    rows = without_timings(progress.history)
    for row, wanted in zip(rows, without_timings(want.history), strict=True):
        assert row == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(("every", "last_saved"), [(None, STEPS), (4, 12)])
def test_a_scanned_run_cut_short_ends_with_the_same_bits(
    tiny_split, scanned, tmp_path, every, last_saved
):
    state, progress = train(tiny_split, scanned, tmp_path / "whole", every=every)
    cut, folder = stop_at(7, crash, scanned), tmp_path / "cut"
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_split, cut, folder, every=every)
    assert CheckpointStore(folder / "last").steps()[-1] == last_saved
    again, resumed = train(tiny_split, scanned, folder, every=every)
    assert jax.tree.all(jax.tree.map(np.array_equal, again, state))
    assert without_timings(resumed.history) == without_timings(progress.history)


def test_a_loss_that_is_not_finite_is_told_with_its_step_within_the_chunk(tiny_split, scanned):
    def broken(state, batches, key):
        state, sums = scanned(state, batches, key)
        if int(state.step) == 2 * CHUNK:
            sums["loss"]["sum"] = sums["loss"]["sum"].at[1].set(np.nan)
        return state, sums

    with pytest.raises(NonFiniteLossError, match=f"at step {CHUNK + 2}"):
        train(tiny_split, broken)


def choose(split, setting):
    return choose_steps(
        setting,
        STEP,
        TRAIN_STEP,
        start(),
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
    state = start()
    donating = jax.jit(STEP, donate_argnums=0)
    batches = train_batches(tiny_split, batch_size=BATCH, seed=0)
    trial = epoch_scan._try_both(donating, scanned, state, batches, KEY)
    assert min(trial) > 0
    assert jax.tree.all(jax.tree.map(np.array_equal, state, start()))


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
