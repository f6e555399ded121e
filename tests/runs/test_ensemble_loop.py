"""The loop of many networks: each member's history is its own run's, and a stopped run goes on."""

import io
import os
import signal

import jax
import numpy as np
import pytest
from jaxcnn.runs.ensemble_loop import Member, MembersFit, mean_history, restore_members
from jaxcnn.training.progress_line import ProgressLine

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.data.batches import eval_batches, member_batches, train_batches
from jaxcnn.host.signals import Interrupted
from jaxcnn.models import create_model
from jaxcnn.runs.folder import Workdir
from jaxcnn.training.checkpoints import CheckpointStore, fingerprints
from jaxcnn.training.eval_step import make_eval_step
from jaxcnn.training.history import Progress
from jaxcnn.training.loop import Fit, NonFiniteLossError, Plan
from jaxcnn.training.members import MembersStep
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step

BATCH, STEPS, NUM_MEMBERS = 16, 4, 2
PLAN = Plan(num_epochs=2, steps_per_epoch=STEPS)
TIMINGS = ("images_per_second", "data_wait_share")
KEYS = [jax.random.key(10 + k) for k in range(NUM_MEMBERS)]
MODEL = create_model(
    "six_conv", 2, depth=2, widths=(4, 4), dense_widths=(), batch_norm=True, dropout_rate=0.3
)
OPTIMIZER = optim.make_optimizer("adam", 0.01)
LOSS = losses.make_loss("softmax", num_classes=2)
STEP = make_train_step(MODEL, OPTIMIZER, LOSS, make_augment("flip", image_size_px=12))
TRAIN_STEP = jax.jit(STEP)
EVAL_STEP = jax.jit(make_eval_step(MODEL, LOSS))


def start(k):
    return init_state(KEYS[k], MODEL, OPTIMIZER, (12, 12, 3))


def line():
    return ProgressLine(
        num_epochs=2, steps_per_epoch=STEPS, batch_size=BATCH, stream=io.StringIO(), visible=False
    )


@pytest.fixture(scope="module")
def steps(tiny_split):
    batch = next(train_batches(tiny_split, batch_size=BATCH, seed=0))
    return {
        mode: MembersStep(STEP, start(0), batch, KEYS[0], num_members=NUM_MEMBERS, mode=mode)
        for mode in ("vmap", "in_turn")
    }


def at_call(step, number, action):
    """A members' step that does something just before its n-th call."""
    calls = []

    class Watched:
        mode, pack, unpack = step.mode, step.pack, step.unpack

        def __call__(self, *arguments):
            calls.append(1)
            if len(calls) == number:
                action()
            return step(*arguments)

    return Watched()


def train(split, folder, step, plan=PLAN):
    folder = Workdir(folder)
    members = [
        Member(k, KEYS[k], folder.member(k), CheckpointStore(folder.member(k).best_checkpoints), {})
        for k in range(NUM_MEMBERS)
    ]
    last = CheckpointStore(folder.last_checkpoints, max_to_keep=2)
    batches = member_batches(split, batch_size=BATCH, seeds=range(NUM_MEMBERS))
    states, progress = restore_members(last, [start(k) for k in range(NUM_MEMBERS)], batches)
    fit = MembersFit(
        step=step,
        eval_step=EVAL_STEP,
        members=members,
        batches=batches,
        validation=lambda: eval_batches(split, batch_size=BATCH),
        plan=plan,
        last=last,
        learning_rate=lambda step: 0.01,
        line=line(),
    )
    return fit.run(states, progress)


@pytest.fixture(scope="module")
def undisturbed(tiny_split, steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    return folder, *train(tiny_split, folder, steps["in_turn"])


def without_timings(history):
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in history]


