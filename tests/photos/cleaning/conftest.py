"""A page of a few findings, made by hand: no network runs."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.decisions.decision_log import DecisionLog
from jaxcnn.data.source import Example, image_digest
from jaxcnn.photos.cleaning.app import create_cleaning_app
from jaxcnn.photos.cleaning.review import Review
from jaxcnn.runs.findings import Finding, Findings, StoredPhoto

CLASSES = ("cat", "dog", "<script>alert(1)</script>")
HOST = {"Host": "127.0.0.1:8501"}
BLUE = (10, 10, 200)
HOSTILE = "cat/<img src=x onerror=alert(2)>.jpg"


class FileSource:
    """Photos in a folder, read when they are asked for."""

    class_names = CLASSES

    def __init__(self, folder, names):
        self.folder, self.names = folder, names

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        return Example((self.folder / f"{i}").read_bytes(), 0, self.names[i])


def photo(colour, *, size=(64, 48), format="JPEG", seed=0):
    """A photo's bytes: one colour with noise."""
    noise = np.random.default_rng(seed).integers(0, 50, (size[1], size[0], 3))
    pixels = np.clip(noise + np.asarray(colour), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def finding(name, label, kind, reason, *, suggested="", top=(), others=()):
    return Finding(name, "train", label, label, (kind,), (reason,), suggested, top, others)


def make_findings(folder, items):
    """Write a photo for each finding but unreadable ones."""
    names = [item.name for item in items]
    source = FileSource(folder, names)
    photos = {}
    for i, item in enumerate(items):
        formats = {"tif": "TIFF", "png": "PNG"}
        kind = formats.get(item.name.rpartition(".")[2], "JPEG")
        colour = ((200, 10, 10), (10, 200, 10), (10, 10, 200))[i % 3]
        (folder / f"{i}").write_bytes(photo(colour, format=kind, seed=i))
        if "unreadable" not in item.kinds:
            photos[item.name] = StoredPhoto(source, i, image_digest(source[i].image))
    return Findings(items, CLASSES, photos, 100, {})


TOP = (("dog", 0.97), ("cat", 0.02), (CLASSES[2], 0.01))
ITEMS = [
    finding("cat/1.jpg", "cat", "label", "the label may be wrong", suggested="dog", top=TOP),
    finding(HOSTILE, "cat", "label", "the label may be wrong", suggested="dog", top=TOP),
    finding(
        "dog/2.png", "dog", "duplicate", "the same photo is in test", top=TOP, others=("cat/1.jpg",)
    ),
    finding("dog/9.jpg", "dog", "unreadable", "left out: the file is empty (0 bytes)."),
    finding("dog/4.tif", "dog", "odd", "too dark", top=TOP),
]


def explain(data, class_id):
    """Evidence is where the photo's colour of that number is."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((8, 8)))
    return pixels[..., class_id].astype(np.float32), (1.0, 1.0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def review(folder, tmp_path):
    return Review(make_findings(folder, ITEMS), DecisionLog(tmp_path / "decisions.csv"))


@pytest.fixture
def app(review):
    return create_cleaning_app(review, explain)


@pytest.fixture
def client(app):
    client = app.test_client()
    client.environ_base |= {"HTTP_HOST": HOST["Host"]}
    return client
