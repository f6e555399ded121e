"""A trained network labels photos from its checkpoint alone, exactly as its run tested it."""

import io
import itertools
import json
import os
import shutil
import types

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.decode import DecodeError
from jaxcnn.data.encode import encode_image
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import load_config
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.prediction import Prediction
from jaxcnn.runs.train_and_evaluate import load_data
from jaxcnn.training.checkpoints import CheckpointError


@pytest.mark.parametrize("count", [0, -1])
def test_no_class_is_dropped_from_the_end(count):
    with pytest.raises(ValueError, match="count must be a whole number above 0"):
        Prediction("cat", 0.6, {"cat": 0.6, "dog": 0.4}).top(count)


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


def test_it_shows_itself_in_a_notebook(tiny_run):
    classifier = Classifier.load(tiny_run)
    shown = classifier._repr_html_()
    assert "six_conv" in shown
    for name in classifier.class_names:
        assert name in shown


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


def in_memory(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file  # it stands at its end


def grey(pixels):
    return np.asarray(Image.fromarray(pixels).convert("L"))


ONE = {
    "open file": in_memory,
    "bytes": lambda pixels: in_memory(pixels).getvalue(),
    "bytearray": lambda pixels: bytearray(in_memory(pixels).getvalue()),
    "Pillow": Image.fromarray,
    "Pillow, opened": lambda pixels: Image.open(in_memory(pixels)),
    "Pillow, RGBA": lambda pixels: Image.fromarray(pixels).convert("RGBA"),
    "uint8": lambda pixels: pixels,
    "RGBA": lambda pixels: np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
    "JAX": jnp.asarray,
    "float32": lambda pixels: pixels.astype(np.float32) / 255,
    "float64": lambda pixels: pixels / 255,
    "JAX float": lambda pixels: jnp.asarray(pixels, jnp.float32) / 255,
}


@pytest.mark.parametrize("kind", ONE)
def test_one_photo_gives_one_prediction(seeing, drawings, kind):
    photo, expected = ONE[kind](drawings[0]), seeing.preprocess(drawings[0])
    assert seeing.predict(photo) == expected.sum()
    assert seeing.predict([ONE[kind](drawings[0])] * 2) == [expected.sum()] * 2


@pytest.mark.parametrize("shape", [lambda g: g, lambda g: g[..., None], Image.fromarray])
def test_grey_is_one_photo_too(seeing, drawings, shape):
    expected = seeing.preprocess(np.dstack([grey(drawings[0])] * 3))
    assert seeing.predict(shape(grey(drawings[0]))) == expected.sum()


@pytest.mark.parametrize("gather", [list, tuple, iter, np.asarray, jnp.asarray, lambda x: x / 255])
def test_many_photos_give_a_list(seeing, drawings, gather):
    expected = [seeing.preprocess(each).sum() for each in drawings[:5]]
    assert seeing.predict(gather(drawings[:5]), batch_size=2) == expected


def test_many_paths_are_many_photos_and_one_is_one(seeing, drawings, tmp_path):
    Image.fromarray(drawings[0]).save(tmp_path / "a.png")
    path, expected = str(tmp_path / "a.png"), seeing.preprocess(drawings[0]).sum()
    assert seeing.predict(path) == seeing.predict(tmp_path / "a.png") == expected
    assert seeing.predict(np.array([path, path])) == [expected] * 2
    assert seeing.predict(tmp_path.glob("*.png")) == [expected]


@pytest.mark.parametrize(
    ("photo", "error", "said"),
    [
        (None, TypeError, "got NoneType; expected a path"),
        (7, TypeError, "got int; expected a path"),
        ([None], TypeError, "got NoneType for a photo; expected a path"),
        ([[1, 2]], TypeError, "got list for a photo"),
        (io.StringIO("x"), TypeError, "opened as text"),
        (np.zeros((3, 8, 7), np.uint8), DecodeError, r"\(3, 8, 7\), uint8; expected \(H, W\)"),
        (np.zeros((2, 2, 8, 7, 3), np.uint8), DecodeError, r"\(2, 2, 8, 7, 3\)"),
        (np.zeros(5), DecodeError, r"\(5,\), float64"),
        (np.zeros((0, 4, 3), np.uint8), DecodeError, r"\(0, 4, 3\)"),
        (np.full((4, 4, 3), 200.0), DecodeError, "from 200 to 200; expected uint8"),
        (np.full((4, 4, 3), np.nan), DecodeError, "from nan to nan"),
        (np.zeros((4, 4, 3), np.int64), DecodeError, "int64; expected uint8"),
        (np.zeros((4, 4, 3), bool), DecodeError, "bool; expected uint8"),
        (b"", DecodeError, "empty"),
        ("/", OSError, "/ is a folder; give the photos in it"),
    ],
)
def test_what_is_no_photo_is_refused_by_what_it_is(seeing, photo, error, said):
    with pytest.raises(error, match=said):
        seeing.predict(photo)


def test_a_pipe_is_refused_and_not_waited_for(seeing, tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="not a file"):
        seeing.predict(tmp_path / "a.jpg")


def test_of_any_number_of_photos_one_batch_is_held(seeing, drawings):
    given = []
    photos = (given.append(i) or drawings[0] for i in itertools.count())
    answers = seeing.predict_each(photos, batch_size=4)
    for number in range(1, 10):
        next(answers)
        assert len(given) <= number + 4


class Seeing(Classifier):
    """Answers with the sum of what it sees, by no network."""

    def __init__(self):
        decoding = Decoding(8)
        self.preprocessing = types.SimpleNamespace(decoding=decoding)

    def probabilities(self, images):
        return images.astype(int).sum((1, 2, 3))

    def _answer(self, row):
        return row


@pytest.fixture
def seeing():
    return Seeing()


def test_what_cannot_be_decoded_is_an_error_of_its_own(tiny_run, tmp_path):
    classifier = Classifier.load(tiny_run)
    with pytest.raises(DecodeError):
        classifier.predict([b"no image"])
    with pytest.raises(OSError, match="missing"):
        classifier.predict([tmp_path / "missing.jpg"])
    assert classifier.predict([]) == []


def test_a_folder_without_a_network_is_refused(tmp_path):
    (tmp_path / "2021" / "trip").mkdir(parents=True)  # photos by year are no checkpoints
    with pytest.raises(CheckpointError, match="holds no trained network"):
        Classifier.load(tmp_path)


def test_the_limit_of_pixels_decides_what_is_taken_and_no_answer(tiny_run, drawings):
    classifier = Classifier.load(tiny_run)
    image, known = drawings[0], classifier.fingerprint()
    pixels = classifier.preprocess(encode_image(image, "PNG"))
    classifier.limit_pixels(image.shape[0] * image.shape[1] - 1)
    with pytest.raises(DecodeError, match="more than max_pixels"):
        classifier.preprocess(encode_image(image, "PNG"))
    assert classifier.fingerprint() == known
    classifier.limit_pixels(image.shape[0] * image.shape[1])
    np.testing.assert_array_equal(classifier.preprocess(encode_image(image, "PNG")), pixels)
