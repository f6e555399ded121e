"""The ONNX model, run by ONNX Runtime, answers as the classifier does."""

import sys
import types

import jax
import numpy as np
import pytest

from jaxcnn.export import FORMATS, ExportError, onnx_program
from jaxcnn.export.exporting import check_formats

EXTRA = "the extra onnx is not installed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("six_conv", {"members": 2}),
        ("resnet18", {"size": 32}),
        ("resnet18", {"size": (48, 32)}),
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
    call = onnx_program.LOADERS["onnx"](path.read_bytes())
    assert onnx_program.describe(path)["opset"] >= 13
    for count in (1, 3, 7):
        shape = (count, *classifier.preprocessing.decoding.image_shape)
        images = np.random.default_rng(count).integers(0, 256, shape, np.uint8)
        found, scores = call(images)
        assert scores is None
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, classifier.probabilities(images), atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # the converter's own
def test_scores_are_a_second_output(make_classifier, judging):
    for package in ("jax2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=EXTRA)
    classifier = judging(make_classifier())
    call = onnx_program.LOADERS["onnx"](onnx_program.to_onnx(classifier))
    images = np.random.default_rng(0).integers(0, 256, (3, 19, 19, 3), np.uint8)
    probabilities, scores = call(images)
    np.testing.assert_allclose(probabilities, classifier.probabilities(images), atol=1e-5)
    expected = [answer.score for answer in classifier.predict(images)]
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_formats_are_checked_before_any_work(monkeypatch):
    assert check_formats(["stablehlo", "stablehlo"]) == ("stablehlo",)
    assert FORMATS == ("stablehlo", "onnx")
    with pytest.raises(ValueError, match="nearest first: onnx"):
        check_formats(["onxx"])
    with pytest.raises(ValueError, match="no format"):
        check_formats([])
    monkeypatch.setattr(onnx_program.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install einops"):
        check_formats(["onnx"])


def test_pooling_over_other_dimensions_is_refused():
    helper = pytest.importorskip("onnx", reason=EXTRA).helper
    given = {"kernel_shape": [1, 2, 2, 2], "strides": [1, 2, 2, 2]}
    node = helper.make_node("MaxPool", ["x"], ["y"], **given)
    with pytest.raises(ExportError, match="not over height and width"):
        onnx_program._pooling_of_images(node, given)


def test_pooling_becomes_slices_where_the_converters_nodes_have_changed(
    make_classifier, monkeypatch, caplog
):
    """The first conversion is broken on purpose; the second holds no windowed reduction."""
    classifier = make_classifier()
    converted = []

    def to_onnx(function, shapes, **_):
        converted.append(jax.export.export(jax.jit(function))(*shapes))
        data = str(len(converted)).encode()
        return types.SimpleNamespace(
            graph=None, ByteSize=lambda: len(data), SerializeToString=lambda: data
        )

    def break_nodes(graph):
        raise KeyError("kernel_shape")

    def load(data):
        program = converted[int(data) - 1]
        return lambda images: (np.asarray(program.call(images)), None)

    monkeypatch.setitem(sys.modules, "jax2onnx", types.SimpleNamespace(to_onnx=to_onnx))
    monkeypatch.setattr(onnx_program, "check_installed", lambda: None)
    monkeypatch.setattr(onnx_program, "_pool_two_dimensions", break_nodes)
    monkeypatch.setitem(onnx_program.LOADERS, "onnx", load)
    with caplog.at_level("INFO", logger="jaxcnn"):
        assert onnx_program.to_onnx(classifier) == b"2"
    windows = ["reduce_window" in program.mlir_module() for program in converted]
    assert windows == [True, False]
    assert "KeyError('kernel_shape')" in caplog.text
    assert "pooling as slices" in caplog.text


def test_what_no_way_of_pooling_makes_equal_is_refused(make_classifier, monkeypatch):
    model = types.SimpleNamespace(graph=None, ByteSize=lambda: 1, SerializeToString=lambda: b"x")
    monkeypatch.setitem(
        sys.modules, "jax2onnx", types.SimpleNamespace(to_onnx=lambda *_, **__: model)
    )
    monkeypatch.setattr(onnx_program, "check_installed", lambda: None)
    monkeypatch.setattr(onnx_program, "_pool_two_dimensions", lambda graph: None)
    wrong = np.full((3, 3), 0.5)
    monkeypatch.setitem(onnx_program.LOADERS, "onnx", lambda data: lambda images: (wrong, None))
    with pytest.raises(ExportError, match="leave onnx out of formats"):
        onnx_program.to_onnx(make_classifier())
