import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import logits_of, random_images, random_variables

from jaxcnn.models.residual_block import ResidualBlock


def switch_off(variables, layer):
    """Make a BatchNorm layer give zeros, and with it the branch that it ends."""
    norm = variables["params"][layer]["bn"]
    variables["params"][layer]["bn"] = jax.tree.map(jnp.zeros_like, norm)


@pytest.mark.parametrize(("strides", "channels"), [(2, 8), (1, 3), (2, 3)])
def test_the_shortcut_without_parameters_subsamples_and_pads_with_zeros(strides, channels):
    block = ResidualBlock(kind="basic", width=8, strides=strides, shortcut="padding")
    images = random_images(2, 5, 6, channels)
    variables = random_variables(block, images)
    switch_off(variables, "conv_2")
    want = np.zeros((2, -(-5 // strides), -(-6 // strides), 8), np.float32)
    before = (8 - channels) // 2
    want[..., before : before + channels] = images[:, ::strides, ::strides]
    np.testing.assert_allclose(logits_of(block, variables, images), np.maximum(want, 0), atol=1e-6)
    assert set(variables["params"]) == {"conv_1", "conv_2"}


def test_the_pooling_shortcut_projects_the_mean_of_the_pixels_that_there_are():
    block = ResidualBlock(kind="basic", width=3, strides=2, shortcut="pooling")
    images = random_images(2, 3, 4, 3)
    variables = random_variables(block, images)
    switch_off(variables, "conv_2")
    variables["params"]["shortcut"]["conv"]["kernel"] = jnp.eye(3)[None, None]
    variables["params"]["shortcut"]["bn"] = {"scale": jnp.ones(3), "bias": jnp.zeros(3)}
    variables["batch_stats"]["shortcut"]["bn"] = {"mean": jnp.zeros(3), "var": jnp.ones(3)}
    rows = [images[:, :2].mean(axis=1), images[:, 2]]  # the last row has no partner
    want = np.stack([row.reshape(2, 2, 2, 3).mean(axis=2) for row in rows], axis=1)
    np.testing.assert_allclose(logits_of(block, variables, images), np.maximum(want, 0), atol=1e-4)


def test_a_pooling_shortcut_that_strides_not_has_the_projection_alone():
    images = random_images(2, 4, 4, 3)
    options = {"kind": "basic", "width": 5}
    pooling = ResidualBlock(**options, shortcut="pooling")
    variables = random_variables(pooling, images)
    projection = logits_of(ResidualBlock(**options), variables, images)
    np.testing.assert_array_equal(logits_of(pooling, variables, images), projection)


def test_groups_and_widths_of_a_bottleneck():
    block = ResidualBlock(kind="bottleneck", width=8, output_width=12, groups=4)
    params = random_variables(block, random_images(2, 4, 4, 3))["params"]
    assert params["conv_1"]["conv"]["kernel"].shape == (1, 1, 3, 8)
    assert params["conv_2"]["conv"]["kernel"].shape == (3, 3, 2, 8)
    assert params["conv_3"]["conv"]["kernel"].shape == (1, 1, 8, 12)


@pytest.mark.parametrize(
    ("squeezes_last", "squeezed", "weighed"),
    [(True, 16, 64), (False, 10, 16)],  # a quarter of the 64 channels given, of the 40 taken
)
def test_squeeze_and_excitation_weighs_the_branch_and_not_the_input(
    squeezes_last, squeezed, weighed
):
    block = ResidualBlock(
        kind="bottleneck", width=16, squeeze_ratio=0.25, squeezes_last=squeezes_last
    )
    images = random_images(2, 4, 4, 40)
    variables = random_variables(block, images)
    se = variables["params"]["se"]
    assert se["reduce"]["kernel"].shape == (1, 1, weighed, squeezed)
    plain = block.clone(squeeze_ratio=0.0)
    half = jax.tree.map(jnp.zeros_like, se)  # a gate of sigmoid(0)
    halved = logits_of(block, variables | {"params": variables["params"] | {"se": half}}, images)
    params = {name: layer for name, layer in variables["params"].items() if name != "se"}
    end = params["conv_3"]
    if squeezes_last:
        end = end | {"bn": jax.tree.map(lambda x: x / 2, end["bn"])}
    else:
        end = end | {"conv": jax.tree.map(lambda x: x / 2, end["conv"])}
    want = logits_of(plain, variables | {"params": params | {"conv_3": end}}, images)
    np.testing.assert_allclose(halved, want, rtol=1e-4, atol=1e-4)


def test_initial_weights_and_a_block_that_starts_as_the_identity():
    block = ResidualBlock(kind="bottleneck", width=32)
    images = jnp.zeros((1, 2, 2, 128))
    params = jax.jit(lambda key: block.init(key, images, train=False))(jax.random.key(0))["params"]
    assert not params["conv_3"]["bn"]["scale"].any()
    assert (params["conv_2"]["bn"]["scale"] == 1).all()
    kernel = params["conv_3"]["conv"]["kernel"]
    assert kernel.std() == pytest.approx((2 / 128) ** 0.5, rel=0.05)  # fan_out, not fan_in


def test_drop_path_drops_whole_branches_in_training_only():
    block = ResidualBlock(kind="basic", width=3, drop_path_rate=0.5)
    images = jnp.abs(random_images(16, 4, 4, 3))
    variables = random_variables(block, images)

    @jax.jit
    def train(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return block.apply(variables, images, train=True, rngs=rngs, mutable=["batch_stats"])[0]

    first, same, other = train(0), train(0), train(1)
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    is_dropped = np.asarray([bool((x == y).all()) for x, y in zip(first, images, strict=True)])
    assert 0 < is_dropped.sum() < 16
    evaluated = logits_of(block, variables, images)
    assert not any((x == y).all() for x, y in zip(evaluated, images, strict=True))
