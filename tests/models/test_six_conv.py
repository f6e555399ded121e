import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import layers
from jaxcnn.models.six_conv import SixConv
from jaxcnn.models.summary import summarize

TINY = {"num_classes": 3, "widths": (4, 5), "depth": 2, "dense_widths": (6,)}
RECIPE = {"batch_norm": True, "global_pooling": "average", "dense_widths": (), "dropout_rate": 0.4}


def random_images(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)


def random_variables(model, images, seed=1):
    """Fill the network's variables with numpy, which spares the compilation of `init`."""
    shapes = jax.eval_shape(lambda key: model.init(key, images, train=False), jax.random.key(0))
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.abs(random.normal(size=leaf.shape)) * 0.3, leaf.dtype), shapes
    )


def logits_of(model, variables, images, **kwargs):
    return jax.jit(lambda v, x: model.apply(v, x, train=False, **kwargs))(variables, images)


CONVOLUTIONS = [896, 18_496, 73_856, 147_584, 295_168, 590_080]  # 9 * in * out + out


@pytest.mark.parametrize(
    ("options", "image_shape", "num_params"),
    [
        ({}, (150, 150, 3), sum(CONVOLUTIONS) + (2 * 2 * 256 + 1) * 128 + 129 * 2),
        ({}, (150, 150, 1), sum(CONVOLUTIONS) - 9 * 2 * 32 + (1024 + 1) * 128 + 129 * 2),
        ({"head": "sigmoid"}, (64, 64, 3), sum(CONVOLUTIONS) + 257 * 128 + 129),
        ({"depth": 2, "dense_widths": ()}, (8, 12, 3), 896 + 18_496 + (2 * 3 * 64 + 1) * 2),
        # No bias before BatchNorm, but a scale and an offset after: one number more a channel.
        (RECIPE, (96, 96, 3), sum(CONVOLUTIONS) + 864 + 257 * 2),
        (
            {"width_multiplier": 0.1, "depth": 2, "dense_widths": (7, 5)},
            (4, 4, 3),
            (27 * 3 + 3) + (27 * 6 + 6) + 7 * 7 + 8 * 5 + 6 * 2,
        ),
        ({"depth": 1, "kernel_size": 5, "dense_widths": ()}, (2, 2, 4), 32 * 101 + 33 * 2),
    ],
)
def test_number_of_parameters(options, image_shape, num_params):
    assert summarize(SixConv(num_classes=2, **options), image_shape).num_params == num_params


@pytest.mark.parametrize(
    ("options", "size", "pooled"),
    [
        ({}, (150, 150), [75, 37, 18, 9, 4, 2]),
        ({}, (96, 96), [48, 24, 12, 6, 3, 1]),
        ({"depth": 5, "padding": "valid"}, (150, 150), [74, 36, 17, 7, 2]),
        ({"padding": "valid"}, (190, 190), [94, 46, 22, 10, 4, 1]),
        ({"depth": 2, "padding": "valid", "kernel_size": 5}, (32, 32), [14, 5]),
        ({"depth": 2, "pool_size": 3, "pool_stride": 2}, (15, 15), [7, 3]),
        ({"depth": 2, "pool_size": 1, "pool_stride": 1}, (2, 2), [2, 2]),
        ({"pool_padding": "same"}, (96, 96), [48, 24, 12, 6, 3, 2]),
        ({"pool_padding": "same"}, (5, 5), [3, 2, 1, 1, 1, 1]),
        ({"depth": 2, "pool_padding": "same", "pool_size": 3}, (15, 15), [8, 4]),
    ],
)
def test_feature_map_sizes(options, size, pooled):
    model = SixConv(num_classes=2, width_multiplier=0.01, **options)
    rows = [row for row in summarize(model, (*size, 3)).rows if row.kind == "Pool"]
    assert [row.output_shape[:2] for row in rows] == [(n, n) for n in pooled]


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_norm": True, "pooling": "avg", "activation": "gelu", "padding": "valid"}],
)
@pytest.mark.parametrize("channels", [1, 5])
def test_gradient_is_finite_and_reaches_every_parameter(options, channels):
    model = SixConv(**TINY | options)
    images = random_images(4, 12, 10, channels)
    variables = random_variables(model, images)

    @jax.jit
    def gradient(params):
        def loss(params):
            logits, _ = model.apply(
                variables | {"params": params},
                images,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": jax.random.key(0)},
            )
            return jnp.square(logits).sum()

        return jax.grad(loss)(params)

    for path, leaf in jax.tree.leaves_with_path(gradient(variables["params"])):
        assert jnp.isfinite(leaf).all(), path
        assert jnp.abs(leaf).max() > 0, path


