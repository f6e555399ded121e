from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import (
    check_dropout_and_half_precision,
    dropouts_of,
    learn_by_heart,
    random_images,
    random_variables,
    shapes_of,
)

from jaxcnn.models import create_model, stage_infos
from jaxcnn.models.layers import BatchNorm, ConvBlock, InTurn
from jaxcnn.models.vgg import VGG
from jaxcnn.pretrained.mapping import MappingError, fill, source_shapes
from jaxcnn.pretrained.names import names_of

TINY = {
    "num_classes": 3,
    "stage_sizes": (1, 1, 1, 1, 1),
    "hidden_width": 16,
    "hidden_dropout_rate": 0.0,
    "dropout_rate": 0.0,
}


@pytest.mark.parametrize(
    ("name", "num_parameters", "last"),
    [
        ("vgg11", 132_863_336, 18),
        ("vgg11_bn", 132_868_840, 26),
        ("vgg13", 133_047_848, 22),
        ("vgg13_bn", 133_053_736, 32),
        ("vgg16", 138_357_544, 28),
        ("vgg16_bn", 138_365_992, 41),
        ("vgg19", 143_667_240, 34),
        ("vgg19_bn", 143_678_248, 50),
    ],
)
def test_number_of_parameters_and_the_names_of_others(name, num_parameters, last):
    model = create_model(name, 1000)
    variables = shapes_of(model, jnp.zeros((1, 32, 32, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_parameters
    assert ("batch_stats" in variables) == name.endswith("_bn")
    names = set(source_shapes(variables, names_of(name)["torchvision"]))
    assert max(int(n.split(".")[1]) for n in names if n.startswith("features.")) == last
    assert len(names) == len(jax.tree.leaves(variables))


@pytest.mark.parametrize("size", [(32, 32, 3), (75, 224, 1)])
def test_stages_and_the_sizes_of_their_features(size):
    model = create_model("vgg11_bn", 2, features_only=True)
    infos = stage_infos(model, size)
    names = ("stage_1", "stage_2", "stage_3", "stage_4", "stage_5")
    strides, widths = (2, 4, 8, 16, 32), (64, 128, 256, 512, 512)
    assert infos == tuple(zip(names, strides, widths, strict=True))
    features, _ = jax.eval_shape(
        lambda key: model.init_with_output(key, jnp.zeros((2, *size)), train=False),
        jax.random.key(0),
    )
    for name, stride, width in infos:
        assert features[name].shape == (2, size[0] // stride, size[1] // stride, width)


def test_without_head_the_vector_is_that_of_fc7():
    model = VGG(**TINY | {"num_classes": 0})
    vector = jax.eval_shape(
        lambda key: model.init_with_output(key, jnp.zeros((2, 33, 32, 1)), train=False)[0],
        jax.random.key(0),
    )
    assert (vector.shape, vector.dtype) == ((2, 16), jnp.float32)


def test_dropout_stands_behind_the_hidden_layers():
    images = jnp.zeros((1, 32, 32, 3))
    rates = dropouts_of(create_model("vgg11", 2, hidden_dropout_rate=0.4), images)
    assert rates == {"fc6/dropout": 0.0, "fc7/dropout": 0.4, "head/dropout": 0.5}
    assert create_model("vgg11", 2).hidden_dropout_rate == 0.5


@pytest.mark.parametrize(
    ("train", "frozen", "moves"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_batch_norm_averages_move_in_training_unless_frozen(train, frozen, moves):
    bn = BatchNorm(frozen=frozen)
    block = partial(ConvBlock, width=3, use_batch_norm=True, use_bias=True, bn=bn)
    stage = InTurn(make_layers=tuple(partial(block, name=f"conv_{n}") for n in (1, 2)))
    images = random_images(4, 6, 6, 3)
    variables = random_variables(stage, images)
    run = jax.jit(lambda v: stage.apply(v, images, train=train, mutable=["batch_stats"])[1])
    after = jax.tree.leaves(run(variables)["batch_stats"])
    before = jax.tree.leaves(variables["batch_stats"])
    assert [bool((a != b).any()) for a, b in zip(after, before, strict=True)] == [moves] * 4


def test_convolutions_before_batch_norm_keep_their_biases():
    params = shapes_of(create_model("vgg16_bn", 2), jnp.zeros((1, 32, 32, 3)))["params"]
    assert set(params["stage_3"]["conv_3"]) == {"conv", "bn"}
    assert set(params["stage_3"]["conv_3"]["conv"]) == {"kernel", "bias"}


def test_keras_names():
    variables = shapes_of(VGG(**TINY), jnp.zeros((1, 32, 32, 3)))
    names = source_shapes(variables, names_of("vgg16")["keras"])
    stacks = {f"block{n}_conv1/{word}" for n in range(1, 6) for word in ("kernel", "bias")}
    dense = {f"{n}/{word}" for n in ("fc1", "fc2", "predictions") for word in ("kernel", "bias")}
    assert set(names) == stacks | dense


@pytest.mark.parametrize(
    ("model", "others", "origin"),
    [("vgg13", "vgg11", "torchvision"), ("vgg11_bn", "vgg11", "torchvision")],
)
def test_names_of_another_variant_are_refused(model, others, origin):
    variables = shapes_of(create_model(model, 2), jnp.zeros((1, 32, 32, 3)))
    with pytest.raises(MappingError, match="the layer stage_1/"):
        source_shapes(variables, names_of(others)[origin])


def test_keras_has_no_weights_with_batch_norm():
    assert "keras" in names_of("vgg16")
    assert "keras" not in names_of("vgg16_bn")


def test_hidden_layers_may_come_as_convolutions():
    model = VGG(**TINY | {"stage_sizes": (1, 1, 2, 2, 2), "hidden_width": 2})
    variables = shapes_of(model, jnp.zeros((1, 32, 32, 3)))
    names = names_of("vgg11")["timm"]
    flat = {n: np.zeros(shape, np.float32) for n, shape in source_shapes(variables, names).items()}
    kernel = np.random.default_rng(0).normal(size=(2, 512, 7, 7)).astype(np.float32)
    for shape in ((2, 512, 7, 7), (2, 512 * 49)):
        arrays = flat | {"pre_logits.fc1.weight": kernel.reshape(shape)}
        filled = fill(variables, names, arrays)["params"]["fc6"]["linear"]["kernel"]
        want = kernel.transpose(2, 3, 1, 0).reshape(-1, 2)
        np.testing.assert_array_equal(filled, want)


def test_dropout_acts_in_training_only_and_half_precision_is_close():
    model = VGG(**TINY | {"hidden_dropout_rate": 0.5})
    check_dropout_and_half_precision(model, random_images(2, 32, 33, 3))


def test_a_batch_is_learnt_by_heart():
    model = VGG(**TINY | {"batch_norm": True, "hidden_width": 64})
    images, labels = random_images(4, 32, 33, 3), jnp.arange(4) % 3
    losses, _, _ = learn_by_heart(model, images, labels, learning_rate=5e-4, num_steps=12)
    assert losses[0] > 0.5
    assert losses[-1] < 0.1


@pytest.mark.parametrize("shape", [(31, 32, 3), (100, 20, 3)])
def test_images_too_small(shape):
    message = f"{shape[0]}x{shape[1]} images are too small for VGG: .* at least 32 px"
    with pytest.raises(ValueError, match=message):
        shapes_of(VGG(num_classes=2), jnp.zeros((1, *shape)))


def test_lists_are_taken_for_tuples():
    assert hash(VGG(num_classes=2, stage_sizes=[1, 1, 1, 1, 1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage_sizes": (1, 1, 1, 1)}, r"stage_sizes \(=\(1, 1, 1, 1\)\) must be 5 numbers"),
        ({"stage_sizes": (1, 1, 1, 1, 0)}, "stage_sizes must be whole numbers above 0, got 0"),
        ({"hidden_width": 0}, "hidden_width must be whole numbers above 0, got 0"),
        ({"hidden_dropout_rate": 1.0}, r"hidden_dropout_rate \(=1.0\) must lie in"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        VGG(**{"num_classes": 2} | options)
