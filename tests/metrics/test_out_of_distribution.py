"""Scores of what is none of the classes: against scikit-learn, at the edges, and in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from jaxcnn.metrics import out_of_distribution as ood


def drawn(num_examples=60, num_features=12, num_classes=3, seed=0):
    """Correlated features around a mean per class, and labels."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(num_classes, size=num_examples)
    mixing = draws.normal(size=(num_features, num_features))
    means = 4 * draws.normal(size=(num_classes, num_features))
    return means[labels] + draws.normal(size=(num_examples, num_features)) @ mixing, labels


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_energy_is_scipys_logsumexp_also_of_huge_logits(temperature):
    logits = np.array([[1.0, -2.0, 0.5], [1e4, 1e4, -1e4]])
    expected = temperature * logsumexp(logits / temperature, axis=1)
    np.testing.assert_allclose(ood.energy(logits, temperature=temperature), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="temperature"):
        ood.energy(logits, temperature=0.0)


@pytest.mark.parametrize(("num_examples", "num_features"), [(200, 12), (20, 40)])
def test_gaussians_are_scikit_learns_covariance_with_its_shrinkage(num_examples, num_features):
    covariances = pytest.importorskip("sklearn.covariance", reason="scikit-learn is not installed")
    features, labels = drawn(num_examples, num_features)
    means = np.stack([features[labels == c].mean(axis=0) for c in range(3)])
    theirs = covariances.LedoitWolf(assume_centered=True).fit(features - means[labels])
    others, _ = drawn(30, num_features, seed=1)
    expected = -np.min([theirs.mahalanobis(others - mean) for mean in means], axis=0)
    found = ood.mahalanobis(others, ood.fit_gaussians(features, labels))
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_shrinkage_can_be_given():
    features, labels = drawn()
    means = np.stack([features[labels == c].mean(axis=0) for c in range(3)])
    within = features - means[labels]
    covariance = within.T @ within / len(within)
    shrunk = 0.75 * covariance + 0.25 * np.trace(covariance) / 12 * np.eye(12)
    precision = np.linalg.inv(shrunk)
    deviations = features[:5, None] - means[None]
    expected = -np.einsum("nkd,de,nke->nk", deviations, precision, deviations).min(axis=1)
    found = ood.mahalanobis(features[:5], ood.fit_gaussians(features, labels, shrinkage=0.25))
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    with pytest.raises(ValueError, match="shrinkage"):
        ood.fit_gaussians(features, labels, shrinkage=1.5)


def test_the_relative_score_subtracts_that_of_one_gaussian_for_all():
    features, labels = drawn()
    fitted = ood.fit_relative_gaussians(features, labels)
    alone = ood.fit_gaussians(features, np.zeros(len(features), np.int32))
    expected = ood.mahalanobis(features, fitted.classes) - ood.mahalanobis(features, alone)
    np.testing.assert_array_equal(ood.relative_mahalanobis(features, fitted), expected)


@pytest.mark.parametrize("k", [1, 3, 60])
def test_neighbours_are_scikit_learns(k):
    neighbors = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    features, _ = drawn()
    others, _ = drawn(25, seed=1)
    theirs = neighbors.NearestNeighbors(n_neighbors=k).fit(preprocessing.normalize(features))
    expected = -theirs.kneighbors(preprocessing.normalize(others))[0][:, -1]
    found = ood.nearest_neighbours(others, ood.fit_neighbours(features, k=k))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_more_neighbours_than_examples_are_all_of_them():
    features, _ = drawn(5)
    assert ood.fit_neighbours(features, k=10).k == 5
    with pytest.raises(ValueError, match="k"):
        ood.fit_neighbours(features, k=0)


FITTED = [
    ("gaussians", lambda f, y: ood.fit_gaussians(f, y), ood.mahalanobis),
    ("relative", lambda f, y: ood.fit_relative_gaussians(f, y), ood.relative_mahalanobis),
    ("neighbours", lambda f, y: ood.fit_neighbours(f, k=2), ood.nearest_neighbours),
]


