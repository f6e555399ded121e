import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import learn_by_heart, logits_of, random_images, random_variables

from jaxcnn.models import create_model, layers, stage_infos
from jaxcnn.models.resnet import ResNet

# Two stages, and both ways of a shortcut to another shape.
TINY = {"num_classes": 3, "block": "basic", "stage_sizes": (1, 2), "widths": (4, 8)}
TINY_RELATIVE = TINY | {
    "block": "bottleneck",
    "stage_sizes": (1, 1),
    "groups": 2,
    "width_per_group": 32,
    "squeeze_ratio": 0.25,
    "stem": "deep",
    "shortcut": "pooling",
}
TINY_CIFAR = TINY | {"stem": "small", "shortcut": "padding"}


@pytest.mark.parametrize(
    ("name", "num_classes", "channels", "num_parameters"),
    [
        ("resnet18", 1000, 3, 11_689_512),
        ("resnet34", 1000, 3, 21_797_672),
        ("resnet50", 1000, 3, 25_557_032),
        ("resnet101", 1000, 3, 44_549_160),
        ("resnet152", 1000, 3, 60_192_808),
        ("resnext50_32x4d", 1000, 3, 25_028_904),
        ("wide_resnet50_2", 1000, 3, 68_883_240),
        ("resnet50d", 1000, 3, 25_576_264),
        ("seresnet50", 1000, 3, 28_088_024),
        ("resnet20", 10, 3, 269_722),  # published as 0.27M, and so on
        ("resnet32", 10, 3, 464_154),
        ("resnet44", 10, 3, 658_586),
        ("resnet56", 10, 3, 853_018),
        ("resnet110", 10, 3, 1_727_962),
        ("resnet18", 2, 1, 11_689_512 - 998 * 513 - 2 * 64 * 49),
    ],
)
def test_number_of_parameters(name, num_classes, channels, num_parameters):
    model = create_model(name, num_classes)
    images = jax.ShapeDtypeStruct((1, 32, 32, channels), jnp.float32)
    variables = jax.eval_shape(
        lambda key, x: model.init(key, x, train=False), jax.random.key(0), images
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_parameters


@pytest.mark.parametrize(
    ("name", "strides", "channels"),
    [
        ("resnet18", (2, 4, 8, 16, 32), (64, 64, 128, 256, 512)),
        ("resnet50", (2, 4, 8, 16, 32), (64, 256, 512, 1024, 2048)),
        ("resnet18d", (2, 4, 8, 16, 32), (64, 64, 128, 256, 512)),
        ("resnet20", (1, 1, 2, 4), (16, 16, 32, 64)),
    ],
)
@pytest.mark.parametrize("image_shape", [(64, 96, 3), (61, 33, 1), (1, 1, 4)])
def test_stages_and_the_sizes_of_their_features(name, strides, channels, image_shape):
    model = create_model(name, 2, features_only=True)
    names = ("stem", "stage_1", "stage_2", "stage_3", "stage_4")[: len(strides)]
    infos = stage_infos(model, image_shape)
    assert infos == tuple(zip(names, strides, channels, strict=True))
    images = jax.ShapeDtypeStruct((2, *image_shape), jnp.float32)
    features, _ = jax.eval_shape(
        lambda key, x: model.init_with_output(key, x, train=False), jax.random.key(0), images
    )
    for stage, stride, width in infos:
        size = tuple(-(-n // stride) for n in image_shape[:2])
        assert features[stage].shape == (2, *size, width)


def test_without_head_the_vector_is_the_mean_of_the_last_stage():
    model = ResNet(**TINY | {"num_classes": 0})
    images = random_images(2, 17, 20, 1)
    variables = random_variables(model, images)
    vector = logits_of(model, variables, images)
    features = logits_of(model.clone(features_only=True), variables, images)
    np.testing.assert_allclose(vector, features["stage_2"].mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "is_zero"), [("resnet18", True), ("resnet50", True), ("resnet20", False)]
)
def test_which_variants_start_as_the_identity(name, is_zero):
    assert create_model(name, 2).zero_init_residual == is_zero


def test_drop_path_rates_rise_in_a_line_over_the_blocks():
    model = create_model("resnet18", 2, drop_path_rate=0.7)
    rates = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, layers.DropPath):
            rates.append(context.module.rate)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(
            lambda key: model.init(key, jnp.zeros((1, 8, 8, 3)), train=False), jax.random.key(0)
        )
    np.testing.assert_allclose(rates, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], atol=1e-6)


