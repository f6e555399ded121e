"""Private steps: clipped, noised, repeatable; and refused where they would not be private."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import losses
from jaxcnn.models import FeatureClassifier, create_model
from jaxcnn.optim import differential_privacy
from jaxcnn.optim.differential_privacy import Privacy, private_gradients
from jaxcnn.runs import train_and_evaluate
from jaxcnn.training.state import start_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

LOSS = losses.make_loss("softmax", num_classes=2)
HUGE = 1e6
KEY = jax.random.key(3)


def batch(*, mask=(True,) * 6, index=range(6)):
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    mask = np.array(mask)
    vectors[~mask] = 0
    return Batch(vectors, np.array([0, 1, 1, 0, 1, 0], np.int32), mask, np.array(index, np.int32))


@functools.cache
def made_step(private, dropout_rate, options):
    """A compiled step, its optimizer and first variables; each made once."""
    model, optimizer = FeatureClassifier(num_classes=2, dropout_rate=dropout_rate), optax.sgd(1.0)
    train_step = make_train_step(
        model,
        optimizer,
        LOSS,
        prepare=lambda b, k: (jnp.asarray(b.image), jnp.asarray(b.label)),
        private=private,
        **dict(options),
    )
    variables = model.init(jax.random.key(0), batch().image, train=False)
    return jax.jit(train_step), optimizer, variables


def run_step(private, data, *, key=KEY, step=0, dropout_rate=0.0, **options):
    train_step, optimizer, variables = made_step(private, dropout_rate, tuple(options.items()))
    state = start_state(variables, optimizer, step=step, with_ema="ema_decay" in options)
    new, metrics = train_step(state, data, key)
    change = jax.tree.map(lambda a, b: a - b, new.params, state.params)
    return jnp.concatenate([x.ravel() for x in jax.tree.leaves(change)]), metrics, new


def test_without_noise_and_with_room_it_is_the_plain_step():
    plain, metrics, _ = run_step(None, batch())
    private, private_metrics, _ = run_step(Privacy(HUGE, 0.0), batch())
    np.testing.assert_allclose(private, plain, atol=1e-6)
    np.testing.assert_allclose(private_metrics["loss"]["sum"], metrics["loss"]["sum"], rtol=1e-6)
    assert int(private_metrics["accuracy"]["correct"]) == int(metrics["accuracy"]["correct"])


def test_padding_adds_nothing_and_the_divisor_stays():
    mask = (True, True, True, True, False, False)
    plain, metrics, _ = run_step(None, batch(mask=mask))
    private, private_metrics, _ = run_step(Privacy(HUGE, 0.0), batch(mask=mask))
    np.testing.assert_allclose(private * 6 / 4, plain, atol=1e-6)
    assert int(private_metrics["loss"]["count"]) == int(metrics["loss"]["count"]) == 4


def test_one_photo_moves_the_sum_by_the_clipping_norm_at_most():
    clip_norm = 0.01  # far below the norms of these gradients
    everyone, _, _ = run_step(Privacy(clip_norm, 0.0), batch())
    for left_out in range(6):
        mask = tuple(i != left_out for i in range(6))
        others, _, _ = run_step(Privacy(clip_norm, 0.0), batch(mask=mask))
        moved = 6 * float(jnp.linalg.norm(everyone - others))
        assert moved == pytest.approx(clip_norm, rel=1e-3)


def noise_of(**options):
    return run_step(Privacy(1.0, 2.0), batch(), **options)[0]


def test_noise_follows_key_and_step_alone():
    first = noise_of()
    np.testing.assert_array_equal(first, noise_of())
    assert not np.allclose(first, noise_of(key=jax.random.key(4)))
    assert not np.allclose(first, noise_of(step=1))


def test_noise_has_the_size_that_is_asked_for():
    found, _ = private_gradients(
        lambda weights, key, x: (0.0 * weights.sum(), x),
        jnp.zeros(20_000),
        KEY,
        (jnp.zeros((8, 1)),),
        index=np.arange(8),
        privacy=Privacy(0.5, 3.0),
    )
    assert float(found.std()) == pytest.approx(0.5 * 3.0 / 8, rel=0.03)
    assert abs(float(found.mean())) < 0.01


def test_dropout_follows_the_example_and_not_its_row():
    def change_of(order):
        data = batch()
        data = Batch(*(np.asarray(part)[order] for part in data))
        return run_step(Privacy(HUGE, 0.0), data, dropout_rate=0.5)[0]

    np.testing.assert_allclose(
        change_of([0, 1, 2, 3, 4, 5]), change_of([5, 3, 1, 0, 2, 4]), atol=1e-6
    )
    plain, _, _ = run_step(Privacy(HUGE, 0.0), batch())
    assert not np.allclose(change_of(list(range(6))), plain, atol=1e-3)


def test_dropout_of_equal_rows_differs_by_their_index():
    def answers_of(index):
        def objective(weights, key, row):
            kept = jax.random.bernoulli(key, 0.5, row.shape).astype(jnp.float32)
            return (weights[None] * row * kept).sum(), kept

        rows = (jnp.ones((4, 64)),)
        options = {"index": np.array(index), "privacy": Privacy(HUGE, 0.0)}
        return np.asarray(private_gradients(objective, jnp.ones(64), KEY, rows, **options)[1])[:, 0]

    kept = answers_of([5, 6, 7, 5])
    np.testing.assert_array_equal(kept[0], kept[3])
    assert np.abs(np.corrcoef(kept[:3]) - np.eye(3)).max() < 0.4
    np.testing.assert_array_equal(answers_of([6, 9, 9, 9])[0], kept[1])


def test_averages_are_kept_of_private_steps_too():
    _, _, state = run_step(Privacy(1.0, 1.0), batch(), ema_decay=0.9)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.ema_params))


def test_frozen_batch_norm_keeps_its_averages():
    options = {"width_multiplier": 0.125, "batch_norm": True, "dropout_rate": 0.0}
    model = create_model("six_conv", 2, depth=1, freeze_batch_norm=True, **options)
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    data = Batch(images, np.array([0, 1, 0, 1], np.int32), np.ones(4, bool), np.arange(4))
    optimizer = optax.sgd(0.1)
    state = start_state(model.init(KEY, images, train=False), optimizer)
    steps = [
        make_train_step(
            model,
            optimizer,
            LOSS,
            prepare=lambda b, k: (jnp.asarray(b.image), jnp.asarray(b.label)),
            private=private,
        )
        for private in (None, Privacy(HUGE, 0.0))
    ]
    plain, private = (jax.jit(step)(state, data, KEY)[0] for step in steps)
    for ours, theirs in zip(jax.tree.leaves(private), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dp_noise_multiplier": 1.0}, "dp_noise_multiplier .=1.0. is a multiple of dp_clip_norm"),
        ({"dp_clip_norm": 1.0, "batch_norm": True}, "BatchNorm mixes those of a batch"),
        ({"dp_clip_norm": 1.0, "class_weights": "balanced"}, "class_weights=balanced reads"),
        ({"dp_clip_norm": -1.0}, "dp_clip_norm must be"),
    ],
)
def test_what_would_not_be_private_is_refused(tiny_config, changes, message):
    with pytest.raises(ValueError, match=message):
        train_and_evaluate.check(tiny_config.replace(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"dp_clip_norm": 0.0, "dp_noise_multiplier": 0.0, "class_weights": "balanced"},
        {"dp_clip_norm": 1.0, "batch_norm": False},
    ],
)
def test_what_is_private_or_off_is_taken(tiny_config, changes):
    checked = train_and_evaluate.check(tiny_config.replace(**changes))
    assert {name: checked.flat()[name] for name in changes} == changes


SMALL = {"num_examples": 1000, "batch_size": 100, "num_steps": 25}


def test_epsilon_of_shuffled_batches_is_that_of_one_gaussian_an_epoch():
    dp_accounting = pytest.importorskip("dp_accounting", reason="the extra 'privacy'")
    epsilon, if_poisson = differential_privacy.epsilon_bounds(2.0, **SMALL)
    # Three begun epochs of noise 2 are one Gaussian mechanism of noise 2 / sqrt(3).
    exact = dp_accounting.get_epsilon_gaussian(2.0 / 3**0.5, 1e-5)
    assert epsilon == pytest.approx(exact, rel=1e-3)
    assert 0 < if_poisson < epsilon
    assert differential_privacy.epsilon_bounds(4.0, **SMALL)[0] < epsilon


def test_without_the_accountant_epsilon_is_unknown(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dp_accounting", None)
    record, line = differential_privacy.report(Privacy(1.0, 2.0), **SMALL)
    assert record["epsilon"] is None
    assert "pip install dp-accounting" in line


def test_without_noise_there_is_no_bound():
    record, line = differential_privacy.report(Privacy(1.0, 0.0), **SMALL)
    assert record["epsilon"] is None
    assert "no bound" in line


@pytest.mark.parametrize("changes", [{"batch_size": 2000}, {"num_steps": 0}])
def test_numbers_out_of_range_are_refused(changes):
    with pytest.raises(ValueError, match="must be"):
        differential_privacy.epsilon_bounds(1.0, **{**SMALL, **changes})
