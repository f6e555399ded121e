"""A network without BatchNorm must answer as it did with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from seeded_weights import seeded_images

from jaxcnn.models import create_model, fold_batch_norm, list_models
from jaxcnn.models.folding import fold_convolution

# Name, options that make it small or unusual, and the side of its images, px.
NUMERIC = [
    ("six_conv", {"batch_norm": True, "depth": 2}, 16),
    ("six_conv", {"batch_norm": False, "depth": 2}, 16),
    ("resnet18", {"zero_init_residual": False}, 32),
    ("resnet20", {"bn_epsilon": 0.01}, 16),
    ("seresnext50_32x4d", {"stage_sizes": (1,), "widths": (64,), "zero_init_residual": False}, 16),
    ("regnet_y_400mf", {"depth": 3}, 16),
    ("vgg11_bn", {"hidden_width": 8}, 32),
    ("mobilenet_v1", {"width_multiplier": 0.25}, 32),
    ("mobilenet_v3_small", {}, 32),
    pytest.param("efficientnet_lite0", {}, 32, marks=pytest.mark.slow),
    ("densenet121", {"stage_sizes": (1, 2, 1, 1), "growth_rate": 8, "bn_epsilon": 0.01}, 32),
    ("efficientnet_v2_b0", {"depth_multiplier": 0.1, "width_multiplier": 0.2}, 32),
    pytest.param("shufflenet_v2_x0_5", {}, 32, marks=pytest.mark.slow),
    ("googlenet", {"auxiliary_heads": True}, 64),
    ("inception_v3", {}, 80),
]


def drawn(shapes):
    """Fill shapes with numbers that make BatchNorm matter; kernels keep the signal's variance."""
    draws = np.random.default_rng(0)

    def draw(path, leaf):
        kind = path[-1].key
        if kind == "kernel":
            fan_in = np.prod(leaf.shape[:-1])
            return (draws.standard_normal(leaf.shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        if kind in ("var", "scale"):
            return draws.uniform(0.3, 2.0, leaf.shape).astype(np.float32)
        return (0.3 * draws.standard_normal(leaf.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def variable_shapes(model, size_px):
    images = jax.ShapeDtypeStruct((1, size_px, size_px, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)


def evaluate(model, variables, images):
    # Compiled in a hurry, since each program runs once.
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    step = jax.jit(lambda v, x: model.apply(v, x, train=False), compiler_options=quick)
    return np.asarray(step(variables, images))


@pytest.mark.parametrize(("name", "options", "size_px"), NUMERIC)
def test_folded_logits_are_the_logits(name, options, size_px):
    model = create_model(name, 5, **options)
    variables = drawn(variable_shapes(model, size_px))
    images = seeded_images((2, size_px, size_px, 3))
    folded, folded_variables = fold_batch_norm(model, variables)
    want = evaluate(model, variables, images)
    got = evaluate(folded, folded_variables, images)
    assert np.ptp(want) > 0
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


QUICK = (
    "alexnet",
    "lenet5",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "resnet50",
    "efficientnet_lite0",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in list_models()],
)
def test_every_network_takes_its_folded_variables(name):
    model = create_model(name, 2)
    shapes = variable_shapes(model, 96)
    folded = fold_batch_norm(model, {"params": {}, "batch_stats": {}})[0]
    got = jax.eval_shape(lambda v: fold_batch_norm(model, v)[1], shapes)
    assert got["batch_stats"] == {}
    assert "'bn'" not in str(jax.tree_util.tree_structure(got))
    assert jax.tree.map(lambda x: x.shape, got["params"]) == jax.tree.map(
        lambda x: x.shape, variable_shapes(folded, 96)["params"]
    )


def test_folding_twice_changes_nothing():
    model = create_model("six_conv", 2, batch_norm=True, depth=1)
    once = fold_batch_norm(model, drawn(variable_shapes(model, 8)))
    twice = fold_batch_norm(*once)
    assert twice[0] == once[0]
    assert jax.tree.all(jax.tree.map(np.array_equal, twice[1], once[1]))


def test_batch_norm_that_is_the_identity_leaves_the_kernels():
    model = create_model("six_conv", 2, batch_norm=True, depth=1)
    variables = drawn(variable_shapes(model, 8))
    block = variables["params"]["block_1"]
    block["bn"] = {"scale": np.ones_like(block["bn"]["scale"]), "bias": block["bn"]["bias"]}
    stats = variables["batch_stats"]["block_1"]["bn"]
    stats["mean"], stats["var"] = np.zeros_like(stats["mean"]), np.full_like(stats["var"], 1 - 1e-5)
    folded = fold_batch_norm(model, variables)[1]["params"]["block_1"]["conv"]
    np.testing.assert_allclose(folded["kernel"], block["conv"]["kernel"], rtol=1e-6)
    np.testing.assert_allclose(folded["bias"], block["bn"]["bias"], rtol=1e-6)


@pytest.mark.parametrize("parts", [(), ("scale",), ("bias",), ("scale", "bias")])
def test_a_batch_norm_without_scale_or_shift_folds_too(parts):
    draws = np.random.default_rng(1)
    x, kernel = draws.standard_normal((4, 6)), draws.standard_normal((6, 3))
    bn = {name: draws.uniform(0.5, 2, 3).astype(np.float32) for name in parts}
    averages = {name: draws.uniform(0.5, 2, 3).astype(np.float32) for name in ("mean", "var")}
    folded = fold_convolution({"kernel": kernel.astype(np.float32)}, bn, averages, epsilon=0.1)
    normal = (x @ kernel - averages["mean"]) / np.sqrt(averages["var"] + 0.1)
    want = normal * bn.get("scale", 1) + bn.get("bias", 0)
    got = x @ np.asarray(folded["kernel"]) + np.asarray(folded["bias"])
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_missing_averages_are_named():
    model = create_model("six_conv", 2, batch_norm=True, depth=1)
    variables = drawn(variable_shapes(model, 8))
    with pytest.raises(ValueError, match="no averages of block_1/bn"):
        fold_batch_norm(model, {"params": variables["params"]})
