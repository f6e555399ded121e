"""What a run keeps of its test: the network's answer to each photo, small enough for any set."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.host.files import DamagedFileError, open_arrays
from jaxcnn.metrics import calibration
from jaxcnn.runs.folder import WorkdirError
from jaxcnn.runs.known_photos import KnownPhotos
from jaxcnn.training.evaluation import Evaluation

MOST_CLASSES = 20  # of an answer; 50,000 answers of 1,000 classes would be 200 MB
_MOST_PROBABILITIES = 2_000_000  # that a temperature is fitted on; of more, on evenly spaced photos


class CachedAnswers(NamedTuple):
    """The answers to N test photos, each the T most probable classes, most probable first."""

    names: np.ndarray  # (N,) text
    labels: np.ndarray  # (N,) int32
    index: np.ndarray  # type: ignore[assignment]  # (N,) int32, position in the split
    classes: np.ndarray  # (N, T) int32
    probabilities: np.ndarray  # (N, T) float32, of these classes
    label_probability: np.ndarray  # (N,) float32, of the label
    temperature: np.ndarray  # () float64, fitted on the validation split
    bins: np.ndarray  # (M, 5) float64, see `Bin`, a row for each of M equal bins of confidence
    scaled_bins: np.ndarray  # (M, 5) float64, the same with the logits divided by `temperature`
    # Of runs with known photos, see `runs.known_photos`; else and of older versions None.
    scores: np.ndarray | None = None  # (N,) float32, higher is more like the training photos
    threshold: np.ndarray | None = None  # () float64, below which a photo is none of the classes
    set_sizes: np.ndarray | None = None  # (N,) int32, classes in its conformal set
    set_holds: np.ndarray | None = None  # (N,) bool, whether the label is among them

    @property
    def unknown(self) -> np.ndarray:
        """(U,) positions of the photos that are taken for none of the classes, surest first."""
        if self.scores is None or self.threshold is None:
            return np.zeros(0, np.int64)
        below = np.flatnonzero(~(self.scores >= self.threshold))  # NaN is below
        return below[np.argsort(self.scores[below], kind="stable")]

    @property
    def right(self) -> np.ndarray:
        """(N,) bool, whether the most probable class is the label."""
        return np.asarray(self.classes[:, 0] == self.labels)

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float32, probability of the most probable class."""
        return np.asarray(self.probabilities[:, 0])

    def top_k_accuracy(self, k: int) -> float:
        """Give the share of photos whose label is among the k most probable classes."""
        found = (self.classes[:, :k] == self.labels[:, None]).any(axis=1)
        return float(found.mean())


class Bin(NamedTuple):
    """The photos whose confidence lies between two bounds."""

    count: int  # type: ignore[assignment]
    confidence: float  # mean
    accuracy: float
    low: float  # ends of the 95 % interval of the accuracy
    high: float


def filled_bins(table: np.ndarray) -> list[Bin]:
    """Give the bins that hold photos, the lowest confidence first."""
    return [Bin(int(row[0]), *map(float, row[1:])) for row in table if row[0] > 0]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Compute the expected error from bins, see `calibration.expected_calibration_error`.

    Example:
      >>> calibration_error([Bin(1, 0.5, 0.5, 0.1, 0.9), Bin(3, 0.9, 0.8, 0.4, 1.0)])
      0.075
    """
    gaps = sum(b.count * abs(b.accuracy - b.confidence) for b in bins)
    return round(gaps / sum(b.count for b in bins), 12)


def shorten_answers(
    test: Evaluation,
    validation: Evaluation,
    names: Sequence[str],
    *,
    known_photos: KnownPhotos | None = None,
    conformal: float = 0.9,
) -> CachedAnswers:
    """Keep of each answer what a page needs.

    Args:
      test: a network's answers to the test split.
      validation: its answers to the validation split, which fit the temperature.
      names: names of the test split's photos, by their position in it.
      known_photos: of the network.
      conformal: promised share of photos whose set of classes holds the right one.

    Returns:
      The answers in the order of `test`.
    """
    table, labels = test.probabilities, test.labels
    most = min(MOST_CLASSES, table.shape[1])
    # Stable, so that among equals the lower class comes first, as in argmax.
    classes = np.argsort(-table, axis=1, kind="stable")[:, :most].astype(np.int32)
    temperature = calibration.choose_temperature(*_thinned(validation))
    thinned, thinned_labels = _thinned(test)
    scaled = calibration.apply_temperature(thinned, temperature)
    return CachedAnswers(
        names=np.array([names[i] for i in test.index], dtype=np.str_),
        labels=labels.astype(np.int32),
        index=test.index.astype(np.int32),
        classes=classes,
        probabilities=np.take_along_axis(table, classes, axis=1).astype(np.float32),
        label_probability=np.take_along_axis(table, labels[:, None], 1)[:, 0].astype(np.float32),
        temperature=np.array(temperature),
        bins=_bin_table(table, labels),
        scaled_bins=_bin_table(scaled, thinned_labels),
        **({} if known_photos is None else _judged(test, known_photos, conformal)),
    )


def _judged(test: Evaluation, known_photos: KnownPhotos, conformal: float) -> dict[str, Any]:
    found: dict[str, Any] = {
        "scores": test.scores,
        "threshold": np.array(known_photos.threshold()),
    }
    if known_photos.has_sets:
        sets = known_photos.sets(test.probabilities, conformal)
        holds = np.take_along_axis(sets, test.labels[:, None], axis=1)[:, 0]
        found |= {"set_sizes": sets.sum(axis=1).astype(np.int32), "set_holds": holds}
    return found


def as_arrays(answers: Any) -> dict[str, np.ndarray]:
    """Give what is kept of answers, a named tuple, by name, to be written to a file."""
    return {name: kept for name, kept in answers._asdict().items() if kept is not None}


def _thinned(found: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    every = -(-found.probabilities.size // _MOST_PROBABILITIES)
    return found.probabilities[::every], found.labels[::every]


def _bin_table(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    curve = calibration.calibration_curve(probabilities, labels)
    return np.column_stack([curve.count, curve.confidence, curve.accuracy, curve.interval])


def read_arrays(path: Path, names: Sequence[str], *, newer: Container[str] = ()) -> list[Any]:
    """Read arrays of an .npz by their names; WorkdirError where it lacks one or is damaged.

    Those of `newer` are None in files of versions that did not write them.
    """
    try:
        with open_arrays(path) as arrays:
            return [
                None if name in newer and name not in arrays else arrays[name] for name in names
            ]
    except DamagedFileError as error:
        raise WorkdirError(
            f"{path} is damaged or of another version ({error}); test the run again for its report."
        ) from error
