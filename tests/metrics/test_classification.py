"""Statistics on the host, against scipy and counting."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from jaxcnn.metrics.classification import (
    confusion_matrix,
    most_confused,
    per_class_precision_recall,
    wilson_interval,
)

PROPERTY = settings(max_examples=30, deadline=None)


@given(count=st.integers(1, 2000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
@PROPERTY
def test_wilson_matches_scipy(count, share, confidence):
    correct = round(share * count)
    expected = stats.binomtest(correct, count).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(correct, count, confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= correct / count <= high <= 1


def test_wilson_known_values():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize("count", [1, 7, 500])
def test_wilson_is_exact_at_the_ends(count):
    assert wilson_interval(0, count)[0] == 0.0
    assert wilson_interval(count, count)[1] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "0 of 0"),
        ((3, 2), "3 of 2"),
        ((-1, 2), "-1 of 2"),
        ((1, 2, 1.0), r"\(0, 1\), got 1.0"),
        ((1, 2, 95), "got 95"),
    ],
)
def test_wilson_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        wilson_interval(*arguments)


@given(hnp.arrays(np.int32, (12, 2), elements=st.integers(0, 4)))
@PROPERTY
def test_confusion_matrix_counts_pairs(pairs):
    matrix = confusion_matrix(*pairs.T, 5)
    expected = np.zeros((5, 5), int)
    for i, j in pairs:
        expected[i, j] += 1
    np.testing.assert_array_equal(matrix, expected)
    assert matrix.dtype == np.int64


def test_narrow_labels_do_not_overflow():
    labels = np.full(2, 200, np.uint8)
    assert confusion_matrix(labels, labels, 201)[200, 200] == 2


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 3], [0, 0], r"labels must lie in \[0, 3\), got 0 to 3"),
        ([0, 0], [0, -1], "predictions must lie in .* got -1 to 0"),
        ([0.0, 1.0], [0, 0], "labels must be .* float64"),
        ([0, 1], [0], "got 1 for 2 labels"),
    ],
)
def test_confusion_matrix_refuses(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(labels), np.array(predictions), 3)


def test_precision_and_recall_by_hand():
    precision, recall = per_class_precision_recall(np.array([[5, 1, 0], [2, 2, 0], [0, 0, 0]]))
    np.testing.assert_allclose(precision, [5 / 7, 2 / 3, np.nan])
    np.testing.assert_allclose(recall, [5 / 6, 1 / 2, np.nan])


def test_precision_and_recall_refuse_oblong():
    with pytest.raises(ValueError, match=r"\(K, K\), got \(2, 3\)"):
        per_class_precision_recall(np.zeros((2, 3)))


def test_most_confused_finds_the_greatest_counts_off_the_diagonal():
    matrix = np.array([[99, 3, 0], [7, 99, 0], [0, 5, 99]])
    assert most_confused(matrix, count=2) == [(1, 0), (2, 1)]
    assert most_confused(matrix, count=9) == [(1, 0), (2, 1), (0, 1)]
