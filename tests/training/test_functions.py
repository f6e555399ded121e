"""Networks of other libraries as pairs of functions: they train, stop and resume as Linen ones."""

import os
import signal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.host.signals import Interrupted
from jaxcnn.training.callbacks import Callback
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import fingerprints
from jaxcnn.training.fitting import fit
from jaxcnn.training.functions import as_network

SEEN = jax.ShapeDtypeStruct((1, 12, 12, 3), jnp.float32)
LABEL = jax.ShapeDtypeStruct((1,), jnp.int32)
OPTIONS = {"num_epochs": 3, "batch_size": 8, "key": 1}
STEPS = 8


def linen():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, images, train):
            x = nn.Conv(4, (3, 3), strides=2)(images)
            x = nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))
            x = nn.Dropout(0.3)(x.mean(axis=(1, 2)), deterministic=not train)
            return nn.Dense(2)(x)

    return Net()


def haiku():
    hk = pytest.importorskip("haiku")

    # A pair as it is: fit(model, ...)
    @hk.transform_with_state
    def model(images, train):
        x = hk.Conv2D(4, 3, stride=2)(images)
        x = jax.nn.relu(hk.BatchNorm(True, True, decay_rate=0.9)(x, train))
        x = x.mean(axis=(1, 2))
        x = hk.dropout(hk.next_rng_key(), 0.3, x) if train else x
        return hk.Linear(2)(x)

    return model


def equinox():
    eqx = pytest.importorskip("equinox")

    class Net(eqx.Module):
        conv: eqx.nn.Conv2d
        norm: eqx.nn.BatchNorm
        dropout: eqx.nn.Dropout
        dense: eqx.nn.Linear

        def __init__(self, key):
            conv_key, dense_key = jax.random.split(key)
            self.conv = eqx.nn.Conv2d(3, 4, 3, stride=2, key=conv_key)
            self.norm = eqx.nn.BatchNorm(4, "batch", momentum=0.9, mode="ema")
            self.dropout = eqx.nn.Dropout(0.3)
            self.dense = eqx.nn.Linear(4, 2, key=dense_key)

        def __call__(self, image, state, key):
            x, state = self.norm(self.conv(image.transpose(2, 0, 1)), state)
            x = self.dropout(jax.nn.relu(x).mean(axis=(1, 2)), key=key)
            return self.dense(x), state

    make = eqx.nn.make_with_state(Net)
    static = eqx.partition(make(jax.random.key(0))[0], eqx.is_inexact_array)[1]

    def init(key, images, train):
        net, state = make(key)
        return eqx.filter(net, eqx.is_inexact_array), state

    def apply(params, state, key, images, train):
        net = eqx.nn.inference_mode(eqx.combine(params, static), not train)
        keys = jax.random.split(key, len(images)) if train else None
        batched = jax.vmap(net, in_axes=(0, None, 0), out_axes=(0, None), axis_name="batch")
        return batched(images, state, keys)

    return init, apply


def nnx_net(nnx, dropout_rngs):
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 4, (3, 3), strides=2, rngs=rngs)
            self.norm = nnx.BatchNorm(4, momentum=0.9, rngs=rngs)
            self.dropout = nnx.Dropout(0.3, rngs=rngs if dropout_rngs else None)
            self.dense = nnx.Linear(4, 2, rngs=rngs)

        def __call__(self, images, rngs=None):
            x = nnx.relu(self.norm(self.conv(images))).mean(axis=(1, 2))
            return self.dense(self.dropout(x, rngs=rngs))

    return Net


def flax_nnx():
    nnx = pytest.importorskip("flax.nnx")
    Net = nnx_net(nnx, dropout_rngs=False)
    graph = nnx.split(Net(nnx.Rngs(0)), nnx.Param, ...)[0]

    def init(key, images, train):
        return nnx.split(Net(nnx.Rngs(key)), nnx.Param, ...)[1:]

    def apply(params, state, key, images, train):
        net = nnx.merge(graph, params, state)
        net.train() if train else net.eval()
        logits = net(images, rngs=nnx.Rngs(key) if train else None)
        return logits, nnx.split(net, nnx.Param, ...)[2]

    return init, apply


NETWORKS = {"linen": linen, "haiku": haiku, "equinox": equinox, "nnx": flax_nnx}


