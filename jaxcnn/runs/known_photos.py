"""What a network keeps to say "none of these", and to give sets of classes that hold the right one.

After training, features of some training photos, and scores of the validation photos, are written
beside the best checkpoint. From the scores the thresholds follow, for whatever share is asked.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.host.files import DamagedFileError, open_arrays, write_arrays
from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.metrics.conformal import (
    calibrate_sets,
    label_scores,
    least_ambiguous,
    prediction_sets,
    set_quality,
)
from jaxcnn.metrics.out_of_distribution import (
    Neighbours,
    fit_neighbours,
    nearest_neighbours,
    threshold_for,
)
from jaxcnn.training.checkpoints import fingerprint
from jaxcnn.training.evaluation import Evaluation, Score

logger = logging.getLogger(__name__)

KNOWN_PHOTOS = "known_photos.npz"
_MOST_SCORES = 10_000  # that are kept; more would move no threshold
_MOST_PHOTOS, _PHOTOS_PER_CLASS = 1_000, 5


class Judgement(NamedTuple):
    """What is said of one photo beside its probabilities."""

    is_known: bool  # whether it looks like one of the classes
    score: float  # higher is more like the training photos
    classes: tuple[int, ...] | None  # the set that holds the right class as promised, if asked for


class KnownPhotos(NamedTuple):
    """What a network keeps of photos of its classes: the thresholds follow from that.

    Attributes:
      step: of the checkpoint that they belong to.
      coverage: share of the validation photos to be kept, unless another is asked for.
      reference: features of training photos.
      scores: (V,) float32, of validation photos, lowest first; at most 10,000 of them.
      label_scores: (V,) float64, likewise, of their right classes, see `metrics.conformal`.
    """

    step: int
    coverage: float
    reference: Neighbours
    scores: np.ndarray
    label_scores: np.ndarray

    @property
    def has_sets(self) -> bool:
        """Whether sets of classes can be given: photos have one class each."""
        return len(self.label_scores) > 0

    def threshold(self, coverage: float | None = None) -> float:
        """Give the score below which a photo is none of the classes.

        Args:
          coverage: share of the validation photos to be kept; None for that of the run.
        """
        return threshold_for(self.scores, self.coverage if coverage is None else coverage)

    def check(self, *, coverage: float | None, conformal: float | None) -> None:
        """Raise ValueError if a share is out of range, or there are no sets to give."""
        self.threshold(coverage)
        if conformal is not None:
            if not self.has_sets:
                raise ValueError(
                    "conformal is for photos of one class each, not of several; leave it out."
                )
            if not 0 < conformal < 1:
                raise ValueError(f"conformal (={conformal}) must be a share between 0 and 1.")

    def judge(
        self,
        features: np.ndarray,
        probabilities: np.ndarray,
        *,
        coverage: float | None = None,
        conformal: float | None = None,
    ) -> list[Judgement]:
        """Judge photos.

        Args:
          features: (B, D), what the last layer saw.
          probabilities: (B, K).
          coverage: see `threshold`.
          conformal: promised share of photos whose set holds the right class; None for no sets.

        Returns:
          A judgement of each.

        Raises:
          ValueError: if a share is out of range.
        """
        scores, threshold = nearest_neighbours(features, self.reference), self.threshold(coverage)
        sets: Sequence[tuple[int, ...] | None] = [None] * len(scores)
        if conformal is not None:
            held = self.sets(probabilities, conformal)
            most_first = np.argsort(-probabilities, axis=1, kind="stable")
            sets = [
                tuple(order[row[order]].tolist())
                for order, row in zip(most_first, held, strict=True)
            ]
        return [
            Judgement(bool(score >= threshold), float(score), each)
            for score, each in zip(scores, sets, strict=True)
        ]

    def sets(self, probabilities: np.ndarray, level: float) -> np.ndarray:
        """Give the (B, K) bool sets of classes that hold the right one with a promised share."""
        return prediction_sets(
            least_ambiguous(probabilities), calibrate_sets(self.label_scores, level)
        )


def photos_to_compare(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Choose the training photos whose features are kept: equally many of each class, if there are.

    Args:
      labels: (N,) int32, of the training photos, or (N, K) for several classes each.
      num_classes: number of classes.

    Returns:
      (M,) positions, in order, at most 1,000 or five per class; the same at each call.
    """
    count = max(_MOST_PHOTOS, _PHOTOS_PER_CLASS * num_classes)
    if len(labels) <= count:
        return np.arange(len(labels))
    if labels.ndim > 1:  # several classes each
        labels = np.zeros(len(labels), np.int32)
    shuffled = np.random.default_rng(0).permutation(len(labels))
    # The rank of each photo within its class: all first ones, then all second ones, and so on.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels, minlength=num_classes)
    ranks = np.concatenate([np.arange(size) for size in sizes])  # in the order of `by_class`
    return np.sort(by_class[np.argsort(ranks, kind="stable")[:count]])


