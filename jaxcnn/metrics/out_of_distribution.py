"""How well an example fits what a network was trained on: scores, and thresholds on them.

A score is one number per example; the higher, the more the example looks like one of the training
classes. Scores of what the network gives (`max_probability`, `energy`) need nothing else; scores of
features compare them with those of training examples, from which `fit_gaussians` and
`fit_neighbours` take what they need. `threshold_for` turns validation scores into a limit below
which an example is none of the classes.

The scores take arrays of NumPy or of JAX, also while JAX traces, and give the same kind. What is
fitted is fitted on the host.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.metrics.classification import check_classes, check_same_length
from jaxcnn.metrics.ranking import auroc

_LEAST_NORM = 1e-12


class Gaussians(NamedTuple):
    """A Gaussian per class of (D,) features, with one covariance for all."""

    centre: Any  # (D,) float32, mean of all features
    means: Any  # (K, D) float32, of each class that has examples, whitened, less the centre
    whitening: Any  # (D, D) float32, W with W W^T = the inverse of the covariance


class RelativeGaussians(NamedTuple):
    """Gaussians of the classes, and one of all examples to compare them with."""

    classes: Gaussians
    all: Gaussians  # of one class


class Neighbours(NamedTuple):
    """Features of training examples, to look for the nearest ones in."""

    features: Any  # (M, D) float32, each of length 1
    k: int  # which of the nearest counts, from 1


def max_probability(probabilities: Any) -> Any:
    """Score examples by the probability of their most probable class.

    Args:
      probabilities: (N, K).

    Returns:
      (N,), higher is more like the training classes.

    Example:
      >>> max_probability(np.array([[0.9, 0.1], [0.5, 0.5]])).tolist()
      [0.9, 0.5]

    Source: Hendrycks & Gimpel 2017, arXiv:1610.02136.
    """
    return probabilities.max(axis=1)


def energy(logits: Any, *, temperature: float = 1.0) -> Any:
    """Score examples by their negative free energy, T log(sum over classes of exp(logit / T)).

    Args:
      logits: (N, K).
      temperature: T, above 0.

    Returns:
      (N,), higher is more like the training classes.

    Raises:
      ValueError: if the temperature is not above 0.

    Example:
      >>> energy(np.array([[0.0, 0.0], [3.0, 0.0]])).round(3).tolist()
      [0.693, 3.049]

    Source: Liu et al. 2020, arXiv:2010.03759; the sign is turned, so that higher is more like the
    training classes.
    """
    if not temperature > 0:
        raise ValueError(f"temperature (={temperature}) must be above 0.")
    xp = logits.__array_namespace__()
    most = logits.max(axis=1, keepdims=True)
    sums = xp.exp((logits - most) / temperature).sum(axis=1)
    return most[:, 0] + temperature * xp.log(sums)


def fit_gaussians(
    features: np.ndarray, labels: np.ndarray, *, shrinkage: float | None = None
) -> Gaussians:
    """Fit a Gaussian to the features of each class, with one covariance S for all classes.

    The covariance is shrunk towards a multiple of the identity, so that it can be inverted with
    fewer examples than features and with classes of one example:

        (1 - r) S + r (trace(S) / D) I

    Args:
      features: (N, D) of training examples; rows that are not finite are left out.
      labels: (N,) integers of at least 0; classes without an example have no Gaussian.
      shrinkage: r in [0, 1]; None for the one with the least expected error.

    Returns:
      What `mahalanobis` takes.

    Raises:
      ValueError: if shapes differ, no row is finite, or the shrinkage is out of range.

    Example:
      >>> draws = np.random.default_rng(0)
      >>> labels = np.repeat([0, 1], 50)
      >>> features = draws.normal(size=(100, 8)) + 5 * labels[:, None]
      >>> fitted = fit_gaussians(features, labels)
      >>> near, far = mahalanobis(np.stack([features[0], features[0] - 9]), fitted)
      >>> bool(near > far)
      True

    Source: Lee et al. 2018, arXiv:1807.03888, equation 1 (of the last features alone, without noise
    on the image); the shrinkage is Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4.
    """
    features, labels = _finite(features, labels)
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage (={shrinkage}) must lie in [0, 1].")
    _, rows = np.unique(labels, return_inverse=True)
    counts = np.bincount(rows)
    sums = np.zeros((len(counts), features.shape[1]))
    np.add.at(sums, rows, features)
    means = sums / counts[:, None]
    within = features - means[rows]
    covariance = within.T @ within / len(within)
    amount = _least_error(within, covariance) if shrinkage is None else shrinkage
    whitening = _whitening(covariance, amount)
    centre = features.mean(axis=0)
    whitened = (means - centre) @ whitening
    return Gaussians(*(x.astype(np.float32) for x in (centre, whitened, whitening)))


def mahalanobis(features: Any, fitted: Gaussians) -> Any:
    """Score examples by the squared Mahalanobis distance to the nearest class mean, negated.

    Args:
      features: (N, D).
      fitted: as `fit_gaussians` gives.

    Returns:
      (N,) float32, at most 0, higher is more like the training classes.

    Example:
      >>> features = np.array([[0.0, 0], [0, 2], [2, 0], [2, 2]])
      >>> fitted = fit_gaussians(features, np.zeros(4, np.int32))
      >>> mahalanobis(np.array([[1.0, 1], [1, 3]]), fitted).round().tolist()
      [-0.0, -4.0]

    Source: Lee et al. 2018, arXiv:1807.03888, equation 2.
    """
    whitened = (_float32(features) - fitted.centre[None]) @ fitted.whitening
    return -_squared_distances(whitened, fitted.means).min(axis=1)


def fit_relative_gaussians(
    features: np.ndarray, labels: np.ndarray, *, shrinkage: float | None = None
) -> RelativeGaussians:
    """Fit the Gaussians of the classes, and one to all examples together.

    Args:
      features: as `fit_gaussians` takes, as are the others.
      labels: likewise.
      shrinkage: likewise.

    Returns:
      What `relative_mahalanobis` takes.

    Raises:
      ValueError: as `fit_gaussians`.

    Example:
      >>> draws = np.random.default_rng(0)
      >>> labels = np.repeat([0, 1], 50)
      >>> features = draws.normal(size=(100, 8))
      >>> features[:, 0] += 9 * labels
      >>> fitted = fit_relative_gaussians(features, labels)
      >>> relative_mahalanobis(features, fitted).shape
      (100,)

    Source: Ren et al. 2021, arXiv:2106.09022.
    """
    return RelativeGaussians(
        fit_gaussians(features, labels, shrinkage=shrinkage),
        fit_gaussians(features, np.zeros(len(labels), np.int32), shrinkage=shrinkage),
    )


def relative_mahalanobis(features: Any, fitted: RelativeGaussians) -> Any:
    """Score examples by how much nearer they are to a class than to all examples together.

    Args:
      features: (N, D).
      fitted: as `fit_relative_gaussians` gives.

    Returns:
      (N,) float32: the score of `mahalanobis` by the classes, less that by all examples; higher is
      more like the training classes.

    Example:
      >>> features = np.array([[0.0, 0], [0, 2], [8, 0], [8, 2]])
      >>> fitted = fit_relative_gaussians(features, np.array([0, 0, 1, 1]))
      >>> near, far = relative_mahalanobis(np.array([[0.0, 1], [4, 1]]), fitted)
      >>> bool(near > far)
      True

    Source: Ren et al. 2021, arXiv:2106.09022.
    """
    return mahalanobis(features, fitted.classes) - mahalanobis(features, fitted.all)


def fit_neighbours(features: np.ndarray, *, k: int = 10) -> Neighbours:
    """Keep features of training examples, to look for the nearest ones in.

    Args:
      features: (M, D); rows that are not finite are left out.
      k: which of the nearest counts, at least 1; M where there are fewer.

    Returns:
      What `nearest_neighbours` takes.

    Raises:
      ValueError: if no row is finite, or k is below 1.

    Example:
      >>> fitted = fit_neighbours(np.eye(3), k=1)
      >>> scores = nearest_neighbours(np.array([[0.0, 2.0, 0.0], [1.0, 1.0, 1.0]]), fitted)
      >>> [round(float(-score), 3) for score in scores]
      [0.0, 0.919]

    Source: Sun et al. 2022, arXiv:2204.06507, section 3.
    """
    if k < 1:
        raise ValueError(f"k (={k}) must be at least 1.")
    features, _ = _finite(features, np.zeros(len(features), np.int32))
    return Neighbours(_of_length_1(features).astype(np.float32), min(k, len(features)))


def nearest_neighbours(features: Any, fitted: Neighbours) -> Any:
    """Score examples by the distance to the k-th nearest training example, negated.

    All features are divided by their lengths before, so that distances lie in [0, 2].

    Args:
      features: (N, D).
      fitted: as `fit_neighbours` gives.

    Returns:
      (N,) float32, at most 0, higher is more like the training examples.

    Example: see `fit_neighbours`.

    Source: Sun et al. 2022, arXiv:2204.06507, section 3.
    """
    features = _float32(features)
    xp = features.__array_namespace__()
    cosines = xp.sort(_of_length_1(features) @ fitted.features.T, axis=1)
    # Rounding may take a cosine above 1; of NaN nothing is below.
    squares = 2 - 2 * cosines[:, cosines.shape[1] - fitted.k]
    return -xp.sqrt(xp.where(squares < 0, xp.zeros_like(squares), squares))


def threshold_for(scores: np.ndarray, coverage: float) -> float:
    """Find the score below which an example counts as none of the classes.

    Of N scores it is the floor((1 - coverage) (N + 1))-th lowest. So at least the share `coverage`
    of these examples is kept, and another example from the same source is kept with at least that
    probability.

    Args:
      scores: (N,) of validation examples; NaN counts as the lowest.
      coverage: share to be kept, in (0, 1].

    Returns:
      The threshold; minus infinity where N is too small to leave any out.

    Raises:
      ValueError: if there is no score, or the coverage is out of range.

    Example:
      >>> threshold_for(np.arange(100.0), 0.95)
      4.0
      >>> threshold_for(np.array([0.2, 0.7]), 0.95)
      -inf
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage (={coverage}) must be a share above 0, at most 1.")
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"scores must be (N,) of at least 1 example, got {scores.shape}.")
    # Rounded before it is cut, since (1 - 0.9) * 10 is a little below 1.
    count = math.floor(round((1 - coverage) * (len(scores) + 1), 9))
    ordered = np.sort(np.where(np.isnan(scores), -np.inf, scores))
    return float(ordered[count - 1]) if count else float("-inf")


