"""What a run keeps to say "none of these": written, read, refused, and used as it promises."""

import shutil

import numpy as np
import pytest

from jaxcnn.metrics.out_of_distribution import fit_neighbours, nearest_neighbours
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import load_config, make_config, resolve
from jaxcnn.runs.known_photos import (
    KNOWN_PHOTOS,
    KnownPhotos,
    load_known_photos,
    make_known_photos,
    make_score,
    measure,
    photos_to_compare,
    save_known_photos,
)
from jaxcnn.runs.prediction import Prediction
from jaxcnn.runs.train_and_evaluate import load_data
from jaxcnn.training.evaluation import Evaluation


@pytest.fixture
def kept():
    """Two training photos along the first axes; 99 validation photos of even scores."""
    reference = fit_neighbours(np.eye(3)[:2], k=1)
    scores = np.linspace(-1, 0, 99).astype(np.float32)
    return KnownPhotos(7, 0.9, reference, scores, np.linspace(0, 0.98, 99))


def answers(probabilities, labels, scores=None):
    probabilities, labels = np.asarray(probabilities, np.float32), np.asarray(labels)
    return Evaluation({}, labels, probabilities, np.arange(len(labels)), scores)


def test_photos_to_compare_with_are_of_all_classes_alike():
    labels = np.repeat(np.arange(3), [3000, 900, 20])
    chosen = photos_to_compare(labels, 3)
    assert np.bincount(labels[chosen]).tolist() == [490, 490, 20]
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, photos_to_compare(labels, 3))
    assert len(photos_to_compare(np.arange(20_000) % 1000, 1000)) == 5000
    assert photos_to_compare(labels[:5], 3).tolist() == [0, 1, 2, 3, 4]
    assert len(photos_to_compare(np.zeros((3000, 4), np.uint8), 4)) == 1000


def test_it_is_read_as_it_was_written(kept, tmp_path):
    save_known_photos(tmp_path, kept)
    found = load_known_photos(tmp_path, 7)
    assert (found.step, found.coverage, found.reference.k) == (7, 0.9, 1)
    for own, other in (
        (found.reference.features, kept.reference.features),
        (found.scores, kept.scores),
        (found.label_scores, kept.label_scores),
    ):
        np.testing.assert_array_equal(own, other)


def test_none_are_none_and_those_of_another_step_are_not_used(kept, tmp_path, said):
    assert load_known_photos(tmp_path, 7) is None
    save_known_photos(tmp_path, kept)
    assert load_known_photos(tmp_path, 8) is None
    assert "belongs to step 7, the network is that of step 8" in said[0]


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / KNOWN_PHOTOS).write_bytes(content)
    with pytest.raises(ValueError, match=r"known_photos\.npz is damaged .*or remove it"):
        load_known_photos(tmp_path, 7)


def test_other_arrays_do_not_pass_for_those_that_were_written(kept, tmp_path):
    save_known_photos(tmp_path, kept)
    with np.load(tmp_path / KNOWN_PHOTOS) as arrays:
        changed = {**arrays, "scores": arrays["scores"] + 1}
    np.savez(tmp_path / KNOWN_PHOTOS, **changed)
    with pytest.raises(ValueError, match="checksum"):
        load_known_photos(tmp_path, 7)


def test_a_photo_is_known_if_its_score_reaches_the_threshold(kept):
    features = np.array([[5.0, 0, 0], [0, 0, 1.0], [np.nan, 0, 0]])
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.4, 0.3, 0.3]])
    known, unknown, broken = kept.judge(features, probabilities)
    assert (known.is_known, unknown.is_known, broken.is_known) == (True, False, False)
    assert (known.score, known.classes) == (0.0, None)
    assert unknown.score == pytest.approx(-(2**0.5))
    # Of 99 photos the lowest score is left out for 0.99, and none for 1.
    assert kept.threshold() == pytest.approx(kept.scores[9])
    assert kept.threshold(0.99) == kept.scores[0]
    assert kept.judge(features, probabilities, coverage=1.0)[1].is_known


def test_sets_hold_the_most_probable_classes_first(kept):
    probabilities = np.array([[0.1, 0.6, 0.3], [0.01, 0.98, 0.01]])
    sets = [each.classes for each in kept.judge(np.eye(3)[:2], probabilities, conformal=0.8)]
    assert sets == [(1, 2), (1,)]  # the 80th of 99 scores is 0.79, so at least 0.21 is in


def test_few_validation_photos_leave_out_none_and_sets_hold_all():
    validation = answers([[0.9, 0.1], [0.2, 0.8]], [0, 1], np.array([-0.5, -0.2], np.float32))
    kept = make_known_photos(validation, fit_neighbours(np.eye(2)), step=1, coverage=0.95)
    (found,) = kept.judge(np.array([[-1.0, -1.0]]), np.array([[0.9, 0.1]]), conformal=0.9)
    assert found.is_known
    assert found.classes == (0, 1)
    assert measure(kept, validation, conformal=0.9)["none_of_these"]["threshold"] is None


