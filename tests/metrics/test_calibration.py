import numpy as np
import pytest

from jaxcnn.metrics.calibration import (
    apply_temperature,
    calibrate,
    calibration_curve,
    choose_temperature,
    expected_calibration_error,
    fit_temperature,
    most_confident_errors,
)


def softmax(logits):
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def drawn(num_examples, num_classes, *, sharpness, seed=0):
    """Probabilities and labels; the labels are drawn from the probabilities at sharpness 1."""
    draws = np.random.default_rng(seed)
    logits = draws.normal(0, 1.5, (num_examples, num_classes))
    true = softmax(logits)
    labels = (draws.random((num_examples, 1)) > true.cumsum(1)).sum(1).clip(max=num_classes - 1)
    return softmax(sharpness * logits), labels


def test_a_confidence_on_an_edge_is_in_the_bin_below():
    table = np.array([[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]])
    curve = calibration_curve(table, np.array([0, 0, 1]), num_bins=4)
    assert curve.count.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("num_bins", [1, 4, 15])
def test_the_curve_is_scikit_learns(num_bins):
    theirs = pytest.importorskip("sklearn.calibration", reason="scikit-learn is not installed")
    probabilities, labels = drawn(500, 3, sharpness=2.0)
    curve = calibration_curve(probabilities, labels, num_bins=num_bins)
    right = probabilities.argmax(1) == labels
    accuracy, confidence = theirs.calibration_curve(
        right, probabilities.max(1), n_bins=num_bins, strategy="uniform"
    )
    filled = curve.count > 0
    np.testing.assert_allclose(curve.accuracy[filled], accuracy, rtol=1e-12)
    np.testing.assert_allclose(curve.confidence[filled], confidence, rtol=1e-12)
    assert np.isnan(curve.accuracy[~filled]).all()


@pytest.mark.parametrize("num_bins", [1, 10, 15])
def test_the_curves_error_is_the_expected_calibration_error(num_bins):
    probabilities, labels = drawn(400, 5, sharpness=3.0)
    curve = calibration_curve(probabilities, labels, num_bins=num_bins)
    expected = expected_calibration_error(probabilities, labels, num_bins=num_bins)
    assert curve.error == pytest.approx(expected, rel=1e-12)
    assert curve.count.sum() == 400
    inside = (curve.interval[:, 0] <= curve.accuracy) & (curve.accuracy <= curve.interval[:, 1])
    assert inside[curve.count > 0].all()


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0, 4.0])
def test_the_temperature_is_the_one_that_the_answers_were_sharpened_by(sharpness):
    assert fit_temperature(*drawn(20_000, 4, sharpness=sharpness)) == pytest.approx(
        sharpness, rel=0.05
    )


def test_the_temperature_makes_the_labels_likeliest():
    probabilities, labels = drawn(300, 4, sharpness=2.5)
    temperature = fit_temperature(probabilities, labels)

    def loss(t):
        scaled = apply_temperature(probabilities, t)
        return -np.log(scaled[np.arange(300), labels]).mean()

    best = loss(temperature)
    assert all(best < loss(temperature * factor) for factor in (0.5, 0.98, 1.02, 2.0))


def test_two_classes_of_a_sigmoid_head_are_scaled_by_their_log_odds():
    probabilities = np.array([[0.2, 0.8]])
    scaled = apply_temperature(probabilities, 3.0)
    assert np.log(scaled[0, 1] / scaled[0, 0]) == pytest.approx(np.log(4) / 3)


@pytest.mark.parametrize(
    ("probabilities", "labels", "expected"),
    [
        ([[0.9, 0.1], [0.2, 0.8]], [0, 1], 0.05),  # all right: as sure as may be
        ([[0.9, 0.1], [0.2, 0.8]], [1, 0], 20.0),  # all wrong: as vague
        ([[1.0, 0.0], [1.0, 0.0]], [0, 1], 20.0),  # a probability of 0 for a label
    ],
)
def test_a_temperature_stays_within_bounds(probabilities, labels, expected):
    assert fit_temperature(np.array(probabilities), np.array(labels)) == pytest.approx(expected)


def log_loss(probabilities, labels):
    return -np.log(np.take_along_axis(probabilities, labels[:, None], 1)).mean()


