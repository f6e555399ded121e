"""Sets of labels: against scikit-learn, thresholds against trying all of them."""

import numpy as np
import pytest

from jaxcnn.metrics.multi_label import choose_thresholds, predicted_sets, score_sets
from jaxcnn.metrics.ranking import auroc, average_precision_per_class, mean_average_precision


def drawn(num_examples=200, num_classes=6, seed=0, levels=1000):
    """Labels, some rare, and probabilities that follow them; few levels make many ties."""
    draws = np.random.default_rng(seed)
    shares = np.linspace(0.05, 0.8, num_classes)
    labels = (draws.random((num_examples, num_classes)) < shares).astype(np.uint8)
    noise = draws.normal(size=labels.shape) + 1.5 * labels - 1
    probabilities = 1 / (1 + np.exp(-noise))
    return labels, (np.rint(levels * probabilities) / levels).astype(np.float32)


@pytest.mark.parametrize("levels", [3, 20, 1000])
def test_scores_are_scikit_learns(levels):
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, probabilities = drawn(levels=levels)
    thresholds = np.linspace(0.3, 0.7, 6)
    sets = probabilities >= thresholds
    found = score_sets(labels, probabilities, thresholds)
    close = {"rel": 1e-12}
    assert found.mean_average_precision == pytest.approx(
        theirs.average_precision_score(labels, probabilities, average="macro"), **close
    )
    assert mean_average_precision(labels, probabilities) == found.mean_average_precision
    assert found.macro_f1 == pytest.approx(theirs.f1_score(labels, sets, average="macro"), **close)
    assert found.micro_f1 == pytest.approx(theirs.f1_score(labels, sets, average="micro"), **close)
    assert found.subset_accuracy == pytest.approx(theirs.accuracy_score(labels, sets), **close)
    precision, recall, f1, counts = theirs.precision_recall_fscore_support(
        labels, sets, zero_division=np.nan
    )
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.f1, f1)
    np.testing.assert_array_equal(found.labels, counts)
    np.testing.assert_array_equal(found.predictions, sets.sum(axis=0))
    expected = theirs.roc_auc_score(labels, probabilities, average="macro")
    assert auroc(labels, probabilities) == pytest.approx(expected, **close)


@pytest.mark.parametrize("levels", [3, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_no_other_threshold_gives_a_better_f1(levels, seed):
    labels, probabilities = drawn(60, 5, seed, levels)
    chosen = choose_thresholds(labels, probabilities, least_positives=1)
    best = score_sets(labels, probabilities, chosen).f1
    for threshold in np.linspace(0, 1, 401):
        others = score_sets(labels, probabilities, np.full(5, threshold)).f1
        assert (others <= best + 1e-12).all()
    assert ((chosen > 0) & (chosen < 1)).all()


def test_few_positives_and_no_negatives_keep_the_default():
    labels = np.zeros((20, 4), np.uint8)
    labels[:4, 0] = labels[:5, 1] = labels[:, 2] = 1
    probabilities = np.where(labels, 0.3, 0.1).astype(np.float32)
    probabilities[0, 3] = np.nan
    labels[:10, 3] = 1
    assert choose_thresholds(labels, probabilities).tolist() == pytest.approx([0.5, 0.2, 0.5, 0.5])


def test_of_equally_good_thresholds_the_one_nearest_a_half_is_taken():
    labels = np.array([[1], [0], [1], [0]])
    probabilities = np.array([[0.9], [0.8], [0.4], [0.1]])
    assert score_sets(labels, probabilities, np.array([0.6])).f1[0] == 0.5
    assert choose_thresholds(labels, probabilities, least_positives=1)[0] == pytest.approx(0.25)
    labels = np.array([[1], [0], [0], [0], [1]])  # F1 is 2/3 above 0.8, and from 0.2 on 2/3 no more
    probabilities = np.array([[0.9], [0.8], [0.7], [0.6], [0.1]])
    assert choose_thresholds(labels, probabilities, least_positives=1)[0] == pytest.approx(0.85)


def test_absent_classes_have_no_figures_and_count_in_no_mean():
    labels = np.array([[1, 0, 0], [0, 1, 0]])
    probabilities = np.array([[0.9, 0.6, 0.1], [0.2, 0.7, 0.2]])
    found = score_sets(labels, probabilities, np.full(3, 0.5))
    assert np.isnan(found.average_precision[2])
    assert np.isnan(found.f1[2])
    assert found.macro_f1 == pytest.approx((1 + 2 / 3) / 2)
    assert found.mean_average_precision == 1
    nothing = score_sets(np.zeros((2, 2)), np.zeros((2, 2)), np.full(2, 0.5))
    assert np.isnan([nothing.mean_average_precision, nothing.macro_f1]).all()
    assert nothing.subset_accuracy == 1


def test_a_probability_that_is_no_number_is_no_label_and_no_measure():
    labels, probabilities = drawn(20, 3)
    probabilities[3, 1] = np.nan
    assert not predicted_sets(probabilities, np.zeros(3))[3, 1]
    assert np.isnan(average_precision_per_class(labels, probabilities)[1])
    assert np.isnan(mean_average_precision(labels, probabilities))
    assert np.isnan(auroc(labels, probabilities))


def test_single_labels_have_a_mean_over_classes_too():
    labels = np.array([0, 1, 2, 1])
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    table = np.eye(3)[labels]
    expected = mean_average_precision(table, probabilities)
    assert mean_average_precision(labels, probabilities) == expected


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3))),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.full((3, 2), 2), np.zeros((3, 2))),
    ],
)
def test_what_is_no_table_is_refused(labels, probabilities):
    for measure in (choose_thresholds, average_precision_per_class):
        with pytest.raises(ValueError, match="labels"):
            measure(labels, probabilities)


def test_a_threshold_below_all_probabilities_lies_halfway_to_0():
    labels, probabilities = np.array([[1], [0], [1]]), np.array([[0.9], [0.8], [0.2]])
    found = choose_thresholds(labels, probabilities, least_positives=1)
    np.testing.assert_allclose(found, [0.1])
