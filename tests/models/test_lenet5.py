import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models.lenet5 import C3_INPUTS, LeNet5, SparseConv, Subsampling, scaled_tanh
from jaxcnn.models.summary import summarize


def random_array(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def random_variables(model, images):
    shapes = jax.eval_shape(lambda key: model.init(key, images, train=False), jax.random.key(0))
    return jax.tree.map(lambda leaf: 0.1 * random_array(*leaf.shape, dtype=leaf.dtype), shapes)


def test_layers_have_the_published_parameters_and_maps():
    summary = summarize(LeNet5(num_classes=10), (32, 32, 1))
    layers = {row.name: (row.num_params, row.output_shape) for row in summary.rows}
    assert layers["c1"] == (156, (28, 28, 6))
    assert layers["s2"] == (12, (14, 14, 6))
    assert layers["c3"] == (1516, (10, 10, 16))
    assert layers["s4"] == (32, (5, 5, 16))
    assert layers["c5"] == (48_120, (1, 1, 120))
    assert layers["f6"] == (10_164, (84,))
    assert layers["head/linear"] == (850, (10,))
    assert summary.num_params - 850 == 60_000


def test_c3_has_the_published_connections():
    # 151,600 connections on 10x10 maps: one for each weight, and one for each map's bias.
    assert 100 * (25 * sum(map(len, C3_INPUTS)) + 16) == 151_600
    assert [len(maps) for maps in C3_INPUTS] == [3] * 6 + [4] * 9 + [6]
    assert len(set(C3_INPUTS)) == 16
    # Each row of Table I has ten crosses.
    assert np.bincount(np.concatenate(C3_INPUTS)).tolist() == [10] * 6


def test_sparse_convolution_sees_only_its_inputs():
    layer = SparseConv(inputs=((0,), (1, 2)))
    variables = {"params": {"kernel": random_array(5, 5, 3), "bias": jnp.array([1.0, 2.0])}}
    x = random_array(1, 5, 5, 3, seed=1)
    first, second, third = np.sum(variables["params"]["kernel"] * x[0], axis=(0, 1))
    np.testing.assert_allclose(
        layer.apply(variables, x).ravel(), [first + 1, second + third + 2], rtol=1e-5
    )


def test_subsampling_sums_times_coefficient_plus_bias():
    x = random_array(2, 4, 5, 3)
    variables = {"params": {"coefficient": jnp.array([1.0, 2.0, 0.5]), "bias": jnp.arange(3.0)}}
    total = x[:, :, :4].reshape(2, 2, 2, 2, 2, 3).sum(axis=(2, 4))
    want = np.asarray(total) * [1.0, 2.0, 0.5] + [0.0, 1.0, 2.0]
    np.testing.assert_allclose(Subsampling().apply(variables, x), want, rtol=1e-5, atol=1e-6)


def test_scaled_tanh_maps_one_to_one():
    x = jnp.array([-1.0, 0.0, 1.0, 100.0])
    np.testing.assert_allclose(scaled_tanh(x), [-1.0, 0.0, 1.0, 1.7159], atol=1e-4)


def test_initial_weights_have_standard_deviation_of_inverse_root_fan_in():
    model = LeNet5(num_classes=10)
    init = jax.jit(lambda key: model.init(key, jnp.zeros((1, 32, 32, 1)), train=False))
    params = init(jax.random.key(0))["params"]
    assert params["c5"]["kernel"].std() == pytest.approx(400**-0.5, rel=0.03)
    assert params["f6"]["kernel"].std() == pytest.approx(120**-0.5, rel=0.03)
    sparse = params["c3"]["kernel"]  # 18 kernels of maps with 3 inputs, 36 with 4, 6 with 6
    assert sparse[:, :, :18].std() == pytest.approx(75**-0.5, rel=0.15)
    assert sparse[:, :, 54:].std() == pytest.approx(150**-0.5, rel=0.2)
    np.testing.assert_array_equal(params["s2"]["coefficient"], jnp.full(6, 0.25))


@pytest.mark.parametrize(
    ("options", "shape", "num_logits"),
    [
        ({"num_classes": 10}, (32, 32, 1), 10),
        ({"num_classes": 2, "head": "sigmoid"}, (37, 32, 3), 1),
        ({"num_classes": 3, "dtype": jnp.bfloat16}, (32, 32, 1), 3),
    ],
)
def test_gradient_is_finite_and_reaches_every_parameter(options, shape, num_logits):
    model = LeNet5(**options)
    images = random_array(2, *shape)
    variables = random_variables(model, images)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}

    def loss(params):
        logits = model.apply({"params": params}, images, train=True)
        return jnp.square(logits).sum(), logits

    (_, logits), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])
    assert logits.shape == (2, num_logits)
    assert logits.dtype == jnp.float32
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.isfinite(leaf).all(), path
        assert jnp.abs(leaf).max() > 0, path


def test_larger_images_grow_f6_alone():
    small, large = (summarize(LeNet5(num_classes=10), (n, n, 1)) for n in (32, 36))
    changed = [
        (a.name, b.num_params - a.num_params)
        for a, b in zip(small.rows, large.rows, strict=True)
        if a.num_params != b.num_params
    ]
    assert changed == [("f6", 3 * 120 * 84)]  # C5's maps are 2x2


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, (1, 28, 28, 1), "28x28 images are too small for LeNet5.*at least 32 px a side"),
        ({}, (1, 32, 31, 1), "32x31 images are too small"),
        ({}, (32, 32, 1), r"must be \(B, H, W, C\)"),
        ({"head": "sigmoid"}, (1, 32, 32, 1), "num_classes=10; use head='softmax'"),
        ({"head": "linear"}, (1, 32, 32, 1), "unknown head 'linear'"),
        ({"dtype": "int32"}, (1, 32, 32, 1), "unknown dtype 'int32'"),
    ],
)
def test_errors(options, shape, message):
    with pytest.raises(ValueError, match=message):
        LeNet5(num_classes=10, **options).apply({}, jnp.zeros(shape), train=False)