def alone(split, k):
    fit = Fit(
        train_step=TRAIN_STEP,
        eval_step=EVAL_STEP,
        batches=train_batches(split, batch_size=BATCH, seed=k),
        validation=lambda: eval_batches(split, batch_size=BATCH),
        key=KEYS[k],
        plan=PLAN,
        learning_rate=lambda step: 0.01,
        line=line(),
    )
    return fit.run(start(k), Progress())


@pytest.mark.parametrize("mode", ["in_turn", "vmap"])
def test_each_member_goes_the_way_of_its_own_run(tiny_split, steps, undisturbed, mode, tmp_path):
    _, states, progress = undisturbed
    if mode == "vmap":
        states, progress = train(tiny_split, tmp_path, steps["vmap"])
    for k in range(NUM_MEMBERS):
        state, expected = alone(tiny_split, k)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), states[k], state)
        assert progress[k].best_step == expected.best_step
        for found, row in zip(progress[k].history, expected.history, strict=True):
            assert found.keys() == row.keys()
            assert found["train_loss"] == pytest.approx(row["train_loss"], rel=1e-4)
            assert found["validation_accuracy"] == row["validation_accuracy"]
    assert progress[0].history[0]["train_loss"] != progress[1].history[0]["train_loss"]


def test_each_member_keeps_its_best(undisturbed):
    folder, _, progress = undisturbed
    for k, each in enumerate(progress):
        member = Workdir(folder).member(k)
        assert each.best_step in CheckpointStore(member.best_checkpoints).steps()
        assert len(member.metrics.read_text().splitlines()) == PLAN.num_epochs


@pytest.mark.parametrize("at", [STEPS - 1, STEPS + 2])
def test_members_cut_short_end_with_the_same_bits(tiny_split, steps, undisturbed, tmp_path, at):
    def crash():
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_split, tmp_path, at_call(steps["in_turn"], at, crash))
    states, progress = train(tiny_split, tmp_path, steps["in_turn"])
    assert fingerprints(states) == fingerprints(undisturbed[1])
    for found, expected in zip(progress, undisturbed[2], strict=True):
        assert without_timings(found.history) == without_timings(expected.history)


def test_a_signal_saves_all_members_in_mid_epoch(tiny_split, steps, undisturbed, tmp_path):
    ask = at_call(steps["in_turn"], STEPS + 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted) as stop:
        train(tiny_split, tmp_path, ask)
    assert stop.value.step == STEPS + 2
    assert CheckpointStore(tmp_path / "checkpoints" / "last").steps()[-1] == STEPS + 2
    states, _ = train(tiny_split, tmp_path, steps["in_turn"])
    assert fingerprints(states) == fingerprints(undisturbed[1])


def test_a_checkpoint_does_not_depend_on_the_way(tiny_split, steps, undisturbed, tmp_path):
    one = Plan(num_epochs=1, steps_per_epoch=STEPS)
    train(tiny_split, tmp_path, steps["in_turn"], plan=one)
    states, _ = train(tiny_split, tmp_path, steps["vmap"])
    for found, expected in zip(states, undisturbed[1], strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), found, expected)


def test_a_member_that_diverges_is_named(tiny_split, steps, tmp_path):
    step = steps["in_turn"]

    class Broken:
        mode, unpack = step.mode, step.unpack

        def pack(self, members):
            first, second = step.pack(members)
            if hasattr(second, "params"):
                params = jax.tree.map(lambda p: p * np.nan, second.params)
                second = second._replace(params=params)
            return first, second

        def __call__(self, *arguments):
            return step(*arguments)

    with pytest.raises(NonFiniteLossError, match=r"member 01 \(seed 1\) is not finite at step 1"):
        train(tiny_split, tmp_path, Broken())


def test_the_mean_of_histories_has_their_spread(undisturbed):
    progress = undisturbed[2]
    rows = mean_history(progress)
    each = [p.history[1]["validation_accuracy"] for p in progress]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["validation_accuracy"] == pytest.approx(np.mean(each))
    assert rows[1]["validation_accuracy_spread"] == pytest.approx(np.std(each, ddof=1))
