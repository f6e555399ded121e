"""Settings of optimizers and schedules reach them, and contradictions are told."""

import functools
from types import SimpleNamespace

import jax
import numpy as np
import optax
import pytest

from jaxcnn.models import create_model, list_models
from jaxcnn.runs import build
from jaxcnn.runs.build import build_parts, settle_dtype
from jaxcnn.runs.build_optimizer import start_steps
from jaxcnn.runs.config import from_json, make_config, resolve, to_json
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.train_and_evaluate import check
from jaxcnn.training import init_state


def resolved(**settings):
    return resolve(make_config(dataset="mnist", **settings))


def built(**settings):
    config = resolved(**settings)
    (phase,) = plan_phases(config)
    return build_parts(config, phase, class_counts=[1, 1], steps_per_epoch=5)


def has_batch_norm(name):
    image_shape = (32, 32, 1) if name == "lenet5" else (128, 128, 3)
    state = functools.partial(init_state, model=create_model(name, 2), optimizer=optax.sgd(0.1))
    made = jax.eval_shape(lambda key: state(key, image_shape=image_shape), jax.random.key(0))
    return bool(made.batch_stats)


def test_what_suits_an_optimizer_is_filled_in():
    plain, averaging = resolved().training, resolved(optimizer="schedule_free_adamw").training
    assert (plain.schedule, plain.momentum, plain.weight_decay) == ("cosine", 0.9, 0.05)
    assert (averaging.schedule, averaging.weight_decay) == ("constant", 0.05)
    prodigy = resolved(optimizer="prodigy").training
    assert (prodigy.learning_rate, prodigy.momentum, prodigy.weight_decay) == (1.0, None, 0.0005)
    assert resolved(optimizer="prodigy", pretrained=True).training.learning_rate == 1.0
    tuned = {"pretrained": True, "fine_tune": True}
    assert resolved(optimizer="momo_adam", **tuned).training.learning_rate == 0.01
    assert resolved(optimizer="lbfgs").training.weight_decay == 0
    assert resolved(optimizer="lbfgs").training.schedule == "constant"
    photos = resolve(make_config(dataset="folder", optimizer="schedule_free_sgd"))
    assert photos.training.ema_decay == 0.0


@pytest.mark.parametrize("model", ["alexnet", "vgg11", "squeezenet1_0", "convnextv2_atto"])
def test_networks_that_need_it_train_at_a_tenth_of_the_rate(model):
    assert resolved(model=model).training.learning_rate == pytest.approx(3e-4)
    assert resolved(model=model, optimizer="prodigy").training.learning_rate == 1.0
    assert resolved(model="vgg11_bn").training.learning_rate == 3e-3


@pytest.mark.slow
def test_these_are_the_networks_that_have_no_batch_norm_but_for_two_small_ones():
    names = list_models()
    tenth = {name for name in names if resolved(model=name).training.learning_rate < 1e-3}
    without = {name for name in names if not has_batch_norm(name)}
    assert without - tenth == {"lenet5", "six_conv"}
    assert tenth < without


def test_the_default_warm_up_takes_at_most_a_third_of_a_run():
    assert resolved(num_epochs=2).training.warmup_epochs == pytest.approx(2 / 3)
    assert resolved(num_epochs=60).training.warmup_epochs == 2
    assert resolved(num_epochs=2, warmup_epochs=2.0).training.warmup_epochs == 2


def test_a_line_search_computes_in_float32(monkeypatch):
    monkeypatch.setattr(build, "fastest_dtype", lambda: SimpleNamespace(dtype="bfloat16"))
    assert settle_dtype(resolved(optimizer="adamw")).network.compute_dtype == "bfloat16"
    assert settle_dtype(resolved(optimizer="lbfgs")).network.compute_dtype == "float32"
    given = resolved(optimizer="lbfgs", compute_dtype="bfloat16")
    assert settle_dtype(given).network.compute_dtype == "bfloat16"


def test_settings_of_an_older_run_have_the_defaults():
    older = to_json(resolved())
    new = ("optimizer_options", "schedule_options", "lr_multipliers", "weight_decay_on")
    for name in (*new, "unfreeze_epochs"):
        del older[name]
    assert from_json(older) == resolved()


