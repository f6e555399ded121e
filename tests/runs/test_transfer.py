"""Trained variables go into a network with a new head, and what is frozen stays to the byte."""

import functools
import json
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcnn.augment import make_augment
from jaxcnn.host.signals import Interrupted
from jaxcnn.losses import make_loss
from jaxcnn.models import SixConv, stage_names
from jaxcnn.ops.lowering import stock_ops
from jaxcnn.optim.optimizers import make_optimizer
from jaxcnn.runs.best_checkpoint import load_best
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import make_config
from jaxcnn.runs.train_and_evaluate import train_classifier
from jaxcnn.runs.transfer import find_start, transfer_variables
from jaxcnn.training import loop
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.training.state import start_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

KEY = jax.random.key(0)
SHAPE = (12, 12, 3)


def network(num_classes=2, **options):
    options = {"widths": (4, 6, 8), "depth": 3, "global_pooling": "average", **options}
    return SixConv(num_classes=num_classes, dense_widths=(), batch_norm=True, **options)


@functools.cache
def variables_of(model, shape=SHAPE):
    init = jax.jit(functools.partial(model.init, train=False))
    return init(jax.random.key(1), jnp.ones((1, *shape)))


def leaves(tree):
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in found}


def batch(tiny_split, count=16):
    images = tiny_split.images[:count]
    index = np.arange(count, dtype=np.int32)
    return Batch(images, tiny_split.labels[:count], np.ones(count, bool), index)


def test_all_but_the_head_is_restored():
    old = variables_of(network(num_classes=7))
    new = transfer_variables(old, network(num_classes=3), SHAPE, key=KEY)
    for name, leaf in leaves(new).items():
        if "head" in name:
            assert leaf.shape[-1] == 3
            assert not leaf.any()
        else:
            np.testing.assert_array_equal(leaf, leaves(old)[name])


def test_a_head_that_is_kept_is_restored_too():
    old, model = variables_of(network()), network()
    new = transfer_variables(old, model, SHAPE, key=KEY, keep_head=True)
    assert leaves(new).keys() == leaves(old).keys()
    for name, leaf in leaves(new).items():
        np.testing.assert_array_equal(leaf, leaves(old)[name])


def test_a_scaled_head_has_the_variance_of_its_inputs():
    model = network(num_classes=400, widths=(4, 6, 100))
    new = transfer_variables(variables_of(model), model, SHAPE, key=KEY, head_init="scaled")
    kernel = np.asarray(new["params"]["head"]["linear"]["kernel"])
    assert kernel.std() == pytest.approx(0.1, rel=0.05)
    assert not np.asarray(new["params"]["head"]["linear"]["bias"]).any()


@pytest.mark.parametrize(("own", "num_channels"), [(3, 1), (3, 6), (3, 9), (1, 3)])
def test_filters_of_other_channels_answer_alike_to_grey(own, num_channels):
    old, model = variables_of(network(), (12, 12, own)), network()
    new = transfer_variables(old, model, (12, 12, num_channels), key=KEY)
    grey = jax.random.normal(KEY, (2, 12, 12, 1))

    def features(variables, channels):
        images = jnp.repeat(grey, channels, axis=-1)
        return model.clone(num_classes=0).apply(variables, images, train=False)

    np.testing.assert_allclose(
        features(new, num_channels), features(old, own), rtol=1e-4, atol=1e-5
    )


def test_another_network_is_refused_with_a_list():
    old = variables_of(network(widths=(4, 6, 9)))
    with pytest.raises(ValueError, match=r"5 missing or of another shape \(batch_stats/block_3"):
        transfer_variables(old, network(), SHAPE, key=KEY)
    deeper = variables_of(network(widths=(4, 6, 8)))
    with pytest.raises(ValueError, match=r"5 left over \(batch_stats/block_3"):
        transfer_variables(deeper, network(depth=2), SHAPE, key=KEY)


def step_of(model, optimizer, frozen, **options):
    return make_train_step(
        model,
        optimizer,
        make_loss("softmax", num_classes=2),
        make_augment("flip", image_size_px=12),
        frozen=frozen,
        **options,
    )


def test_frozen_leaves_stay_to_the_byte_and_cost_no_optimizer_state(tiny_split):
    model = network(frozen_stages=2)
    frozen = stage_names(model, SHAPE)[:2]
    assert frozen == ("block_1", "block_2")
    optimizer = make_optimizer("adamw", 0.01, weight_decay=0.1)
    first = jax.tree.map(np.asarray, variables_of(model))
    state = start_state(jax.tree.map(jnp.asarray, first), optimizer, frozen=frozen, with_ema=True)
    assert not any(name in path for path in leaves(state.opt_state) for name in frozen)
    step = jax.jit(step_of(model, optimizer, frozen, ema_decay=0.9))
    for _ in range(3):
        state, _ = step(state, batch(tiny_split), KEY)
    assert int(state.step) == 3
    trained = {"params": state.params, "batch_stats": state.batch_stats}
    averaged = {"params": state.ema_params, "batch_stats": state.ema_batch_stats}
    for tree in (trained, averaged):
        for path, leaf in leaves(tree).items():
            same = leaf.tobytes() == leaves(first)[path].tobytes()
            assert same == any(name in path for name in frozen), path