@pytest.fixture(autouse=True)
def usual_promotion():
    """The other libraries promote dtypes and ranks."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="module")
def data(tiny_split):
    return np.asarray(tiny_split.gather(np.arange(66))[0]), tiny_split.labels


@pytest.fixture(scope="module", params=NETWORKS)
def trained(request, data):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        model = NETWORKS[request.param]()
        return model, fit(model, data, data, optimizer=optax.adam(0.03), **OPTIONS)


class At(Callback):
    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step_end(self, view):
        if view.step == self.step:
            self.action()


def crash():
    raise RuntimeError("power cut")


def without_timings(history):
    return [
        {k: v for k, v in row.items() if k not in ("images_per_second", "data_wait_share")}
        for row in history
    ]


def train_outputs(model, variables, images, seed):
    """Logits and new statistics of a training step."""
    network = as_network(model, SEEN, LABEL, None)[0]

    def outputs(variables, key):
        pixels = jnp.asarray(images[:16], jnp.float32) / 255
        rngs = {"dropout": key}
        return network.apply(variables, pixels, train=True, mutable=["batch_stats"], rngs=rngs)

    return jax.tree.map(np.asarray, jax.jit(outputs)(variables, jax.random.key(seed)))


def test_it_learns_and_its_statistics_move(trained, data):
    model, result = trained
    assert result.best.row["validation_accuracy"] > 0.9
    network = as_network(model, SEEN, LABEL, None)[0]
    first = network.init(jax.random.key(0), jnp.zeros(SEEN.shape), train=False)["batch_stats"]
    old, new = (jax.tree.leaves(tree) for tree in (first, result.state.batch_stats))
    assert len(old) == len(new) >= 2
    assert any(not np.array_equal(a, b) for a, b in zip(old, new, strict=True))


def test_dropout_differs_by_key_alone(trained, data):
    model, result = trained
    one, same, other = (
        train_outputs(model, result.best.variables, data[0], seed)[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_evaluation_gives_the_same_answer_again(trained, data):
    _, result = trained
    found = [result.evaluate(data, result.best.variables) for _ in range(2)]
    np.testing.assert_array_equal(found[0].probabilities, found[1].probabilities)
    assert found[0].metrics["accuracy"] == result.best.row["validation_accuracy"]


def test_variables_come_back_as_the_functions_take_them(trained, data):
    model, result = trained
    params, state = result.own_trees(result.best.variables)
    pixels = (jnp.asarray(data[0], jnp.float32) / 255 - 0.5) / 0.25
    if isinstance(model, nn.Module):
        logits = model.apply({"params": params, "batch_stats": state}, pixels, train=False)
    else:
        logits, _ = jax.jit(model[1], static_argnums=4)(params, state, None, pixels, False)
    found = result.evaluate(data)
    np.testing.assert_allclose(jax.nn.softmax(logits), found.probabilities, rtol=1e-4, atol=1e-5)


def test_killed_in_mid_epoch_it_ends_with_the_same_bits(trained, data, tmp_path):
    model, result = trained

    def run(*callbacks):
        checkpoint = Checkpoint(tmp_path, every_steps=5)
        return fit(
            model,
            data,
            data,
            optimizer=optax.adam(0.03),
            callbacks=[checkpoint, *callbacks],
            **OPTIONS,
        )

    with pytest.raises(RuntimeError, match="power cut"):
        run(At(STEPS + 4, crash))
    with pytest.raises(Interrupted) as stopped:
        run(At(2 * STEPS + 3, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert 2 * STEPS + 3 <= stopped.value.step < 3 * STEPS
    again = run()
    assert fingerprints(again.state) == fingerprints(result.state)
    assert without_timings(again.history) == without_timings(result.history)
    assert fingerprints(again.best.variables) == fingerprints(result.best.variables)


def test_a_moving_average_takes_in_what_is_averaged(data):
    model = haiku()  # whose state has counters
    options = {**OPTIONS, "num_epochs": 1}
    result = fit(model, data, data, optimizer=optax.adam(0.03), ema_decay=0.9, **options)
    counters = [x for x in jax.tree.leaves(result.state.ema_batch_stats) if x.dtype == jnp.int32]
    assert [int(x) for x in counters] == [STEPS, STEPS]
    plain = fit(model, data, data, optimizer=optax.adam(0.03), **options)
    assert fingerprints(plain.state.params) == fingerprints(result.state.params)
    assert fingerprints(plain.best.variables) != fingerprints(result.best.variables)


def test_a_network_may_keep_the_keys_of_its_dropout(data, tmp_path):
    nnx = pytest.importorskip("flax.nnx")
    Net = nnx_net(nnx, dropout_rngs=True)
    graph = nnx.split(Net(nnx.Rngs(0)), nnx.Param, ...)[0]

    def init(key, images, train):
        return nnx.split(Net(nnx.Rngs(key)), nnx.Param, ...)[1:]

    def apply(params, state, key, images, train):
        net = nnx.merge(graph, params, state)
        net.train() if train else net.eval()
        return net(images), nnx.split(net, nnx.Param, ...)[2]

    def run(folder, *callbacks):
        callbacks = [Checkpoint(folder, every_steps=5), *callbacks]
        optimizer = optax.adam(0.03)
        return fit((init, apply), data, data, optimizer=optimizer, callbacks=callbacks, **OPTIONS)

    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "a", At(STEPS + 4, crash))
    assert fingerprints(run(tmp_path / "a").state) == fingerprints(run(tmp_path / "b").state)


def _init(key, images, train):
    return {"w": jnp.zeros((images[0].size, 2))}, {}


def _apply(params, state, key, images, train):
    return images.reshape(len(images), -1) @ params["w"], state


def _logits_alone(params, state, key, images, train):
    return _apply(params, state, key, images, train)[0]


class _Twice(nn.Module):
    @nn.compact
    def __call__(self, images, train):
        logits = nn.Dense(2)(images.reshape(len(images), -1))
        return logits, logits


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_Twice(), r"must give one array, its logits; got tuple"),
        (
            (lambda key, images: None, _apply),
            r"init must be init\(key, images, train\)",
        ),
        ((_init, lambda params, images: None), r"apply must be apply\(params, state, key, images"),
        ((_init, _logits_alone), r"apply must give \(logits, state\)"),
        ((lambda key, images, train: 1, _apply), r"init must give \(params, state\).* got int"),
    ],
)
def test_what_a_network_must_take_and_give_is_told(model, message):
    images, label = jax.ShapeDtypeStruct((4, 8, 8, 3), jnp.float32), jnp.zeros(4, jnp.int32)
    with pytest.raises(ValueError, match=message):
        as_network(model, images, label, None)


def test_a_pair_without_state_is_taken():
    images, label = jax.ShapeDtypeStruct((4, 8, 8, 3), jnp.float32), jnp.zeros(4, jnp.int32)
    assert as_network((_init, _apply), images, label, None)[2].shape == (4, 2)
