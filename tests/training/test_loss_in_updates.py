"""What a step gives an optimizer beside gradients: the loss, and both at other parameters."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcnn
from jaxcnn import losses, optim
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import create_model
from jaxcnn.training.progressive_resizing import SizeUntil
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

SIZE = 12
KEY = jax.random.key(0)
LOSS = losses.make_loss("softmax", num_classes=2)
OPTIONS = {"depth": 2, "widths": (8, 8), "dense_widths": (8,), "activation": "tanh"}
OPTIONS |= {"global_pooling": "average"}


def make_batch(count=16):
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (count, SIZE, SIZE, 3)).astype(np.uint8)
    index = np.arange(count, dtype=np.int32)
    return Batch(images, draws.integers(0, 2, count).astype(np.int32), index < 13, index)


def take_step(optimizer, *, params=None, batch_norm=False, dropout_rate=0.5, **options):
    """Take the first step from the same parameters; give the states before and after."""
    model = create_model("six_conv", 2, **OPTIONS, batch_norm=batch_norm, dropout_rate=dropout_rate)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    state = state if params is None else state._replace(params=params)
    step = jax.jit(make_train_step(model, optimizer, LOSS, **options))
    after, sums = step(state, make_batch(), KEY)
    return state, after, sums


def gradient_at(params=None, **options):
    before, after, _ = take_step(optax.sgd(1.0), params=params, **options)
    return jax.tree.map(lambda old, new: old - new, before.params, after.params)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_steps": 4, "dropout_rate": 0.0},
        {"sizes": (SizeUntil(8, 5),), "dropout_rate": 0.0},
    ],
    ids=["whole", "in parts", "smaller images"],
)
def test_sam_takes_the_gradient_a_distance_up_the_first_one(options):
    rho = 0.3
    optimizer = optim.make_optimizer("sam", 1.0, momentum=0.0, options={"rho": rho})
    before, after, _ = take_step(optimizer, **options)
    first = gradient_at(**options)
    scale = rho / optax.tree.norm(first)
    climbed = jax.tree.map(lambda p, g: p + scale * g, before.params, first)
    second = gradient_at(climbed, **options)
    found = jax.tree.map(lambda old, new: old - new, before.params, after.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), found, second)
    differences = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), first, second)
    assert max(jax.tree.leaves(differences)) > 1e-3  # the test can tell the two gradients


def test_optaxs_own_sam_is_told_what_it_takes():
    climb = optax.chain(optax.contrib.normalize(), optax.sgd(0.3))
    _, theirs, _ = take_step(optax.contrib.sam(optax.sgd(1.0), climb, opaque_mode=True))
    ours = optim.make_optimizer("sam", 1.0, momentum=0.0, options={"rho": 0.3})
    found = take_step(ours)[1].params
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, theirs.params)


def test_sams_second_look_moves_no_statistics_of_batch_norm():
    _, plain, _ = take_step(optim.make_optimizer("sgd", 0.1), batch_norm=True)
    _, sam, _ = take_step(optim.make_optimizer("sam", 0.1), batch_norm=True)
    jax.tree.map(np.testing.assert_array_equal, plain.batch_stats, sam.batch_stats)


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_norm": True}, {"sizes": (SizeUntil(8, 5),)}],
    ids=["dropout", "batch norm", "smaller images"],
)
def test_the_functions_give_the_loss_and_the_gradients_of_the_step(options):
    def update(updates, state, params, *, value, grad, value_fn, grad_fn, **_):
        del state
        again = grad_fn(params, 0)
        gap = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), grad, again)
        return updates, (value, value_fn(params), optax.tree.max(gap))

    zero = (jnp.float32(0),) * 3
    optimizer = optax.GradientTransformationExtraArgs(lambda _: zero, update)
    _, after, _ = take_step(optimizer, **options)
    value, again, gap = map(float, after.opt_state)
    assert again == pytest.approx(value, rel=1e-6)
    assert gap < 1e-6


def test_each_step_has_a_dropout_of_its_own():
    def update(updates, state, params, *, value, **_):
        del state
        return jax.tree.map(jnp.zeros_like, updates), value

    optimizer = optax.GradientTransformationExtraArgs(lambda _: jnp.float32(0), update)
    model = create_model("six_conv", 2, **OPTIONS, dropout_rate=0.5)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    step, found = jax.jit(make_train_step(model, optimizer, LOSS)), []
    for _ in range(2):  # of the same parameters and images
        state, _ = step(state, make_batch(), KEY)
        found.append(float(state.opt_state))
    assert found[0] != found[1]


@pytest.mark.parametrize("accumulate_steps", [1, 4])
def test_the_value_is_the_mean_loss_of_the_rows_that_count(accumulate_steps):
    def update(updates, state, params=None, *, value, **_):
        del state, params
        return updates, value

    optimizer = optax.GradientTransformationExtraArgs(lambda _: jnp.float32(0), update)
    _, after, sums = take_step(optimizer, accumulate_steps=accumulate_steps, dropout_rate=0.0)
    assert float(after.opt_state) == pytest.approx(float(sums["loss"]["sum"]) / 13, rel=1e-5)


def test_lbfgs_lowers_the_loss_of_one_batch_at_each_step():
    model = create_model("six_conv", 2, **OPTIONS, dropout_rate=0.0)
    optimizer = optim.make_optimizer("lbfgs", 1.0)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    step, batch = jax.jit(make_train_step(model, optimizer, LOSS)), make_batch()
    found = []
    for _ in range(12):
        state, sums = step(state, batch, KEY)
        found.append(float(sums["loss"]["sum"]) / 13)
    assert all(late < early for early, late in itertools.pairwise(found))
    assert found[-1] < found[0] / 3


def test_a_plateau_lowers_the_learning_rate():
    """Of a loss that has to fall to a hundredth in each step, or counts as a plateau."""
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=1, rtol=0.99)
    model, optimizer = create_model("six_conv", 2, **OPTIONS), optax.chain(optax.sgd(0.1), plateau)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    step, batch = jax.jit(make_train_step(model, optimizer, LOSS)), make_batch()
    with jax.numpy_dtype_promotion("standard"):  # which Optax takes for granted
        for _ in range(6):
            state, _ = step(state, batch, KEY)
    assert float(state.opt_state[-1].scale) < 0.5


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.lbfgs(),
        optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.1), opaque_mode=True),
        optim.make_optimizer("lbfgs", 1.0),
    ],
    ids=["lbfgs", "sam", "lbfgs by name"],
)
def test_fit_takes_optimizers_whose_first_state_holds_the_parameters(optimizer):
    images, labels, *_ = make_batch()
    model = create_model("six_conv", 2, **OPTIONS)
    with jax.numpy_dtype_promotion("standard"):
        result = jaxcnn.fit(model, (images, labels), optimizer=optimizer, batch_size=16)
    assert np.isfinite(result.history[-1]["train_loss"])


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (optax.chain(optax.contrib.sam(optax.sgd(1.0), optax.sgd(1.0), opaque_mode=True)), {}),
        (optax.lbfgs(), {"accumulate_steps": 4}),
    ],
)
def test_what_a_step_cannot_give_is_told(optimizer, options):
    with pytest.raises(TypeError, match=r"does not take what a step gives it: .*with `accumulate"):
        take_step(optimizer, **options)


def test_an_optimizers_own_type_error_stays_as_it_is():
    def update(updates, state, params=None, **_):
        return jnp.sum(updates, axs=0), state

    optimizer = optax.GradientTransformationExtraArgs(lambda params: (), update)
    with pytest.raises(TypeError, match=r"^[^ ]*sum\(\) got an unexpected keyword argument 'axs'"):
        take_step(optimizer)


def test_private_training_gives_no_loss():
    model = create_model("six_conv", 2, **OPTIONS)
    optimizer = optim.make_optimizer("momo", 1.0)
    privacy = optim.Privacy(clip_norm=1.0, noise_multiplier=1.0)
    step = make_train_step(model, optimizer, LOSS, preprocessing=Preprocessing(), private=privacy)
    state = init_state(KEY, model, optimizer, (SIZE, SIZE, 3))
    with pytest.raises(TypeError, match=r"'value'\. With `private` a step gives gradients alone"):
        jax.eval_shape(step, state, make_batch(), KEY)
