import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.metrics import baselines
from jaxcnn.metrics.baselines import (
    baseline_accuracy,
    color_histogram,
    edge_orientation_histogram,
    histogram_baselines,
)
from jaxcnn.metrics.logistic_regression import (
    LogisticRegression,
    fit_logistic_regression,
    predict,
    standardise,
)


def random_images(count=5, size=12, seed=0):
    shape = (count, size, size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def ramp(angle_degrees, size=16):
    y, x = np.mgrid[:size, :size]
    turn = np.deg2rad(angle_degrees)
    level = 128 + 6 * ((x - size / 2) * np.cos(turn) + (y - size / 2) * np.sin(turn))
    return np.repeat(level[None, :, :, None], 3, axis=-1).round().astype(np.uint8)


def test_color_histogram_counts_joint_colours():
    image = np.array([[[[0, 0, 0], [255, 0, 0]], [[255, 0, 127], [255, 0, 128]]]], np.uint8)
    histogram = color_histogram(image, bins_per_channel=2)[0]
    assert histogram.tolist() == [0.25, 0, 0, 0, 0.5, 0.25, 0, 0]


@pytest.mark.parametrize("bins_per_channel", [1, 3, 8])
def test_color_histogram_equals_numpy(bins_per_channel):
    images = random_images()
    edges = [np.ceil(np.arange(bins_per_channel + 1) * 256 / bins_per_channel)] * 3
    expected = [np.histogramdd(i.reshape(-1, 3), edges)[0].ravel() / 144 for i in images]
    found = color_histogram(images, bins_per_channel=bins_per_channel)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_color_histogram_ignores_places():
    images = random_images()
    moved = np.random.default_rng(1).permutation(images.reshape(5, -1, 3), axis=1)
    np.testing.assert_array_equal(
        color_histogram(moved.reshape(images.shape)), color_histogram(images)
    )


@pytest.mark.parametrize("describe", [color_histogram, edge_orientation_histogram])
def test_chunks_do_not_show(describe, monkeypatch):
    images = random_images(count=7)
    whole = describe(images)
    monkeypatch.setattr(baselines, "_CHUNK", 3)
    np.testing.assert_array_equal(describe(images), whole)
    assert describe(images[:0]).shape == (0, whole.shape[1])


@pytest.mark.parametrize(
    ("angle_degrees", "expected"),
    [
        (0, [1.0, 0.0, 0.0, 0.0]),
        (90, [0.0, 1.0, 0.0, 0.0]),
        (180, [0.0, 0.0, 1.0, 0.0]),
        (270, [0.0, 0.0, 0.0, 1.0]),
        (45, [0.5, 0.5, 0.0, 0.0]),
        (-45, [0.5, 0.0, 0.0, 0.5]),
    ],
)
def test_edge_directions_run_over_the_circle(angle_degrees, expected):
    found = edge_orientation_histogram(ramp(angle_degrees), num_bins=4)
    np.testing.assert_allclose(found, [expected], atol=0.03)


def test_turning_an_image_turns_the_histogram():
    images = random_images()
    turned = np.rot90(images, axes=(1, 2))  # counter-clockwise: from x towards minus y
    found = edge_orientation_histogram(turned, num_bins=8)
    np.testing.assert_allclose(
        found, np.roll(edge_orientation_histogram(images, num_bins=8), -2, axis=1), atol=1e-6
    )


def test_edges_are_weighed_by_their_strength_and_scaled_away():
    image = np.full((1, 16, 16, 3), 100, np.uint8)
    image[:, :, 8:] += 60
    image[:, :3] += 20
    histogram = edge_orientation_histogram(image, num_bins=4)[0]
    assert histogram[0] > 2 * histogram[3] > 0
    np.testing.assert_allclose(histogram.sum(), 1.0, rtol=1e-6)


def test_the_strongest_channel_gives_the_edge():
    image = ramp(0)
    image[..., 2] = ramp(90)[..., 0] // 4  # weaker than red and green
    assert edge_orientation_histogram(image, num_bins=4)[0, 0] > 0.9
    image[..., :2] = 7
    assert edge_orientation_histogram(image, num_bins=4)[0, 1] > 0.9


def test_an_even_image_has_no_edges():
    assert not edge_orientation_histogram(np.full((2, 8, 8, 3), 9, np.uint8)).any()


def noisy_problem(num_classes=3, count=120):
    random = np.random.default_rng(0)
    labels = random.integers(0, num_classes, count)
    features = random.normal(size=(count, 4)) + np.eye(num_classes, 4)[labels]
    return features.astype(np.float32), labels


@pytest.mark.parametrize("l2", [0.01, 0.3])
def test_logistic_regression_reaches_the_minimum(l2):
    features, labels = noisy_problem()
    weights, bias = fit_logistic_regression(features, labels, num_classes=3, l2=l2)
    logits = features @ np.asarray(weights) + np.asarray(bias)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    error = (probabilities - np.eye(3)[labels]) / len(labels)
    np.testing.assert_allclose(features.T @ error + l2 * np.asarray(weights), 0.0, atol=3e-4)
    np.testing.assert_allclose(error.sum(0), 0.0, atol=3e-4)


def test_a_larger_penalty_shrinks_the_weights():
    features, labels = noisy_problem()
    norms = [
        float(jnp.linalg.norm(fit_logistic_regression(features, labels, num_classes=3, l2=l2)[0]))
        for l2 in (0.01, 0.1, 1.0)
    ]
    assert norms[0] > norms[1] > norms[2] > 0


def test_predict_takes_the_largest_logit():
    model = LogisticRegression(jnp.array([[1.0, -1.0]]), jnp.array([0.0, 1.0]))
    assert predict(model, np.float32([[0.0], [1.0]])).tolist() == [1, 0]


def test_standardise_uses_the_training_statistics():
    train = np.random.default_rng(0).normal(3.0, 2.0, (50, 2)).astype(np.float32)
    train[:, 1] = 5.0
    found = standardise(train, train)
    np.testing.assert_allclose(found.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(found.std(0), [1.0, 0.0], atol=1e-5)
    shifted = standardise(train + np.float32(2.0), train)[:, 0]
    np.testing.assert_allclose(shifted - found[:, 0], 2.0 / train[:, 0].std(), rtol=1e-4)


def test_the_penalty_is_chosen_on_the_validation_data():
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    signal = (labels * 2 - 1) * 0.4 + random.normal(size=60)
    # Many features of pure noise: a weak penalty fits the training labels by heart.
    train = np.column_stack([signal, random.normal(size=(60, 35))]).astype(np.float32)
    held_out = random.normal(size=(400, 36)).astype(np.float32)
    truth = (held_out[:, 0] > 0).astype(np.int32)
    splits = (train, labels), (held_out[:200], truth[:200]), (held_out[200:], truth[200:])
    both = baseline_accuracy(*splits, num_classes=2, l2_choices=(1e-4, 3.0))
    alone = [baseline_accuracy(*splits, num_classes=2, l2_choices=(l2,)) for l2 in (1e-4, 3.0)]
    best = max(alone, key=lambda result: (result.validation_accuracy, result.l2))
    assert alone[0].validation_accuracy != alone[1].validation_accuracy
    assert both == best


def test_test_labels_do_not_choose_the_penalty():
    features, labels = noisy_problem()
    split = features, labels
    right = baseline_accuracy(split, split, split, num_classes=3)
    wrong = baseline_accuracy(split, split, (features, (labels + 1) % 3), num_classes=3)
    assert right.test_accuracy == right.validation_accuracy == wrong.validation_accuracy > 0.5
    assert wrong.test_accuracy < 0.3
    assert wrong.l2 == right.l2


def coloured_bars(count, seed):
    """Labels told by colour (2 and 3 are red), or by direction (1 and 3 lie down)."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = random.integers(0, 40, (count, 12, 12, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        bar = image[5:8, :] if label % 2 else image[:, 5:8]
        bar[..., 0 if label >= 2 else 1] += 180
    return images, labels


def test_each_baseline_sees_its_own_kind_of_difference():
    splits = [coloured_bars(60, seed) for seed in range(3)]

    def accuracies(relabel):
        relabelled = [(images, relabel(labels)) for images, labels in splits]
        results = histogram_baselines(*relabelled, num_classes=2)
        return {name: result.test_accuracy for name, result in results.items()}

    by_colour, by_direction = accuracies(lambda y: y // 2), accuracies(lambda y: y % 2)
    assert by_colour["color_histogram"] > 0.95
    assert by_colour["edge_orientation_histogram"] < 0.75
    assert by_direction["color_histogram"] < 0.75
    assert by_direction["edge_orientation_histogram"] > 0.95


IMAGES, FEATURES = random_images(), np.zeros((2, 3), np.float32)
SPLIT = FEATURES, np.array([0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: color_histogram(IMAGES.astype(np.float32)), "float32 of shape"),
        (lambda: color_histogram(IMAGES[0]), r"expected uint8 \(N, H, W, C\)"),
        (lambda: color_histogram(IMAGES, bins_per_channel=0), r"bins_per_channel \(=0\)"),
        (lambda: edge_orientation_histogram(IMAGES[0]), r"expected uint8 \(N, H, W, C\)"),
        (lambda: edge_orientation_histogram(IMAGES, num_bins=0), r"num_bins \(=0\)"),
        (lambda: edge_orientation_histogram(IMAGES[:, :2]), "2x12 .* at least 3"),
        (
            lambda: fit_logistic_regression(FEATURES, np.zeros(3, int), num_classes=2, l2=1.0),
            r"\(2, 3\) and labels of shape \(3,\)",
        ),
        (
            lambda: fit_logistic_regression(FEATURES, np.array([0, 2]), num_classes=2, l2=1.0),
            "0 to 1, got",
        ),
        (lambda: fit_logistic_regression(*SPLIT, num_classes=1, l2=1.0), r"num_classes \(=1\)"),
        (lambda: fit_logistic_regression(*SPLIT, num_classes=2, l2=-1.0), r"l2 \(=-1.0\)"),
        (
            lambda: baseline_accuracy(SPLIT, SPLIT, SPLIT, num_classes=2, l2_choices=()),
            "l2_choices is empty",
        ),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
