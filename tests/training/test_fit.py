"""`fit`: it learns, resumes to the same bits, and says clearly what does not fit."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from jaxcnn import optim
from jaxcnn.augment import random_flip
from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.host.signals import Interrupted
from jaxcnn.metrics.metric import ACCURACY, GatheredMetric, Metric
from jaxcnn.training.callbacks import Callback
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import CheckpointError, fingerprints
from jaxcnn.training.fitting import fit

WORKER = Path(__file__).parent / "fit_worker.py"
BATCH = 8
STEPS = 8  # an epoch of the 66 images
OPTIONS = {"num_epochs": 3, "batch_size": BATCH, "key": 1}


class Net(nn.Module):
    """A convolution, BatchNorm, dropout and a dense layer."""

    outputs: int = 2

    @nn.compact
    def __call__(self, images, train):
        x = nn.Conv(4, (3, 3), strides=2, name="conv")(images)
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9, name="norm")(x))
        x = nn.Dropout(0.2)(x.mean(axis=(1, 2)), deterministic=not train)
        return nn.Dense(self.outputs, name="dense")(x)


def run(train, validation=None, *, model=None, optimizer=None, **options):
    model = Net() if model is None else model
    optimizer = optimizer or optim.make_optimizer("adam", 0.03)
    return fit(model, train, validation, optimizer=optimizer, **{**OPTIONS, **options})


def without_timings(history):
    return [
        {k: v for k, v in row.items() if k not in ("images_per_second", "data_wait_share")}
        for row in history
    ]


class CrashAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, view):
        if view.step == self.step:
            raise RuntimeError("power cut")


@pytest.fixture(scope="module")
def arrays(tiny_split):
    return np.asarray(tiny_split.gather(np.arange(66))[0]), tiny_split.labels


@pytest.fixture(scope="module")
def floats(arrays):
    return {"image": arrays[0].astype(np.float32) / 128 - 1, "label": arrays[1]}


@pytest.fixture(scope="module")
def undisturbed(arrays):
    return run(arrays, arrays)


@pytest.mark.parametrize("kind", ["pair of uint8", "dict of float32"])
def test_arrays_are_learned(kind, arrays, floats, undisturbed):
    result = run(floats, floats) if kind == "dict of float32" else undisturbed
    assert result.best.row["validation_accuracy"] > 0.9
    assert [row["step"] for row in result.history] == [STEPS, 2 * STEPS, 3 * STEPS]
    assert bool((result.state.batch_stats["norm"]["mean"] != 0).all())


def test_floats_are_taken_as_they_are(floats, arrays):
    seen = []

    class Look(nn.Module):
        @nn.compact
        def __call__(self, images, train):
            jax.debug.callback(lambda x: seen.append(np.asarray(x)), images)
            return nn.Dense(2)(images.mean(axis=(1, 2)))

    run(floats, model=Look(), num_epochs=1)
    jax.effects_barrier()
    inside = [x for x in seen if len(x) == BATCH]
    assert min(x.min() for x in inside) == floats["image"].min()


def test_the_key_decides_all(arrays, undisturbed):
    assert fingerprints(run(arrays, arrays).state) == fingerprints(undisturbed.state)
    assert fingerprints(run(arrays, arrays, key=2).state) != fingerprints(undisturbed.state)


def test_a_key_array_is_a_key_too(arrays):
    found = [run(arrays, key=jax.random.key(7), num_epochs=1).state for _ in range(2)]
    assert fingerprints(found[0]) == fingerprints(found[1])
    old_style = run(arrays, key=jax.random.PRNGKey(7), num_epochs=1).state
    assert fingerprints(old_style) == fingerprints(found[0])


def test_a_numpy_integer_is_a_key_too(arrays, undisturbed):
    found = run(arrays, arrays, key=np.int64(1))
    assert fingerprints(found.state) == fingerprints(undisturbed.state)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ema_decay": 0.9, "accumulate_steps": 2},
        {"optimizer": optim.make_optimizer("schedule_free_adamw", 0.03)},
        {"optimizer": optim.make_optimizer("prodigy", 1.0)},
    ],
    ids=["plain", "ema", "schedule-free", "prodigy"],
)
def test_cut_short_it_ends_with_the_same_bits(arrays, undisturbed, tmp_path, options):
    whole = run(arrays, arrays, **options) if options else undisturbed
    callbacks = [Checkpoint(tmp_path, every_steps=5), CrashAt(STEPS + 4)]
    with pytest.raises(RuntimeError, match="power cut"):
        run(arrays, arrays, callbacks=callbacks, **options)
    again = run(arrays, arrays, callbacks=[Checkpoint(tmp_path)], **options)
    assert fingerprints(again.state) == fingerprints(whole.state)
    assert without_timings(again.history) == without_timings(whole.history)
    assert fingerprints(again.best.variables) == fingerprints(whole.best.variables)


def test_a_schedule_free_optimizer_is_evaluated_by_its_average(arrays):
    optimizer = optim.make_optimizer("schedule_free_sgd", 0.2)
    result = run(arrays, arrays, optimizer=optimizer, num_epochs=1)
    average = optim.evaluation_params(result.state.opt_state, result.state.params)
    assert fingerprints(average) != fingerprints(result.state.params)
    assert fingerprints(result.best.variables["params"]) == fingerprints(average)


def test_a_finished_run_is_not_trained_again(arrays, undisturbed, tmp_path):
    run(arrays, arrays, callbacks=[Checkpoint(tmp_path)])
    again = run(arrays, arrays, callbacks=[Checkpoint(tmp_path), CrashAt(1)])
    assert fingerprints(again.state) == fingerprints(undisturbed.state)
    assert again.best.step == undisturbed.best.step


def test_checkpoints_of_another_run_are_refused(arrays, tmp_path):
    run(arrays, num_epochs=1, callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(CheckpointError, match="batch_size 8 there, 4 now"):
        run(arrays, batch_size=4, callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(CheckpointError, match="another"):
        run(arrays, model=Net(3), callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(CheckpointError, match="resume=True or another folder"):
        run(arrays, callbacks=[Checkpoint(tmp_path, resume=False)])


def test_without_validation_the_training_split_decides(arrays):
    result = run(arrays)
    assert "validation_accuracy" not in result.history[-1]
    best = max(result.history, key=lambda row: (row["train_accuracy"], -row["train_loss"]))
    assert result.best.row == best


def test_the_result_evaluates_any_data(arrays, undisturbed):
    found = undisturbed.evaluate(arrays, undisturbed.best.variables)
    assert found.accuracy == undisturbed.best.row["validation_accuracy"]
    assert found.probabilities.shape == (66, 2)
    assert undisturbed.evaluate(arrays).accuracy == found.accuracy
    few = {"image": arrays[0][:5], "label": arrays[1][:5]}
    assert undisturbed.evaluate(few).num_examples == 5
    images, labels = arrays
    with pytest.raises(ValueError, match="labels must be classes from 0"):
        undisturbed.evaluate((images, labels + 7))
    assert repr(undisturbed).startswith(f"FitResult({len(undisturbed.history)} epochs, best at")


def squared_error(logits, label):
    return jnp.sum((logits - jax.nn.one_hot(label, 2)) ** 2, axis=1)


def bright_share(outputs):
    bright = (outputs.logits[:, 1] > outputs.logits[:, 0]) & outputs.mask
    return {"bright": bright.sum(), "count": outputs.mask.sum()}


OWN = {
    "bright_share": Metric(bright_share, lambda sums: sums["bright"] / sums["count"]),
    "brier": GatheredMetric(lambda labels, p: np.mean((p[:, 1] - labels) ** 2)),
}


@pytest.fixture(scope="module")
def own(arrays):
    return run(arrays, arrays, loss=squared_error, metrics=OWN | {"accuracy": ACCURACY})


def test_an_own_loss_and_own_metrics(arrays, own):
    found = own.evaluate(arrays, own.best.variables)
    bright = found.probabilities.argmax(axis=1)
    assert own.best.row["validation_bright_share"] == pytest.approx(bright.mean())
    brier = np.mean((found.probabilities[:, 1] - arrays[1]) ** 2)
    assert own.best.row["validation_brier"] == pytest.approx(brier)
    assert "train_bright_share" in own.history[0]
    assert "train_brier" not in own.history[0]  # of evaluation alone
    assert own.best.row["validation_accuracy"] > 0.9


@pytest.mark.parametrize(
    ("best", "sign"), [("accuracy", 1), ("-loss", -1), ("bright_share", 1), ("-brier", -1)]
)
def test_the_best_epoch_is_by_the_metric_asked_for(arrays, best, sign):
    result = run(arrays, arrays, metrics=OWN | {"accuracy": ACCURACY}, best=best)
    name = f"validation_{best.removeprefix('-')}"
    assert result.best.row[name] == max(sign * row[name] for row in result.history) * sign


@pytest.mark.parametrize("best", ["acuracy", "loss", "val_accuracy"])
def test_an_unknown_metric_is_told_before_anything_is_compiled(arrays, best):
    with pytest.raises(ValueError, match=rf"best must be .*-loss, accuracy.*{best}"):
        run(arrays, best=best, num_epochs=0)


def test_metrics_by_name(arrays):
    result = run(arrays, arrays, metrics=["accuracy", "macro_f1"], num_epochs=1)
    assert 0 <= result.history[0]["validation_macro_f1"] <= 1
    with pytest.raises(ValueError, match=r"unknown metric 'acuracy'.*accuracy"):
        run(arrays, metrics=["acuracy"])


def test_frozen_parts_stay(arrays, undisturbed):
    start = undisturbed.best.variables
    result = run(arrays, variables=start, frozen=("conv",), num_epochs=1)
    same = {
        name: fingerprints(result.state.params[name]) == fingerprints(start["params"][name])
        for name in ("conv", "norm", "dense")
    }
    assert same == {"conv": True, "norm": False, "dense": False}
    with pytest.raises(ValueError, match=r"frozen.*'cnov'.*conv"):
        run(arrays, frozen=("cnov",))


def test_a_moving_average_is_what_is_evaluated(arrays, undisturbed):
    result = run(arrays, arrays, ema_decay=0.9)
    assert fingerprints(result.state.params) == fingerprints(undisturbed.state.params)
    found = result.evaluate(
        arrays, {"params": result.state.ema_params, "batch_stats": result.state.ema_batch_stats}
    )
    assert found.accuracy == result.history[-1]["validation_accuracy"]
    assert result.history[-1]["validation_loss"] != undisturbed.history[-1]["validation_loss"]


class Plain(nn.Module):
    """Without what depends on the parts of a batch."""

    @nn.compact
    def __call__(self, images, train):
        return nn.Dense(2)(nn.relu(nn.Conv(4, (3, 3), strides=2)(images)).mean(axis=(1, 2)))


@pytest.mark.parametrize("options", [{"accumulate_steps": 4}, {"rematerialize": True}])
def test_parts_and_rematerialization_change_nothing(arrays, options):
    losses = [
        [row["train_loss"] for row in run(arrays, model=Plain(), **each).history]
        for each in ({}, options)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.fixture(scope="module")
def pair(arrays):
    return run(arrays, arrays, num_members=2)


@pytest.mark.parametrize("number", [0, 1])
def test_two_networks_are_two_single_ones(arrays, pair, number):
    single = run(arrays, arrays, key=1 + number)
    for a, b in zip(
        jax.tree.leaves(single.state), jax.tree.leaves(pair.states[number]), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert pair.best_of(number).step == single.best.step
    found = pair.evaluate(arrays, pair.best_of(number).variables)
    assert found.accuracy == single.best.row["validation_accuracy"]


def test_two_networks_cut_short_end_with_the_same_bits(arrays, pair, tmp_path):
    callbacks = [Checkpoint(tmp_path, every_steps=5), CrashAt(STEPS + 4)]
    with pytest.raises(RuntimeError, match="power cut"):
        run(arrays, arrays, num_members=2, callbacks=callbacks)
    again = run(arrays, arrays, num_members=2, callbacks=[Checkpoint(tmp_path)])
    assert [fingerprints(s) for s in again.states] == [fingerprints(s) for s in pair.states]
    assert without_timings(again.history) == without_timings(pair.history)


def test_a_second_phase_goes_on_with_history_and_steps(arrays):
    first = run(arrays, arrays, num_epochs=2, phase="head")
    rows = without_timings(first.history)
    second = run(
        arrays,
        arrays,
        after=first,
        variables=first.best.variables,
        num_epochs=1,
        phase="all",
        optimizer=optax.sgd(0.001),
    )
    assert [row["step"] for row in second.history] == [STEPS, 2 * STEPS, 3 * STEPS]
    assert [row["phase"] for row in second.history] == ["head", "head", "all"]
    assert int(second.state.step) == 3 * STEPS
    assert without_timings(first.history) == rows  # what was handed out stays
    assert first.best.step in (STEPS, 2 * STEPS)


def test_no_epoch_gives_the_first_state(arrays):
    result = run(arrays, arrays, num_epochs=0)
    assert (int(result.state.step), result.history) == (0, [])
    with pytest.raises(ValueError, match="no epoch"):
        _ = result.best
    with pytest.raises(ValueError, match="num_epochs must be a whole number of at least 0, got -1"):
        run(arrays, num_epochs=-1)


def test_augmentation_and_crops(arrays):
    way = Preprocessing(decoding=Decoding(12), image_size_px=10)
    result = run(arrays, arrays, augment=random_flip, preprocessing=way)
    assert result.best.row["validation_accuracy"] > 0.9


class NoTrain(nn.Module):
    @nn.compact
    def __call__(self, images):
        return nn.Dense(2)(images)


class Map(nn.Module):
    @nn.compact
    def __call__(self, images, train):
        return nn.Conv(1, (1, 1))(images)


def wrong_models():
    nnx = pytest.importorskip("flax.nnx")
    return {
        "no train": (NoTrain(), "no argument train"),
        "class": (Net, r"is the class Net; make one: Net\(\)"),
        "nnx": (nnx.Linear(3, 2, rngs=nnx.Rngs(0)), r"model is Linear; .*\(init, apply\)"),
        "function": (lambda images: images, r"model is function; .*\(init, apply\)"),
        "not logits": (Map(), "give loss="),
        "one output": (Net(1), "sigmoid_cross_entropy"),
        "init alone": ((lambda *a: 1, lambda *a: 1), r"init must give \(params, state\)"),
    }


@pytest.mark.parametrize("kind", wrong_models())
def test_a_model_given_wrongly_is_told_so(arrays, kind):
    model, message = wrong_models()[kind]
    with pytest.raises((TypeError, ValueError), match=message):
        run(arrays, model=model)


def test_one_logit_for_two_classes(arrays):
    result = run(arrays, arrays, model=Net(1), loss="sigmoid_cross_entropy")
    assert result.best.row["validation_accuracy"] > 0.9


def wrong_options():
    return {
        "loss": ({"loss": "softmax"}, "unknown loss 'softmax'.*softmax_cross_entropy"),
        "loss shape": ({"loss": lambda logits, label: jnp.mean(logits)}, "one loss per example"),
        "optimizer": ({"optimizer": "adam"}, "optimizer must be an Optax"),
        "callback": ({"callbacks": [print]}, "callbacks must be"),
        "callback class": ({"callbacks": [CrashAt]}, "callbacks must be"),
        "one callback": ({"callbacks": CrashAt(1)}, "callbacks must be"),
        "batch size": ({"batch_size": 67}, "batch_size.*67.*66"),
        "accumulate": ({"accumulate_steps": 3}, r"accumulate_steps \(=3\) must divide"),
        "variables": ({"variables": {"dense": 1}}, "variables"),
        "members": ({"num_members": 0}, "num_members must be a whole number of at least 1, got 0"),
    }


@pytest.mark.parametrize("name", wrong_options())
def test_an_option_given_wrongly_is_told_so(arrays, name):
    options, message = wrong_options()[name]
    with pytest.raises((TypeError, ValueError), match=message):
        run(arrays, **options)


LIMIT_SECONDS = 300


@pytest.fixture(scope="module")
def on_devices(tmp_path_factory):
    found = {}
    for count in (1, 4):
        folder = tmp_path_factory.mktemp("devices")
        command = [sys.executable, WORKER, str(count), folder / "run"]
        said = subprocess.run(command, check=True, timeout=LIMIT_SECONDS, capture_output=True)
        found[count] = json.loads(said.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_four_devices_give_the_history_of_one(on_devices):
    assert [on_devices[count]["devices"] for count in (1, 4)] == [1, 4]
    one, four = (on_devices[count]["history"] for count in (1, 4))
    for name in ("step", "train_loss", "validation_loss", "train_accuracy", "validation_accuracy"):
        each = [[row[name] for row in rows] for rows in (one, four)]
        np.testing.assert_allclose(*each, rtol=2e-4, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_cut_short_on_devices_it_ends_with_the_same_bits(on_devices, count):
    assert on_devices[count]["same_bits"]


def test_images_are_predicted_as_in_validation(arrays, undisturbed):
    images, labels = arrays
    probabilities = undisturbed.predict(images)
    np.testing.assert_array_equal(
        probabilities, undisturbed.evaluate((images, labels)).probabilities
    )
    assert (probabilities.argmax(1) == labels).mean() > 0.9
    assert undisturbed.predict(images[:1]).shape == (1, 2)


def test_what_is_given_to_start_from_stays_whole(arrays):
    pixels = jnp.zeros((1, 12, 12, 3))
    given = Net().init(jax.random.key(4), pixels, train=False)
    first, second = (run(arrays, variables=given, num_epochs=1) for _ in range(2))
    assert fingerprints(first.state) == fingerprints(second.state)
    assert np.isfinite(np.asarray(given["params"]["conv"]["kernel"])).all()


def test_a_frozen_layer_keeps_its_statistics_too(arrays):
    given = Net().init(jax.random.key(4), jnp.zeros((1, 12, 12, 3)), train=False)
    found = run(arrays, variables=given, num_epochs=1, frozen=("conv", "norm"))
    for kept in ("params", "batch_stats"):
        np.testing.assert_array_equal(
            jax.tree.leaves(getattr(found.state, kept)["norm"])[0],
            jax.tree.leaves(given[kept]["norm"])[0],
        )
    moved = run(arrays, variables=given, num_epochs=1)
    assert (moved.state.batch_stats["norm"]["mean"] != given["batch_stats"]["norm"]["mean"]).any()


def test_a_result_is_shown_in_a_few_words(undisturbed):
    assert "Array" not in repr(undisturbed)
    assert "Array" not in repr(undisturbed.best)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"batch_size must be a whole number of at least 1, got 0"),
        ({"epoch_scan": "offf"}, r"epoch_scan.*'offf'.*auto"),
        ({"members_mode": "offf"}, r"members_mode.*'offf'.*vmap"),
        ({"metrics": "accuracy,nonsense"}, r"metric.*'nonsense'"),
        ({"model": Net(outputs=3)}, None),
        ({"train_labels": 1}, r"labels must be classes from 0 to 1, .* got 1 to 2"),
    ],
)
def test_what_does_not_fit_is_said_before_training(arrays, options, message):
    images, labels = arrays
    labels = labels + options.pop("train_labels", 0)
    if message is None:
        assert run((images, labels), num_epochs=1, **options).progress.step == STEPS
        return
    with pytest.raises(ValueError, match=message):
        run((images, labels), **options)


def test_one_array_is_told_apart_from_a_pair(arrays):
    with pytest.raises(TypeError, match=r"give images and labels as one pair"):
        run(*arrays)


def test_metrics_are_named_in_text_and_in_dicts(arrays):
    found = run(arrays, num_epochs=1, metrics={"right": "accuracy"}, best="right")
    text = run(arrays, num_epochs=1, metrics="accuracy, macro_f1")
    assert found.history[0]["train_right"] == text.history[0]["train_accuracy"]
    assert "train_macro_f1" in text.history[0]


def test_a_moving_average_of_decay_0_is_none(arrays):
    assert run(arrays, num_epochs=1, ema_decay=0.0).state.ema_params == {}


def test_checkpoints_of_other_data_are_refused(arrays, tmp_path):
    run(arrays, num_epochs=1, callbacks=[Checkpoint(tmp_path)])
    fewer = tuple(part[:40] for part in arrays)
    with pytest.raises(CheckpointError, match=r"number of examples 66 there, 40 now"):
        run(fewer, callbacks=[Checkpoint(tmp_path)])


def test_repeated_augmentation_shows_an_image_several_times_and_is_kept_in_a_resumed_run(
    arrays, tmp_path
):
    seen = []

    def augment(key, image):
        jax.debug.callback(lambda image: seen.append(image.tobytes()), image)
        return image

    run(arrays, num_epochs=1, repeated_augmentation=2, augment=augment, callbacks=[])
    assert len(seen) == 2 * len(set(seen)) > 0
    images, labels = arrays
    with pytest.raises(ValueError, match="needs data with random access"):
        run([(images[:8], labels[:8])], num_epochs=1, repeated_augmentation=2)
    run(arrays, num_epochs=1, callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(CheckpointError, match="repeated_augmentation 1 there, 2 now"):
        run(arrays, num_epochs=1, repeated_augmentation=2, callbacks=[Checkpoint(tmp_path)])


def test_checkpoints_of_a_loader_are_no_place_in_arrays(arrays, tmp_path):
    images, labels = arrays
    loader = [(images[:8], labels[:8]), (images[8:16], labels[8:16])]
    run(loader, num_epochs=1, callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(CheckpointError, match=r"of a run on a loader.* now arrays of 66 examples"):
        run(arrays, callbacks=[Checkpoint(tmp_path)])


def test_a_result_knows_its_accuracy_and_refuses_images_of_another_kind(arrays):
    images, labels = arrays
    found = run(arrays, num_epochs=1, metrics={}, best="-loss")
    answers = found.evaluate(arrays)
    assert answers.accuracy == (answers.probabilities.argmax(1) == labels[answers.index]).mean()
    with pytest.raises(ValueError, match=r"images are float32, those of training uint8"):
        found.evaluate((images / np.float32(255), labels))


def test_two_checkpoints_are_refused(arrays, tmp_path):
    two = [Checkpoint(tmp_path / name) for name in "ab"]
    with pytest.raises(ValueError, match=r"two Checkpoints"):
        run(arrays, callbacks=two)
    with pytest.raises(CheckpointError, match=r"give this Checkpoint to `fit` first"):
        two[0].best_variables({})


def test_a_callback_that_returns_no_text_is_an_error(arrays):
    class Wrong(Callback):
        def on_epoch_end(self, view):
            return True

    with pytest.raises(TypeError, match=r"Wrong.on_epoch_end returned True"):
        run(arrays, callbacks=[Wrong()])


def test_a_stop_without_a_checkpoint_says_that_nothing_is_saved(arrays):
    class Stop(Callback):
        def on_step_end(self, view):
            if view.step == 3:
                signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"stopped at step \d, nothing is saved"):
        run(arrays, callbacks=[Stop()])


def test_a_folder_of_photos_is_a_name(tmp_path):
    draws = np.random.default_rng(0)
    for name, bright in (("day", 120), ("night", 0)):
        (tmp_path / name).mkdir()
        for i in range(24):
            pixels = draws.integers(bright, bright + 120, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    size = Preprocessing(decoding=Decoding(12))
    found = run(str(tmp_path), preprocessing=size, num_epochs=4)
    assert found.best.row["validation_accuracy"] > 0.8


def test_views_of_evaluation_need_no_room_in_training_images():
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8)
    seen = Preprocessing(image_size_px=8, views=("five_crop", "scales"))
    result = run((images, np.arange(16) % 2), preprocessing=seen, num_epochs=1)
    assert int(result.state.step) == 2