def test_freezing_computes_less(tiny_split):
    def flops(frozen_stages):
        model = network(frozen_stages=frozen_stages, widths=(32, 32, 32))
        frozen = stage_names(model, SHAPE)[:frozen_stages]
        optimizer = make_optimizer("adamw", 0.01)
        state = start_state(variables_of(model), optimizer, frozen=frozen)
        with stock_ops():  # XLA does not look into oneDNN's calls
            step = jax.jit(step_of(model, optimizer, frozen))
            lowered = step.lower(state, batch(tiny_split), KEY)
        return lowered.compile().cost_analysis()["flops"]

    free, two, all_three = flops(0), flops(2), flops(3)
    assert all_three < two < free
    assert all_three < 0.45 * free  # a forward pass is about a third of a step


def test_frozen_batch_norm_keeps_its_averages_while_its_scale_is_trained(tiny_split):
    model = network(freeze_batch_norm=True)
    optimizer = make_optimizer("adamw", 0.01)
    first = variables_of(model)
    state, _ = jax.jit(step_of(model, optimizer, ()))(
        start_state(first, optimizer), batch(tiny_split), KEY
    )
    for path, leaf in leaves(state.batch_stats).items():
        np.testing.assert_array_equal(leaf, leaves(first["batch_stats"])[path])
    before, after = first["params"]["block_1"]["bn"], state.params["block_1"]["bn"]
    assert (np.asarray(before["scale"]) != np.asarray(after["scale"])).any()