def test_a_schedule_by_name_has_its_options():
    schedule = built(
        schedule="polynomial", schedule_options="power=1", num_epochs=2, warmup_epochs=0
    ).schedule
    np.testing.assert_allclose(schedule(np.arange(11)), 3e-3 * np.linspace(1, 0, 11), atol=1e-8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "schedule_free_sgd", "schedule": "linear"}, "takes a constant learning"),
        ({"optimizer": "schedule_free_sgd", "ema_decay": 0.9}, "averages the parameters by itself"),
        ({"optimizer": "dog", "momentum": 0.5}, "optimizer=dog has no momentum"),
        ({"optimizer": "lbfgs", "accumulate_steps": 2}, "accumulate_steps .* cuts the batch"),
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, "lbfgs takes no weight_decay"),
        ({"optimizer": "lbfgs", "find_learning_rate": True}, "finds its step by a line search"),
        ({"optimizer": "sam", "dp_clip_norm": 1.0}, "a second gradient, which dp_clip_norm gives"),
        ({"optimizer_options": "b2"}, "optimizer_options must be name=value"),
        ({"optimizer_options": ","}, "optimizer_options must be name=value"),
        ({"lr_multipliers": " ,"}, "lr_multipliers must be PATTERN=FACTOR"),
        ({"seed": 2**63}, "seed must be at most 9,223,372,036,854,775,807, got 9,223"),
        ({"num_seeds": 2**31}, "num_seeds must be at most 2,147,483,647, got 2,147,483,648"),
        ({"optimizer_options": "b5=1"}, "unknown option of adamw 'b5'; known, nearest first: b2"),
        ({"schedule_options": "power=1"}, "schedule=cosine has no options"),
        (
            {"lr_multipliers": "top=1"},
            "'top' matches no parameter .*begin with block_1",
        ),
        (
            {"lr_multipliers": "head=0,.*=0"},
            "are 0 for all of .* all that is trained",
        ),
        ({"optimizer_options": "b2=0.9,b2=0.8"}, "optimizer_options: b2 is given twice"),
        ({"weight_decay_on": "top"}, "weight_decay_on: 'top' matches no parameter"),
        ({"lr_multipliers": "head=1", "layer_decay": 0.5}, "give one of them"),
        ({"unfreeze_epochs": 1.0}, "is for weights to start from"),
        ({"unfreeze_epochs": 1.0, "pretrained": True}, "fine_tune=True or freeze=none"),
    ],
)
def test_contradictions_are_told(settings, message):
    with pytest.raises(ValueError, match=message):
        built(**settings)


def test_patterns_are_of_what_is_trained():
    frozen = {"dataset": "mnist", "weights": "x", "model": "lenet5", "freeze": "backbone"}
    for setting, value in (("lr_multipliers", "head=1,c1=0.1"), ("weight_decay_on", "c1")):
        with pytest.raises(ValueError, match=f"{setting}: 'c1' matches no parameter that is"):
            check(make_config(**frozen, **{setting: value}))
    # Where the last layer is trained alone first, they are of the layers that follow.
    tuned = frozen | {"freeze": "none", "fine_tune": True, "head_epochs": 1}
    check(make_config(**tuned, lr_multipliers="head=1,c1=0.1"))
    with pytest.raises(ValueError, match="are 0 for all of head/linear/bias, head/linear/kernel"):
        check(make_config(**tuned, lr_multipliers="head=0"))


def test_a_factor_of_0_reaches_the_optimizer():
    parts = built(lr_multipliers="head=1,.*=0", model="lenet5")
    params = {"head": np.ones((2, 2), np.float32), "c1": np.ones((2, 2), np.float32)}
    updates, _ = parts.optimizer.update(params, parts.optimizer.init(params), params)
    assert not updates["c1"].any()
    assert updates["head"].all()


LAYERS = ("stem", "stage_1", "stage_2", "head")


def phase_of(**settings):
    given = {"pretrained": True, "freeze": "none", "num_epochs": 8, **settings}
    return plan_phases(resolved(**given))[-1]


def test_stages_begin_one_after_the_other_from_the_last():
    phase = phase_of(unfreeze_epochs=2.0)
    assert start_steps(phase, LAYERS, 5) == {"head": 0, "stage_2": 10, "stage_1": 20, "stem": 30}
    # After the phase of the last layer, the one before it begins at once.
    second = phase_of(unfreeze_epochs=2.0, fine_tune=True)
    assert start_steps(second, LAYERS, 5) == {"head": 0, "stage_2": 0, "stage_1": 10, "stem": 20}
    assert start_steps(phase_of(), LAYERS, 5) is None


def test_stages_that_would_never_be_trained_are_told():
    with pytest.raises(ValueError, match=r"num_epochs .=8. is too few .* stem begins .* after 9 "):
        start_steps(phase_of(unfreeze_epochs=3.0), LAYERS, 5)
    config = make_config(
        dataset="mnist", weights="x", model="lenet5", freeze="none", unfreeze_epochs=1.0
    )
    with pytest.raises(ValueError, match=r"num_epochs .=2. is too few .* c1 begins to learn after"):
        check(config)
