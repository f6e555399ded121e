"""Small classifiers with drawn weights, whose answers differ from image to image."""

import jax
import numpy as np
import pytest

from jaxcnn.data.image_size import sides
from jaxcnn.metrics.out_of_distribution import fit_neighbours
from jaxcnn.runs import build, config
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import make_config
from jaxcnn.runs.known_photos import KnownPhotos


def _make_classifier(
    model="six_conv", *, members=1, class_names=("cat", "dog", "owl"), size=16, **settings
):
    given = {"depth": 2, "width_multiplier": 0.125} if model == "six_conv" else {}
    complete = config.resolve(
        make_config(
            dataset="folder",
            data_dir="photos",
            model=model,
            image_size_px=size,
            stored_size_px=tuple(side + 3 for side in sides(size)),
            **{"flip_average": True, **given, **settings},
        ),
        {},
    )
    shapes = build.variable_shapes(complete, build.build_model(complete, len(class_names)))
    each = [_draw(shapes, seed) for seed in range(members)]
    return Classifier(complete, class_names, each[0], others=each[1:])


def _draw(shapes, seed):
    draws = np.random.default_rng(seed)

    def array(path, leaf):
        name = path[-1].key
        if name in ("var", "scale"):
            return draws.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        fan_in = np.prod(leaf.shape[:-1]) if len(leaf.shape) > 1 else 10.0
        return (draws.normal(size=leaf.shape) * np.sqrt(2 / fan_in)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(array, shapes)


@pytest.fixture(scope="session")
def make_classifier():
    """The function that makes one: name of the network, members, settings."""
    return _make_classifier


@pytest.fixture(scope="session")
def judging():
    """Has a classifier keep photos by which grey images of noise are of its classes."""

    def judge(classifier):
        shape = (20, *classifier.preprocessing.decoding.image_shape)
        images = np.random.default_rng(5).integers(100, 156, shape, np.uint8)
        _, features = classifier.probabilities_and_features(images)
        reference = fit_neighbours(features, k=2)
        scores = np.linspace(-0.1, 0, 40).astype(np.float32)
        classifier.known_photos = KnownPhotos(7, 0.9, reference, scores, np.linspace(0, 0.5, 40))
        return classifier

    return judge