# Whole runs: a first one from scratch, and others that start from it.


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Settings of runs that take seconds, on eighty noisy photos of two brightnesses."""
    folder, draws = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label, name in enumerate(("dark", "bright")):
        (folder / name).mkdir()
        for i in range(40):
            pixels = draws.integers(0, 120, (20, 24, 3)) + 120 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i:02d}.png")
    return make_config(
        dataset="folder",
        data_dir=str(folder),
        image_size_px=16,
        eval_size_px=16,
        stored_size_px=18,
        max_train_examples=48,
        num_epochs=2,
        batch_size=16,
        eval_batch_size=100,
        depth=2,
        width_multiplier=0.125,
        baselines=False,
    )


@pytest.fixture(scope="module")
def first_run(config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("first") / "run"
    train_classifier(config, workdir)
    return workdir


def transferred(config, first_run, **changes):
    start = {"init_from": str(first_run), "seed": 5, "num_epochs": 3, "depth": None}
    return config.replace(**start, width_multiplier=None, **changes)


def best_of(workdir):
    return load_best(workdir)[1]


def rows(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_run_from_a_frozen_run_trains_the_head_alone(config, first_run, tmp_path, said):
    settings = transferred(config, first_run, freeze="backbone")
    summary = train_classifier(settings, tmp_path / "run")
    assert summary["weights"] == str(first_run)
    old, new = leaves(best_of(first_run)), leaves(best_of(tmp_path / "run"))
    assert old.keys() == new.keys()
    for path, leaf in new.items():
        assert ("head" in path) != (leaf.tobytes() == old[path].tobytes()), path
    assert any(line.startswith("last layer of six_conv: 18 parameters") for line in said)
    assert any("features each" in line for line in said)
    # What was chosen on kept features is what the whole network gives.
    best = next(row for row in rows(tmp_path / "run") if row["step"] == summary["best_step"])
    assert summary["validation_accuracy"] == best["validation_accuracy"]
    assert Classifier.load(tmp_path / "run").config.network.freeze == "backbone"


def head_of(workdir):
    return leaves(best_of(workdir)["params"]["head"])


@pytest.mark.slow
def test_the_last_layer_is_kept_for_the_same_classes_only(config, first_run, tmp_path, said):
    settings = transferred(config, first_run, freeze="backbone").replace(
        num_epochs=1, learning_rate=1e-9, feature_views=1
    )
    train_classifier(settings, tmp_path / "same")
    assert f"the same classes as {first_run}: its last layer is kept" in said
    for name, leaf in head_of(tmp_path / "same").items():
        np.testing.assert_allclose(leaf, head_of(first_run)[name], atol=1e-6)
    said.clear()
    photos = tmp_path / "photos"
    shutil.copytree(config.data.data_dir, photos)
    (photos / "dark").rename(photos / "night")
    renamed = settings.replace(data_dir=str(photos), allow_seen_test_photos=True)
    train_classifier(renamed, tmp_path / "other")
    assert not any("its last layer is kept" in line for line in said)
    for leaf in head_of(tmp_path / "other").values():
        np.testing.assert_allclose(leaf, 0, atol=1e-6)  # as it starts


@pytest.mark.slow
def test_kept_features_and_live_ones_give_the_same_training(config, first_run, tmp_path, said):
    settings = transferred(config, first_run, freeze="backbone", augment="none")
    live = settings.replace(cache_features=False)
    train_classifier(settings, tmp_path / "kept")
    assert not any("parameters trained" in line for line in said)
    train_classifier(live, tmp_path / "live")
    assert any("six_conv: 18 of 438 parameters trained" in line for line in said)
    for a, b in zip(rows(tmp_path / "kept"), rows(tmp_path / "live"), strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
        assert a["validation_loss"] == pytest.approx(b["validation_loss"], rel=1e-4)


@pytest.fixture(scope="module")
def fine_tuned(config, first_run, tmp_path_factory, logged):
    """Settings of a run in two phases, its folder, and what it said."""
    settings = transferred(
        config, first_run, fine_tune=True, head_epochs=2, augment="flip", feature_views=1
    )
    workdir = tmp_path_factory.mktemp("fine_tuned") / "run"
    with logged() as said:
        train_classifier(settings, workdir)
    return settings, workdir, said


def test_fine_tuning_goes_through_two_phases_with_one_history(fine_tuned):
    _, workdir, said = fine_tuned
    found = rows(workdir)
    assert [row["phase"] for row in found] == ["head"] * 2 + ["fine-tune"] * 3
    assert [row["epoch"] for row in found] == [1, 2, 3, 4, 5]
    assert [row["step"] for row in found] == [3, 6, 9, 12, 15]
    assert any(line.startswith("fine-tune: six_conv") for line in said)
    store = CheckpointStore(workdir / "checkpoints/last")
    assert store.steps()[-1] == 15
    store.close()


@pytest.mark.parametrize(
    "stop_at",
    [pytest.param(4, marks=pytest.mark.slow), 9, pytest.param(14, marks=pytest.mark.slow)],
)
def test_a_run_that_was_stopped_ends_with_the_same_bits(fine_tuned, tmp_path, monkeypatch, stop_at):
    settings, whole_run, _ = fine_tuned
    count = loop.Loop._count
    steps = []

    def stopping(self, *args, **options):
        count(self, *args, **options)
        steps.append(1)
        if len(steps) == stop_at:
            signal.raise_signal(signal.SIGTERM)  # the loop stops after the steps in flight

    monkeypatch.setattr(loop.Loop, "_count", stopping)
    with pytest.raises(Interrupted):
        train_classifier(settings, tmp_path / "cut")
    monkeypatch.setattr(loop.Loop, "_count", count)
    train_classifier(settings, tmp_path / "cut", resume=True)
    whole, cut = leaves(best_of(whole_run)), leaves(best_of(tmp_path / "cut"))
    for path, leaf in whole.items():
        assert leaf.tobytes() == cut[path].tobytes(), path
    timed = ("images_per_second", "data_wait_share")
    for a, b in zip(rows(whole_run), rows(tmp_path / "cut"), strict=True):
        assert {k: v for k, v in a.items() if k not in timed} == {
            k: v for k, v in b.items() if k not in timed
        }


def test_a_run_does_not_go_on_from_other_weights_or_data(config, first_run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(first_run, other)
    settings = transferred(config, other, freeze="backbone")
    train_classifier(settings, tmp_path / "run")
    shutil.rmtree(other)
    train_classifier(config.replace(seed=9, num_epochs=1), other)
    with pytest.raises(ValueError, match="the weights are not those that the run"):
        train_classifier(settings, tmp_path / "run", resume=True)


def test_a_folder_without_the_best_network_is_told(first_run):
    with pytest.raises(CheckpointError, match="give the run's folder, or its checkpoints/best"):
        load_best(first_run / "checkpoints" / "last")


def test_another_image_size_keeps_the_share_that_is_seen(config, first_run, tmp_path):
    settings = transferred(config, first_run, freeze="backbone")
    settings = settings.replace(image_size_px=32, stored_size_px=None)
    start = find_start(settings)
    assert start.preset["stored_size_px"] == 36


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init_from": "nowhere"}, "nowhere does not exist"),
        ({"model": "lenet5"}, "holds a six_conv, but model=lenet5"),
        ({"freeze": "9"}, "a number of stages up to 2"),
        ({"init_from": ""}, "init_from is empty"),
        ({"model_options": "no_such=1"}, "no_such"),
    ],
)
def test_what_cannot_start_a_run_is_told(config, first_run, tmp_path, changes, message):
    settings = transferred(config, first_run).replace(**changes)
    with pytest.raises(ValueError, match=message):
        train_classifier(settings, tmp_path / "run")
