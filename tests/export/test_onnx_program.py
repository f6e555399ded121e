"""The ONNX model, run by ONNX Runtime, answers as the classifier does."""

import numpy as np
import pytest

from jaxcnn.export import FORMATS, ExportError, check_formats, onnx_program
from jaxcnn.export.program import input_shape

EXTRA = "the extra onnx is not installed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("six_conv", {"members": 2}),
        ("resnet18", {"size": 32}),
        ("mobilenet_v2", {"size": 32}),
        ("efficientnet_lite0", {"size": 32}),
    ],
)
@pytest.mark.filterwarnings("ignore")  # the converter's own
def test_the_answers_are_the_classifiers(make_classifier, tmp_path, name, settings):
    for package in ("jax2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=EXTRA)
    classifier = make_classifier(name, **settings)
    path = tmp_path / "classifier.onnx"
    path.write_bytes(onnx_program.to_onnx(classifier))
    call = onnx_program.load(path)
    assert onnx_program.describe(path)["opset"] >= 13
    for count in (1, 3, 7):
        shape = (count, *input_shape(classifier))
        images = np.random.default_rng(count).integers(0, 256, shape, np.uint8)
        found = call(images)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, classifier.probabilities(images), atol=1e-5)


def test_formats_are_checked_before_any_work(monkeypatch):
    assert check_formats(["stablehlo", "stablehlo"]) == ("stablehlo",)
    assert FORMATS == ("stablehlo", "onnx")
    with pytest.raises(ValueError, match="nearest first: onnx"):
        check_formats(["onxx"])
    with pytest.raises(ValueError, match="no format"):
        check_formats([])
    monkeypatch.setattr(onnx_program.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"jaxcnn\[onnx\]"):
        check_formats(["onnx"])


def test_pooling_over_other_dimensions_is_refused():
    helper = pytest.importorskip("onnx", reason=EXTRA).helper
    given = {"kernel_shape": [1, 2, 2, 2], "strides": [1, 2, 2, 2]}
    node = helper.make_node("MaxPool", ["x"], ["y"], **given)
    with pytest.raises(ExportError, match="not over height and width"):
        onnx_program._pooling_of_images(node, given)
