"""The EfficientNets, MNASNet and the MobileNets, which have most of their behaviour in common."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import learn_by_heart, logits_of, random_images, random_variables

from jaxcnn.models import (
    create_model,
    efficientnet,
    efficientnet_lite,
    efficientnet_v2,
    layers,
    mobilenet_v1,
    mobilenet_v3,
    stage_infos,
)
from jaxcnn.models.efficientnet import EfficientNet
from jaxcnn.models.efficientnet_lite import EfficientNetLite
from jaxcnn.models.efficientnet_v2 import EfficientNetV2
from jaxcnn.models.inverted_residual import InvertedResidual
from jaxcnn.models.layers.batch_norm import BatchNormLayer
from jaxcnn.models.mnasnet import MNASNet
from jaxcnn.models.mobilenet_v1 import MobileNetV1
from jaxcnn.models.mobilenet_v2 import MobileNetV2
from jaxcnn.models.mobilenet_v3 import SMALL, MobileNetV3

# Narrow, and as shallow as they can be.
TINY = {
    "efficientnet": EfficientNet(num_classes=3, width_multiplier=0.1, depth_multiplier=0.1),
    "efficientnet_lite": EfficientNetLite(
        num_classes=3, width_multiplier=0.1, depth_multiplier=0.1
    ),
    "efficientnet_v2": EfficientNetV2(
        num_classes=3, size="base", width_multiplier=0.1, depth_multiplier=0.1
    ),
    "mobilenet_v1": MobileNetV1(num_classes=3, width_multiplier=0.05),
    "mobilenet_v2": MobileNetV2(num_classes=3, width_multiplier=0.1),
    "mobilenet_v3": MobileNetV3(num_classes=3, size="small", width_multiplier=0.1),
}
FAMILIES = sorted(set(TINY) - {"efficientnet"})  # EfficientNetV2 has its blocks too


@pytest.fixture
def shallow(monkeypatch):
    """Leave three or four blocks of each network, which spares compilation."""
    repeats = efficientnet_lite.REPEATS
    for family in (efficientnet, efficientnet_lite):
        monkeypatch.setattr(family, "REPEATS", repeats[:2] + repeats[-1:])
    table = efficientnet_v2.TABLES["base"]
    table = table._replace(repeats=table.repeats[:2] + table.repeats[-1:])
    monkeypatch.setattr(efficientnet_v2, "TABLES", {"base": table})
    monkeypatch.setattr(mobilenet_v1, "REPEATS", mobilenet_v1.REPEATS[:2])
    monkeypatch.setattr(mobilenet_v3, "ROWS", {"small": SMALL[:4]})


def quiet(model):
    """Take away what draws in training."""
    has_drop_path = hasattr(model, "drop_path_rate")
    return model.clone(dropout_rate=0.0, **({"drop_path_rate": 0.0} if has_drop_path else {}))


def shapes_of(model, image_shape, *, train=False):
    images = jax.ShapeDtypeStruct((2, *image_shape), jnp.float32)
    return jax.eval_shape(
        lambda key, x: model.init_with_output(key, x, train=train), jax.random.key(0), images
    )


def calls_of(module_type, model, read, *, train=False):
    """Trace the network, and read something off each module of a type that it calls."""
    seen = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, module_type) and context.method_name == "__call__":
            seen.append(read(context.module))
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        shapes_of(model, (32, 32, 3), train=train)
    return seen


@pytest.mark.parametrize(
    ("name", "options", "num_parameters"),
    [
        ("efficientnet_lite0", {}, 4_652_008),
        ("efficientnet_lite1", {}, 5_416_680),
        ("efficientnet_lite2", {}, 6_092_072),
        ("efficientnet_lite3", {}, 8_197_096),
        ("efficientnet_lite4", {}, 13_006_568),
        ("mobilenet_v1", {}, 4_231_976),
        ("mobilenet_v1_0.75", {}, 2_585_560),
        ("mobilenet_v1_0.5", {}, 1_331_592),
        ("mobilenet_v1_0.25", {}, 470_072),
        ("mobilenet_v2", {}, 3_504_872),
        ("mobilenet_v2", {"width_multiplier": 0.5}, 1_968_680),
        ("mobilenet_v2", {"width_multiplier": 1.4}, 6_108_776),
        ("mobilenet_v3_large", {}, 5_483_032),
        ("mobilenet_v3_small", {}, 2_542_856),
        ("mobilenet_v3_large", {"width_multiplier": 0.75}, 3_377_576),
    ],
)
def test_number_of_parameters(name, options, num_parameters):
    _, variables = shapes_of(create_model(name, 1000, **options), (32, 32, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_parameters


STAGES = [f"stage_{n}" for n in range(1, 6)]


@pytest.mark.parametrize(
    ("image_shape", "padding"), [((64, 96, 1), "same"), ((75, 33, 3), "symmetric")]
)
@pytest.mark.parametrize(
    ("name", "names", "strides", "channels"),
    [
        (
            "efficientnet_lite0",
            ["stem", *STAGES, "conv_head"],
            [2, 2, 4, 8, 16, 32, 32],
            [32, 16, 24, 40, 112, 320, 1280],
        ),
        ("mobilenet_v1", ["stem", *STAGES], [2, 2, 4, 8, 16, 32], [32, 64, 128, 256, 512, 1024]),
        (
            "mobilenet_v2",
            ["stem", *STAGES, "conv_head"],
            [2, 2, 4, 8, 16, 32, 32],
            [32, 16, 24, 32, 96, 320, 1280],
        ),
        (
            "mobilenet_v3_large",
            ["stem", *STAGES, "conv_head"],
            [2, 2, 4, 8, 16, 32, 32],
            [16, 16, 24, 40, 112, 160, 960],
        ),
        (
            "mobilenet_v3_small",
            ["stem", *STAGES[:4], "conv_head"],
            [2, 4, 8, 16, 32, 32],
            [16, 16, 24, 48, 96, 576],
        ),
    ],
)
def test_stages_and_the_sizes_of_their_features(
    name, names, strides, channels, image_shape, padding
):
    model = create_model(name, 2, features_only=True, padding=padding)
    if padding == "same":
        infos = stage_infos(model, image_shape)
        assert infos == tuple(zip(names, strides, channels, strict=True))
    features, _ = shapes_of(model, image_shape)
    for stage, stride, width in zip(names, strides, channels, strict=True):
        size = tuple(-(-n // stride) for n in image_shape[:2])
        assert features[stage].shape == (2, *size, width)


@pytest.mark.parametrize(
    ("model", "channels"),
    [
        (EfficientNet(num_classes=2, depth_multiplier=0.1), [32, 16, 24, 40, 112, 320, 1280]),
        (
            EfficientNetV2(num_classes=2, size="l", depth_multiplier=0.01),
            [32, 32, 64, 96, 224, 640, 1280],
        ),
    ],
)
def test_stages_of_the_efficientnets(model, channels):
    names, strides = ["stem", *STAGES, "conv_head"], [2, 2, 4, 8, 16, 32, 32]
    infos = stage_infos(model, (64, 96, 3))
    assert infos == tuple(zip(names, strides, channels, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_of_one_pixel_in_half_precision_and_without_head(family):
    model = TINY[family].clone(num_classes=0, dtype=jnp.bfloat16)
    vector, variables = shapes_of(model, (1, 1, 4))
    assert (vector.ndim, vector.dtype) == (2, jnp.float32)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
    dtypes = calls_of(layers.ConvBlock, model, lambda block: block.dtype)
    assert set(dtypes) == {jnp.bfloat16}


@pytest.mark.parametrize("padding", layers.PADDINGS_OF_ORIGINS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_convolution_that_strides_has_the_padding(family, padding):
    model = TINY[family].clone(padding=padding)
    paddings = calls_of(layers.ConvBlock, model, lambda b: b.strides > 1 and b.padding)
    assert [p for p in paddings if p] == [padding] * 5


@pytest.mark.parametrize(
    ("model", "constants"),
    [
        (TINY["efficientnet_lite"], (0.99, 1e-3, False)),
        (TINY["efficientnet"], (0.9, 1e-5, False)),
        (create_model("efficientnet_b5", 3, depth_multiplier=0.1), (0.99, 1e-3, False)),
        (TINY["efficientnet_v2"], (0.9, 1e-3, False)),
        (MNASNet(num_classes=3, width_multiplier=0.1), (0.9997, 1e-5, False)),
        (TINY["mobilenet_v1"], (0.99, 1e-3, False)),
        (TINY["mobilenet_v2"], (0.9, 1e-5, False)),
        (TINY["mobilenet_v3"], (0.99, 1e-3, False)),
        (TINY["mobilenet_v1"].clone(bn_momentum=0.5, bn_epsilon=0.1), (0.5, 0.1, False)),
        (TINY["mobilenet_v3"].clone(freeze_batch_norm=True), (0.99, 1e-3, True)),
        (TINY["mobilenet_v1"].clone(freeze_batch_norm=True), (0.99, 1e-3, True)),
    ],
)
def test_every_batch_norm_has_the_constants_and_is_frozen_on_demand(model, constants):
    model = quiet(model)
    layer = BatchNormLayer
    found = calls_of(layer, model, lambda bn: tuple(bn.constants[:3]), train=True)
    assert set(found) == {constants}


@pytest.mark.parametrize(
    ("model", "shares"),
    [
        (TINY["efficientnet"], [n / 7 for n in range(7)]),
        (TINY["efficientnet_lite"], [n / 7 for n in range(7)]),
        (TINY["efficientnet_v2"], [n / 6 for n in range(6)]),
        (TINY["mobilenet_v2"], [n / 16 for n in range(17)]),
        (TINY["mobilenet_v3"], [n / 10 for n in range(11)]),
    ],
)
def test_drop_path_rates_rise_in_a_line_over_the_blocks(model, shares):
    model = model.clone(drop_path_rate=0.4)
    rates = calls_of(InvertedResidual, model, lambda module: module.block.drop_path_rate)
    np.testing.assert_allclose(rates, [0.4 * share for share in shares], atol=1e-7)


@pytest.mark.usefixtures("shallow")
def test_half_precision_is_near_to_single():
    model = TINY["efficientnet_lite"]
    images = random_images(2, 33, 40, 1)
    variables = random_variables(model, images)
    whole = logits_of(model, variables, images)
    half = logits_of(model.clone(dtype=jnp.bfloat16), variables, images)
    assert (half != whole).any()
    np.testing.assert_allclose(half, whole, atol=0.1 * np.abs(whole).max())


@pytest.mark.usefixtures("shallow")
def test_the_hidden_layer_of_v3_sees_the_mean_of_the_last_stage():
    model = TINY["mobilenet_v3"].clone(num_classes=0)
    images = random_images(2, 33, 40, 3)
    variables = random_variables(model, images)
    features = logits_of(model.clone(features_only=True), variables, images)
    fc = variables["params"]["fc"]
    hidden = features["conv_head"].mean(axis=(1, 2)) @ fc["kernel"] + fc["bias"][None]
    vector = logits_of(model, variables, images)
    np.testing.assert_allclose(vector, nn.hard_swish(hidden), rtol=1e-4, atol=1e-4)


# MobileNet v2 and MNASNet are made of EfficientNet-Lite's blocks.
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    "family",
    [
        "efficientnet_lite",
        "efficientnet_v2",
        "mobilenet_v1",
        "mobilenet_v3",
        pytest.param("efficientnet", marks=pytest.mark.slow),
    ],
)
def test_a_batch_is_learnt_by_heart_and_its_statistics_are_collected(family):
    model = quiet(TINY[family])
    images, labels = random_images(6, 16, 24, 3), jnp.arange(6) % 3
    before = random_variables(model, images)
    losses, variables, _ = learn_by_heart(model, images, labels, learning_rate=0.05, num_steps=120)
    assert losses[0] > 0.5
    assert losses[-1] < 0.2
    after = jax.tree.leaves_with_path(variables["batch_stats"])
    for (path, new), old in zip(after, jax.tree.leaves(before["batch_stats"]), strict=True):
        assert (new != old).any(), path


def test_the_first_and_the_last_repeats_are_not_scaled():
    widths = [
        block.width for block in EfficientNetLite(num_classes=3, depth_multiplier=1.8).blocks()
    ]
    assert [len(list(row)) for _, row in itertools.groupby(widths)] == [1, 4, 4, 6, 6, 8, 1]


def test_a_quarter_of_the_blocks_input_is_squeezed():
    blocks = create_model("efficientnet_b1", 3).blocks()
    assert [block.squeeze.width for block in blocks[:6]] == [8, 4, 4, 6, 6, 6]
    fused = create_model("efficientnet_v2_b0", 3).blocks()
    assert [block.squeeze and block.squeeze.width for block in fused[:7]] == [
        *[None] * 5,
        12,
        24,
    ]


def test_b3_of_the_second_version_rounds_widths_to_the_nearest_multiple():
    model = create_model("efficientnet_v2_b3", 3)
    assert (model.stem_width, model.blocks()[0].width, model.head_width) == (40, 16, 1536)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("efficientnet_lite0", {"depth_multiplier": 0.0}, r"depth_multiplier \(=0.0\) must be"),
        ("efficientnet_b0", {"depth_multiplier": -1.0}, r"depth_multiplier \(=-1.0\) must be"),
        ("efficientnet_v2_s", {"size": "xl"}, "unknown size 'xl'; known, nearest first: "),
        ("efficientnet_lite3", {"padding": "SAME"}, "unknown padding 'SAME'; known, nearest"),
        ("efficientnet_lite0", {"drop_path_rate": 1.0}, r"drop_path_rate \(=1.0\) must lie"),
        ("mobilenet_v1", {"width_multiplier": -1.0}, r"width_multiplier \(=-1.0\) must be"),
        ("mobilenet_v1", {"padding": "valid"}, "unknown padding 'valid'"),
        ("mobilenet_v2", {"width_multiplier": float("nan")}, r"width_multiplier \(=nan\)"),
        ("mobilenet_v2", {"drop_path_rate": -0.1}, r"drop_path_rate \(=-0.1\) must lie"),
        ("mobilenet_v3_large", {"size": "medium"}, "unknown size 'medium'; known, nearest first"),
        ("mobilenet_v3_small", {"width_multiplier": 0}, r"width_multiplier \(=0\) must be"),
    ],
)
def test_options_out_of_range(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, 2, **options)
