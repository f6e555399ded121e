import numpy as np
import pytest

from jaxcnn.runs import build
from jaxcnn.runs.config import TrainConfig, resolve
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.recipes import RECIPES, describe_recipes, recipe_settings


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_where_it_comes_from(name):
    text = RECIPES[name].__doc__
    for part in ("Paper:", "Expected:", "Deviations:"):
        assert part in text, part


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
