"""Images that are not square, from the settings to a picture of what the network looked at."""

import json

import numpy as np
import pytest

from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.runs.build import build_model, variable_shapes
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import make_config, resolve
from jaxcnn.runs.config.presets import preset_of_preprocessing
from jaxcnn.runs.config.train_config import from_json, load_config, to_json
from jaxcnn.runs.look_inside import look_at_photos
from jaxcnn.runs.train_and_evaluate import train_classifier


@pytest.mark.slow
def test_a_run_at_24_x_16_pixels_trains_predicts_and_explains(tiny_config, tmp_path, said):
    config = tiny_config.replace(
        **{"image_size_px": "24x16", "eval_size_px": (27, 18), "stored_size_px": None},
        **{"num_epochs": 2, "augment": "standard", "progressive_resizing": "12:0.5"},
    )
    summary = train_classifier(config, tmp_path / "run")
    assert summary["eval_size_px"] == (27, 18)
    assert any("24 x 16 x 3 inputs, 12 px up to step" in line for line in said)
    assert json.loads((tmp_path / "run/config.json").read_text())["image_size_px"] == [24, 16]
    assert load_config(tmp_path / "run/config.json").data.stored_size_px == (28, 19)
    classifier = Classifier.load(tmp_path / "run")
    assert classifier.preprocessing.image_shape == (27, 18, 3)
    photo = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)
    assert classifier.preprocess(photo).shape == (28, 19, 3)
    assert sum(classifier.predict(photo).probabilities.values()) == pytest.approx(1, abs=1e-5)
    stored = classifier.preprocess(photo)
    made = look_at_photos(classifier, {"a.png": stored}, tmp_path / "look")
    assert "explanations.png" in [path.name for path in made]


def test_settings_take_sizes_in_all_forms_and_keep_them():
    for size in ("24x16", (24, 16), [24, 16]):
        assert make_config(image_size_px=size).data.image_size_px == (24, 16)
    assert make_config(image_size_px="16x16") == make_config(image_size_px=16)
    config = resolve(make_config(image_size_px="48x32", augment="standard"))
    assert config.data.stored_size_px == (56, 37)
    assert config.data.image_size() == "48 x 32 x 3"
    assert from_json(json.loads(json.dumps(to_json(config)))) == config
    photos = resolve(make_config(data_dir="photos", image_size_px=(120, 60)))
    assert photos.data.seen_size_px == photos.data.stored_size_px == (140, 70)


def test_weights_of_a_square_are_used_for_an_oblong():
    wanted = Preprocessing(decoding=Decoding(256, interpolation="bicubic"), image_size_px=224)
    preset = preset_of_preprocessing(wanted, (224, 160), None)
    assert (preset["image_size_px"], preset["stored_size_px"]) == ((224, 160), (256, 183))
    assert preset_of_preprocessing(wanted, None, None)["stored_size_px"] == 256


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size_px": "224x"}, r"image_size_px: expected .* HEIGHTxWIDTH .* got '224x'"),
        ({"eval_size_px": (3, 4, 5)}, r"eval_size_px: expected .* got \(3, 4, 5\)"),
        ({"image_size_px": "0x5"}, "image_size_px must be a number above 0, got 0x5"),
        (
            {"image_size_px": "24x16", "stored_size_px": 20},
            r"stored_size_px \(=20\) is smaller than image_size_px \(=24x16\)",
        ),
        (
            {"image_size_px": "24x16", "progressive_resizing": "16:0.5"},
            "smaller than the full size, 16 px",
        ),
    ],
)
def test_wrong_sizes_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        resolve(make_config(**settings))


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ("lenet5", (48, 24), "48x24 images are too small for LeNet5"),
        ("six_conv", (24, 2), "24x2 images are too small"),
    ],
)
def test_a_network_that_needs_a_larger_image_says_so(model, size, message):
    config = resolve(make_config(model=model, image_size_px=size, augment="none"))
    with pytest.raises(ValueError, match=message):
        variable_shapes(config, build_model(config, 2))


@pytest.mark.parametrize("model", ["lenet5", "alexnet", "vgg11_bn"])
def test_networks_with_dense_layers_take_an_oblong(model):
    config = resolve(make_config(model=model, image_size_px=(96, 72), augment="none"))
    assert variable_shapes(config, build_model(config, 2))["params"]