class Separation(NamedTuple):
    """How well a score tells examples of the classes from others."""

    auroc: float  # probability that a random known example has the higher score; ties count half
    false_positive_rate: float  # share of the others that are kept


def separation(known: np.ndarray, unknown: np.ndarray, *, coverage: float = 0.95) -> Separation:
    """Measure how well a score tells examples of the classes from others.

    Args:
      known: (N,) scores of examples of the classes.
      unknown: (M,) scores of others.
      coverage: share of the known ones that the threshold keeps, at least.

    Returns:
      The area under the ROC curve, and the share of the others that scores at least as high as the
      highest threshold that keeps `coverage` of the known ones ("FPR at 95 % TPR").

    Raises:
      ValueError: if one of them has no score, or the coverage is out of range.

    Example:
      >>> separation(np.array([0.9, 0.8, 0.7]), np.array([0.75, 0.2]), coverage=0.6)
      Separation(auroc=0.8333333333333334, false_positive_rate=0.0)

    Source: Hendrycks & Gimpel 2017, arXiv:1610.02136; Liang et al. 2018, arXiv:1706.02690.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage (={coverage}) must be a share above 0, at most 1.")
    if not len(known) or not len(unknown):
        raise ValueError(
            f"separation needs scores of both kinds, got {len(known)} known and {len(unknown)} "
            "unknown."
        )
    scores = np.concatenate([known, unknown]).astype(np.float64)
    is_known = np.arange(len(scores)) < len(known)
    area = auroc(is_known.astype(np.int32), np.stack([-scores, scores], axis=1))
    left_out = math.floor(round((1 - coverage) * len(known), 9))
    threshold = np.sort(np.asarray(known, np.float64))[left_out]
    return Separation(area, float((np.asarray(unknown) >= threshold).mean()))


def _finite(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features, labels = np.asarray(features, np.float64), np.asarray(labels)
    if features.ndim != 2:
        raise ValueError(f"features must be (N, D), got {features.shape}.")
    check_same_length(labels, features)
    kept = np.isfinite(features).all(axis=1)
    if not kept.any():
        raise ValueError(f"none of the {len(features)} rows of features is finite.")
    check_classes("labels", labels[kept], int(labels[kept].max()) + 1)
    return features[kept], labels[kept]


def _float32(features: Any) -> Any:
    xp = features.__array_namespace__()
    return xp.astype(features, xp.float32)


def _of_length_1(features: Any) -> Any:
    xp = features.__array_namespace__()
    length = xp.sqrt((features * features).sum(axis=1, keepdims=True))
    return features / xp.where(length < _LEAST_NORM, xp.full_like(length, _LEAST_NORM), length)


def _squared_distances(a: Any, b: Any) -> Any:
    """Give the (N, K) squared distances between (N, D) and (K, D), without (N, K, D)."""
    squares = (a * a).sum(axis=1)[:, None] - 2 * (a @ b.T) + (b * b).sum(axis=1)[None]
    return squares.clip(min=0)


def _least_error(within: np.ndarray, covariance: np.ndarray) -> float:
    """Give the shrinkage of Ledoit & Wolf for (N, D) deviations from their means."""
    num_features = len(covariance)
    mean = np.trace(covariance) / num_features
    squared = (within**2).sum(axis=1) ** 2
    spread = (covariance**2).sum()
    error = (squared.sum() / len(within) - spread) / len(within)
    distance = spread - num_features * mean**2
    return float(np.clip(error / distance, 0, 1)) if distance > 0 else 1.0


def _whitening(covariance: np.ndarray, shrinkage: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    values = values.clip(min=0)
    shrunk = (1 - shrinkage) * values + shrinkage * values.mean()
    least = 1e-6 * (values.mean() or 1.0)  # where features never vary, nothing divides by 0
    return np.asarray(vectors / np.sqrt(np.maximum(shrunk, least)))
