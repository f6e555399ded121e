import sys

import numpy as np
import pytest

from jaxcnn.interpret import map_photos, nearest_photos


def clusters(num_clusters=3, each=20, width=8):
    draws = np.random.default_rng(0)
    centres = 20 * draws.normal(size=(num_clusters, width))
    points = centres.repeat(each, axis=0) + draws.normal(size=(num_clusters * each, width))
    return points, np.arange(num_clusters).repeat(each)


def share_of_neighbours_alike(points, labels):
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    return (labels[distance.argmin(1)] == labels).mean()


def test_photos_that_are_alike_lie_together_by_pca():
    features, labels = clusters()
    found = map_photos(features, method="pca")
    assert found.points.shape == (60, 2)
    assert share_of_neighbours_alike(found.points, labels) > 0.95


def test_tsne_is_the_default_and_the_same_for_the_same_seed():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    features, labels = clusters(each=10)
    first, again = (map_photos(features, method=method, seed=3) for method in ("tsne", "auto"))
    assert first.method == again.method == "tsne"
    np.testing.assert_array_equal(first.points, again.points)
    assert share_of_neighbours_alike(first.points, labels) > 0.95


def test_pca_is_scikit_learns():
    theirs = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    features, _ = clusters()
    pca = theirs.PCA(2)
    expected, found = pca.fit_transform(features), map_photos(features, method="pca")
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), rtol=1e-4, atol=1e-3)
    assert found.variance_share == pytest.approx(pca.explained_variance_ratio_.sum())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_photos_are_mapped_too(count):
    found = map_photos(np.eye(5)[:count])
    assert found.points.shape == (count, 2)
    assert np.isfinite(found.points).all()
    assert found.method == "pca"


def test_without_scikit_learn_the_map_is_by_pca(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert map_photos(clusters()[0]).method == "pca"
    with pytest.raises(ValueError, match="pip install scikit-learn"):
        map_photos(clusters()[0], method="tsne")


def test_the_nearest_photos_are_those_of_the_least_angle():
    draws = np.random.default_rng(0)
    features, queries = draws.normal(size=(50, 6)), draws.normal(size=(4, 6))
    found = nearest_photos(queries, features, count=3)
    for query, index, similarity in zip(queries, found.index, found.similarity, strict=True):
        cosines = [f @ query / np.linalg.norm(f) / np.linalg.norm(query) for f in features]
        expected = np.argsort(cosines)[::-1][:3]
        np.testing.assert_array_equal(index, expected)
        np.testing.assert_allclose(similarity, np.sort(cosines)[::-1][:3], rtol=1e-5)


def test_length_does_not_count_and_many_queries_come_in_blocks():
    features = np.eye(7)
    queries = np.tile(5 * features, (300, 1))
    found = nearest_photos(queries, features, count=1)
    np.testing.assert_array_equal(found.index[:, 0], np.tile(np.arange(7), 300))
    np.testing.assert_allclose(found.similarity, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: map_photos(np.eye(3), method="umap"), "known, nearest first"),
        (lambda: map_photos(np.zeros(3)), "features must be"),
        (lambda: nearest_photos(np.eye(2), np.eye(3)), "queries and features"),
        (lambda: nearest_photos(np.eye(2), np.zeros((0, 2))), "at least 1"),
    ],
)
def test_mistakes_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()
