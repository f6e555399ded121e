import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.interpret import class_activation_maps, class_log_odds, evidence_maps, to_unit_range
from jaxcnn.models import create_model, list_models

KEY = jax.random.key(0)
IMAGES = jax.random.uniform(jax.random.key(1), (3, 16, 16, 3))
OPTIONS = {"depth": 2, "widths": (4, 6), "dense_widths": ()}


@pytest.fixture(scope="module", params=["softmax", "sigmoid"])
def network(request):
    model = create_model("six_conv", 2, head=request.param, **OPTIONS)
    return model, model.init(KEY, IMAGES, train=False)


def test_log_odds_are_those_of_the_probabilities(network):
    model, variables = network
    logits = model.apply(variables, IMAGES, train=False)
    both = logits if model.head == "softmax" else jnp.pad(logits, ((0, 0), (1, 0)))
    chosen = jnp.take_along_axis(jax.nn.softmax(both), jnp.array([[0], [1], [1]]), axis=1)[:, 0]
    found = class_log_odds(model, variables, IMAGES, jnp.array([0, 1, 1]))
    np.testing.assert_allclose(found, jnp.log(chosen / (1 - chosen)), atol=1e-5)


def test_log_odds_of_many_classes():
    model = create_model("six_conv", 5, **OPTIONS)
    variables = model.init(KEY, IMAGES, train=False)
    probabilities = jax.nn.softmax(model.apply(variables, IMAGES, train=False))
    for c in range(5):
        own = probabilities[:, c]
        found = class_log_odds(model, variables, IMAGES, jnp.full(3, c))
        np.testing.assert_allclose(found, jnp.log(own / (1 - own)), atol=1e-5)


def test_the_parts_of_a_network_without_biases_add_up(network):
    """Biases start at 0, so that the log-odds of two classes are linear in what is active."""
    model, variables = network
    classes = jnp.array([0, 1, 1])
    there = evidence_maps(model, variables, IMAGES, classes).sum(axis=(1, 2))
    against = evidence_maps(model, variables, IMAGES, 1 - classes).sum(axis=(1, 2))
    odds = class_log_odds(model, variables, IMAGES, classes)
    np.testing.assert_allclose(there - against, odds, rtol=1e-4, atol=1e-6)


def test_before_a_mean_and_a_linear_layer_it_is_grad_cam():
    model = create_model("six_conv", 2, head="sigmoid", global_pooling="average", **OPTIONS)
    variables = model.init(KEY, IMAGES, train=False)
    classes = jnp.array([0, 1, 1])
    maps = evidence_maps(model, variables, IMAGES, classes, min_side=4)
    expected = class_activation_maps(model, variables, IMAGES, classes, stage="block_2")
    assert maps.shape == (3, 4, 4)
    np.testing.assert_allclose(to_unit_range(maps), to_unit_range(expected), atol=1e-5)


@pytest.mark.parametrize(("min_side", "side"), [(1, 4), (4, 4), (5, 8), (8, 8), (9, 8)])
def test_the_last_stage_of_enough_pixels_is_asked(network, min_side, side):
    model, variables = network
    maps = evidence_maps(model, variables, IMAGES, jnp.zeros(3, jnp.int32), min_side=min_side)
    assert maps.shape == (3, side, side)


@pytest.mark.parametrize("classes", [jnp.zeros(2, jnp.int32), jnp.zeros(3)])
def test_classes_are_one_integer_an_image(network, classes):
    with pytest.raises(ValueError, match="one integer an image"):
        evidence_maps(*network, IMAGES, classes)


@pytest.mark.slow  # traces three dozen networks
@pytest.mark.parametrize("name", list_models())
def test_every_network_has_maps(name):
    model = create_model(name, 3)
    images = jax.ShapeDtypeStruct((2, 96, 96, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(KEY, x, train=False), images)
    assert hash(model) == hash(create_model(name, 3))  # as a static argument of `jax.jit`
    classes = jnp.array([0, 2])
    maps = jax.eval_shape(lambda v, x: evidence_maps(model, v, x, classes), variables, images)
    assert maps.shape[0] == 2
    assert min(maps.shape[1:]) > 1