@pytest.mark.parametrize("count", [8, 20, 60])
def test_few_photos_change_hardly_any_network_that_is_calibrated(count):
    worse = []
    for seed in range(40):
        temperature = choose_temperature(*drawn(count, 3, sharpness=1.0, seed=seed))
        probabilities, labels = drawn(2000, 3, sharpness=1.0, seed=1000 + seed)
        scaled = log_loss(apply_temperature(probabilities, temperature), labels)
        worse.append(scaled > log_loss(probabilities, labels) + 1e-6)
    assert np.mean(worse) <= 0.15  # the test errs at 5 %; without it nearly all are worse


def test_a_temperature_is_kept_where_photos_show_it():
    assert choose_temperature(*drawn(300, 3, sharpness=2.0)) == pytest.approx(2, rel=0.3)
    right = np.array([[0.9, 0.1]] * 500), np.zeros(500, int)
    assert choose_temperature(*right) == 1.0  # nothing says how sure to be


def test_scaling_heals_a_network_that_is_too_sure():
    found = calibrate(drawn(4000, 4, sharpness=3.0), drawn(4000, 4, sharpness=3.0, seed=1))
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.curve.error > 0.15
    assert found.scaled.error < 0.03
    np.testing.assert_array_equal(found.scaled.count.sum(), 4000)


def test_the_surest_errors_come_first_and_right_answers_never():
    probabilities, labels = drawn(200, 3, sharpness=1.0)
    found = most_confident_errors(probabilities, labels, count=7)
    assert len(found) == 7
    confidence, wrong = probabilities.max(1), probabilities.argmax(1) != labels
    assert wrong[found].all()
    assert (np.diff(confidence[found]) <= 0).all()
    others = np.setdiff1d(np.flatnonzero(wrong), found)
    assert confidence[others].max() <= confidence[found].min()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: apply_temperature(np.array([[0.5, 0.5]]), 0.0), "temperature"),
        (lambda: fit_temperature(np.zeros((0, 2)), np.zeros(0, int)), "at least 1 example"),
        (lambda: calibration_curve(np.array([[1.0, 0.0]]), np.array([2])), "lie in"),
        (lambda: calibration_curve(np.array([[1.0, 0]]), np.array([1]), num_bins=0), "num_bins"),
    ],
)
def test_mistakes_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_calibration_error_of_a_case_worked_by_hand():
    # Confidences 0.95 (right), 0.95 (wrong), 0.65 (right), 0.55 (wrong); of two bins, (0.5, 1]
    # holds all: |2/4 - 3.1/4|; of ten, (0.9, 1], (0.6, 0.7] and (0.5, 0.6] hold 2, 1 and 1.
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.45, 0.55]])
    labels = np.array([0, 1, 1, 0])
    found = [expected_calibration_error(probabilities, labels, num_bins=n) for n in (2, 10)]
    assert found[0] == pytest.approx(abs(2 - 3.1) / 4)
    assert found[1] == pytest.approx((abs(1 - 1.9) + abs(1 - 0.65) + abs(0 - 0.55)) / 4)


def test_a_network_as_sure_as_it_is_right_has_no_calibration_error():
    probabilities = np.array([[0.75, 0.25]] * 4)
    labels = np.array([0, 0, 0, 1])
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0)
    certain = np.eye(3)[[0, 1, 2]]
    assert expected_calibration_error(certain, np.arange(3)) == 0
    assert expected_calibration_error(certain, np.array([1, 2, 0])) == 1


@pytest.mark.parametrize(
    ("probabilities", "labels", "num_bins"),
    [
        (np.ones(3), np.zeros(3, int), 15),
        (np.ones((0, 2)), np.zeros(0, int), 15),
        (np.ones((2, 2)), np.zeros(3, int), 15),
        (np.ones((2, 2)), np.array([0, 2]), 15),
        (np.ones((2, 2)), np.array([0, 1]), 0),
    ],
)
def test_calibration_error_refuses_what_it_cannot_bin(probabilities, labels, num_bins):
    with pytest.raises(ValueError, match=r"must|come"):
        expected_calibration_error(probabilities, labels, num_bins=num_bins)
