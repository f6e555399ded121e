"""Members side by side are the networks that would have been trained alone, whichever the way."""

import jax
import numpy as np
import pytest

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.models import create_model
from jaxcnn.training import members
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

MODEL = create_model(
    "six_conv", 2, depth=2, widths=(4, 4), dense_widths=(), batch_norm=True, dropout_rate=0.3
)
OPTIMIZER = optim.make_optimizer("adamw", 0.01, weight_decay=0.1)
STEP = make_train_step(
    MODEL,
    OPTIMIZER,
    losses.make_loss("softmax", num_classes=2),
    make_augment("flip,brightness=0.2", image_size_px=12),
    ema_decay=0.9,
)
NUM_MEMBERS = 3
KEYS = [jax.random.key(k) for k in range(NUM_MEMBERS)]
STATES = [init_state(key, MODEL, OPTIMIZER, (12, 12, 3), with_ema=True) for key in KEYS]


def make_batch(seed):
    draws = np.random.default_rng(seed)
    images = draws.integers(0, 256, (8, 12, 12, 3)).astype(np.uint8)
    index = np.arange(8, dtype=np.int32)
    return Batch(images, index % 2, index < 7, index)


BATCHES = [make_batch(k) for k in range(NUM_MEMBERS)]


@pytest.fixture(scope="module")
def solo_step():
    return jax.jit(STEP)


@pytest.fixture(scope="module")
def steps():
    """Makes compiled steps of members, each once."""
    made = {}

    def make(mode, shared_batch):
        if (mode, shared_batch) not in made:
            made[mode, shared_batch] = members.MembersStep(
                STEP,
                STATES[0],
                BATCHES[0],
                KEYS[0],
                num_members=NUM_MEMBERS,
                mode=mode,
                shared_batch=shared_batch,
            )
        return made[mode, shared_batch]

    return make


@pytest.mark.parametrize("mode", ["vmap", "in_turn"])
@pytest.mark.parametrize("shared_batch", [False, True])
def test_a_member_is_the_network_trained_alone(steps, solo_step, mode, shared_batch):
    step = steps(mode, shared_batch)
    states, keys = step.pack(STATES), step.pack(KEYS)
    for _ in range(3):
        states, metrics = step(states, BATCHES[0] if shared_batch else BATCHES, keys)
    assert metrics["loss"]["count"].tolist() == [7] * NUM_MEMBERS
    for k, found in enumerate(step.unpack(states)):
        alone = STATES[k]
        for _ in range(3):
            alone, counted = solo_step(alone, BATCHES[0 if shared_batch else k], KEYS[k])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), found, alone)
        np.testing.assert_allclose(metrics["loss"]["sum"][k], counted["loss"]["sum"], rtol=1e-4)


@pytest.mark.parametrize("mode", ["vmap", "in_turn"])
def test_packing_gives_back_the_members_and_keeps_what_it_was_given(steps, mode):
    step = steps(mode, False)
    packed = step.pack(STATES)
    for found, state in zip(step.unpack(packed), STATES, strict=True):
        jax.tree.map(np.testing.assert_array_equal, found, state)
    step(packed, BATCHES, step.pack(KEYS))  # takes over the packed states' memory
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(STATES))


@pytest.mark.parametrize(
    ("setting", "platform", "expected"),
    [
        ("auto", "cpu", "in_turn"),
        ("auto", "gpu", "vmap"),
        ("auto", "tpu", "vmap"),
        ("vmap", "cpu", "vmap"),
        ("in_turn", "gpu", "in_turn"),
    ],
)
def test_the_way_follows_setting_and_platform(setting, platform, expected):
    assert members.choose_mode(setting, platform=platform) == expected
