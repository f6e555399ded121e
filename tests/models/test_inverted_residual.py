import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import layers
from jaxcnn.models.inverted_residual import Block, InvertedResidual, Squeeze, split_by_resolution

PLAIN = Block(kernel_size=3, hidden_width=6, width=3)


def random_images(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def random_variables(module, images):
    """Fill the module's variables with numpy, which spares the compilation of `init`."""
    shapes = jax.eval_shape(lambda key: module.init(key, images, train=False), jax.random.key(0))
    random = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.uniform(0.5, 1.5, leaf.shape), leaf.dtype), shapes
    )


def apply(module, variables, images):
    return jax.jit(lambda v, x: module.apply(v, x, train=False))(variables, images)


@pytest.mark.parametrize(
    ("block", "layer_names", "adds_input"),
    [
        (PLAIN, {"expand", "depthwise", "project"}, True),
        (PLAIN._replace(hidden_width=3), {"depthwise", "project"}, True),
        (PLAIN._replace(stride=2), {"expand", "depthwise", "project"}, False),
        (PLAIN._replace(width=5), {"expand", "depthwise", "project"}, False),
        (PLAIN._replace(squeeze=Squeeze(2)), {"expand", "depthwise", "se", "project"}, True),
        (PLAIN._replace(kind="separable", hidden_width=3), {"depthwise", "pointwise"}, False),
        (PLAIN._replace(kind="fused"), {"fused", "project"}, True),
        (PLAIN._replace(kind="fused", stride=2), {"fused", "project"}, False),
        (PLAIN._replace(kind="fused", hidden_width=3), {"fused"}, True),
        (PLAIN._replace(kind="fused", hidden_width=5, width=5), {"fused"}, False),
    ],
)
def test_layers_of_a_block_and_its_shortcut(block, layer_names, adds_input):
    images = random_images(2, 5, 6, 3)
    module = InvertedResidual(block=block)
    variables = random_variables(module, images)
    assert set(variables["params"]) == layer_names
    # Without the last scale and offset nothing is left of the branch.
    last = module.block.layer_names(3)[-1]
    variables["params"][last]["bn"] = {
        "scale": jnp.zeros(block.width),
        "bias": jnp.zeros(block.width),
    }
    height, width = (-(-n // block.stride) for n in (5, 6))
    want = images if adds_input else jnp.zeros((2, height, width, block.width))
    np.testing.assert_array_equal(apply(module, variables, images), want)


def test_no_activation_follows_the_projection():
    images = random_images(2, 4, 4, 3)
    module = InvertedResidual(block=PLAIN._replace(width=2))
    variables = random_variables(module, images)
    variables["params"]["project"]["bn"]["bias"] = jnp.full(2, -1e3)
    assert apply(module, variables, images).min() < 0


def test_the_kernel_of_a_fused_block_sees_all_channels():
    images = random_images(2, 5, 6, 3)
    for hidden_width in (6, 3):
        block = PLAIN._replace(kind="fused", kernel_size=5, hidden_width=hidden_width)
        kernel = random_variables(InvertedResidual(block=block), images)["params"]["fused"]["conv"]
        assert kernel["kernel"].shape == (5, 5, 3, hidden_width)


def test_padding_differs_at_stride_two_on_even_sizes_alone():
    module = InvertedResidual(block=PLAIN._replace(stride=2))
    for size, differs in ((6, True), (7, False)):
        images = random_images(2, size, size, 3)
        variables = random_variables(module, images)
        symmetric = apply(module, variables, images)
        same = apply(module.clone(padding="same"), variables, images)
        assert symmetric.shape == same.shape == (2, -(-size // 2), -(-size // 2), 3)
        assert bool((symmetric != same).any()) == differs


def test_drop_path_drops_whole_branches_in_training_only():
    module = InvertedResidual(
        block=PLAIN._replace(drop_path_rate=0.5), bn=layers.BatchNorm(frozen=True)
    )
    images = random_images(16, 4, 4, 3)
    variables = random_variables(module, images)

    @jax.jit
    def train(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return module.apply(variables, images, train=True, rngs=rngs)

    first, same, other = train(0), train(0), train(1)
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    branch = np.asarray(apply(module, variables, images) - images)
    kept = np.abs(first - images).max(axis=(1, 2, 3)) > 0
    assert 0 < kept.sum() < 16
    np.testing.assert_allclose((first - images)[kept], 2 * branch[kept], rtol=1e-4, atol=1e-4)


def test_blocks_are_cut_before_each_that_strides():
    strides = (1, 2, 1, 2, 2, 1)
    blocks = [PLAIN._replace(hidden_width=n, stride=s) for n, s in enumerate(strides)]
    stages = split_by_resolution(blocks)
    assert [[b.hidden_width for b in stage] for stage in stages] == [[0], [1, 2], [3], [4, 5]]
