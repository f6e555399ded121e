"""Sets of classes: their scores by hand, their limits, and that they keep the promise."""

import math

import numpy as np
import pytest

from jaxcnn.metrics import conformal

LEVELS = [0.5, 0.8, 0.9, 0.95]


def drawn(num_examples, num_classes=10, seed=0, *, sureness=2.0):
    """Labels drawn from probabilities, which the network then knows but is too sure of."""
    draws = np.random.default_rng(seed)
    logits = sureness * draws.normal(size=(num_examples, num_classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([draws.choice(num_classes, p=row) for row in true])
    sure = np.exp(1.5 * logits)
    return sure / sure.sum(axis=1, keepdims=True), labels


def slowly(probabilities, weight=0.0, num_free=0):
    """The definition, class by class."""
    found = np.zeros_like(probabilities)
    for n, row in enumerate(probabilities):
        order = sorted(range(len(row)), key=lambda c: (-row[c], c))
        for rank, c in enumerate(order, start=1):
            found[n, c] = sum(row[order[:rank]]) + weight * max(0, rank - num_free)
    return found


def test_scores_are_their_definitions():
    probabilities, _ = drawn(20)
    np.testing.assert_array_equal(conformal.least_ambiguous(probabilities), 1 - probabilities)
    np.testing.assert_allclose(conformal.adaptive(probabilities), slowly(probabilities))
    found = conformal.regularized(probabilities, weight=0.1, num_free=2)
    np.testing.assert_allclose(found, slowly(probabilities, 0.1, 2))


def test_equal_probabilities_are_ranked_by_class():
    assert conformal.adaptive(np.full((1, 4), 0.25)).tolist() == [[0.25, 0.5, 0.75, 1.0]]


@pytest.mark.parametrize("given", [{"weight": -1}, {"num_free": -1}])
def test_penalties_below_zero_are_refused(given):
    with pytest.raises(ValueError, match="at least 0"):
        conformal.regularized(np.full((1, 4), 0.25), **given)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", conformal.SCORES)
def test_new_examples_have_their_class_in_the_set_as_promised(name, level):
    score = conformal.SCORES[name]
    probabilities, labels = drawn(4000)
    own = conformal.label_scores(score(probabilities), labels)
    limit = conformal.calibrate_sets(own[:2000], level)
    sets = conformal.prediction_sets(score(probabilities[2000:]), limit)
    found = conformal.set_quality(sets, labels[2000:])
    assert found.interval[1] >= level
    if level >= 0.9:  # below, the class that is always in the set is more than was promised
        assert found.interval[0] <= level + 0.02
    assert 1 <= found.mean_size <= 10


@pytest.mark.parametrize("num_examples", [1, 9, 10, 19, 200])
@pytest.mark.parametrize("level", LEVELS)
def test_the_limit_is_the_one_that_exchangeable_examples_need(num_examples, level):
    scores = np.random.default_rng(0).permutation(num_examples).astype(float)
    limit = conformal.calibrate_sets(scores, level)
    # A new example's rank among N + 1 is uniform: this many places are within the limit.
    within = num_examples + 1 if math.isinf(limit) else int((scores <= limit).sum())
    assert level <= within / (num_examples + 1) < level + 1 / (num_examples + 1) + 1e-12


def test_too_few_examples_promise_by_all_classes_and_nan_fits_worst():
    assert conformal.calibrate_sets(np.array([0.1, 0.2]), 0.9) == math.inf
    assert conformal.prediction_sets(np.ones((2, 3)), math.inf).all()
    assert conformal.calibrate_sets(np.array([np.nan, *[0.1] * 8]), 0.9) == math.inf
    assert conformal.calibrate_sets(np.arange(9.0), 0.9) == 8.0


@pytest.mark.parametrize("level", [0, 1, -0.1, float("nan")])
def test_a_level_out_of_range_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        conformal.calibrate_sets(np.arange(3.0), level)


def test_no_set_is_empty():
    sets = conformal.prediction_sets(np.array([[0.4, 0.6], [0.3, 0.7]]), 0.35)
    assert sets.tolist() == [[True, False], [True, False]]


def test_broken_input_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        conformal.calibrate_sets(np.zeros(0), 0.9)
    with pytest.raises(ValueError, match="labels"):
        conformal.label_scores(np.ones((2, 3)), np.array([0, 3]))
    with pytest.raises(ValueError, match="labels"):
        conformal.set_quality(np.ones((1, 3), bool), np.array([-1]))
