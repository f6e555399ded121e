import jax
import jax.numpy as jnp
import pytest
from network_trials import (
    check_dropout_and_half_precision,
    dropouts_of,
    learn_by_heart,
    random_images,
    shapes_of,
)

from jaxcnn.models import create_model, stage_infos
from jaxcnn.models.alexnet import AlexNet

TINY = {"num_classes": 3, "hidden_width": 16, "hidden_dropout_rate": 0.0}


@pytest.mark.parametrize(
    ("num_classes", "image_shape", "num_parameters"),
    [
        (1000, (224, 224, 3), 61_100_840),
        (2, (100, 63, 1), 61_100_840 - 998 * 4097 - 2 * 64 * 121),
    ],
)
def test_number_of_parameters(num_classes, image_shape, num_parameters):
    variables = shapes_of(create_model("alexnet", num_classes), jnp.zeros((1, *image_shape)))
    assert set(variables) == {"params"}
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == num_parameters


def test_stages():
    infos = stage_infos(create_model("alexnet", 2), (63, 224, 1))
    names = ("conv_1", "conv_2", "conv_3", "conv_4", "conv_5")
    strides, widths = (8, 16, 16, 16, 32), (64, 192, 384, 256, 256)
    assert infos == tuple(zip(names, strides, widths, strict=True))


@pytest.mark.parametrize(
    ("size_px", "sizes"),
    [(224, (27, 13, 13, 13, 6)), (63, (7, 3, 3, 3, 1)), (97, (11, 5, 5, 5, 2))],
)
def test_sizes_of_the_features(size_px, sizes):
    model = create_model("alexnet", 2, features_only=True)
    images = jnp.zeros((2, size_px, size_px, 3))
    features, _ = jax.eval_shape(
        lambda key: model.init_with_output(key, images, train=False), jax.random.key(0)
    )
    assert tuple(x.shape[1:3] for x in features.values()) == tuple((n, n) for n in sizes)


def test_without_head_the_vector_is_that_of_fc7():
    model = AlexNet(**TINY | {"num_classes": 0})
    vector = jax.eval_shape(
        lambda key: model.init_with_output(key, jnp.zeros((2, 63, 63, 3)), train=False)[0],
        jax.random.key(0),
    )
    assert (vector.shape, vector.dtype) == ((2, 16), jnp.float32)


def test_dropout_stands_before_the_hidden_layers():
    images = jnp.zeros((1, 63, 63, 3))
    rates = dropouts_of(create_model("alexnet", 2, hidden_dropout_rate=0.4), images)
    assert rates == {"fc6/dropout": 0.4, "fc7/dropout": 0.4, "head/dropout": 0.0}
    assert create_model("alexnet", 2).hidden_dropout_rate == 0.5


def test_dropout_acts_in_training_only_and_half_precision_is_close():
    model = AlexNet(**TINY | {"hidden_dropout_rate": 0.5})
    check_dropout_and_half_precision(model, random_images(2, 63, 64, 3))


def test_a_batch_is_learnt_by_heart():
    model = AlexNet(**TINY)
    images, labels = random_images(4, 63, 64, 3), jnp.arange(4) % 3
    losses, _, gradient = learn_by_heart(model, images, labels, learning_rate=0.002, num_steps=20)
    assert losses[0] > 0.5
    assert losses[-1] < 0.2
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.abs(leaf).max() > 0, path


@pytest.mark.parametrize("shape", [(62, 63, 3), (100, 20, 3)])
def test_images_too_small(shape):
    message = f"{shape[0]}x{shape[1]} images are too small for AlexNet: .* at least 63 px"
    with pytest.raises(ValueError, match=message):
        shapes_of(AlexNet(num_classes=2), jnp.zeros((1, *shape)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_width": 0}, "hidden_width must be whole numbers above 0, got 0"),
        ({"hidden_dropout_rate": 1.0}, r"hidden_dropout_rate \(=1.0\) must lie in"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        AlexNet(num_classes=2, **options)
