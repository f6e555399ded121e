import numpy as np
import pytest

from jaxcnn.augment.policy import parse_policy
from jaxcnn.runs import build
from jaxcnn.runs.config import TrainConfig, resolve
from jaxcnn.runs.deviations import DEVIATIONS
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.recipes import RECIPES, describe_recipes, recipe_settings


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_where_it_comes_from(name):
    text = RECIPES[name].__doc__
    for part in ("Paper:", "Expected:"):
        assert part in text, part


# Goyal et al. 2017, sections 2.3, 3 and 5.1.
CLASSIC = {
    **{"num_epochs": 90, "batch_size": 256, "optimizer": "sgd", "momentum": "0.9, Nesterov"},
    **{
        "learning_rate": 0.1,
        "schedule": "step",
        "warmup_epochs": 5.0,
        "weight_decay": "1e-4, biases",
    },
    **{"image_size_px": 224, "eval_size_px": 224, "stored_size_px": 256, "crop_from": "photo"},
    **{"augment": "flip, crops of 0.08 to 1, colours", "label_smoothing": 0.0, "mixup": 0.0},
    **{"repeated_augmentation": 1, "loss": "cross_entropy", "ema_decay": 0.0},
    **{"test_fraction": 0.0, "compute_dtype": "float32"},
}
# torchvision, references/classification, the command of ResNet-50's IMAGENET1K_V2.
MODERN = {
    **{"num_epochs": 600, "batch_size": 1024, "optimizer": "sgd", "momentum": 0.9},
    **{"learning_rate": 0.5, "schedule": "cosine", "warmup_epochs": 5.0},
    **{"weight_decay": "2e-5, biases", "label_smoothing": 0.1, "mixup": "0.2, per batch"},
    **{"cutmix": 1.0, "image_size_px": 176, "eval_size_px": 224, "stored_size_px": 232},
    **{"crop_from": "photo", "repeated_augmentation": 4, "loss": "cross_entropy"},
    **{"augment": "flip, crops of 0.08 to 1, ta_wide, erasing 0.1", "drop_path_rate": None},
    **{"ema_decay": "0.99998 every 32nd step", "interpolation": "bilinear"},
    **{"test_fraction": 0.0, "compute_dtype": "float16"},
}
# Wightman et al. 2021, table 2; the threshold, the clipping and the interpolation are timm's.
A2 = {
    **{"num_epochs": 300, "batch_size": 2048, "optimizer": "lamb", "learning_rate": 5e-3},
    **{"schedule": "cosine", "warmup_epochs": "5, from 1e-4", "weight_decay": 0.02},
    **{"label_smoothing": 0.0, "drop_path_rate": 0.05, "mixup": "0.1, per batch", "cutmix": 1.0},
    **{"loss": "binary_cross_entropy", "target_threshold": 0.2, "repeated_augmentation": 3},
    **{"gradient_clip_norm": 1.0, "interpolation": "bicubic", "crop_from": "photo"},
    **{"image_size_px": 224, "eval_size_px": 224, "stored_size_px": round(224 / 0.95)},
    **{"augment": "flip, crops of 0.08 to 1, rand-m7-mstd0.5-inc1", "ema_decay": 0.0},
    **{"test_fraction": 0.0, "compute_dtype": "float16"},
}
A3 = {
    **A2,
    **{"num_epochs": 100, "learning_rate": 8e-3, "drop_path_rate": None, "image_size_px": 160},
    **{"repeated_augmentation": 1, "augment": "flip, crops of 0.08 to 1, rand-m6-mstd0.5-inc1"},
}
# Page 2018, parts 2 to 4.
PAGE = {
    **{"num_epochs": 24, "batch_size": 512, "optimizer": "sgd", "momentum": "0.9, Nesterov"},
    **{"model": "9 layers", "learning_rate": 0.4, "schedule": "triangle"},
    **{"weight_decay": "5e-4, biases and norms", "label_smoothing": 0.0},
    **{"augment": "flip,translation=0.125,cutout=0.25", "image_size_px": 32},
    **{"validation_fraction": 0.0, "compute_dtype": "float16", "flip_average": True},
}
PUBLISHED = dict(zip(RECIPES, (CLASSIC, MODERN, A2, A3, PAGE), strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_differs_from_what_is_published_where_its_list_says(name):
    config = resolve(TrainConfig().replace(**recipe_settings(name)))
    ours = {**config.flat(), "eval_size_px": config.data.seen_size_px}
    differing = {key for key, value in PUBLISHED[name].items() if ours[key] != value}
    assert differing == {each.setting for each in DEVIATIONS[name]}
    assert all(len(each.reason.split()) > 4 for each in DEVIATIONS[name])


def test_crops_are_as_large_as_published():
    for name in ("resnet50_classic", "resnet50_modern", "resnet50_a2", "resnet50_quick"):
        policy = parse_policy(recipe_settings(name)["augment"])
        assert (policy["flip"], policy["zoom"]) == (0.5, 0.08)
        assert policy["aspect"] == pytest.approx(4 / 3, abs=1e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_resolves_and_builds_its_parts(name):
    settings = recipe_settings(name)
    config = resolve(TrainConfig().replace(**settings))
    given = {k: v for k, v in settings.items() if v is not None}
    assert {k: config.flat()[k] for k in given} == given
    (phase,) = plan_phases(config)
    parts = build.build_parts(config, phase, class_counts=[1] * 10, steps_per_epoch=50)
    rates = np.asarray(parts.schedule(np.arange(0, 50 * config.training.num_epochs, 50)))
    assert max(rates) <= config.training.learning_rate * 1.0001
    assert max(rates) > 0.9 * config.training.learning_rate
    assert rates[0] < 0.1 * config.training.learning_rate


@pytest.mark.parametrize("name", RECIPES)
def test_the_rate_goes_with_the_batch(name):
    own = recipe_settings(name)
    other = recipe_settings(name, 2 * own["batch_size"])
    assert other["batch_size"] == 2 * own["batch_size"]
    assert other["learning_rate"] == pytest.approx(2 * own["learning_rate"])


def test_the_classic_recipe_is_that_of_the_paper():
    config = resolve(TrainConfig().replace(**recipe_settings("resnet50_classic")))
    (phase,) = plan_phases(config)
    schedule = build.build_parts(config, phase, class_counts=[1] * 3, steps_per_epoch=100).schedule
    rates = schedule(100 * np.array([5, 29, 30, 59, 60, 79, 80, 89]))
    expected = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001]
    assert rates.tolist() == pytest.approx(expected)
    assert float(schedule(250)) == pytest.approx(0.05, rel=0.01)  # half way up the warm-up


def test_an_unknown_recipe_is_refused_by_its_nearest_names():
    with pytest.raises(ValueError, match="nearest first: resnet50_classic"):
        recipe_settings("resnet50_clasic")
    with pytest.raises(ValueError, match="batch_size"):
        recipe_settings("resnet50_classic", 0)


def test_the_list_has_a_line_a_recipe():
    lines = describe_recipes()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(len(line.split()) > 5 for line in lines)
