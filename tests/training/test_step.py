"""The steps are pure, train what they should, and count every example once."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.data.batches import eval_batches
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import create_model
from jaxcnn.models.staged import Stage, StagedNetwork
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.eval_step import make_eval_step
from jaxcnn.training.evaluation import evaluate
from jaxcnn.training.preprocessing import network_input, normalize, to_unit_interval
from jaxcnn.training.state import evaluation_variables, init_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

SIZE = 12
KEY = jax.random.key(0)


def make_model(**options):
    defaults = {"depth": 2, "widths": (8, 8), "dense_widths": (8,), "dropout_rate": 0.0}
    return create_model("six_conv", 2, **(defaults | options))


def make_step(model, optimizer, *, augment="none", loss=None, **options):
    loss = loss or losses.make_loss("softmax", num_classes=2)
    return make_train_step(
        model, optimizer, loss, make_augment(augment, image_size_px=SIZE), **options
    )


def first_batch(split, count=16):
    index = np.arange(count, dtype=np.int32)
    return Batch(split.images[:count], split.labels[:count], np.ones(count, bool), index)


def test_pixels_become_floats_once():
    images = jnp.array([[[[0], [255]]]], jnp.uint8)
    np.testing.assert_array_equal(to_unit_interval(images).ravel(), [0.0, 1.0])
    inputs = normalize(to_unit_interval(images), Preprocessing())
    np.testing.assert_array_equal(inputs.ravel(), [-2.0, 2.0])
    with pytest.raises(TypeError, match="float32"):
        to_unit_interval(to_unit_interval(images))


@pytest.mark.parametrize(
    ("options", "head"),
    [({}, "softmax"), ({"batch_norm": True}, "softmax"), ({"head": "sigmoid"}, "sigmoid")],
    ids=["plain", "batch norm", "sigmoid"],
)
def test_overfits_one_batch(tiny_split, options, head):
    model, optimizer = make_model(**options), optim.make_optimizer("adam", 0.01)
    batch = first_batch(tiny_split)
    # Labels that only memory can give: brightness does not tell them.
    batch = batch._replace(label=np.random.default_rng(1).integers(0, 2, 16).astype(np.int32))
    loss = losses.make_loss(head, num_classes=2)
    step = jax.jit(make_step(model, optimizer, loss=loss))
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    _, before = step(state, batch, KEY)
    for _ in range(150):
        state, counted = step(state, batch, KEY)
    assert float(before["loss"]["sum"]) / 16 > 0.5
    assert float(counted["loss"]["sum"]) / 16 < 0.02
    assert int(counted["accuracy"]["correct"]) == 16


def test_one_step_of_sgd_equals_the_gradient_by_differences(tiny_split):
    """The whole step (pixels, network, masked loss, update) against finite differences."""
    model = make_model(activation="tanh", pooling="avg")
    optimizer = optim.make_optimizer("sgd", 1.0, momentum=0.0)
    batch = first_batch(tiny_split, 8)._replace(mask=np.arange(8) < 6)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    new, _ = jax.jit(make_step(model, optimizer))(state, batch, KEY)
    gradient = jax.tree.map(lambda old, after: old - after, state.params, new.params)

    apply = jax.jit(functools.partial(model.apply, train=False))

    def mean_loss(params):
        images = network_input(batch.image, Preprocessing())
        logits = np.asarray(apply({"params": params}, images), np.float64)
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -np.mean(log_p[np.arange(6), batch.label[:6]])

    direction = jax.tree.map(
        lambda p: jax.random.normal(jax.random.key(p.size), p.shape), state.params
    )
    h = 1e-3
    above, below = (
        mean_loss(jax.tree.map(lambda p, d, s=sign: p + s * h * d, state.params, direction))
        for sign in (1, -1)
    )
    slope = sum(
        float((g * d).sum())
        for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
    )
    assert slope == pytest.approx((above - below) / (2 * h), rel=2e-2)


def test_masked_examples_change_nothing(tiny_split):
    model, optimizer = make_model(), optim.make_optimizer("sgd", 0.1)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    step = jax.jit(make_step(model, optimizer))
    batch = first_batch(tiny_split, 8)._replace(mask=np.arange(8) < 5)
    other = batch._replace(
        image=np.where(batch.mask[:, None, None, None], batch.image, 255).astype(np.uint8)
    )
    first, counted = step(state, batch, KEY)
    second, counted_again = step(state, other, KEY)
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert int(counted["accuracy"]["count"]) == int(counted_again["accuracy"]["count"]) == 5


def test_draws_change_each_step_and_repeat_on_a_resumed_run(tiny_split):
    model = make_model(dropout_rate=0.5)
    optimizer = optim.make_optimizer("sgd", 1e-30)  # parameters stand still: only draws differ
    step = jax.jit(make_step(model, optimizer))
    batch = first_batch(tiny_split)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    later, first = step(state, batch, KEY)
    _, second = step(later, batch, KEY)
    _, second_again = step(jax.tree.map(jnp.copy, later), batch, KEY)
    assert float(first["loss"]["sum"]) != float(second["loss"]["sum"])
    assert float(second["loss"]["sum"]) == float(second_again["loss"]["sum"])
    _, other_run = step(state, batch, jax.random.key(1))
    assert float(other_run["loss"]["sum"]) != float(first["loss"]["sum"])


def test_moving_averages_follow_parameters_and_statistics(tiny_split):
    model, optimizer = make_model(batch_norm=True), optim.make_optimizer("sgd", 0.1)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3), with_ema=True)
    step = jax.jit(make_step(model, optimizer, ema_decay=0.5))
    new, _ = step(state, first_batch(tiny_split), KEY)
    decay = min(0.5, 1 / 10)  # the decay warms up: (1 + step) / (10 + step)
    for old, after, mean in (
        (state.params, new.params, new.ema_params),
        (state.batch_stats, new.batch_stats, new.ema_batch_stats),
    ):
        jax.tree.map(
            lambda o, a, m: np.testing.assert_allclose(
                m, decay * o + (1 - decay) * a, rtol=1e-5, atol=1e-7
            ),
            old,
            after,
            mean,
        )
    assert evaluation_variables(new)["params"] is new.ema_params
    plain = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    assert evaluation_variables(plain)["params"] is plain.params


def test_reported_loss_may_differ_from_the_one_trained_by(tiny_split):
    model, optimizer = make_model(), optim.make_optimizer("sgd", 0.1)
    state, batch = init_state(KEY, model, optimizer, (SIZE, SIZE, 3)), first_batch(tiny_split)
    smoothed = losses.make_loss("softmax", num_classes=2, label_smoothing=0.5)
    plain = losses.make_loss("softmax", num_classes=2)
    by_plain, reported = jax.jit(make_step(model, optimizer))(state, batch, KEY)
    step = make_step(model, optimizer, loss=smoothed, reported_loss=plain)
    by_smoothed, counted = jax.jit(step)(state, batch, KEY)
    assert float(counted["loss"]["sum"]) == pytest.approx(float(reported["loss"]["sum"]), rel=1e-5)
    changes = jax.tree.map(
        lambda a, b: float(jnp.abs(a - b).max()), by_plain.params, by_smoothed.params
    )
    assert max(jax.tree.leaves(changes)) > 1e-4


def test_step_compiles_once_and_refuses_another_shape(tiny_split):
    traces = []
    model, optimizer = make_model(), optim.make_optimizer("sgd", 0.1)
    inner = make_step(model, optimizer)

    def traced(*args):
        traces.append(1)
        return inner(*args)

    state, batch = init_state(KEY, model, optimizer, (SIZE, SIZE, 3)), first_batch(tiny_split)
    step = compile_step(traced, state, batch, KEY, donate_argnums=0)
    for _ in range(3):
        state, _ = step(state, batch, KEY)
    assert int(state.step) == 3
    assert len(traces) == 1
    assert step.seconds > 0
    with pytest.raises(TypeError):
        step(state, first_batch(tiny_split, 8), KEY)


@pytest.mark.slow  # eager, every operation is compiled by itself
def test_jit_equals_eager(tiny_split):
    model, optimizer = make_model(batch_norm=True), optim.make_optimizer("sgd", 0.1)
    step = make_step(model, optimizer, augment="standard")
    state, batch = init_state(KEY, model, optimizer, (SIZE, SIZE, 3)), first_batch(tiny_split)
    eager, compiled = step(state, batch, KEY)[0], jax.jit(step)(state, batch, KEY)[0]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), eager, compiled
    )


@pytest.mark.parametrize("flip_average", [False, True])
def test_accuracy_does_not_depend_on_the_batch_size(tiny_split, flip_average):
    model, optimizer = make_model(batch_norm=True), optim.make_optimizer("sgd", 0.1)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    loss = losses.make_loss("softmax", num_classes=2)
    step = jax.jit(make_eval_step(model, loss, Preprocessing(flip_average=flip_average)))
    found = [
        evaluate(step, evaluation_variables(state), eval_batches(tiny_split, batch_size=size))
        for size in (1, 7, 64, len(tiny_split))
    ]
    for other in found:
        assert other.num_examples == 66
        assert other.correct == found[0].correct
        assert other.loss == pytest.approx(found[0].loss, rel=1e-5)
        np.testing.assert_array_equal(other.index, np.arange(66))
        np.testing.assert_allclose(other.probabilities, found[0].probabilities, atol=1e-5)


def test_flip_average_is_the_same_for_an_image_and_its_mirror(tiny_split):
    model, optimizer = make_model(), optim.make_optimizer("sgd", 0.1)
    variables = evaluation_variables(init_state(KEY, model, optimizer, (SIZE, SIZE, 3)))
    loss = losses.make_loss("softmax", num_classes=2)
    step = jax.jit(make_eval_step(model, loss, Preprocessing(flip_average=True)))
    batch = first_batch(tiny_split, 4)
    mirrored = batch._replace(image=batch.image[:, :, ::-1])
    np.testing.assert_allclose(step(variables, batch)[1], step(variables, mirrored)[1], atol=1e-6)
    plain = jax.jit(make_eval_step(model, loss))
    assert np.abs(plain(variables, batch)[1] - plain(variables, mirrored)[1]).max() > 1e-4


def test_an_empty_split_is_an_error():
    with pytest.raises(ValueError, match="no example"):
        evaluate(lambda variables, batch: None, {}, [])


def test_state_is_arrays_only(tiny_split):
    model = make_model(batch_norm=True)
    state = init_state(
        KEY, model, optim.make_optimizer("lion", optax.constant_schedule(0.1)), (SIZE, SIZE, 3)
    )
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    assert (
        init_state(KEY, model, optim.make_optimizer("sgd", 0.1), (SIZE, SIZE, 3)).ema_params == {}
    )


class _Pixels(StagedNetwork, kw_only=True):
    """One linear layer on the pixels; with `sows`, two layers more of the same kind sow logits."""

    sows: bool = True
    auxiliary_weight: float = 0.3

    @nn.compact
    def stages(self):
        return [Stage("pixels", 0, self._sow)]

    def _sow(self, x, *, train):
        x = x.reshape(x.shape[0], -1)
        for number in (1, 2) if self.sows else ():
            logits = nn.Dense(2, name=f"auxiliary_{number}")(x)
            if train:
                self.sow("auxiliary", "logits", logits)
        return x


def test_sown_logits_are_trained_by_their_weight(tiny_split):
    """The layers see the same pixels, so each gradient is that of a plain linear classifier."""
    batch = first_batch(tiny_split, 8)._replace(mask=np.arange(8) < 6)
    optimizer = optim.make_optimizer("sgd", 1.0, momentum=0.0)
    model = _Pixels(num_classes=2)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    assert state.batch_stats == {}
    new, counted = jax.jit(make_step(model, optimizer))(state, batch, KEY)
    assert new.batch_stats == {}
    reported = 0.0
    step_alone = jax.jit(make_step(_Pixels(num_classes=2, sows=False), optimizer))
    for name, weight in {"head": 1.0, "auxiliary_1": 0.3, "auxiliary_2": 0.3}.items():
        params = state.params[name]
        alone = state._replace(
            params={"head": params if "linear" in params else {"linear": params}}
        )
        alone = alone._replace(opt_state=optimizer.init(alone.params))
        after, metrics = step_alone(alone, batch, KEY)
        want = jax.tree.map(lambda a, b, w=weight: w * (b - a), alone.params, after.params)["head"]
        found = jax.tree.map(lambda a, b: b - a, params, new.params[name])
        found = found if name == "head" else {"linear": found}
        jax.tree.map(
            lambda f, w: np.testing.assert_allclose(f, w, rtol=1e-4, atol=1e-6), found, want
        )
        assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found)) > 1e-2
        reported = reported or float(metrics["loss"]["sum"])
    assert float(counted["loss"]["sum"]) == pytest.approx(reported, rel=1e-5)  # the head's alone
