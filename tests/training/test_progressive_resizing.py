"""Training on smaller images first: the right size at each step, and clear refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import losses
from jaxcnn.host.signals import Interrupted
from jaxcnn.models import create_model
from jaxcnn.optim import make_optimizer
from jaxcnn.training import feed
from jaxcnn.training.callbacks import Callback
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import CheckpointError
from jaxcnn.training.fitting import fit
from jaxcnn.training.progressive_resizing import SizeUntil, parse_shares, plan_sizes
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

SHARES = {8: 0.5, 12: 0.25}
LOSS = losses.make_loss("softmax", num_classes=2)


@pytest.fixture
def arrays():
    draws = np.random.default_rng(0)
    return draws.integers(0, 256, (32, 16, 16, 3), dtype=np.uint8), np.arange(32) % 2


def make_net(**options):
    net = {"depth": 2, "widths": (4, 4), "dense_widths": (), "global_pooling": "average"}
    return create_model("six_conv", 2, **(net | options))


def train(arrays, *, net=None, num_epochs=4, callbacks=(), **options):
    return fit(
        net or make_net(),
        arrays,
        arrays,
        optimizer=make_optimizer("adam", 1e-2),
        num_epochs=num_epochs,
        batch_size=16,
        callbacks=callbacks,
        **({"progressive_resizing": SHARES} | options),
    )


def test_each_step_takes_the_size_that_is_planned(arrays):
    images, labels = (part[:8] for part in arrays)
    batch = Batch(images, labels.astype(np.int32), np.ones(8, bool), np.arange(8, dtype=np.int32))
    net, optimizer = make_net(), optax.sgd(0.1)
    sizes = (SizeUntil(8, end_step=1), SizeUntil(12, end_step=3))
    step = jax.jit(make_train_step(net, optimizer, LOSS, sizes=sizes))
    state = init_state(jax.random.key(0), net, optimizer, (16, 16, 3))
    for size_px in (8, 12, 12, 16, 16):
        shape = (8, size_px, size_px, 3)
        small = jax.image.resize((images / np.float32(255) - 0.5) / 0.25, shape, "linear")
        plain = make_train_step(net, optimizer, LOSS, preprocessing=None)
        expected, sums = plain(state, batch._replace(image=small), jax.random.key(1))
        state, found = step(state, batch, jax.random.key(1))
        np.testing.assert_allclose(found["loss"]["sum"], sums["loss"]["sum"], rtol=1e-5)
        for one, other in zip(*map(jax.tree.leaves, (state.params, expected.params)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_validation_is_of_the_full_size(arrays):
    net, (images, labels) = make_net(), arrays
    best = train(arrays, net=net).best
    inputs = (images / np.float32(255) - 0.5) / 0.25
    logits = net.apply(best.variables, inputs, train=False)
    expected = LOSS(logits, jnp.asarray(labels, jnp.int32)).mean()
    assert best.row["validation_loss"] == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("num_epochs", [1, 2, 3, 5, 10, 100])
def test_training_ends_at_the_full_size(num_epochs):
    shares = {8: 0.3, 12: 0.3, 16: 0.3}
    sizes = plan_sizes(shares, num_epochs=num_epochs, steps_per_epoch=7)
    assert [end_step for _, end_step in sizes] == [
        7 * (tenths * num_epochs // 10) for tenths in (3, 6, 9)
    ]
    assert sizes[-1].end_step < 7 * num_epochs


class StopAt(Callback):
    """Interrupts training after a step, as a signal does."""

    every_steps = 1

    def __init__(self, step):
        self.step = step

    def on_step_end(self, view):
        if view.step == self.step:
            raise Interrupted(15, step=view.step, is_saved=True)


@pytest.mark.slow
# Before, at and after the first change of size.
@pytest.mark.parametrize(
    "step", [pytest.param(3, marks=pytest.mark.slow), 4, pytest.param(5, marks=pytest.mark.slow)]
)
def test_a_run_cut_short_goes_on_to_the_same_bits(arrays, tmp_path, step):
    whole = train(arrays)
    with pytest.raises(Interrupted):
        train(arrays, callbacks=[Checkpoint(tmp_path, every_steps=1), StopAt(step)])
    resumed = train(arrays, callbacks=[Checkpoint(tmp_path, every_steps=1)])
    assert int(resumed.state.step) == 8
    for one, other in zip(*map(jax.tree.leaves, (whole.state, resumed.state)), strict=True):
        assert (np.asarray(one) == np.asarray(other)).all()


def test_a_later_phase_counts_its_own_epochs(arrays, caplog):
    first = train(arrays, progressive_resizing=None)
    with caplog.at_level("INFO"):
        both = train(arrays, variables=first.best.variables, after=first)
    assert int(both.state.step) == 16
    assert "8 px up to step 12, 12 px up to step 14, 8 steps" in caplog.text


@pytest.mark.parametrize("mode", ["auto", "vmap"])
def test_several_networks_learn_as_each_alone(arrays, mode, monkeypatch):
    asked = []
    monkeypatch.setattr(feed, "choose_mode", lambda mode: asked.append(mode) or mode)
    found = train(arrays, num_members=2, members_mode=mode)
    assert asked == ["in_turn" if mode == "auto" else "vmap"]
    alone = train(arrays, key=1)
    for one, other in zip(*map(jax.tree.leaves, (found.states[1], alone.state)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_resumed_run_keeps_its_sizes(arrays, tmp_path):
    train(arrays, callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(CheckpointError, match=r"progressive_resizing \{'8': 0.5, '12': 0.25\}"):
        train(arrays, progressive_resizing={8: 0.5}, callbacks=[Checkpoint(tmp_path)])


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({16: 0.5}, "must increase, and be smaller than the full size, 16 px"),
        ({12: 0.2, 8: 0.2}, "must increase"),
        ({8: 1.0}, "their sum below 1"),
        ({8: 0.7, 10: 0.2, 12: 0.1}, "their sum below 1"),  # 0.1 + 0.2 + 0.7 is rounded
        ({8: -0.5}, "must be above 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arrays, shares, message):
    with pytest.raises(ValueError, match=message):
        train(arrays, progressive_resizing=shares)


def test_networks_and_data_that_do_not_fit_are_refused(arrays):
    with pytest.raises(ValueError, match="weights for each pixel of an image"):
        train(arrays, net=make_net(global_pooling="none"))
    with pytest.raises(ValueError, match=r"needs images .* with random access"):
        train([arrays])


@pytest.mark.parametrize("text", ["64", "64:", "a:0.5", "64:-1", "64:0.5:2"])
def test_text_that_is_no_list_of_sizes_is_refused(text):
    with pytest.raises(ValueError, match=r"such as 64:0.4,80:0.3; got"):
        parse_shares(text)
    with pytest.raises(ValueError, match="the size 64 px twice"):
        parse_shares("64:0.2,64:0.3")


def test_inputs_that_are_no_images_have_no_size(arrays):
    def brightness(images):
        return images.astype(jnp.float32).mean(axis=(1, 2, 3))  # (B,)

    def init(key, inputs, train):
        return {"net": {"weight": jnp.zeros((1, 2))}}, {}

    def apply(params, state, key, inputs, train):
        return inputs[:, None] * params["net"]["weight"], state

    result = train(
        arrays,
        net=(init, apply),
        num_epochs=1,
        progressive_resizing=None,
        prepare=lambda batch, key: (brightness(batch.image), batch.label),
        views=lambda batch: [brightness(batch.image)],
    )
    assert int(result.state.step) == 2


def test_callbacks_see_how_much_smaller_steps_are(arrays):
    class Areas(Callback):
        def on_train_begin(self, view):
            self.found = [view.area_of_steps(0, step) for step in (2, 8)]

    areas = Areas()
    train(arrays, callbacks=[areas])  # 4 steps of 8 px, 2 of 12 px, 2 of 16 px
    assert areas.found == [2 * 0.25, 4 * 0.25 + 2 * 0.5625 + 2]
