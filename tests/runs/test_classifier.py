"""A trained network labels photos from its checkpoint alone, exactly as its run tested it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.decode import DecodeError
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import load_config
from jaxcnn.runs.train_and_evaluate import evaluate_classifier, load_data
from jaxcnn.training.checkpoints import CheckpointError


@pytest.fixture(scope="module")
def drawings(tiny_run):
    return load_data(load_config(tiny_run / "config.json")).test.images[:40]


def test_predictions_are_those_of_the_run(tiny_run):
    classifier = Classifier.load(tiny_run)
    found = evaluate_classifier(tiny_run)
    test = load_data(load_config(tiny_run / "config.json")).test
    right = classifier.probabilities(test.images).argmax(1) == test.labels
    assert right.mean() == found["test"]["accuracy"]
    assert (
        found["test"]["accuracy"]
        == json.loads((tiny_run / "summary.json").read_text())["test_accuracy"]
    )


def test_the_checkpoint_alone_is_enough(tiny_run, drawings, tmp_path):
    alone = tmp_path / "best"
    shutil.copytree(tiny_run / "checkpoints" / "best", alone)
    expected = Classifier.load(tiny_run).probabilities(drawings)
    np.testing.assert_array_equal(Classifier.load(alone).probabilities(drawings), expected)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_answers_do_not_depend_on_the_batch_size(tiny_run, drawings, batch_size):
    classifier = Classifier.load(tiny_run)
    answers = classifier.predict(drawings, batch_size=batch_size)
    expected = classifier.probabilities(drawings)
    assert len(answers) == 40
    for answer, row in zip(answers, expected, strict=True):
        assert list(answer.probabilities) == ["cat", "dog"]
        np.testing.assert_allclose(list(answer.probabilities.values()), row, atol=1e-5)
        assert answer.probability == max(answer.probabilities.values())
        assert answer.label == ("cat", "dog")[int(row.argmax())]


def test_a_path_bytes_and_pixels_are_the_same_photo(tiny_run, drawings, tmp_path):
    path = tmp_path / "a photo.png"
    Image.fromarray(drawings[0]).save(path)
    classifier = Classifier.load(tiny_run)
    first, *others = classifier.predict([path, str(path), path.read_bytes(), drawings[0]])
    assert all(other == first for other in others)


def test_what_cannot_be_decoded_is_an_error_of_its_own(tiny_run, tmp_path):
    classifier = Classifier.load(tiny_run)
    with pytest.raises(DecodeError):
        classifier.predict([b"no image"])
    with pytest.raises(OSError, match="missing"):
        classifier.predict([tmp_path / "missing.jpg"])
    assert classifier.predict([]) == []


def test_a_folder_without_a_network_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no trained network"):
        Classifier.load(tmp_path)
