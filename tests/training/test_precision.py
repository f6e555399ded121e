"""Layers may compute in bfloat16; what is kept, compared and summed is float32 in every step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import losses
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.models import MobileNetV1, SixConv, mobilenet_v1, split_at_head
from jaxcnn.ops.cpu import onednn
from jaxcnn.optim.differential_privacy import Privacy
from jaxcnn.training import features
from jaxcnn.training.eval_step import make_eval_step, make_predict
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

IMAGE = (8, 8, 3)
BATCH = Batch(
    np.zeros((4, *IMAGE), np.uint8),
    np.arange(4, dtype=np.int32) % 3,
    np.ones(4, bool),
    np.arange(4),
)


def network(**options):
    small = {"widths": (4,), "depth": 1, "dense_widths": (4,), "dropout_rate": 0.1, **options}
    return SixConv(num_classes=3, dtype=jnp.bfloat16, **small)


def checked_loss(kind="softmax", **options):
    """A loss that takes nothing but float32."""
    loss = losses.make_loss(kind, num_classes=3, **options)

    def loss_fn(logits, label):
        assert logits.dtype == jnp.float32
        return loss(logits, label)

    return loss_fn


def assert_float32(tree):
    floating = [x.dtype for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert floating
    assert set(floating) == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ema_decay": 0.9},
        {"accumulate_steps": 2},
        {"rematerialize": True},
        {"mixing": make_mixing(mixup_alpha=0.2, num_classes=3)},
        {"private": Privacy(1.0, 1.0), "batch_norm": False},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
@pytest.mark.parametrize("members", [False, True])
def test_a_training_step_keeps_float32(options, members):
    options = dict(options)
    model = network(batch_norm=options.pop("batch_norm", True))
    optimizer = optax.sgd(1e-3, momentum=0.9)
    step = make_train_step(model, optimizer, checked_loss(label_smoothing=0.1), **options)
    state = init_state(jax.random.key(0), model, optimizer, IMAGE)
    if "ema_decay" in options:
        kept = {"ema_params": state.params, "ema_batch_stats": state.batch_stats}
        state = state._replace(**kept)
    if members:
        state = jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * 2), state)
        step = jax.vmap(step, in_axes=(0, None, None))
    found, sums = jax.eval_shape(step, state, BATCH, jax.random.key(1))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), found) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert_float32(found)
    assert_float32(sums)


def test_layers_do_compute_in_bfloat16():
    model = network(batch_norm=True)
    variables = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, *IMAGE)), train=False)
    )
    maps = jax.eval_shape(
        lambda v: model.clone(features_only=True).apply(v, jnp.zeros((1, *IMAGE)), train=False),
        variables,
    )
    assert {x.dtype for x in maps.values()} == {jnp.dtype(jnp.bfloat16)}
    assert_float32(variables)


def test_evaluation_prediction_and_features_are_float32():
    model = network(batch_norm=True)
    variables = model.init(jax.random.key(0), jnp.zeros((1, *IMAGE)), train=False)
    assert_float32(jax.eval_shape(make_eval_step(model, checked_loss()), variables, BATCH))
    assert_float32(jax.eval_shape(make_predict(model), variables, BATCH.image))
    assert_float32(jax.eval_shape(features.make_answer_step(model), variables, BATCH.image))
    seen = jax.eval_shape(features.make_feature_step(model), variables, BATCH, jax.random.key(0))
    assert seen.dtype == jnp.float32
    head = split_at_head(model)[1]
    vectors = jnp.zeros((4, *seen.shape[2:]))
    only_head = {"params": {"head": variables["params"]["head"]}}
    assert_float32(jax.eval_shape(lambda v, x: head.apply(v, x, train=False), only_head, vectors))


def train(model, steps=20):
    """Train on stripes along and across: the losses, the state and the lowered step."""
    label = np.arange(16, dtype=np.int32) % 2
    along = np.broadcast_to(np.where(np.arange(16) % 4 < 2, 60, 190)[:, None], (16, 16))
    image = np.stack([along if y else along.T for y in label])[..., None].repeat(3, axis=3)
    image = image + np.random.default_rng(0).integers(-30, 30, size=image.shape)
    batch = Batch(image.astype(np.uint8), label, np.ones(16, bool), np.arange(16))
    optimizer = optax.sgd(0.02, momentum=0.9)
    state = init_state(jax.random.key(0), model, optimizer, (16, 16, 3))
    step = jax.jit(make_train_step(model, optimizer, losses.make_loss("softmax", num_classes=2)))
    text, seen = step.lower(state, batch, jax.random.key(1)).as_text(), []
    for _ in range(steps):
        state, sums = step(state, batch, jax.random.key(1))
        seen.append(float(sums["loss"]["sum"]) / 16)
    return seen, state, text


@pytest.mark.parametrize("network", ["six_conv", "mobilenet_v1"])
def test_training_by_onednns_bfloat16_learns_as_float32_does(monkeypatch, network):
    if not (onednn.is_available() and onednn.runs_bfloat16()):
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    monkeypatch.setattr(onednn, "is_usable", lambda dtype=None: True)
    monkeypatch.setattr(mobilenet_v1, "REPEATS", mobilenet_v1.REPEATS[:2])
    model = {
        "six_conv": SixConv(num_classes=2, widths=(8, 16), depth=2, batch_norm=True),
        "mobilenet_v1": MobileNetV1(num_classes=2, width_multiplier=0.1),
    }[network]
    expected, *_ = train(model)
    found, state, text = train(model.clone(dtype=jnp.bfloat16))
    assert "@__onednn$convolution" in text
    assert_float32(state)
    assert found[0] == pytest.approx(expected[0], rel=0.02)
    assert found[-1] < 0.5 * found[0]
    assert found[-1] == pytest.approx(expected[-1], abs=0.1 * expected[0])
