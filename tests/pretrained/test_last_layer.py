"""The layer that makes the logits is found by its place and its name, or the network has none."""

import numpy as np
import pytest

from jaxcnn.pretrained.last_layer import find_last_layer
from jaxcnn.pretrained.mapping import Names

TORCH = Names(lambda path: "fc", "torch", optional=r"^AuxLogits\.")
KERAS = Names(lambda path: "predictions", "keras")
WANTED = {"stem.weight": (8, 3, 3, 3), "fc.weight": (10, 8), "fc.bias": (10,)}
WANTED_BY_KERAS = {"stem/kernel": (3, 3, 3, 8), "predictions/kernel": (8, 10)}
WANTED_BY_KERAS["predictions/bias"] = (10,)


def found(shapes, others=(), names=TORCH, wanted=WANTED):
    taken, beside = (
        {
            name: np.arange(1, 1 + np.prod(s), dtype=np.float32).reshape(s)
            for name, s in each.items()
        }
        for each in (shapes, dict(others))
    )
    return find_last_layer(names, taken, beside, wanted)


@pytest.mark.parametrize("module", ["head", "head.fc", "model.classifier", "fc.1", "head.fc.0"])
def test_one_layer_that_is_called_like_a_last_layer_is_taken(module):
    layer = found({}, {f"{module}.weight": (3, 8), f"{module}.bias": (3,), "steps": ()})
    assert (layer.num_classes, layer.module) == (3, module)
    assert set(layer.arrays) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("module", ["dense", "dense_4", "top/dense", "classifier"])
def test_keras_counts_layers_without_a_name(module):
    shapes = {f"{module}/kernel": (8, 4), f"{module}/bias": (4,)}
    layer = found({}, shapes, KERAS, WANTED_BY_KERAS)
    assert (layer.num_classes, layer.module) == (4, module)


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"projector.weight": (8, 8)},  # not called so
        {"head.weight": (3, 9)},  # other features
        {"fc.0.weight": (5, 8), "fc.2.weight": (3, 5)},  # two layers
        {"head.weight": (3, 8), "classifier.weight": (3, 8)},  # which?
        {"AuxLogits.fc.weight": (3, 8)},  # an auxiliary one
        {"head.gamma": (3, 8)},  # no weights of a dense layer
    ],
)
def test_anything_else_is_no_last_layer(others):
    layer = found({"stem.weight": (8, 3, 3, 3)}, others)
    assert (layer.num_classes, layer.module) == (0, "")
    assert set(layer.arrays) == {"stem.weight"}


def test_what_a_file_has_in_its_place_is_left_out():
    layer = found({"stem.weight": (8, 3, 3, 3), "fc.0.weight": (5, 8), "fc.2.weight": (3, 5)})
    assert set(layer.arrays) == {"stem.weight"}
    assert layer.told == ("it has no last layer (left out: fc.0.weight, fc.2.weight)",)


@pytest.mark.parametrize("shape", [(8, 1), (1, 1, 8, 1)])
def test_one_output_is_the_second_of_two(shape):
    layer = found(
        {"predictions/kernel": shape, "predictions/bias": (1,)}, (), KERAS, WANTED_BY_KERAS
    )
    kernel = layer.arrays["predictions/kernel"]
    assert kernel.shape == (*shape[:-1], 2)
    np.testing.assert_array_equal(kernel.reshape(8, 2), np.stack([np.zeros(8), np.arange(1, 9)], 1))
    np.testing.assert_array_equal(layer.arrays["predictions/bias"], [0, 1])