def test_dropout_acts_in_training_only_and_follows_its_key():
    model = SixConv(**TINY)
    images = random_images(2, 8, 8, 3)
    variables = random_variables(model, images)

    @jax.jit
    def train_logits(seed):
        key = jax.random.key(seed)
        return model.apply(variables, images, train=True, rngs={"dropout": key})

    first, same, other = train_logits(0), train_logits(0), train_logits(1)
    np.testing.assert_array_equal(first, same)
    assert not jnp.allclose(first, other)
    assert not jnp.allclose(first, logits_of(model, variables, images))


def test_without_dropout_training_needs_no_key():
    model = SixConv(**TINY | {"dropout_rate": 0.0})
    images = random_images(2, 8, 8, 3)
    variables = random_variables(model, images)
    logits = jax.jit(lambda v: model.apply(v, images, train=True))(variables)
    np.testing.assert_allclose(logits, logits_of(model, variables, images), rtol=1e-5)


def test_batch_norm_averages_move_in_training_and_keep_still_in_evaluation():
    model = SixConv(num_classes=2, widths=(4,), depth=1, dropout_rate=0.0, batch_norm=True)
    images = random_images(4, 6, 6, 3)
    variables = random_variables(model, images)

    def updated(train):
        run = jax.jit(lambda v: model.apply(v, images, train=train, mutable=["batch_stats"])[1])
        return run(variables)["batch_stats"]["block_1"]["bn"]

    before = variables["batch_stats"]["block_1"]["bn"]
    still, moved = updated(train=False), updated(train=True)
    np.testing.assert_array_equal(still["mean"], before["mean"])
    np.testing.assert_array_equal(still["var"], before["var"])
    kernel = variables["params"]["block_1"]["conv"]["kernel"]
    convolved = jax.lax.conv(
        images.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1), (1, 1), "SAME"
    )
    want = 0.9 * before["mean"] + 0.1 * convolved.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(moved["mean"], want, rtol=1e-4, atol=1e-5)


def test_one_block_computes_what_its_layers_say():
    model = SixConv(num_classes=2, widths=(1,), depth=1, kernel_size=1, dense_widths=())
    images = jnp.array([[[1.0], [-2.0]], [[3.0], [0.5]]])[None]
    variables = {
        "params": {
            "block_1": {"conv": {"kernel": jnp.full((1, 1, 1, 1), 2.0), "bias": jnp.ones(1)}},
            "head": {"linear": {"kernel": jnp.array([[1.0, -1.0]]), "bias": jnp.array([0.0, 4.0])}},
        }
    }
    for pooling, feature in (("max", 7.0), ("avg", (3 + 0 + 7 + 2) / 4)):
        logits = logits_of(model.clone(pooling=pooling), variables, images)
        np.testing.assert_allclose(logits, [[feature, 4 - feature]])


@pytest.mark.parametrize(("dtype", "head"), [(jnp.bfloat16, "softmax"), ("float16", "sigmoid")])
def test_half_precision_keeps_parameters_and_logits_in_float32(head, dtype):
    model = SixConv(**TINY | {"num_classes": 2, "head": head, "dtype": dtype} | RECIPE)
    images = random_images(2, 8, 8, 3, dtype=jnp.bfloat16)
    variables = random_variables(model, images)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
    logits = logits_of(model, variables, images)
    assert logits.dtype == jnp.float32
    assert logits.shape == (2, 1 if head == "sigmoid" else 2)
    whole = logits_of(model.clone(dtype=jnp.float32), variables, images.astype(jnp.float32))
    assert not (logits == whole).all()
    np.testing.assert_allclose(logits, whole, rtol=0.05, atol=0.05)


