import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.interpret import (
    cut_field,
    excitations,
    feature_maps,
    first_layer_filters,
    most_selective_channels,
    receptive_fields,
    strongest_channels,
    top_images,
)
from jaxcnn.models import create_model, fold_batch_norm, list_models, stage_infos

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def network():
    model = create_model("six_conv", 2, depth=2, widths=(4, 6))
    images = jax.random.normal(KEY, (3, 20, 20, 3))
    return model, jax.jit(lambda: model.init(KEY, images, train=False))(), images


def test_feature_maps_are_the_stages_in_order(network):
    model, variables, images = network
    maps = feature_maps(model, variables, images)
    infos = stage_infos(model, images.shape[1:])
    assert [(name, x.shape[-1]) for name, x in maps.items()] == [
        (info.name, info.num_channels) for info in infos
    ]
    assert maps["block_2"].shape == (3, 5, 5, 6)


def test_the_strongest_channels_vary_most():
    feature_map = np.zeros((4, 4, 3), np.float32)
    feature_map[..., 0] = 9  # bright everywhere says nothing of where
    feature_map[1, 1, 2], feature_map[1, 1, 1] = 3, 1
    assert strongest_channels(feature_map, count=2).tolist() == [2, 1]


@pytest.mark.parametrize("name", ["lenet5", "six_conv", "alexnet", "resnet20"])
def test_filters_are_the_kernel_that_meets_the_image(name):
    shape = (64, 64, 3)
    model = create_model(name, 2)
    shapes = jax.eval_shape(lambda x: model.init(KEY, x, train=False), jnp.zeros((1, *shape)))
    variables = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), shapes)
    filters = first_layer_filters(model, variables, shape)
    assert filters.shape[2] == 3
    assert filters.shape[3] == stage_infos(model, shape)[0].num_channels


@pytest.mark.slow
def test_every_network_of_the_registry_shows_its_filters():
    for name in list_models():
        model, shape = create_model(name, 2), (96, 96, 3)
        shapes = jax.eval_shape(
            lambda x, m=model: m.init(KEY, x, train=False), jnp.zeros((1, *shape))
        )
        variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), shapes)
        folded, variables = fold_batch_norm(model, variables)
        assert first_layer_filters(folded, variables, shape).shape[2] == 3, name


def test_a_planted_pattern_excites_its_channel_at_its_place(network):
    model, variables, images = network
    kernel = jnp.zeros((3, 3, 3, 4)).at[1, 1, 0, 1].set(1).at[1, 1, 1, 2].set(1)
    variables = jax.tree.map(lambda x: x, variables)
    variables["params"]["block_1"]["conv"]["kernel"] = kernel
    images = np.zeros((3, 20, 20, 3), np.float32)
    images[1, 6:8, 14:16, 0] = 1  # red in image 1
    images[2, 3, 2, 1] = 1  # green in image 2
    found = excitations(model, variables, jnp.asarray(images), stage="block_1")
    assert top_images(found.peak, 1, count=1).tolist() == [1]
    assert top_images(found.peak, 2, count=1).tolist() == [2]
    assert (int(found.row[1, 1]), int(found.column[1, 1])) == (3, 7)
    assert (int(found.row[2, 2]), int(found.column[2, 2])) == (1, 1)
    assert set(most_selective_channels(found.peak).tolist()) == {1, 2}  # the others never answer
    field = receptive_fields(model, (20, 20, 3))[0]
    cut = cut_field(images[1], field, 3, 7)
    assert cut.shape == (4, 4, 3)
    np.testing.assert_array_equal(cut[1:3, 1:3, 0], 1)


def test_mistakes_are_told(network):
    with pytest.raises(ValueError, match="nearest first: block_1"):
        excitations(*network, stage="blok_1")
    model, variables, _ = network
    with pytest.raises(ValueError, match="no convolution of 5 channels"):
        first_layer_filters(model, variables, (20, 20, 5))
