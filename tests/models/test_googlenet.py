from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.models import create_model, googlenet, stage_infos
from jaxcnn.models.googlenet import GoogLeNet

MODEL = GoogLeNet(num_classes=2, auxiliary_heads=True)
NARROW = (16, 8, 16, 8, 16, 16)
# The modules that differ by what stands around them, narrow: compiling all nine takes a minute.
FEW_MODULES = {
    "inception_3": {"a": NARROW},
    "inception_4": {"a": NARROW, "d": NARROW},
    "inception_5": {"b": NARROW},
}


def shapes_of(model, images):
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)


def zeros(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def random_variables(model, images):
    """Fill the network's variables with numpy, which spares the compilation of `init`."""
    random = np.random.default_rng(1)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return jnp.ones(leaf.shape)
        gain = (2 / np.prod(leaf.shape[:-1])) ** 0.5 if leaf.ndim > 1 else 0.0
        return jnp.asarray(gain * random.normal(size=leaf.shape), leaf.dtype)

    return jax.tree.map_with_path(draw, shapes_of(model, images))


@pytest.fixture(scope="module")
def trained():
    """Compile a step on one batch, (variables, opt_state, seed) to these, the loss and gradient."""
    images = jnp.asarray(np.random.default_rng(0).normal(size=(6, 24, 20, 3)), jnp.float32)
    labels = jnp.array([0, 1, 1, 0, 1, 0])
    optimizer = optax.sgd(0.03, momentum=0.9)

    @jax.jit
    def step(variables, opt_state, seed):
        def objective(params):
            logits, updated = MODEL.apply(
                variables | {"params": params},
                images,
                train=True,
                mutable=["batch_stats", "auxiliary"],
                rngs={"dropout": jax.random.key(seed)},
            )
            of = optax.softmax_cross_entropy_with_integer_labels
            auxiliary = [of(x, labels).mean() for x in jax.tree.leaves(updated["auxiliary"])]
            loss = of(logits, labels).mean()
            return loss + 0.3 * sum(auxiliary), (loss, updated["batch_stats"])

        gradient, (loss, batch_stats) = jax.grad(objective, has_aux=True)(variables["params"])
        updates, opt_state = optimizer.update(gradient, opt_state)
        params = optax.apply_updates(variables["params"], updates)
        return {"params": params, "batch_stats": batch_stats}, opt_state, loss, gradient

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(googlenet, "_WIDTHS", FEW_MODULES)
        variables = random_variables(MODEL, images)
        opt_state = optimizer.init(variables["params"])
        compiled = step.lower(variables, opt_state, jnp.int32(0)).compile()
    return compiled, variables, opt_state


@pytest.mark.slow
def test_one_batch_is_learnt(trained):
    step, variables, opt_state = trained
    losses = []
    for seed in map(jnp.int32, range(60)):
        variables, opt_state, loss, gradient = step(variables, opt_state, seed)
        losses.append(float(loss))
        if not losses[1:]:
            for path, leaf in jax.tree.leaves_with_path(gradient):
                assert jnp.isfinite(leaf).all(), path
                # A unit of a hidden layer may be dropped or dead; a whole layer is not.
                assert jnp.abs(leaf).max() > 0, path
    assert losses[0] > 0.4
    assert min(losses[-10:]) < 0.1  # a step whose dropout is kind; the hidden layers drop 70 %


def test_training_draws_and_moves_the_averages(trained):
    step, variables, opt_state = trained
    (moved, _, first, _), (_, _, again, _), (_, _, other, _) = (
        step(variables, opt_state, seed) for seed in map(jnp.int32, (0, 0, 1))
    )
    assert float(first) == float(again) != float(other)
    for path, leaf in jax.tree.leaves_with_path(moved["batch_stats"]):
        if path[-1].key == "mean":
            assert jnp.abs(leaf).max() > 0, path


@pytest.mark.parametrize(
    ("options", "num_parameters"),
    [
        ({"num_classes": 1000}, 6_624_904),
        ({"num_classes": 10}, 6_624_904 - 990 * 1025),
        ({"num_classes": 2, "head": "sigmoid"}, 6_624_904 - 999 * 1025),
        # 16 more weights for each pair of channels of the nine third branches.
        (
            {"num_classes": 1000, "large_kernel_size": 5},
            6_624_904
            + 16 * (16 * 32 + 32 * 96 + 16 * 48 + 24 * 64 * 2 + 32 * 64 + 32 * 128 * 2 + 48 * 128),
        ),
    ],
)
def test_number_of_parameters(options, num_parameters):
    variables = shapes_of(GoogLeNet(**options), zeros(1, 32, 32, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_parameters


def test_stages():
    infos = stage_infos(create_model("googlenet", 10), (224, 224, 3))
    assert infos == (
        ("stem_1", 2, 64),
        ("stem_2", 4, 192),
        ("inception_3", 8, 480),
        ("inception_4", 16, 832),
        ("inception_5", 32, 1024),
    )


@pytest.mark.parametrize(
    ("shape", "last"),
    [((15, 33, 1), (1, 1)), ((224, 224, 3), (7, 7)), ((230, 97, 4), (7, 3))],
)
def test_maps_are_rounded_up(shape, last):
    model = GoogLeNet(num_classes=2, features_only=True)
    images = zeros(1, *shape)
    features = jax.eval_shape(partial(model.apply, train=False), shapes_of(model, images), images)
    assert features["inception_5"].shape == (1, *last, 1024)


def test_half_precision_keeps_parameters_and_logits_in_float32():
    model = GoogLeNet(num_classes=3, dtype=jnp.bfloat16, auxiliary_heads=True)
    images = zeros(2, 32, 32, 3)
    variables = shapes_of(model, images)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
    apply = partial(
        model.apply,
        train=True,
        mutable=["batch_stats", "auxiliary"],
        rngs={"dropout": jax.random.key(0)},
    )
    logits, updated = jax.eval_shape(apply, variables, images)
    assert {x.dtype for x in jax.tree.leaves((logits, updated["auxiliary"]))} == {
        jnp.dtype(jnp.float32)
    }
    features = jax.eval_shape(
        partial(model.clone(features_only=True).apply, train=False), variables, images
    )
    assert {x.dtype for x in features.values()} == {jnp.dtype(jnp.bfloat16)}


def test_without_classes_there_is_a_vector():
    model = GoogLeNet(num_classes=0)
    images = zeros(2, 32, 32, 3)
    vectors = jax.eval_shape(partial(model.apply, train=False), shapes_of(model, images), images)
    assert vectors.shape == (2, 1024)


def test_images_too_small():
    with pytest.raises(ValueError, match=r"14x64 images are too small for GoogLeNet.* 15 px"):
        shapes_of(GoogLeNet(num_classes=2), zeros(1, 14, 64, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"large_kernel_size": 4}, r"large_kernel_size \(=4\) must be odd"),
        ({"large_kernel_size": 0}, "large_kernel_size must be whole numbers above 0, got 0"),
        ({"dropout_rate": 1.0}, r"dropout_rate \(=1.0\)"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        create_model("googlenet", 2, **options)
