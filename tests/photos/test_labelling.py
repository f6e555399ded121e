"""A network labels as it predicts, and its features are what its last layer saw."""

import jax
import numpy as np
import pytest

from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import SixConv
from jaxcnn.photos.labelling import Labeller
from jaxcnn.runs import build, config as config_lib
from jaxcnn.runs.classifier import Classifier
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


def test_the_head_makes_the_probabilities_of_the_features():
    model = SixConv(num_classes=3, widths=(4,), depth=1, dense_widths=(), batch_norm=False)
    variables = model.init(jax.random.key(1), np.zeros((1, 8, 8, 3), np.float32), train=False)
    step = make_answer_step(model, Preprocessing(image_size_px=8))
    probabilities, vectors = map(np.asarray, step(variables, IMAGES))
    dense = jax.tree.map(np.asarray, variables["params"]["head"]["linear"])
    logits = vectors @ dense["kernel"] + dense["bias"]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(probabilities, shares / shares.sum(1, keepdims=True), atol=1e-5)


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
