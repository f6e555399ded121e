import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.interpret import (
    class_activation_maps,
    class_log_odds,
    class_scores,
    evidence_maps,
    resize_maps,
    to_unit_range,
)
from jaxcnn.models import create_model, list_models, rest_after, stage_infos

KEY = jax.random.key(0)
SIZE = 32


def white_square(top, left, side=8):
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    image[top : top + side, left : left + side] = 1
    return image


@pytest.fixture(scope="module")
def brightness():
    """A network built by hand: class 1 is as likely as the image is bright, class 0 as dark."""
    model = create_model(
        "six_conv", 2, depth=2, dense_widths=(), global_pooling="average", widths=(4, 4)
    )
    images = jnp.zeros((1, SIZE, SIZE, 3))
    shapes = jax.eval_shape(lambda: model.init(KEY, images, train=False))
    ones = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    for block in ("block_1", "block_2"):
        kernel = ones["params"][block]["conv"]["kernel"]
        ones["params"][block]["conv"]["kernel"] = kernel.at[1, 1].set(1 / kernel.shape[2])
    head = ones["params"]["head"]["linear"]["kernel"]
    ones["params"]["head"]["linear"]["kernel"] = head.at[:, 1].set(1).at[:, 0].set(-1)
    return model, ones


@pytest.mark.parametrize(("top", "left"), [(0, 0), (4, 20), (24, 8), (16, 16)])
def test_the_map_peaks_on_a_planted_square_and_nowhere_else(brightness, top, left):
    model, variables = brightness
    images = jnp.asarray(white_square(top, left))[None]
    maps = to_unit_range(class_activation_maps(model, variables, images, jnp.array([1])))
    # Each of the map's pixels is the maximum over 4x4 px, so that the square stays sharp.
    np.testing.assert_allclose(maps[0], white_square(top, left)[::4, ::4, 0], atol=1e-6)
    large = resize_maps(maps, (SIZE, SIZE))[0]
    peak = np.unravel_index(int(large.argmax()), large.shape)
    assert white_square(top, left)[..., 0][peak] == 1


def test_the_map_of_a_class_that_the_square_speaks_against_is_empty(brightness):
    model, variables = brightness
    images = jnp.asarray(white_square(4, 20))[None]
    assert not class_activation_maps(model, variables, images, jnp.array([0])).any()


def test_the_map_is_weighted_by_the_mean_gradient(brightness):
    """Against the formula, written with a finite difference of the logit."""
    model, _ = brightness
    images = jax.random.uniform(KEY, (2, SIZE, SIZE, 3))
    variables = jax.jit(lambda: model.init(jax.random.key(3), images, train=False))()
    classes = jnp.array([1, 0])
    maps = class_activation_maps(model, variables, images, classes, stage="block_1")
    features = model.clone(features_only=True).apply(variables, images, train=False)["block_1"]
    rest = rest_after(model, "block_1")

    def logit(x):
        return class_scores(rest, variables, x, classes)

    step = 1e-2
    num_channels = features.shape[-1]
    expected = np.zeros(features.shape[:3])
    for channel in range(num_channels):
        raised = features + step * jax.nn.one_hot(channel, num_channels).reshape(1, 1, 1, -1)
        # A step on all pixels at once is the sum of the pixels' derivatives.
        slope = (logit(raised) - logit(features)) / step / float(np.prod(features.shape[1:3]))
        expected += np.asarray(slope)[:, None, None] * np.asarray(features[..., channel])
    expected = np.maximum(expected, 0)
    np.testing.assert_allclose(maps, expected, atol=0.05 * expected.max())


def test_the_default_stage_is_the_last_with_more_than_one_pixel():
    model = create_model("lenet5", 10)
    images = jnp.ones((1, 32, 32, 1))
    variables = jax.jit(lambda: model.init(KEY, images, train=False))()
    maps = class_activation_maps(model, variables, images, jnp.array([3]))
    assert maps.shape == (1, 5, 5)  # s4's; c5 has one pixel, f6 none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": "blok_1"}, "nearest first: block_1"),
        ({"classes": jnp.array([0.5])}, "one integer an image"),
        ({"classes": jnp.array([0, 1])}, "one integer an image"),
    ],
)
def test_mistakes_are_told(brightness, options, message):
    given = {"classes": jnp.array([0])} | options
    with pytest.raises(ValueError, match=message):
        class_activation_maps(*brightness, jnp.zeros((1, SIZE, SIZE, 3)), **given)