def test_of_many_validation_photos_enough_scores_are_kept():
    draws = np.random.default_rng(0)
    scores = draws.normal(size=30_001).astype(np.float32)
    validation = answers(np.full((30_001, 2), 0.5), np.zeros(30_001, int), scores)
    kept = make_known_photos(validation, fit_neighbours(np.eye(2)), step=1, coverage=0.95)
    assert len(kept.scores) == len(kept.label_scores) == 10_000
    assert (kept.scores[0], kept.scores[-1]) == (scores.min(), scores.max())
    assert (scores >= kept.threshold()).mean() == pytest.approx(0.95, abs=2e-4)


def test_photos_of_several_classes_have_no_sets():
    several = np.array([[1, 1], [0, 1]], np.uint8)
    validation = answers([[0.9, 0.1], [0.2, 0.8]], several, np.array([-0.5, -0.2], np.float32))
    kept = make_known_photos(validation, fit_neighbours(np.eye(2)), step=1, coverage=0.95)
    assert not kept.has_sets
    kept.check(coverage=0.5, conformal=None)
    with pytest.raises(ValueError, match="one class each"):
        kept.check(coverage=None, conformal=0.9)
    assert "sets" not in measure(kept, validation, conformal=0.9)


def test_without_a_score_nothing_is_kept():
    assert make_known_photos(answers([[1.0, 0]], [0]), None, step=1, coverage=0.9) is None
    assert make_score(np.full((3, 2), np.nan)) == (None, None)


@pytest.mark.parametrize(
    "given", [{"coverage": 0}, {"coverage": 1.1}, {"conformal": 0.0}, {"conformal": 1.0}]
)
def test_settings_out_of_range_are_refused(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be a share"):
        resolve(make_config(dataset="drawn_pets", **given))


class TestRun:
    def test_its_classifier_judges_as_it_promises(self, tiny_run):
        data = load_data(load_config(tiny_run / "config.json"))
        found = Classifier.load(tiny_run).predict(data.validation.images, conformal=0.8)
        assert np.mean([answer.is_known for answer in found]) >= 0.95
        names = data.validation.class_names
        right = [names[i] in a.set for a, i in zip(found, data.validation.labels, strict=True)]
        assert np.mean(right) >= 0.8
        assert all(answer.label == answer.set[0] for answer in found)

    def test_scores_compare_with_its_training_photos(self, tiny_run):
        classifier = Classifier.load(tiny_run)
        train = load_data(load_config(tiny_run / "config.json")).train
        _, features = classifier.probabilities_and_features(train.images)
        expected = nearest_neighbours(features, fit_neighbours(features))
        found = [answer.score for answer in classifier.predict(train.images)]
        np.testing.assert_allclose(found, expected, atol=1e-3)

    def test_the_checkpoint_alone_keeps_it(self, tiny_run, tmp_path):
        shutil.copytree(tiny_run / "checkpoints" / "best", tmp_path / "best")
        assert Classifier.load(tmp_path / "best").known_photos is not None

    def test_a_run_without_it_judges_nothing_and_says_so_where_it_is_asked(
        self, tiny_run, tmp_path
    ):
        best = tmp_path / "best"
        shutil.copytree(tiny_run / "checkpoints" / "best", best)
        (best / KNOWN_PHOTOS).unlink()
        classifier, photo = Classifier.load(best), np.zeros((18, 18, 3), np.uint8)
        answer = classifier.predict(photo)
        assert (answer.is_known, answer.score, answer.set) == (True, None, None)
        for given in ({"coverage": 0.9}, {"conformal": 0.9}):
            with pytest.raises(
                ValueError, match=rf"{next(iter(given))} \(=.*\) needs scores of the"
            ):
                classifier.predict(photo, **given)
        assert classifier.fingerprint() != Classifier.load(tiny_run).fingerprint()

    def test_a_share_of_its_own_is_taken_in_place_of_the_runs(self, tiny_run):
        classifier = Classifier.load(tiny_run)
        photos = load_data(load_config(tiny_run / "config.json")).test.images
        strict, all_kept = (
            [answer.is_known for answer in classifier.predict(photos, coverage=share)]
            for share in (0.3, 1.0)
        )
        assert np.mean(strict) < 0.8
        assert all(all_kept)
        with pytest.raises(ValueError, match="coverage"):
            classifier.predict(photos, coverage=-1.0)


def test_an_answer_says_what_it_is():
    each = {"cat": 0.97, "dog": 0.03}
    assert str(Prediction("cat", 0.97, each)) == "cat 97.0%"
    unknown = Prediction("cat", 0.97, each, is_known=False)
    assert str(unknown) == "none of these (most like: cat 97.0%)"
    assert "none of these" in unknown._repr_html_()
    assert "none of these" not in Prediction("cat", 0.97, each)._repr_html_()
