"""A map of photos: a point for each, near where the network sees likeness."""

import importlib.util
from typing import NamedTuple

import numpy as np

from jaxcnn.host.names import unknown_name
from jaxcnn.types import Array

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
    centred = features - features.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(features), 2))
    points[:, : left.shape[1]] = (left * lengths)[:, :2]
    variance = lengths**2
    share = variance[:2].sum() / variance.sum() if variance.sum() else 1.0
    return PhotoMap(points.astype(np.float32), "pca", float(share))


def _by_tsne(features: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE  # optional, and slow to import

    reduced = features
    if features.shape[1] > 50:  # as its authors do, section 4.2
        reduced = _first_directions(features, 50)
    perplexity = min(30.0, (len(features) - 1) / 3)
    # One thread: sums over several come out in any order, and the map with them.
    found = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(found.fit_transform(reduced), np.float32)


def _first_directions(features: np.ndarray, count: int) -> np.ndarray:
    left, lengths, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    return (left * lengths)[:, :count]