def make_score(features: np.ndarray) -> tuple[Neighbours | None, Score | None]:
    """Make the score of a network's features from those of training photos.

    Args:
      features: (M, D) of training photos.

    Returns:
      What it compares with, and (B, D) features to (B,) scores; None where no features are finite.
    """
    if not np.isfinite(features).all(axis=1).any():
        return None, None
    reference = fit_neighbours(features)
    return reference, lambda given: nearest_neighbours(given, reference)


def make_known_photos(
    validation: Evaluation, reference: Neighbours | None, *, step: int, coverage: float
) -> KnownPhotos | None:
    """Take what thresholds follow from out of the answers to the validation photos.

    Args:
      validation: the network's answers, with scores.
      reference: what the scores compare with.
      step: of the checkpoint.
      coverage: of the run.

    Returns:
      What is kept; None without scores.
    """
    if reference is None or validation.scores is None:
        return None
    own = np.zeros(0)  # sets are for photos of one class each
    if validation.labels.ndim == 1:
        own = label_scores(least_ambiguous(validation.probabilities), validation.labels)
    return KnownPhotos(step, coverage, reference, _some(validation.scores), _some(own))


def measure(known_photos: KnownPhotos, test: Evaluation, *, conformal: float) -> dict[str, Any]:
    """Measure on the test photos what the thresholds do, as part of a run's summary.

    Args:
      known_photos: of the network.
      test: its answers, with scores.
      conformal: promised share of photos whose set of classes holds the right one.

    Returns:
      JSON values: "none_of_these", and "sets" where photos have one class each.
    """
    assert test.scores is not None
    threshold = known_photos.threshold()
    num_kept, count = int((test.scores >= threshold).sum()), len(test.scores)
    found: dict[str, Any] = {
        "none_of_these": {
            "coverage": known_photos.coverage,
            "threshold": threshold if math.isfinite(threshold) else None,
            "test_kept": num_kept / count,
            "test_kept_interval": list(wilson_interval(num_kept, count)),
        }
    }
    if known_photos.has_sets:
        quality = set_quality(known_photos.sets(test.probabilities, conformal), test.labels)
        found["sets"] = {"conformal": conformal, **quality._asdict()}
    return found


def _some(scores: np.ndarray) -> np.ndarray:
    """Order scores, and of very many take evenly spaced ones, the first and the last included."""
    places = np.linspace(0, max(len(scores) - 1, 0), min(len(scores), _MOST_SCORES))
    return np.asarray(np.sort(scores)[np.rint(places).astype(np.int64)])


def folder_of_all(best: Path) -> Path:
    """Give the folder of what several networks keep together, from one's best checkpoints.

    Example:
      >>> folder_of_all(Path("run/members/00/checkpoints/best")).as_posix()
      'run/members'
    """
    return best.parents[2]


def save_known_photos(best: Path, known_photos: KnownPhotos) -> None:
    """Write known photos beside the checkpoint that they belong to, whole, with a checksum.

    Args:
      best: the folder of best checkpoints, `checkpoints/best` of a run.
      known_photos: as `make_known_photos` gives.
    """
    arrays = {
        "step": np.array(known_photos.step),
        "coverage": np.array(known_photos.coverage),
        "features": known_photos.reference.features,
        "k": np.array(known_photos.reference.k),
        "scores": known_photos.scores,
        "label_scores": known_photos.label_scores,
    }
    write_arrays(best / KNOWN_PHOTOS, {**arrays, "sha256": np.array(fingerprint(arrays))})


def load_known_photos(best: Path, step: int) -> KnownPhotos | None:
    """Read what `save_known_photos` wrote.

    Args:
      best: the folder of best checkpoints.
      step: of the checkpoint that was read.

    Returns:
      The known photos; None where there are none, or only those of another step, which is logged.

    Raises:
      ValueError: if the file is damaged.
    """
    path = best / KNOWN_PHOTOS
    if not path.is_file():
        return None
    try:
        with open_arrays(path) as kept:
            arrays = {name: kept[name] for name in kept.files}
            claimed = str(arrays.pop("sha256"))
            if claimed != fingerprint(arrays):
                raise ValueError("its checksum does not match")
            reference = Neighbours(arrays["features"], int(arrays["k"]))
            found = KnownPhotos(
                int(arrays["step"]),
                float(arrays["coverage"]),
                reference,
                arrays["scores"],
                arrays["label_scores"],
            )
    except DamagedFileError as error:
        raise ValueError(
            f"{path} is damaged ({error}); bring it back from a copy, or remove it: then no photo "
            'is called "none of these".'
        ) from error
    if found.step != step:
        logger.warning(
            f"{path} belongs to step {found.step}, the network is that of step {step}: no photo is "
            'called "none of these". Test the run again.'
        )
        return None
    return found
