"""Scores of suspicion on answers whose wrong labels are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxcnn.metrics import label_quality
from jaxcnn.metrics.label_quality import (
    cross_validated_probabilities,
    error_norms,
    label_losses,
    rank_by,
    suspect_labels,
)

ANSWERS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.5, 0.0]])
LABELS = np.array([0, 2, 2])


def test_losses_are_those_of_the_label():
    np.testing.assert_allclose(
        label_losses(ANSWERS, LABELS), -np.log([0.7, 0.1, 1e-30]), rtol=1e-12
    )


def test_error_norms_lie_between_0_and_the_root_of_2():
    expected = [np.sqrt(0.3**2 + 0.2**2 + 0.1**2), np.sqrt(0.1**2 + 0.8**2 + 0.9**2), np.sqrt(1.5)]
    np.testing.assert_allclose(error_norms(ANSWERS, LABELS), expected)


def test_folds_have_the_classes_evenly_and_statistics_of_their_own(monkeypatch):
    seen = []

    def fit(inputs, labels, **options):
        seen.append((inputs, np.bincount(labels, minlength=3)))
        return SimpleNamespace(weights=np.zeros((2, 3)), bias=np.zeros(3))

    monkeypatch.setattr(label_quality, "fit_logistic_regression", fit)
    labels = np.repeat([0, 1, 2], [20, 10, 5])[np.random.default_rng(0).permutation(35)]
    features = np.random.default_rng(1).exponential(1 + labels[:, None], (35, 2))
    cross_validated_probabilities(features.astype(np.float32), labels, num_classes=3)
    assert len(seen) == 5
    for inputs, counts in seen:
        assert counts.tolist() == [16, 8, 4]
        np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(inputs.std(axis=0), 1, atol=1e-5)


def drawn_clusters(*, count=200, num_classes=3, num_flipped=10, seed=0):
    draws = np.random.default_rng(seed)
    truth = np.arange(count) % num_classes
    features = draws.normal(size=(count, 8)) + 3 * np.eye(num_classes, 8)[truth]
    labels = truth.astype(np.int32)
    flipped = draws.permutation(count)[:num_flipped]
    labels[flipped] = (labels[flipped] + 1) % num_classes
    return features.astype(np.float32), labels, truth, flipped


def test_flipped_labels_are_found_first():
    features, labels, truth, flipped = drawn_clusters()
    unseen = cross_validated_probabilities(features, labels, num_classes=3)
    np.testing.assert_allclose(unseen.sum(axis=1), 1)
    first = rank_by(label_losses(unseen, labels))[: 2 * len(flipped)]
    assert np.isin(flipped, first).mean() >= 0.8
    found = suspect_labels(unseen, labels)
    caught = flipped[found.suspected[flipped] >= 0]
    assert len(caught) >= 3  # careful: sure ones alone
    np.testing.assert_array_equal(found.suspected[caught], truth[caught])
    off_diagonal = found.joint.sum() - found.joint.trace()
    assert off_diagonal == (found.suspected >= 0).sum()


def test_an_example_is_judged_by_folds_that_have_not_seen_its_label():
    features, labels, _, _ = drawn_clusters(count=60, num_flipped=0)
    options = {"num_classes": 3, "num_folds": 60}  # each example by itself
    changed = labels.copy()
    changed[0] = (changed[0] + 1) % 3
    # Folds are dealt by label, so with one fold an example the others stay what they are.
    before = cross_validated_probabilities(features, labels, **options)[0]
    after = cross_validated_probabilities(features, changed, **options)[0]
    np.testing.assert_allclose(before, after, atol=1e-3)


def test_a_feature_that_only_one_example_has_does_not_decide_alone():
    features, labels, _, _ = drawn_clusters()
    rare = np.random.default_rng(3).normal(0, 1e-3, (len(labels), 1)).astype(np.float32)
    rare[0] = 1.0  # a thousand deviations, whichever sign its weight has
    before, after = (
        cross_validated_probabilities(each, labels, num_classes=3)
        for each in (features, np.hstack([features, rare]))
    )
    assert abs(before[0] - after[0]).max() < 0.1


def test_a_class_without_examples_is_never_suspected():
    answers = np.array([[0.2, 0.1, 0.7], [0.1, 0.8, 0.1], [0.9, 0.05, 0.05]])
    assert 2 not in suspect_labels(answers, np.array([0, 1, 0])).suspected


def test_ranks_are_stable_and_put_nan_last():
    assert rank_by(np.array([1.0, np.nan, 2.0, 1.0])).tolist() == [2, 0, 3, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: label_losses(ANSWERS[0], LABELS), "answers must be"),
        (lambda: label_losses(ANSWERS[:2], LABELS), "for 3 labels"),
        (lambda: error_norms(ANSWERS[:, :1], LABELS), "K >= 2"),
        (lambda: error_norms(ANSWERS, np.array([0, 1, 3])), r"labels must lie in \[0, 3\)"),
        (
            lambda: cross_validated_probabilities(ANSWERS, LABELS, num_classes=3, num_folds=9),
            "num_folds must be 2 to the number of examples, 3; got 9",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_order_and_the_suspects_are_cleanlabs():
    rank = pytest.importorskip("cleanlab.rank", reason="cleanlab is in no extra; it brings pandas")
    filters = pytest.importorskip("cleanlab.filter")
    draws = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    probabilities = draws.dirichlet(np.ones(4), 200) + 2 * np.eye(4)[labels]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels[::20] = (labels[::20] + 1) % 4
    quality = rank.get_label_quality_scores(labels, probabilities, method="self_confidence")
    losses = label_losses(probabilities, labels)
    np.testing.assert_array_equal(rank_by(losses), np.argsort(quality, kind="stable"))
    issues = filters.find_label_issues(
        labels, probabilities, filter_by="confident_learning", n_jobs=1
    )
    np.testing.assert_array_equal(suspect_labels(probabilities, labels).suspected >= 0, issues)
