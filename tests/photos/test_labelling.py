"""A network labels as it predicts, and its features are what its last layer saw."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data import fast_jpeg
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.metrics.out_of_distribution import fit_neighbours
from jaxcnn.models import SixConv
from jaxcnn.photos import labelling
from jaxcnn.photos.index_format import NetworkRecord, PhotoIndexError
from jaxcnn.photos.labelling import Labeller, load_labeller, load_labeller_of
from jaxcnn.runs import build, config as config_lib
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.known_photos import KnownPhotos
from jaxcnn.training.features import make_answer_step

SETTINGS = {
    "image_size_px": 8,
    "stored_size_px": 9,
    "depth": 1,
    "width_multiplier": 0.125,
    "baselines": False,
}
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 9, 9, 3), np.uint8)


def classifier_of(seed=0, names=("cat", "dog"), members=1, decoder="auto", **settings):
    config = config_lib.resolve(config_lib.make_config(**SETTINGS, **settings), {})
    config = config.replace(decoder=decoder)  # which need not be installed here
    model = build.build_model(config, len(names))
    shape = (1, *config.preprocessing.image_shape)
    variables = [
        model.init(jax.random.key(seed + k), np.zeros(shape, np.float32), train=False)
        for k in range(members)
    ]
    return Classifier(config, names, variables[0], others=variables[1:])


@pytest.mark.parametrize(
    "settings", [{}, {"head": "sigmoid"}, {"flip_average": False}, {"members": 2}], ids=str
)
def test_labels_are_predictions(settings):
    classifier = classifier_of(**settings)
    labeller = Labeller(classifier, {"workdir": "/run"}, batch_size=8)
    probabilities, vectors = labeller.label(IMAGES)
    np.testing.assert_allclose(probabilities, classifier.probabilities(IMAGES), atol=1e-5)
    assert vectors.shape[0] == 5
    assert len(set(vectors[:, 0].tolist())) > 1
    single = Labeller(classifier, {"workdir": "/run"}, batch_size=1)
    for one, both in zip(single.label(IMAGES[3:4]), (probabilities, vectors), strict=True):
        np.testing.assert_allclose(one[0], both[3], atol=1e-5)


def test_a_photo_that_is_none_of_the_classes_has_no_label():
    classifier = classifier_of()
    labeller = Labeller(classifier, {"workdir": "/run"}, batch_size=8)
    probabilities, vectors = labeller.label(IMAGES)
    before = labeller.network.fingerprint
    # Known is what lies within 0.001 of the first photo.
    scores = np.full(40, -0.001, np.float32)
    classifier.known_photos = KnownPhotos(1, 0.9, fit_neighbours(vectors[:1]), scores, np.zeros(40))
    found, same = labeller.label(IMAGES)
    np.testing.assert_array_equal(same, vectors)
    np.testing.assert_array_equal(found[0], probabilities[0])
    assert (found[1:] == 0).all()
    assert Labeller(classifier, {"workdir": "/run"}, batch_size=8).network.fingerprint != before


def test_the_head_makes_the_probabilities_of_the_features():
    model = SixConv(num_classes=3, widths=(4,), depth=1, dense_widths=(), batch_norm=False)
    variables = model.init(jax.random.key(1), np.zeros((1, 8, 8, 3), np.float32), train=False)
    step = make_answer_step(model, Preprocessing(image_size_px=8))
    probabilities, vectors = map(np.asarray, step(variables, IMAGES))
    dense = jax.tree.map(np.asarray, variables["params"]["head"]["linear"])
    logits = vectors @ dense["kernel"] + dense["bias"]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(probabilities, shares / shares.sum(1, keepdims=True), atol=1e-5)


def test_a_network_trained_by_the_fast_decoder_answers_without_it(monkeypatch):
    monkeypatch.setattr(fast_jpeg, "is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    photo = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(photo, "JPEG")
    (found,) = classifier_of(decoder="fast").predict([photo.getvalue()])
    assert found.probability > 0


def test_a_network_is_known_by_weights_classes_and_view():
    first = classifier_of().fingerprint()
    assert classifier_of(decoder="fast").fingerprint() == first  # the machine's, not the network's
    others = [
        classifier_of(seed=1),
        classifier_of(names=("a", "b")),
        classifier_of(flip_average=False),
        classifier_of(resize_mode="pad"),
        classifier_of(members=2),
    ]
    assert len({first, *(other.fingerprint() for other in others)}) == 1 + len(others)


def test_an_index_notes_whose_labels_it_holds():
    network = Labeller(classifier_of(), {"workdir": "/run"}, batch_size=2).network
    assert network.class_names == ("cat", "dog")
    assert network.wordnet_ids == ()
    assert type(network).from_json(network.to_json()) == network
    assert network.name == "/run"


class Loading:
    """Stands for what loads networks: notes what it was asked for, in place of a network."""

    def __init__(self, monkeypatch, made_by="one"):
        self.asked = []
        self.class_names = ("cat", "dog")
        self.thresholds = self.known_photos = None
        self.fingerprint = lambda: made_by
        monkeypatch.setattr(labelling, "Classifier", self)

    def load(self, workdir, *, compute_dtype):
        if not Path(workdir).is_dir():
            raise ValueError(f"{workdir} holds no trained network.")
        self.asked.append((workdir, compute_dtype))
        self.config = SimpleNamespace(network=SimpleNamespace(compute_dtype=compute_dtype))
        return self

    def from_pretrained(self, weights, *, model, compute_dtype, **of_file):
        self.of_file = of_file
        if weights and "/" in weights and not Path(weights).is_file():
            raise ValueError(f"{weights} is no file.")
        self.asked.append((weights, model))
        network = SimpleNamespace(
            weights=weights or "its default", model=model or "found", compute_dtype=compute_dtype
        )
        self.config = SimpleNamespace(network=network)
        return self


def test_networks_are_noted_by_absolute_paths(monkeypatch, tmp_path):
    loading = Loading(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pth").write_bytes(b"x")
    file = str(tmp_path / "a.pth")
    for name in ("a.pth", "~/a.pth", file):
        network = load_labeller({"weights": name, "model": "net"}).network
        assert network.source == {"weights": file, "model": "net", "compute_dtype": "auto"}
    assert load_labeller({"weights": file}).network.source["model"] == "found"
    in_auto = {"compute_dtype": "auto"}
    assert load_labeller({"workdir": "~"}).network.source == {"workdir": str(tmp_path)} | in_auto
    assert load_labeller({}).network.source == {"weights": "its default"} | in_auto
    assert loading.asked[-1] == (None, None)


def test_a_part_of_a_file_and_names_of_classes_are_noted(monkeypatch, tmp_path):
    loading = Loading(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pth").write_bytes(b"x")
    given = {"weights_key": "model", "class_names": "names.txt"}
    noted = {"weights_key": "model", "class_names": str(tmp_path / "names.txt")}
    source = load_labeller({"weights": "a.pth", **given}).network.source
    assert loading.of_file == noted
    assert source == {"weights": str(tmp_path / "a.pth"), "model": "found", **noted} | {
        "compute_dtype": "auto"
    }


def test_a_file_in_another_place_is_of_the_network_that_the_index_knows(monkeypatch, tmp_path):
    loading = Loading(monkeypatch)
    (tmp_path / "b.pth").write_bytes(b"x")
    held = {"weights": "/gone/a.pth", "model": "net"}
    found = load_labeller({"weights": str(tmp_path / "b.pth")}, held=held).network.source
    in_float32 = {"compute_dtype": "float32"}  # as an index has that does not say it
    assert found == {"weights": str(tmp_path / "b.pth"), "model": "net"} | in_float32
    load_labeller({"weights": "efficientnet_lite0.lukemelas"}, held=held)  # which says its own
    assert loading.asked[-1] == ("efficientnet_lite0.lukemelas", None)


def test_an_index_goes_on_in_its_own_precision(monkeypatch, tmp_path):
    loading, run = Loading(monkeypatch), {"workdir": str(tmp_path)}
    in_half = {"compute_dtype": "bfloat16"}
    for source, held, expected in (
        ({}, run | in_half, "bfloat16"),
        (run, run | in_half, "bfloat16"),
        (run, {}, "auto"),
        ({}, run, None),  # the run's own, as older versions had it
        (run | {"compute_dtype": "float32"}, run | in_half, "float32"),
        ({"compute_dtype": "float32"}, run | in_half, "float32"),
    ):
        load_labeller(source, held=held)
        assert loading.asked[-1] == (str(tmp_path), expected)


@pytest.mark.parametrize("held", [{"weights": "/gone/a.pth"}, {"workdir": "/gone/run"}])
def test_a_network_that_is_nowhere_says_what_to_give(monkeypatch, held):
    Loading(monkeypatch)
    with pytest.raises(
        PhotoIndexError, match=r"\(/gone/.*\): index again with workdir=RUN or"
    ) as at:
        load_labeller({}, held=held)
    assert "\n" not in str(at.value)


def test_a_network_that_became_another_labels_no_photo_of_the_index(monkeypatch, tmp_path):
    Loading(monkeypatch, made_by="another")
    network = NetworkRecord("one", ("cat", "dog"), (), {"workdir": str(tmp_path)})
    index = SimpleNamespace(path=tmp_path / "i.sqlite", network=network)
    with pytest.raises(PhotoIndexError, match="is no longer the network that labelled"):
        load_labeller_of(index)
