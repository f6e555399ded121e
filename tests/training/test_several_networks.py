"""The loop of many networks: each one's history is its own run's, and a stopped run goes on."""

import os
import signal

import jax
import numpy as np
import pytest
from loop_trials import STEP, crash, make_loop, start, stop_at, without_timings

from jaxcnn.data.batches import member_batches, train_batches
from jaxcnn.host.signals import Interrupted
from jaxcnn.runs.folder import Workdir
from jaxcnn.training.callbacks import HistoryFile
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import CheckpointStore, fingerprints
from jaxcnn.training.history import mean_history
from jaxcnn.training.loop import NonFiniteLossError
from jaxcnn.training.members import MembersStep

BATCH, STEPS, NUM_EPOCHS, NUM_MEMBERS = 16, 4, 2, 2
KEYS = [jax.random.key(10 + k) for k in range(NUM_MEMBERS)]


@pytest.fixture(scope="module")
def steps(tiny_split):
    batch = next(train_batches(tiny_split, batch_size=BATCH, seed=0))
    return {
        mode: MembersStep(STEP, start(), batch, KEYS[0], num_members=NUM_MEMBERS, mode=mode)
        for mode in ("vmap", "in_turn")
    }


def train(split, folder, step, **changes):
    """Start a run in a folder, or go on with the one there; gives the states apart."""
    folder = Workdir(folder)
    members = [folder.member(k) for k in range(NUM_MEMBERS)]
    last = folder.last_checkpoints
    options = {
        "keeper": Checkpoint(
            last.parent, last=last.name, best=[member.best_checkpoints for member in members]
        ),
        "states": [start(key) for key in KEYS],
        "batches": member_batches(split, batch_size=BATCH, seeds=range(NUM_MEMBERS)),
        "batch_size": BATCH,
        "callbacks": [HistoryFile(folder.metrics, [member.metrics for member in members])],
        "num_epochs": NUM_EPOCHS,
        "train_step": step,
        "key": step.pack(KEYS),
        "pack": step.pack,
        "unpack": step.unpack,
    }
    states, progress = make_loop(split, **(options | changes)).run()
    return step.unpack(states), progress


@pytest.fixture(scope="module")
def undisturbed(tiny_split, steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    return folder, *train(tiny_split, folder, steps["in_turn"])


def alone(split, k):
    return make_loop(
        split,
        states=[start(KEYS[k])],
        batches=train_batches(split, batch_size=BATCH, seed=k),
        batch_size=BATCH,
        key=KEYS[k],
        num_epochs=NUM_EPOCHS,
    ).run()


@pytest.mark.parametrize("mode", ["in_turn", "vmap"])
def test_each_member_goes_the_way_of_its_own_run(tiny_split, steps, undisturbed, mode, tmp_path):
    _, states, progress = undisturbed
    if mode == "vmap":
        states, progress = train(tiny_split, tmp_path, steps["vmap"])
    members = progress.members
    for k in range(NUM_MEMBERS):
        state, expected = alone(tiny_split, k)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), states[k], state)
        assert members[k].best_step == expected.best_step
        for found, row in zip(members[k].history, expected.history, strict=True):
            assert found.keys() == row.keys()
            assert found["train_loss"] == pytest.approx(row["train_loss"], rel=1e-4)
            assert found["validation_accuracy"] == row["validation_accuracy"]
    assert members[0].history[0]["train_loss"] != members[1].history[0]["train_loss"]


def test_each_member_keeps_its_best(undisturbed):
    folder, _, progress = undisturbed
    for k, each in enumerate(progress.members):
        member = Workdir(folder).member(k)
        assert each.best_step in CheckpointStore(member.best_checkpoints).steps()
        assert len(member.metrics.read_text().splitlines()) == NUM_EPOCHS


@pytest.mark.parametrize("at", [STEPS - 1, STEPS + 2])
def test_members_cut_short_end_with_the_same_bits(tiny_split, steps, undisturbed, tmp_path, at):
    step = steps["in_turn"]
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_split, tmp_path, step, train_step=stop_at(at, crash, step))
    states, progress = train(tiny_split, tmp_path, step)
    assert fingerprints(states) == fingerprints(undisturbed[1])
    for found, expected in zip(progress.members, undisturbed[2].members, strict=True):
        assert without_timings(found.history) == without_timings(expected.history)


def test_a_signal_saves_all_members_in_mid_epoch(tiny_split, steps, undisturbed, tmp_path):
    step = steps["in_turn"]
    ask = stop_at(STEPS + 2, lambda: os.kill(os.getpid(), signal.SIGTERM), step)
    with pytest.raises(Interrupted) as stop:
        train(tiny_split, tmp_path, step, train_step=ask)
    assert stop.value.step == STEPS + 2
    assert CheckpointStore(tmp_path / "checkpoints" / "last").steps()[-1] == STEPS + 2
    states, _ = train(tiny_split, tmp_path, step)
    assert fingerprints(states) == fingerprints(undisturbed[1])


def test_a_checkpoint_does_not_depend_on_the_way(tiny_split, steps, undisturbed, tmp_path):
    train(tiny_split, tmp_path, steps["in_turn"], num_epochs=1)
    states, _ = train(tiny_split, tmp_path, steps["vmap"])
    for found, expected in zip(states, undisturbed[1], strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), found, expected)


def test_a_member_that_diverges_is_named(tiny_split, steps, tmp_path):
    first, second = (start(key) for key in KEYS)
    second = second._replace(params=jax.tree.map(lambda p: p * np.nan, second.params))
    with pytest.raises(NonFiniteLossError, match="member 01 is not finite at step 1"):
        train(tiny_split, tmp_path, steps["in_turn"], states=[first, second])


def test_the_mean_of_histories_has_their_spread(undisturbed):
    members = undisturbed[2].members
    rows = mean_history([member.history for member in members])
    assert rows == undisturbed[2].history
    each = [member.history[1]["validation_accuracy"] for member in members]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["validation_accuracy"] == pytest.approx(np.mean(each))
    assert rows[1]["validation_accuracy_spread"] == pytest.approx(np.std(each, ddof=1))
