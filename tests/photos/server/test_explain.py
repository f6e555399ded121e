"""The maps behind the page: of what the network looks at, averaged over its members."""

import jax
import numpy as np
import pytest

from jaxcnn.data.decode import DecodeError
from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.interpret import evidence_maps
from jaxcnn.photos.server.overlay import make_explain, view_share
from jaxcnn.runs.build import build_model
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import resolve

from .conftest import GREEN, photo

CLASSES = ("cat", "dog", "parrot")
SIZE = (40, 30)  # width and height of the photo


def classifier_of(config, seeds):
    images = np.zeros((1, config.data.image_size_px, config.data.image_size_px, 3), np.float32)
    model = build_model(config, len(CLASSES))
    first, *others = [model.init(jax.random.key(seed), images, train=False) for seed in seeds]
    return Classifier(config, CLASSES, first, others=others)


@pytest.fixture(scope="module")
def config(tiny_config):
    return resolve(tiny_config.replace(pixel_mean=(0.4,), pixel_std=(0.2,)))


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["one network", "three"])
def test_maps_are_the_mean_of_the_networks_evidence_in_the_cropped_view(config, seeds):
    classifier = classifier_of(config, seeds)
    data = photo(GREEN, size=SIZE)
    explain = make_explain(classifier)
    pixels = classifier.preprocess(data)
    assert pixels.shape == (18, 18, 3)
    view = (pixels[None, 1:17, 1:17].astype(np.float32) / 255 - 0.4) / 0.2
    assert len(classifier.members) == len(seeds)
    for class_id in (0, 2):
        maps = [
            evidence_maps(classifier.model, member, view, np.array([class_id]))[0]
            for member in classifier.members
        ]
        expected = np.mean(maps, axis=0)
        assert expected.max() > 0
        found, _ = explain(data, class_id)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
def test_the_share_is_that_of_the_photos_shape(config, mode):
    classifier = classifier_of(config.replace(resize_mode=mode), (0,))
    _, share = make_explain(classifier)(photo(GREEN, size=SIZE), 0)
    preprocessing = Preprocessing(decoding=Decoding(18, mode), image_size_px=16)
    assert share == view_share(*SIZE, preprocessing)
    assert (share == view_share(1, 1, preprocessing)) == (mode == "crop")


def test_what_is_no_photo_is_refused(config):
    with pytest.raises(DecodeError):
        make_explain(classifier_of(config, (0,)))(b"no photo", 0)
