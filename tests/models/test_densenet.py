import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import learn_by_heart, random_images, random_variables, shapes_of

from jaxcnn.models import create_model, stage_infos
from jaxcnn.models.densenet import DenseLayer, DenseNet, Transition
from jaxcnn.ops.pooling import avg_pool
from jaxcnn.pretrained.mapping import source_shapes
from jaxcnn.pretrained.names import names_of

TINY = {"num_classes": 3, "stage_sizes": (1, 2, 1, 1), "growth_rate": 4, "stem_width": 8}


def test_stages():
    infos = stage_infos(create_model("densenet161", 2), (64, 70, 1))
    names = ("stem", "stage_1", "stage_2", "stage_3", "stage_4", "norm")
    widths = (96, 384, 768, 2112, 2208, 2208)
    assert infos == tuple(zip(names, (2, 4, 8, 16, 32, 32), widths, strict=True))


def test_a_batch_is_learnt_by_heart():
    images, labels = random_images(6, 32, 40, 3), jnp.arange(6) % 3
    losses, variables, gradient = learn_by_heart(
        DenseNet(**TINY), images, labels, learning_rate=0.1, num_steps=50
    )
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.abs(leaf).max() > 0, path
    assert "norm" in variables["batch_stats"]


def test_a_layer_keeps_what_came_before():
    layer, x = DenseLayer(growth_rate=4), random_images(2, 5, 6, 8)
    found = layer.apply(random_variables(layer, x), x, train=False)
    assert found.shape == (2, 5, 6, 12)
    np.testing.assert_array_equal(found[..., :8], x)
    assert (found[..., 8:] != 0).all()


def test_the_mean_before_the_convolution_is_the_mean_after_it():
    layer, x = Transition(), random_images(2, 5, 6, 8)
    variables = layer.init(jax.random.key(0), x, train=False)
    kernel = variables["params"]["conv"]["kernel"][0, 0]
    after = avg_pool(jax.nn.relu(x / np.sqrt(1 + 1e-5)) @ kernel, window=2)
    np.testing.assert_allclose(layer.apply(variables, x, train=False), after, atol=1e-5)


def test_published_files_have_names_from_before():
    shapes = shapes_of(create_model("densenet121", 2), jnp.zeros((1, 32, 32, 3)))
    old, new = (
        source_shapes(shapes, names_of("densenet121")[origin])
        for origin in ("torchvision_published", "torchvision")
    )
    assert old["features.denseblock1.denselayer2.norm.1.weight"] == (96,)
    assert old["features.denseblock4.denselayer16.conv.2.weight"] == (32, 128, 3, 3)
    assert {"features.norm0.bias", "features.transition3.conv.weight"} <= set(old) & set(new)
    assert {name.replace(".1.", "1.").replace(".2.", "2.") for name in old} == set(new)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage_sizes": (1, 1)}, "must be four numbers of layers"),
        ({"growth_rate": 0}, "growth_rate must be whole numbers above 0, got 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        DenseNet(num_classes=2, **options)


def test_images_too_small():
    assert stage_infos(DenseNet(**TINY), (29, 29, 3))
    with pytest.raises(ValueError, match=r"28x64 images are too small for DenseNet: .* 29 px"):
        shapes_of(DenseNet(**TINY), jnp.zeros((1, 28, 64, 3)))