@pytest.mark.parametrize(("name", "fit", "score"), FITTED, ids=[f[0] for f in FITTED])
class TestScoresOfFeatures:
    def test_jax_gives_what_numpy_gives_also_from_bfloat16(self, name, fit, score):
        features, labels = drawn()
        fitted = fit(features, labels)
        compiled = jax.jit(lambda x: score(x, fitted))
        given = jnp.asarray(features, jnp.float32)
        np.testing.assert_allclose(compiled(given), score(features, fitted), rtol=1e-3, atol=2e-3)
        rough = given.astype(jnp.bfloat16)
        exact = score(np.asarray(rough, np.float32), fitted)
        np.testing.assert_allclose(compiled(rough), exact, rtol=1e-3, atol=2e-3)

    def test_what_is_far_off_scores_below_all_training_examples(self, name, fit, score):
        features, labels = drawn()
        fitted = fit(features, labels)
        far = np.zeros((1, 12))
        far[0, 0] = -300
        assert score(far, fitted)[0] < score(features, fitted).min()

    def test_nan_scores_nan_and_is_left_out_of_what_is_fitted(self, name, fit, score):
        features, labels = drawn()
        spoilt = np.concatenate([features, np.full((1, 12), np.nan)])
        fitted = fit(spoilt, np.append(labels, 0))
        assert np.isnan(score(spoilt, fitted)).tolist() == [False] * 60 + [True]
        with pytest.raises(ValueError, match="finite"):
            fit(spoilt[-1:], labels[:1])

    def test_a_class_of_one_example_and_one_without_any(self, name, fit, score):
        features, labels = drawn(6)
        labels = np.array([0, 0, 0, 0, 0, 2])
        scores = score(features, fit(features, labels))
        assert np.isfinite(scores).all()

    def test_features_that_never_vary_divide_nothing_by_zero(self, name, fit, score):
        features = np.ones((4, 3))
        assert np.isfinite(score(features, fit(features, np.array([0, 0, 1, 1])))).all()
        zeros = np.zeros((2, 3))
        assert np.isfinite(score(zeros, fit(zeros, np.array([0, 1])))).all()

    def test_shapes_that_do_not_fit_are_refused(self, name, fit, score):
        with pytest.raises(ValueError, match=r"\(N, D\)"):
            fit(np.ones(3), np.zeros(3, np.int32))


def test_max_probability_is_the_largest():
    assert ood.max_probability(np.array([[0.2, 0.5, 0.3]])).tolist() == [0.5]


@pytest.mark.parametrize("num_examples", [19, 20, 99, 100, 1000])
@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95, 0.99, 1.0])
def test_the_threshold_keeps_the_share_of_these_and_of_others(num_examples, coverage):
    draws = np.random.default_rng(0)
    scores = draws.normal(size=num_examples)
    threshold = ood.threshold_for(scores, coverage)
    assert (scores >= threshold).mean() >= coverage
    # Of N + 1 exchangeable examples, the new one is below in at most this share.
    assert (scores < threshold).sum() <= (1 - coverage) * (num_examples + 1)
    many = draws.normal(size=(200, num_examples + 1))
    kept = [row[-1] >= ood.threshold_for(row[:-1], coverage) for row in many]
    assert np.mean(kept) >= coverage - 3 * np.sqrt(coverage * (1 - coverage) / 200)


def test_few_scores_leave_nothing_out_and_nan_is_lowest():
    assert ood.threshold_for(np.array([1.0, 2.0]), 0.95) == -np.inf
    assert ood.threshold_for(np.array([np.nan, *range(1, 20)]), 0.9) == 1.0
    # (1 - 0.9) * 10 is 0.9999999999999998 in floating point.
    assert ood.threshold_for(np.arange(9.0), 0.9) == 0.0


@pytest.mark.parametrize("coverage", [0.0, -1, 1.01, float("nan")])
def test_a_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(ValueError, match="coverage"):
        ood.threshold_for(np.arange(3.0), coverage)
    with pytest.raises(ValueError, match="coverage"):
        ood.separation(np.arange(3.0), np.arange(3.0), coverage=coverage)


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        ood.threshold_for(np.zeros(0), 0.9)
    with pytest.raises(ValueError, match="0 unknown"):
        ood.separation(np.arange(3.0), np.zeros(0))


@pytest.mark.parametrize("levels", [5, 10_000])
def test_separation_is_scikit_learns(levels):
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    draws = np.random.default_rng(0)
    known = draws.integers(levels, size=200) + levels // 2
    unknown = draws.integers(levels, size=150)
    found = ood.separation(known, unknown)
    truth = np.repeat([1, 0], [200, 150])
    scores = np.concatenate([known, unknown])
    assert found.auroc == pytest.approx(theirs.roc_auc_score(truth, scores), rel=1e-12)
    false, true, _ = theirs.roc_curve(truth, scores, drop_intermediate=False)
    assert found.false_positive_rate == pytest.approx(false[true >= 0.95].min(), rel=1e-12)
