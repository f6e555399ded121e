"""An index of a few photos, made by a network of one rule: which colour is there most of?"""

import io
import os

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.decode import decode_and_resize
from jaxcnn.photos.index_format import NetworkRecord
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.server.app import create_app
from jaxcnn.photos.updating import check_folders, update_index

CLASSES = ("tabby, tabby cat", "golden retriever", "<script>alert(1)</script>")
WORDNET_IDS = ("n02123045", "n02099601", "")
HOST = {"Host": "127.0.0.1:8500"}
MAX_UPLOAD_BYTES = 100_000


class ColourLabeller:
    """Red is a tabby, green a golden retriever, blue a class of a hostile name."""

    network = NetworkRecord("colours", CLASSES, WORDNET_IDS, {})
    batch_size = 8

    def preprocess(self, data):
        return decode_and_resize(data, 8)

    def label(self, images):
        means = (images.astype(np.float32).mean((1, 2)) + 1) ** 3
        probabilities = means / means.sum(1, keepdims=True)
        return probabilities, probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)


def explain(data, class_id):
    """Evidence is where the class's colour is."""
    return decode_and_resize(data, 8)[..., class_id].astype(np.float32), (1.0, 1.0)


def photo(colour, *, size=(40, 30), format="JPEG", seed=0):
    """A photo's bytes: one colour with noise."""
    noise = np.random.default_rng(seed).integers(0, 50, (size[1], size[0], 3))
    pixels = np.clip(noise + np.asarray(colour), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my photos"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(photo(BLUE, seed=9))
    files = {
        "a.jpg": photo(RED),
        "b.png": photo(GREEN, format="PNG"),
        "inner/c.tif": photo(BLUE, format="TIFF"),
        "inner/<img src=x onerror=alert(2)>.jpg": photo(RED, seed=1),
        "d & 'e' \"f\".jpg": photo(GREEN, seed=2),
    }
    for number, (name, data) in enumerate(files.items()):
        (folder / name).write_bytes(data)
        # noon of 14 November 2023 and the days after, wherever the test runs
        os.utime(folder / name, (1_699_963_200 + 86400 * number,) * 2)
    return folder


def make_index(path, *folders):
    """Index folders, and open the index."""
    update_index(
        path, check_folders(path, [str(f) for f in folders]), lambda held: ColourLabeller()
    )
    return PhotoIndex(path)


@pytest.fixture
def index(folder, tmp_path):
    index = make_index(tmp_path / "index.sqlite", folder)
    yield index
    index.close()


@pytest.fixture
def ids(index):
    """The photos' ids by their files' names."""
    names = {photo.path.name: photo.photo_id for photo in index.photos(range(1, 100))}
    assert len(names) == 5
    return names


@pytest.fixture
def app(index):
    return create_app(index, ColourLabeller(), explain, max_upload_bytes=MAX_UPLOAD_BYTES)


@pytest.fixture
def client(app):
    client = app.test_client()
    client.environ_base |= {"HTTP_HOST": HOST["Host"]}
    return client