@pytest.mark.parametrize(
    ("train", "frozen", "moves"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_batch_norm_averages_move_in_training_unless_frozen(train, frozen, moves):
    model = ResNet(**TINY_CIFAR, freeze_batch_norm=frozen)
    images = random_images(4, 8, 8, 3)
    variables = random_variables(model, images)
    run = jax.jit(lambda v: model.apply(v, images, train=train, mutable=["batch_stats"])[1])
    after = jax.tree.leaves(run(variables)["batch_stats"])
    before = jax.tree.leaves(variables["batch_stats"])
    assert len(before) == 2 * 7
    assert [bool((a != b).any()) for a, b in zip(after, before, strict=True)] == [moves] * 14


def test_half_precision_keeps_parameters_and_logits_in_float32():
    images = random_images(2, 16, 16, 3)
    for options in (TINY, TINY_CIFAR):
        model = ResNet(**options | {"stage_sizes": (1, 1)})
        variables = random_variables(model, images)
        logits = logits_of(model.clone(dtype=jnp.bfloat16), variables, images)
        assert logits.dtype == jnp.float32
        whole = logits_of(model, variables, images)
        assert (logits != whole).any()
        np.testing.assert_allclose(logits, whole, atol=0.05 * np.abs(whole).max())


@pytest.mark.parametrize("options", [TINY, TINY_RELATIVE])
def test_a_batch_is_learnt_by_heart(options):
    model = ResNet(**options)
    images, labels = random_images(6, 16, 12, 3), jnp.arange(6) % 3
    losses, _, gradient = learn_by_heart(model, images, labels, learning_rate=0.1, num_steps=40)
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.abs(leaf).max() > 0, path


def test_lists_are_taken_for_tuples():
    assert hash(ResNet(num_classes=2, stage_sizes=[1], widths=[4]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "botleneck"}, "unknown block 'botleneck'; known, nearest first: bottleneck"),
        ({"stem": "cifar"}, "unknown stem 'cifar'"),
        ({"shortcut": "pad"}, "unknown shortcut 'pad'; known, nearest first: padding"),
        (
            {"stage_sizes": (2, 0), "widths": (4, 8)},
            "stage_sizes must be whole numbers above 0, got 0",
        ),
        ({"stage_sizes": (2, 2)}, r"stage_sizes \(=\(2, 2\)\) and widths .* one length"),
        ({"stage_sizes": (), "widths": ()}, "at least 1"),
        ({"widths": (4, 8, 8, -1)}, "widths must be whole numbers above 0, got -1"),
        (
            {"widths": (8, 4, 8, 8), "shortcut": "padding"},
            r"widths \(=\(8, 4, 8, 8\)\) must not fall with shortcut='padding'",
        ),
        ({"block": "basic", "groups": 2}, r"groups \(=2\) .* are for block='bottleneck'"),
        ({"block": "basic", "width_per_group": 4}, "groups=1 and width_per_group=64"),
        ({"groups": 0}, "groups and width_per_group must be whole numbers above 0, got 0"),
        ({"width_per_group": 1, "widths": (32,) * 4}, r"width_per_group \(=1\) leaves no channel"),
        ({"squeeze_ratio": -1.0}, r"squeeze_ratio \(=-1.0\) must lie in \[0, 1\)"),
        ({"drop_path_rate": 1.0}, r"drop_path_rate \(=1.0\) must lie in \[0, 1\)"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**{"num_classes": 2} | options)
