"""What is trained when, and at which rate."""

import pytest

from jaxcnn.runs.config import make_config, resolve
from jaxcnn.runs.config.checks import count_frozen
from jaxcnn.runs.phases import cures, plan_phases, underfitting_cures


def phases(**settings):
    return plan_phases(resolve(make_config(dataset="folder", **settings)))


def test_from_scratch_there_is_one_phase_and_nothing_frozen():
    (phase,) = phases()
    assert (phase.name, phase.freeze, phase.layer_decay) == ("", "none", 1.0)
    assert not phase.on_features


def test_published_weights_are_frozen_and_their_features_kept():
    (phase,) = phases(pretrained=True)
    assert (phase.freeze, phase.on_features) == ("backbone", True)
    assert not phases(pretrained=True, cache_features=False)[0].on_features


def test_fine_tuning_trains_the_head_first():
    head, rest = phases(pretrained=True, fine_tune=True, freeze="2", head_epochs=4, num_epochs=3)
    assert (head.name, head.freeze, head.num_epochs) == ("head", "backbone", 4)
    assert (rest.name, rest.freeze, rest.num_epochs) == ("fine-tune", "2", 3)
    assert head.on_features
    assert not rest.on_features
    assert rest.learning_rate < head.learning_rate
    assert rest.layer_decay < 1
    assert rest.warmup_epochs > 0


def test_fine_tuning_without_a_head_phase():
    (phase,) = phases(pretrained=True, fine_tune=True, head_epochs=0)
    assert phase.freeze == "none"


def test_some_stages_frozen_from_the_start():
    (phase,) = phases(pretrained=True, freeze="3 stages")
    assert (phase.freeze, phase.on_features) == ("3 stages", False)


def test_rates_suit_the_optimizer():
    adamw, sgd = (phases(pretrained=True, optimizer=name)[0] for name in ("adamw", "sgd"))
    assert sgd.learning_rate / adamw.learning_rate == pytest.approx(0.02 / 3e-3)


def test_one_cycle_rises_by_itself():
    for phase in phases(pretrained=True, fine_tune=True, schedule="one_cycle"):
        assert phase.warmup_epochs is None


def test_digits_are_not_mirrored_because_weights_are_published():
    config = resolve(make_config(dataset="mnist", pretrained=True))
    assert not config.run.flip_average
    assert "flip" not in config.training.augment


def test_augmentation_beyond_flips_is_cached_as_views():
    def views(**settings):
        return resolve(
            make_config(dataset="folder", pretrained=True, **settings)
        ).training.feature_views

    assert (views(), views(augment="flip"), views(augment="strong")) == (0, 0, 4)
    assert views(augment="strong", feature_views=2) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fine_tune": True}, "needs weights to start from"),
        ({"freeze": "backbone"}, "needs weights to start from"),
        ({"pretrained": True, "init_from": "runs/x"}, "exclude each other"),
        ({"pretrained": True, "fine_tune": True, "freeze": "backbone"}, "nothing to fine-tune"),
        ({"pretrained": True, "pixel_mean": (0.5, 0.5)}, "one per channel \\(3\\)"),
        ({"pretrained": True, "pixel_std": (0.0,)}, "pixel_std must be a number above 0"),
        ({"pretrained": True, "head_init": "zeros"}, "nearest first: zero"),
        ({"pretrained": True, "layer_decay": 1.5}, "layer_decay"),
        ({"interpolation": "cubic"}, "nearest first: bicubic"),
    ],
)
def test_settings_that_contradict_each_other(settings, message):
    with pytest.raises(ValueError, match=message):
        phases(**settings)


@pytest.mark.parametrize("text", ["head", "-1", "8", "1.5", ""])
def test_freeze_takes_names_or_numbers(text):
    with pytest.raises(ValueError, match="a number of stages up to 7"):
        count_frozen(text, 7)


@pytest.mark.parametrize(
    ("settings", "has", "lacks"),
    [
        (
            {"model": "six_conv"},
            ["stronger augmentation", "dropout_rate", "(width_multiplier=0.5 or depth=4)"],
            [],
        ),
        ({"model": "vgg16"}, ["a smaller network"], ["width_multiplier", "depth"]),
        (
            {"model": "efficientnet_lite0", "weights": "x", "freeze": "backbone"},
            ["more photos", "feature_views", "weight_decay"],
            ["stronger augmentation", "smaller network"],
        ),
        (
            {"pretrained": True, "feature_views": 3, "augment": "strong"},
            ["more photos"],
            ["feature_views", "stronger augmentation"],
        ),
        ({"model": "six_conv", "augment": "strong,zoom=0.3"}, ["more photos"], ["augmentation"]),
        ({"model": "six_conv", "augment": "none"}, [" augmentation (augment)"], ["stronger"]),
        ({"model": "six_conv", "depth": 1}, ["width_multiplier=0.5"], ["depth"]),
        (
            {"pretrained": True, "feature_views": 3, "augment": "none"},
            ["augmentation (augment)"],
            ["feature_views", "stronger"],
        ),
    ],
)
def test_cures_are_what_the_run_can_change(settings, has, lacks):
    said = cures(resolve(make_config(dataset="mnist", **settings)))
    assert all(each in said for each in has), said
    assert not any(each in said for each in lacks), said


@pytest.mark.parametrize(
    ("settings", "stopped_early", "expected"),
    [
        ({"model": "six_conv"}, False, "a larger network, more epochs or weaker augmentation"),
        ({"model": "six_conv", "augment": "none"}, True, "a larger network"),
        ({"pretrained": True}, False, "training more layers (fine_tune) or more epochs"),
        (
            {"pretrained": True, "feature_views": 3},
            True,
            "training more layers (fine_tune) or weaker augmentation",
        ),
    ],
)
def test_cures_of_underfitting_are_what_the_run_can_change(settings, stopped_early, expected):
    config = resolve(make_config(dataset="folder", **settings))
    assert underfitting_cures(config, stopped_early=stopped_early) == expected
