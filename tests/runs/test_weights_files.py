"""Files of weights as people have them: what they classify, and what a training starts from."""

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxcnn.models import create_model
from jaxcnn.pretrained.mapping import source_shapes
from jaxcnn.pretrained.names import names_of
from jaxcnn.pretrained.unlisted import variable_shapes
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import make_config
from jaxcnn.runs.config.presets import resolve
from jaxcnn.runs.transfer import find_start, transfer_variables

MODEL = "resnet20"


@pytest.fixture(scope="module")
def arrays():
    draws = np.random.default_rng(0)
    shapes = source_shapes(variable_shapes(MODEL, 3, {}), names_of(MODEL)["akamaster"])
    return {
        name: draws.uniform(0.5, 1, shape).astype(np.float32) * (0.1 if len(shape) > 1 else 1)
        for name, shape in shapes.items()
    }


@pytest.fixture
def save(arrays, tmp_path):
    """Saves the arrays with changes; None leaves one out."""

    def save_changed(changes):
        path, found = tmp_path / "mine.safetensors", arrays | changes
        save_file({name: array for name, array in found.items() if array is not None}, path)
        return str(path)

    return save_changed


def without_last_layer(save):
    return save({"linear.weight": None, "linear.bias": None})


def of_channels(save, count):
    return save({"conv1.weight": np.full((16, count, 3, 3), 0.05, np.float32)})


def config_of(weights, **settings):
    return make_config(
        dataset="folder", data_dir="photos", weights=weights, model=MODEL, **settings
    )


def test_a_file_without_a_last_layer_starts_a_training(save, arrays, said):
    start = find_start(config_of(without_last_layer(save)))
    assert "no last layer" in said[-1]
    model = create_model(MODEL, 5)
    new = transfer_variables(start.variables, model, (32, 32, 3), key=jax.random.key(0))
    assert new["params"]["head"]["linear"]["kernel"].shape == (64, 5)
    stem = np.asarray(new["params"]["stem"]["conv"]["kernel"])
    np.testing.assert_array_equal(stem, arrays["conv1.weight"].transpose(2, 3, 1, 0))


def test_a_file_without_a_last_layer_names_no_class(save):
    with pytest.raises(ValueError, match="no last layer, so it names no class") as caught:
        Classifier.from_pretrained(without_last_layer(save), model=MODEL)
    assert "\n" not in str(caught.value)


def test_photos_are_grey_to_weights_of_one_channel_and_classes_have_the_names_given(save):
    names = ["ant", "bee", "owl"]
    classifier = Classifier.from_pretrained(of_channels(save, 1), model=MODEL, class_names=names)
    red = np.zeros((40, 40, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    image = classifier.preprocess(red)
    assert image.shape[2] == 1
    assert image.mean() == pytest.approx(0.299 * 255, abs=1)
    assert classifier.predict(red).label in names


def test_no_photo_has_four_channels(save):
    weights = of_channels(save, 4)
    with pytest.raises(ValueError, match="takes images of 4 channels; a photo has 1 or 3"):
        Classifier.from_pretrained(weights, model=MODEL)
    with pytest.raises(ValueError, match="takes images of 4 channels; a photo has 1 or 3"):
        find_start(config_of(weights))


@pytest.mark.parametrize(
    ("own", "given", "used", "told"),
    [
        (1, None, 1, ""),
        (1, 3, 3, "a third for each of 3 channels"),
        (3, None, 3, ""),
        (3, 1, 1, "summed over their 3 channels"),
    ],
)
def test_a_training_sees_as_many_channels_as_its_weights_unless_told(
    save, said, own, given, used, told
):
    config = config_of(of_channels(save, own), num_channels=given)
    start = find_start(config)
    assert resolve(config, start.preset).data.num_channels == used
    if told:
        assert told in said[-1]
    else:
        assert not any("first kernels" in line for line in said)


def test_a_key_says_which_part_of_a_file_a_training_starts_from(save, arrays, tmp_path):
    both = {f"model.{name}": array for name, array in arrays.items()}
    both |= {f"ema.{name}": array + 1 for name, array in arrays.items()}
    save_file(both, tmp_path / "both.safetensors")
    weights = str(tmp_path / "both.safetensors")
    for key, added in ((None, 1), ("model", 0)):
        start = find_start(config_of(weights, weights_key=key))
        bias = start.variables["params"]["head"]["linear"]["bias"]
        np.testing.assert_array_equal(bias, arrays["linear.bias"] + added)
    with pytest.raises(ValueError, match="weights_key=model names a part of a file; give the file"):
        resolve(make_config(dataset="mnist", weights_key="model"))
    with pytest.raises(ValueError, match="weights_key names a part of a file"):
        Classifier.from_pretrained(weights_key="model")