def test_a_sigmoid_head_scores_both_classes():
    model = create_model("six_conv", 2, depth=1, head="sigmoid")
    images = jnp.ones((1, 8, 8, 3))
    variables = model.init(KEY, images, train=False)
    logit = float(model.apply(variables, images, train=False)[0, 0])
    both = [float(class_scores(model, variables, images, jnp.array([c]))[0]) for c in (0, 1)]
    assert both == [-logit, logit]
    assert logit != 0


def test_a_frozen_network_is_explained_too(brightness):
    model, variables = brightness
    images = jnp.asarray(white_square(0, 0))[None]
    frozen = class_activation_maps(
        model.clone(frozen_stages=2), variables, images, jnp.array([1]), stage="block_1"
    )
    assert frozen.max() > 0


NETWORKS = {
    "lenet5": (32, 32, 1),
    "six_conv": (64, 64, 3),
    "resnet20": (16, 16, 3),
    "mobilenet_v3_small": (32, 32, 3),
}


def drawn_variables(model, images):
    """Draw weights on the host, which compiles nothing; kernels keep the signal's size."""
    draws = np.random.default_rng(0)

    def leaf(path, shape):
        if path[-1].key == "kernel":
            size = np.sqrt(2 / np.prod(shape.shape[:-1]))
            return (size * draws.normal(size=shape.shape)).astype(np.float32)
        return np.full(shape.shape, path[-1].key in ("scale", "var", "coefficient"), np.float32)

    shapes = jax.eval_shape(lambda: model.init(KEY, images, train=False))
    return jax.tree_util.tree_map_with_path(leaf, shapes)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rest_after_each_stage_gives_the_networks_logits(name):
    model, shape = create_model(name, 3), NETWORKS[name]
    images = jax.random.normal(KEY, (1, *shape))
    variables = drawn_variables(model, images)
    names = [info.name for info in stage_infos(model, shape)]

    @jax.jit
    def both(variables, images):
        features = model.clone(features_only=True).apply(variables, images, train=False)
        rests = {n: rest_after(model, n).apply(variables, features[n], train=False) for n in names}
        return model.apply(variables, images, train=False), rests

    logits, rests = both(variables, images)
    assert np.abs(logits).max() > 0
    for stage, found in rests.items():
        np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5, err_msg=stage)


IMAGES = jax.random.uniform(jax.random.key(1), (3, 16, 16, 3))
OPTIONS = {"depth": 2, "widths": (4, 6), "dense_widths": ()}


@pytest.fixture(scope="module", params=["softmax", "sigmoid"])
def network(request):
    model = create_model("six_conv", 2, head=request.param, **OPTIONS)
    return model, jax.jit(lambda: model.init(KEY, IMAGES, train=False))()


def test_log_odds_are_those_of_the_probabilities(network):
    model, variables = network
    logits = model.apply(variables, IMAGES, train=False)
    both = logits if model.head == "softmax" else jnp.pad(logits, ((0, 0), (1, 0)))
    chosen = jnp.take_along_axis(jax.nn.softmax(both), jnp.array([[0], [1], [1]]), axis=1)[:, 0]
    found = class_log_odds(model, variables, IMAGES, jnp.array([0, 1, 1]))
    np.testing.assert_allclose(found, jnp.log(chosen / (1 - chosen)), atol=1e-5)


def test_log_odds_of_many_classes():
    model = create_model("six_conv", 5, **OPTIONS)
    variables = jax.jit(lambda: model.init(KEY, IMAGES, train=False))()
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
    variables = jax.jit(lambda: model.init(KEY, IMAGES, train=False))()
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
