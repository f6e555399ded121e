"""Nearest photos: those whose features point the same way."""

from typing import NamedTuple

import numpy as np

from jaxcnn.types import Array

_BLOCK = 1024  # queries compared at a time, so that 400,000 photos fit into memory


class Neighbours(NamedTuple):
    """The nearest of a set to each query, the nearest first."""

    index: np.ndarray  # type: ignore[assignment]  # (Q, M) int64, positions in the set
    similarity: np.ndarray  # (Q, M) float32, cosine of the angle between the features, in [-1, 1]


def nearest_photos(queries: Array, features: Array, *, count: int = 5) -> Neighbours:
    """Find the photos of a set whose features are most like those of each query.

    Args:
      queries: (Q, D) floating, see `jaxcnn.training.features` for how features are made.
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
    found = [
        _nearest(queries[i : i + _BLOCK] @ features.T, min(count, len(features)))
        for i in range(0, max(len(queries), 1), _BLOCK)
    ]
    return Neighbours(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _nearest(similarity: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return index, np.take_along_axis(similarity, index, axis=1)


def _unit(features: np.ndarray) -> np.ndarray:
    """Scale each row to length 1; a row of zeros stays one."""
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.where(length > 0, length, 1)
