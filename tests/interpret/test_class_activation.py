import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.interpret import class_activation_maps, class_scores, resize_maps, to_unit_range
from jaxcnn.models import create_model, rest_after, stage_infos

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
    variables = model.init(jax.random.key(3), images, train=False)
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
    variables = model.init(KEY, images, train=False)
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


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rest_after_each_stage_gives_the_networks_logits(name):
    model, shape = create_model(name, 3), NETWORKS[name]
    images = jax.random.normal(KEY, (1, *shape))
    variables = jax.jit(lambda: model.init(KEY, images, train=False))()
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
