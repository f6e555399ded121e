"""Pictures of a tiny network and of made photos, whose data are at hand."""

import json
import re

import jax
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.interpret import receptive_field
from jaxcnn.interpret.receptive_field import UnknownOperationError
from jaxcnn.metrics.calibration import calibrate
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.build import build_model
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import make_config
from jaxcnn.runs.look_inside import explanations as photos_module, look_at_data, look_at_photos
from jaxcnn.runs.run import make_initial

NAMES = ("dark", "bright")
SIDE = 18


def made_split(count, seed):
    """Noise with a square, dark or bright by the class."""
    draws = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int32)
    images = draws.integers(90, 160, (count, SIDE, SIDE, 3))
    for image, label in zip(images, labels, strict=True):
        top, left = draws.integers(0, SIDE - 6, 2)
        image[top : top + 6, left : left + 6] = 255 * label
    names = [f"{NAMES[label]}/{i}.png" for i, label in enumerate(labels)]
    return DecodedSplit(images.astype(np.uint8), labels, names, NAMES)


@pytest.fixture(scope="module")
def classifier():
    given = make_config(
        image_size_px=16,
        stored_size_px=SIDE,
        depth=2,
        width_multiplier=0.125,
        dense_widths=(),
        batch_norm=True,
        baselines=False,
    )
    config = config_lib.resolve(given)
    model = build_model(config, len(NAMES))
    variables = make_initial(model, (16, 16, 3))(jax.random.key(1))
    return Classifier(config, NAMES, variables)


@pytest.fixture(scope="module")
def data():
    return ImageSplits(made_split(50, 0), made_split(40, 1), made_split(45, 2), [], [])


def test_photos_are_explained_and_drawn(classifier, tmp_path, said):
    split = made_split(2, 5)
    photos = {"a.png": split.images[0], "b<script>.png": split.images[1]}
    made = look_at_photos(classifier, photos, tmp_path)
    assert [path.name for path in made] == [
        "receptive_fields.png",
        "filters.png",
        "explanations.png",
        "feature_maps_1.png",
        "feature_maps_2.png",
    ]
    for path in made:
        with Image.open(path) as image:
            assert image.format == "PNG"
    told = [line for line in said if "attributions" in line]
    assert len(told) == 2
    for line in told:
        difference, total = map(float, re.findall(r"[+-]\d+\.\d+", line))
        assert difference != 0
        assert total == pytest.approx(difference, abs=0.02)


def test_a_class_can_be_asked_about(classifier, tmp_path, said):
    image = made_split(1, 5).images[0]
    name = NAMES[int(classifier.probabilities(image[None])[0].argmin())]
    look_at_photos(classifier, {"a.png": image}, tmp_path, class_name=name, num_steps=2)
    assert any(line.startswith(f"a.png: {name}") for line in said)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_name": "brigt"}, "known, nearest first: bright"),
        ({"stage": "blok_2"}, "known, nearest first: block_2"),
    ],
)
def test_mistakes_are_told_before_anything_is_compiled(
    classifier, options, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(photos_module, "compile_step", None)
    image = made_split(1, 5).images[0]
    with pytest.raises(ValueError, match=message):
        look_at_photos(classifier, {"a.png": image}, tmp_path, **options)
    with pytest.raises(ValueError, match="expected 1 to 24"):
        look_at_photos(classifier, {}, tmp_path)


def test_what_was_learned_of_the_data_is_drawn(classifier, data, tmp_path, said):
    made = look_at_data(classifier, data, tmp_path, method="pca")
    names = {path.name for path in made}
    assert names == {
        "calibration.json",
        "calibration.png",
        "excitations_block_1.png",
        "excitations_block_2.png",
        "most_confident_errors.png",
        "nearest_training_photos.png",
        "photo_map.png",
    }
    assert {path.name for path in tmp_path.iterdir()} == names
    expected = calibrate(
        *((classifier.probabilities(s.images), s.labels) for s in (data.validation, data.test))
    )
    written = json.loads((tmp_path / "calibration.json").read_text())
    assert written["temperature"] == pytest.approx(expected.temperature, rel=1e-3)
    error = written["expected_calibration_error"]
    assert error == pytest.approx(expected.curve.error, abs=1e-4)
    assert written["num_test"] == 45
    assert any("expected calibration error" in line for line in said)


def test_without_receptive_fields_the_other_pictures_of_some_photos_are_drawn(
    classifier, data, tmp_path, monkeypatch, said
):
    def fail(*_):
        raise UnknownOperationError("a new one")

    monkeypatch.setattr(receptive_field, "_step", fail)
    photos = {"a.png": made_split(1, 5).images[0]}
    made = look_at_photos(classifier, photos, tmp_path, num_steps=2)
    made += look_at_data(classifier, data, tmp_path, photos=photos, max_photos=10, method="pca")
    assert json.loads((tmp_path / "calibration.json").read_text())["num_test"] == 10
    names = {path.name for path in made}
    assert {"explanations.png", "filters.png", "calibration.png", "photo_map.png"} <= names
    assert not [name for name in names if name.startswith(("receptive", "excitations"))]
    assert any("receptive fields are left out" in line for line in said)
