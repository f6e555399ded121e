"""Names of the mobile networks, against published files and lists of their names."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import create_model
from jaxcnn.pretrained.formats import read_weights
from jaxcnn.pretrained.mapping import MappingError, fill, source_shapes
from jaxcnn.pretrained.names import names_of

SHARED = Path(os.environ.get("JAXCNN_SHARED", Path(__file__).parents[4] / "shared"))


def shapes_of(model, num_classes):
    images = jnp.zeros((1, 32, 32, 3))
    network = create_model(model, num_classes)
    return jax.eval_shape(lambda key: network.init(key, images, train=False), jax.random.key(0))


@pytest.mark.parametrize(
    ("model", "origin", "num_classes", "path"),
    [
        (
            "mobilenet_v1",
            "tensorflow_folded",
            1001,
            "mobilenet_v1_quant_coral/mobilenet_v1_1.0_224_dequantised.npz",
        ),
        (
            "mobilenet_v1_0.25",
            "keras",
            1000,
            "mobilenet_v1_0.25_224_keras/mobilenet_v1_0.25_224.h5",
        ),
        (
            "mobilenet_v2",
            "tensorflow_folded",
            1001,
            "mobilenet_v2_1.0_224_quant_coral/mobilenet_v2_1.0_224_dequantised.npz",
        ),
    ],
)
def test_published_files_fill_the_network(model, origin, num_classes, path):
    file = SHARED / "data" / "weights" / path
    if not file.exists():
        pytest.skip(f"{file} is not here")
    arrays = read_weights(file)
    names = names_of(model)[origin]
    variables = fill(shapes_of(model, num_classes), names, arrays)
    if origin == "keras":
        kernel = arrays["conv_preds/kernel"][0, 0]
    else:
        kernel = arrays["Logits/Conv2d_1c_1x1/kernel"][0, 0]
        # BatchNorm adds the folded bias, and else leaves what it gets as it is.
        bn = variables["params"]["stem"]["bn"]
        stem = "Conv" if model == "mobilenet_v2" else "Conv2d_0"
        np.testing.assert_array_equal(bn["bias"], arrays[f"{stem}/bias"])
        variance = variables["batch_stats"]["stem"]["bn"]["var"] + names.options["bn_epsilon"]
        np.testing.assert_allclose(bn["scale"] / np.sqrt(variance), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(variables["params"]["head"]["linear"]["kernel"], kernel)


_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def _slim_v1():
    convolutions = ["Conv2d_0/weights", "Logits/Conv2d_1c_1x1/weights"]
    for n in range(1, 14):
        convolutions += [f"Conv2d_{n}_depthwise/depthwise_weights", f"Conv2d_{n}_pointwise/weights"]
    return "MobilenetV1", convolutions


def _slim_v2():
    convolutions = ["Conv/weights", "Conv_1/weights", "Logits/Conv2d_1c_1x1/weights"]
    for n in range(17):
        block = f"expanded_conv_{n}" if n else "expanded_conv"
        convolutions += [f"{block}/depthwise/depthwise_weights", f"{block}/project/weights"]
        convolutions += [f"{block}/expand/weights"] if n else []
    return "MobilenetV2", convolutions


@pytest.mark.parametrize(
    ("model", "published"), [("mobilenet_v1", _slim_v1()), ("mobilenet_v2", _slim_v2())]
)
def test_names_of_tensorflow_checkpoints(model, published):
    scope, convolutions = published
    want = {f"{scope}/Logits/Conv2d_1c_1x1/biases"}
    for convolution in convolutions:
        want.add(f"{scope}/{convolution}")
        layer = convolution.rpartition("/")[0]
        if "Logits" not in layer:
            want |= {f"{scope}/{layer}/BatchNorm/{word}" for word in _NORM}
    names = names_of(model)["tensorflow"]
    shapes = source_shapes(shapes_of(model, 1001), names)
    assert set(shapes) == want
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    arrays["global_step"] = np.zeros((), np.int64)
    arrays[f"{scope}/{convolutions[0]}/ExponentialMovingAverage"] = np.zeros(3)
    assert fill(shapes_of(model, 1001), names, arrays)


@pytest.mark.parametrize(
    "model", ["mobilenet_v1", "mobilenet_v3_small", "resnet18", "vgg11", "inception_v3"]
)
@pytest.mark.parametrize(
    "path",
    [
        ("head", "dense"),
        ("stage_9", "conv"),
        ("stage_5", "block_99", "attend", "conv"),
        ("stage_1", "block_2", "depthwise", "offset"),
        ("inception_9", "a", "branch_1", "conv_1", "bn"),
    ],
)
def test_an_unknown_module_has_no_name(model, path):
    for names in names_of(model).values():
        with pytest.raises(MappingError, match=f"no name is known for the layer {'/'.join(path)}"):
            names.module_name(path)


@pytest.mark.parametrize("model", ["efficientnet_lite0", "mobilenet_v3_small"])
def test_a_block_that_the_network_has_not_has_no_name(model):
    path = ("stage_5", "block_99", "depthwise", "conv")
    with pytest.raises(MappingError, match=r"stage_5/block_99/depthwise/conv; .* another size"):
        names_of(model)["timm"].module_name(path)