def test_vmap_over_parameters_equals_a_loop():
    model = SixConv(**TINY)
    images = random_images(2, 8, 8, 3)
    members = [random_variables(model, images, seed) for seed in (1, 2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    logits = jax.jit(jax.vmap(lambda v: model.apply(v, images, train=False)))(stacked)
    for member, want in zip(members, logits, strict=True):
        np.testing.assert_allclose(logits_of(model, member, images), want, rtol=1e-4, atol=1e-5)


def test_initial_weights_are_he_normal():
    model = SixConv(num_classes=2, widths=(64,), depth=1, dense_widths=())
    init = jax.jit(lambda key: model.init(key, jnp.zeros((1, 2, 2, 32)), train=False))
    kernel = init(jax.random.key(0))["params"]["block_1"]["conv"]["kernel"]
    assert kernel.std() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.03)


def test_lists_are_taken_for_tuples():
    assert hash(SixConv(num_classes=2, widths=[4, 5], depth=2, dense_widths=[6]))


def test_train_has_no_default():
    model = SixConv(**TINY)
    with pytest.raises(TypeError, match="train"):
        model.apply({}, jnp.zeros((1, 8, 8, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, r"num_classes \(=1\) must be at least 2"),
        ({"num_classes": 3, "head": "sigmoid"}, "num_classes=3; use head='softmax'"),
        ({"head": "sigmod"}, "unknown head 'sigmod'; known, nearest first: sigmoid, softmax"),
        ({"activation": "rellu"}, "unknown activation 'rellu'; known, nearest first: relu"),
        ({"padding": "SAME"}, "unknown padding 'SAME'; known, nearest first: same"),
        ({"pooling": "mean"}, "unknown pooling 'mean'"),
        ({"global_pooling": "avg"}, "unknown global_pooling 'avg'; known, nearest first: average"),
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"dtype": "bf16"}, "unknown dtype 'bf16'; known, nearest first: bfloat16"),
        ({"depth": 7}, r"depth \(=7\) exceeds the 6 widths"),
        ({"depth": 0}, "depth must be whole numbers above 0, got 0"),
        ({"widths": (8, 0)}, "widths must be whole numbers above 0, got 0"),
        ({"dense_widths": (1.5,)}, "dense_widths must be whole numbers above 0, got 1.5"),
        ({"pool_stride": 0}, "pool_stride must be"),
        ({"pool_padding": "full"}, "unknown pool_padding 'full'"),
        ({"width_multiplier": 0.0}, r"width_multiplier \(=0.0\)"),
        ({"dropout_rate": 1.0}, r"dropout_rate \(=1.0\) must lie in \[0, 1\)"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        SixConv(**{"num_classes": 2} | options)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        (
            {},
            (48, 48, 3),
            r"48x48 images are too small: block 6 of 6 gets a feature map of 1x1, .* 2x2 pooling "
            r"window; use images of at least 64 px a side or depth=5\.",
        ),
        ({}, (64, 63, 3), "64x63 .* block 6 of 6 gets a feature map of 2x1"),
        (
            {"padding": "valid"},
            (150, 150, 3),
            r"block 6 of 6 gets a feature map of 2x2, .* 3x3 kernel without padding and then a "
            r"2x2 .* at least 190 px a side or depth=5 or padding='same'\.",
        ),
        ({"depth": 1}, (1, 1, 3), r"block 1 of 1 .* use images of at least 2 px a side\."),
    ],
)
def test_images_too_small(options, shape, message):
    with pytest.raises(ValueError, match=message):
        SixConv(num_classes=2, **options).apply({}, jnp.zeros((1, *shape)), train=False)


@pytest.mark.parametrize(
    ("options", "smallest"),
    [
        ({}, 64),
        ({"padding": "valid"}, 190),
        ({"pool_size": 3, "pool_stride": 2}, 127),
        ({"padding": "valid", "pool_padding": "same"}, 127),
    ],
)
def test_the_size_named_by_the_error_is_the_smallest_that_fits(options, smallest):
    model = SixConv(num_classes=2, width_multiplier=0.01, **options)
    assert summarize(model, (smallest, smallest, 3))
    with pytest.raises(ValueError, match=f"at least {smallest} px"):
        summarize(model, (smallest - 1, smallest - 1, 3))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((150, 150, 3), np.float32), r"must be \(B, H, W, C\), got shape \(150, 150, 3\)"),
        (np.zeros((1, 150, 150, 3), np.uint8), "normalised floats, got uint8"),
    ],
)
def test_images_of_the_wrong_kind(images, message):
    with pytest.raises(ValueError, match=message):
        SixConv(num_classes=2).apply({}, images, train=False)


def test_padding_of_an_average_pooling_does_not_count():
    pool = layers.Pool(kind="avg", padding="same")
    np.testing.assert_array_equal(pool.apply({}, jnp.ones((1, 3, 3, 1))), np.ones((1, 2, 2, 1)))
