import jax
import jax.numpy as jnp
import pytest
from network_trials import learn_by_heart, random_images

from jaxcnn.models import create_model, stage_infos
from jaxcnn.models.regnet import RegNet, stage_shapes

# Widths 8 and 16, each of one block.
TINY = {"depth": 2, "initial_width": 8, "slope": 8.0, "multiplier": 2.0, "group_width": 4}


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        # torchvision's regnet_x_400mf, regnet_y_8gf and regnet_y_128gf.
        ((22, 24, 24.48, 2.54, 16), [(1, 32, 16), (2, 64, 16), (7, 160, 16), (12, 400, 16)]),
        ((17, 192, 76.82, 2.19, 56), [(2, 224, 56), (4, 448, 56), (10, 896, 56), (1, 2016, 56)]),
        (
            (27, 456, 160.83, 2.52, 264),
            [(2, 528, 264), (7, 1056, 264), (17, 2904, 264), (1, 7392, 264)],
        ),
        ((3, 8, 0.0, 2.0, 16), [(3, 8, 8)]),  # a group is at most as wide as the stage
    ],
)
def test_stages_follow_from_the_line_of_widths(options, shapes):
    assert stage_shapes(*options) == shapes


@pytest.mark.parametrize(
    ("name", "num_parameters"),  # as torchvision states them
    [
        ("regnet_x_400mf", 5_495_976),
        ("regnet_y_400mf", 4_344_144),
    ],
)
def test_number_of_parameters(name, num_parameters):
    model = create_model(name, 1000)
    variables = jax.eval_shape(
        lambda key: model.init(key, jnp.zeros((1, 32, 32, 3)), train=False), jax.random.key(0)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_parameters


def test_stages_and_their_strides():
    infos = stage_infos(create_model("regnet_y_400mf", 2), (61, 33, 3))
    strides = {"stem": 2, "stage_1": 4, "stage_2": 8, "stage_3": 16, "stage_4": 32}
    assert {info.name: info.stride for info in infos} == strides
    assert [info.num_channels for info in infos] == [32, 48, 104, 208, 440]


def test_a_batch_is_learnt_by_heart():
    model = RegNet(num_classes=3, squeeze_ratio=0.25, **TINY)
    images, labels = random_images(6, 16, 12, 3), jnp.arange(6) % 3
    losses, _, gradient = learn_by_heart(model, images, labels, learning_rate=0.1, num_steps=40)
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.abs(leaf).max() > 0, path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth, initial_width and group_width must be whole numbers above 0, got 0"),
        ({"slope": -1.0}, r"slope \(=-1.0\) must be at least 0"),
        ({"multiplier": 1.0}, r"multiplier \(=1.0\) must be greater than 1"),
        ({"squeeze_ratio": 1.0}, r"squeeze_ratio \(=1.0\) must lie in \[0, 1\)"),
        ({"drop_path_rate": -0.1}, r"drop_path_rate \(=-0.1\) must lie in \[0, 1\)"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        RegNet(num_classes=2, **TINY | options)
