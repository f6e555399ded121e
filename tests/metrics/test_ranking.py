"""Areas under curves: against scikit-learn, with ties, absent classes and broken networks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import softmax

from jaxcnn.metrics.ranking import auroc, average_precision

PROPERTY = settings(max_examples=60, deadline=None)


def drawn(num_examples, num_classes, seed=0, *, levels=3):
    """Labels and probabilities; few levels of logits make many ties."""
    draws = np.random.default_rng(seed)
    logits = draws.integers(0, levels, (num_examples, num_classes)).astype(np.float32)
    labels = draws.integers(num_classes, size=num_examples)
    logits[np.arange(num_examples), labels] += draws.integers(0, 2, num_examples)
    return labels, softmax(logits, axis=1)


def one_by_one(measure, labels, probabilities):
    """Average scikit-learn's answers over the classes that occur."""
    classes = np.unique(labels) if probabilities.shape[1] > 2 else [1]
    return np.mean([measure(labels == c, probabilities[:, c]) for c in classes])


@pytest.mark.parametrize("levels", [1, 3, 1000])
@pytest.mark.parametrize(
    ("num_examples", "num_classes"), [(40, 2), (5000, 2), (30, 3), (400, 10), (15, 30)]
)
def test_areas_are_scikit_learns(num_examples, num_classes, levels):
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, probabilities = drawn(num_examples, num_classes, levels=levels)
    for own, other in (
        (auroc, theirs.roc_auc_score),
        (average_precision, theirs.average_precision_score),
    ):
        expected = one_by_one(other, labels, probabilities)
        assert own(labels, probabilities) == pytest.approx(expected, rel=1e-12), own


def test_the_mean_over_all_classes_is_scikit_learns():
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, probabilities = drawn(200, 5)
    assert len(set(labels)) == 5
    expected = theirs.roc_auc_score(labels, probabilities, multi_class="ovr")
    assert auroc(labels, probabilities) == pytest.approx(expected, rel=1e-12)
    expected = theirs.average_precision_score(labels, probabilities, average="macro")
    assert average_precision(labels, probabilities) == pytest.approx(expected, rel=1e-12)


@given(num_examples=st.integers(2, 12), levels=st.integers(1, 4), seed=st.integers(0, 9999))
@PROPERTY
def test_auroc_is_the_share_of_pairs_in_order(num_examples, levels, seed):
    labels, probabilities = drawn(num_examples, 2, seed, levels=levels)
    labels[:2] = 0, 1
    ones, zeros = probabilities[labels == 1, 1, None], probabilities[None, labels == 0, 1]
    pairs = np.where(ones == zeros, 0.5, ones > zeros)
    assert auroc(labels, probabilities) == pytest.approx(pairs.mean(), rel=1e-12)


@pytest.mark.parametrize("measure", [auroc, average_precision])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_order_of_examples_does_not_matter(measure, num_classes):
    labels, probabilities = drawn(200, num_classes)
    order = np.random.default_rng(1).permutation(200)
    assert measure(labels[order], probabilities[order]) == measure(labels, probabilities)


@pytest.mark.parametrize(
    ("labels", "num_classes", "area", "precision"),
    [
        ([0, 0, 0], 2, math.nan, math.nan),
        ([1, 1, 1], 2, math.nan, 1.0),
        ([2, 2, 2], 3, math.nan, 1.0),
    ],
)
def test_one_class_alone(labels, num_classes, area, precision):
    probabilities = drawn(3, num_classes)[1]
    assert auroc(np.array(labels), probabilities) == pytest.approx(area, nan_ok=True)
    assert average_precision(np.array(labels), probabilities) == pytest.approx(
        precision, nan_ok=True
    )


@pytest.mark.parametrize("measure", [auroc, average_precision])
def test_a_network_that_broke_down_has_no_area(measure):
    labels, probabilities = drawn(30, 3)
    probabilities[4] = np.nan
    assert math.isnan(measure(labels, probabilities))


@pytest.mark.parametrize("measure", [auroc, average_precision])
@pytest.mark.parametrize(
    ("labels", "shape", "message"),
    [
        ([0, 1], (3, 2), "got 3 for 2 labels"),
        ([0, 2], (2, 2), r"labels must lie in \[0, 2\), got 0 to 2"),
        ([], (0, 2), "at least 1 example"),
        ([0, 1], (2,), r"must be \(N, K\)"),
    ],
)
def test_areas_refuse(measure, labels, shape, message):
    with pytest.raises(ValueError, match=message):
        measure(np.array(labels, int), np.full(shape, 0.5))
