"""Photos that a network sees as alike: those nearest to a query, and a map of all."""

import importlib.util
from typing import NamedTuple

import numpy as np

from jaxcnn.host.names import unknown_name
from jaxcnn.types import Array

_BLOCK = 1024  # queries compared at a time, so that 400,000 photos fit into memory
METHODS = ("auto", "pca", "tsne")
_LEAST = 4  # photos; t-SNE with fewer has no neighbourhood to keep


class PhotoMap(NamedTuple):
    """Points in the plane, and how they were found."""

    points: np.ndarray  # (N, 2) float32
    method: str  # "pca" or "tsne"
    variance_share: float  # of the features' variance that the plane shows; NaN for t-SNE


def map_photos(features: Array, *, method: str = "auto", seed: int = 0) -> PhotoMap:
    """Lay photos out in a plane by their features.

    Args:
      features: (N, D) floating.
      method: "pca", the plane of the greatest variance; "tsne", which keeps neighbours together and
        needs scikit-learn; "auto" for t-SNE where that is installed.
      seed: decides t-SNE's outcome, together with the features.

    Returns:
      The map.

    Raises:
      ValueError: for an unknown method, features that are not (N, D), or t-SNE without
        scikit-learn.

    Example:
      >>> corners = np.array([[0.0, 0.0, 1.0], [9.0, 0.0, 1.0], [0.0, 1.0, 1.0], [9.0, 1.0, 1.0]])
      >>> found = map_photos(corners, method="pca")
      >>> np.abs(found.points[:, 0]).tolist(), found.variance_share
      ([4.5, 4.5, 4.5, 4.5], 1.0)

    Source: van der Maaten & Hinton 2008, "Visualizing data using t-SNE", by scikit-learn.
    """
    features = np.asarray(features, np.float64)
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"features must be (N, D), both at least 1; got {features.shape}.")
    installed = importlib.util.find_spec("sklearn") is not None
    if method == "tsne" and not installed:
        raise ValueError('method "tsne" needs scikit-learn: pip install scikit-learn, or use pca.')
    if method == "pca" or (method == "auto" and not (installed and len(features) >= _LEAST)):
        return _by_pca(features)
    return PhotoMap(_by_tsne(features, seed), "tsne", float("nan"))


def _by_pca(features: np.ndarray) -> PhotoMap:
    """Project onto the two directions of the greatest variance."""
    found, variance = _principal(features)
    points = np.zeros((len(features), 2), np.float32)
    points[:, : found.shape[1]] = found[:, :2]
    share = variance[:2].sum() / variance.sum() if variance.sum() else 1.0
    return PhotoMap(points, "pca", float(share))


def _by_tsne(features: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE  # optional, and slow to import

    if features.shape[1] > 50:  # as its authors do, section 4.2
        features = _principal(features)[0][:, :50]
    perplexity = min(30.0, (len(features) - 1) / 3)
    # One thread: sums over several come out in any order, and the map with them.
    found = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(found.fit_transform(features), np.float32)


def _principal(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the features along their principal directions, and the variance of each, unscaled."""
    left, lengths, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    return left * lengths, lengths**2


class Neighbours(NamedTuple):
    """The nearest of a set to each query, the nearest first."""

    index: np.ndarray  # type: ignore[assignment]  # (Q, M) int64, positions in the set
    similarity: np.ndarray  # (Q, M) float32, cosine of the angle between the features, in [-1, 1]


def nearest_photos(queries: Array, features: Array, *, count: int = 5) -> Neighbours:
    """Find the photos of a set whose features are most like those of each query.

    Args:
      queries: (Q, D) floating, such as `jaxcnn.Classifier.probabilities_and_features` gives.
      features: (N, D) floating, of the set.
      count: the most to find.

    Returns:
      The neighbours, M = min(count, N); ties in the order of the set.

    Raises:
      ValueError: if the features differ in their length, or there are none.

    Example:
      >>> nearest_photos(np.array([[1.0, 0.1]]), np.eye(2), count=1).index.tolist()
      [[0]]
    """
    queries, features = (_unit(np.asarray(x, np.float32)) for x in (queries, features))
    if queries.ndim != 2 or features.shape[1:] != queries.shape[1:] or not len(features):
        raise ValueError(
            f"queries and features must be (Q, D) and (N, D), N at least 1; got {queries.shape} "
            f"and {features.shape}."
        )
    found = []
    for i in range(0, max(len(queries), 1), _BLOCK):
        similarity = queries[i : i + _BLOCK] @ features.T
        index = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
        found.append((index, np.take_along_axis(similarity, index, axis=1)))
    return Neighbours(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _unit(features: np.ndarray) -> np.ndarray:
    """Scale each row to length 1; a row of zeros stays one."""
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.where(length > 0, length, 1)
