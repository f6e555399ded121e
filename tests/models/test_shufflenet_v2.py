import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import learn_by_heart, logits_of, random_images, random_variables

from jaxcnn.models import create_model, layers, shufflenet_v2, stage_infos
from jaxcnn.models.shufflenet_v2 import ShuffleBlock, ShuffleNetV2, shuffle


def test_two_halves_are_shuffled_as_by_a_transposition():
    x = random_images(2, 3, 4, 10)
    want = x.reshape(2, 3, 4, 2, 5).swapaxes(3, 4).reshape(2, 3, 4, 10)
    np.testing.assert_array_equal(shuffle(x[..., :5], x[..., 5:]), want)


def test_a_block_of_stride_one_passes_half_of_the_channels():
    x = random_images(2, 5, 6, 8)
    block = ShuffleBlock(width=8)
    result = logits_of(block, random_variables(block, x), x)
    np.testing.assert_array_equal(result[..., ::2], x[..., :4])
    assert (result[..., 1::2] >= 0).all()
    assert (result[..., 1::2] != x[..., 4:]).all()


def test_a_block_of_stride_two_convolves_all_channels_in_both_branches():
    x = random_images(2, 5, 6, 8)
    block = ShuffleBlock(width=20, strides=2)
    variables = random_variables(block, x)
    widths = {n: v["conv"]["kernel"].shape[2:] for n, v in variables["params"].items()}
    assert widths == {
        "shortcut_depthwise": (1, 8),
        "shortcut_project": (8, 10),
        "expand": (8, 10),
        "depthwise": (1, 10),
        "project": (10, 10),
    }
    assert logits_of(block, variables, x).shape == (2, 3, 3, 20)


def test_stages_and_the_sizes_of_their_features():
    infos = stage_infos(create_model("shufflenet_v2_x1_5", 2), (65, 96, 3))
    assert infos == (
        ("stem", 2, 24),
        ("stage_1", 8, 176),
        ("stage_2", 16, 352),
        ("stage_3", 32, 704),
        ("conv_head", 32, 1024),
    )


def test_initial_kernels_are_pytorchs():
    kernel = layers.ConvBlock(width=64, **shufflenet_v2._CONV_OPTIONS).init(
        jax.random.key(0), jnp.zeros((1, 8, 8, 16)), train=False
    )["params"]["conv"]["kernel"]
    bound = (3 * 3 * 16) ** -0.5
    assert 0.99 * bound < np.abs(kernel).max() <= bound


def test_a_batch_is_learnt_by_heart_and_its_statistics_are_collected(monkeypatch):
    monkeypatch.setattr(shufflenet_v2, "STAGE_SIZES", (2,))  # spares compilation
    model = ShuffleNetV2(num_classes=3, widths=(16,), head_width=16)
    images, labels = random_images(6, 32, 40, 3), jnp.arange(6) % 3
    before = random_variables(model, images)
    losses, variables, _ = learn_by_heart(model, images, labels, learning_rate=0.05, num_steps=200)
    assert losses[0] > 0.5
    assert losses[-1] < 0.2
    after = jax.tree.leaves_with_path(variables["batch_stats"])
    for (path, new), old in zip(after, jax.tree.leaves(before["batch_stats"]), strict=True):
        assert (new != old).any(), path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (8, 15, 24)}, r"widths \(=\(8, 15, 24\)\) must be three even numbers"),
        ({"widths": [8, 16]}, r"widths \(=\(8, 16\)\) must be three even numbers"),
        ({"widths": (8, 16, 0)}, "widths must be whole numbers above 0, got 0"),
        ({"head_width": 0}, "head_width must be whole numbers above 0, got 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        create_model("shufflenet_v2_x0_5", 2, **options)
