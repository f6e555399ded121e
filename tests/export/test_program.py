"""The exported program: the classifier's answers, by operations that every platform has."""

import re

import jax
import numpy as np
import pytest

from jaxcnn.export import PLATFORMS, ExportError, program, to_stablehlo
from jaxcnn.export.program import TOLERANCES, check_program, pattern_images
from jaxcnn.metrics.out_of_distribution import fit_neighbours
from jaxcnn.models import list_models

# Checks that the number of images is at least 1; jax.export removes it when it compiles.
ALLOWED_CALLS = {"shape_assertion"}
QUICK = ("six_conv", "lenet5", "mobilenet_v1_0.25")
# Side that each network takes, where 32 px are too few.
LARGER = {"alexnet": 64, "inception_v3": 96, "googlenet": 48}
TOO_LARGE = ("convnextv2_huge", "regnet_y_128gf")


def custom_calls(exported):
    return set(re.findall(r"custom_call @([\w.]+)", exported.mlir_module()))


def reload(exported):
    return jax.jit(jax.export.deserialize(exported.serialize()).call)


def pixels(classifier, count):
    shape = (count, *classifier.preprocessing.decoding.image_shape)
    return np.random.default_rng(count).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    "settings",
    [
        {"members": 3},
        {"size": (24, 16)},
        {"batch_norm": True, "flip_average": False},
        {
            "head": "sigmoid",
            "class_names": ("cat", "dog"),
            "num_channels": 1,
            "pixel_mean": (0.4,),
            "pixel_std": (0.3,),
        },
    ],
    ids=str,
)
def test_the_answers_are_the_classifiers_for_any_number_of_images(make_classifier, settings):
    classifier = make_classifier(**settings)
    call = reload(to_stablehlo(classifier))
    for count in (1, 3):
        images = pixels(classifier, count)
        found = np.asarray(call(images))
        assert found.shape == (count, len(classifier.class_names))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, classifier.probabilities(images), atol=1e-6)
        assert np.ptp(found, axis=1).min() > 0.01  # answers, and not all the same


def test_in_half_precision_it_answers_to_the_rounding_of_that(make_classifier):
    classifier = make_classifier(compute_dtype="bfloat16")
    exported = to_stablehlo(classifier)
    assert "xbf16>" in exported.mlir_module()
    call = reload(exported)
    outputs = lambda images: (call(images), None)  # noqa: E731
    assert check_program("stablehlo", outputs, classifier) <= TOLERANCES["bfloat16"]
    assert np.ptp(np.asarray(call(pattern_images(classifier)))) > 0.1


def test_an_ensemble_answers_by_the_mean(make_classifier):
    both, first = make_classifier(members=2), make_classifier(members=1)
    images = pixels(both, 4)
    found = np.asarray(reload(to_stablehlo(both))(images))
    assert np.abs(found - first.probabilities(images)).max() > 0.01


def test_one_file_is_for_all_platforms(make_classifier):
    exported = to_stablehlo(make_classifier())
    assert exported.platforms == PLATFORMS == ("cpu", "cuda", "rocm", "tpu")
    (given,), (answer,) = exported.in_avals, exported.out_avals
    assert given.str_short() == "uint8[b,19,19,3]"
    assert answer.str_short() == "float32[b,3]"


@pytest.mark.parametrize(
    "name",
    [
        n if n in QUICK else pytest.param(n, marks=pytest.mark.slow)
        for n in list_models()
        if n not in TOO_LARGE
    ],
)
def test_every_network_exports_without_calls_of_this_machine(make_classifier, name):
    exported = to_stablehlo(make_classifier(name, size=LARGER.get(name, 32)))
    assert custom_calls(exported) <= ALLOWED_CALLS
    assert len(exported.serialize()) > 10_000


def test_weights_that_fit_into_no_file_are_refused(make_classifier, monkeypatch):
    monkeypatch.setattr(program, "MOST_BYTES", 1000)
    with pytest.raises(ExportError, match=r"the weights take .* less than 1000 bytes"):
        to_stablehlo(make_classifier())


def test_a_wrong_number_of_channels_is_refused(make_classifier):
    exported = to_stablehlo(make_classifier())
    with pytest.raises(ValueError, match="shape"):
        exported.call(np.zeros((2, 19, 19, 1), np.uint8))


def test_a_program_that_answers_otherwise_is_noticed(make_classifier):
    classifier = make_classifier()
    images = pattern_images(classifier)
    own = classifier.probabilities
    assert check_program("own", lambda images: (own(images), None), classifier) == 0.0
    with pytest.raises(ExportError, match=r"differ from the classifier's by 0\.001"):
        check_program("other", lambda images: (own(images) + 1e-3, None), classifier)
    with pytest.raises(ExportError, match="nan"):
        check_program("nan", lambda images: (np.full((3, 3), np.nan), None), classifier)
    assert images.shape == (3, 19, 19, 3)
    assert images.std() > 20


@pytest.mark.parametrize("members", [1, 2])
def test_scores_of_none_of_these_are_a_second_output(make_classifier, judging, members):
    classifier = judging(make_classifier(members=members))
    call = reload(to_stablehlo(classifier))
    images = pixels(classifier, 3)
    probabilities, scores = map(np.asarray, call(images))
    np.testing.assert_allclose(probabilities, classifier.probabilities(images), atol=1e-6)
    expected = [answer.score for answer in classifier.predict(images[:, :19, :19])]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    found = check_program("own", lambda images: tuple(map(np.asarray, call(images))), classifier)
    assert found < 1e-6
    with pytest.raises(ExportError, match="scores differ"):
        check_program("other", lambda x: (call(x)[0], call(x)[1] - 0.01), classifier)
    with pytest.raises(ExportError, match="scores differ"):
        check_program("without", lambda x: (call(x)[0], None), classifier)


def test_a_distance_near_0_may_round_as_its_cosine_does(make_classifier, judging):
    classifier = judging(make_classifier())
    images = pattern_images(classifier)
    probabilities, features = classifier.probabilities_and_features(images)
    known = classifier.known_photos._replace(reference=fit_neighbours(features, k=1))
    classifier.known_photos = known  # the images themselves, at a distance of 0
    check_program("own", lambda _: (probabilities, np.full(3, -1e-3, np.float32)), classifier)
    with pytest.raises(ExportError, match="scores differ"):
        check_program("other", lambda _: (probabilities, np.full(3, -1e-2)), classifier)
