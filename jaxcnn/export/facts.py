"""What a model card tells: facts of the classifier, of its run and of its weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn import pretrained
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.summary import ClassRow


class RunFacts(NamedTuple):
    """What a run has written about itself."""

    summary: Mapping[str, Any] | None  # None where the run was not finished
    epochs: int | None
    data_sha256: str | None


def read_run(workdir: Path | None) -> RunFacts:
    """Read what a run says of itself.

    Args:
      workdir: the run's folder; None, or a folder of checkpoints alone, for nothing known.

    Returns:
      The facts that are there.

    Raises:
      ValueError: if a file of the run is no JSON.
    """
    if workdir is None:
        return RunFacts(None, None, None)
    folder = Workdir(workdir)
    origin = _read_json(folder.origin) or {}
    metrics = folder.metrics
    epochs = len(metrics.read_text(encoding="utf-8").splitlines()) if metrics.exists() else None
    return RunFacts(_read_json(folder.summary), epochs or None, origin.get("data"))


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); export from the run's checkpoints/best."
        ) from (error)
    return found


def weights_row(classifier: Classifier) -> pretrained.Weights | None:
    """Find the published weights that a classifier has or started from.

    Args:
      classifier: a trained network.

    Returns:
      Their row in the table; None where it started from none, or from a file that is not known.
    """
    name = classifier.config.network.weights
    rows = {row.name: row for row in pretrained.list_weights(classifier.config.network.model)}
    if name in rows:
        return rows[name]
    path = Path(name) if name else None
    if path is None or not path.is_file():
        return None
    digest = pretrained.sha256_of(path)
    return next((r for r in rows.values() if r.sha256 and digest.startswith(r.sha256)), None)


def limits(
    classifier: Classifier, summary: Mapping[str, Any] | None, rows: Sequence[ClassRow]
) -> list[tuple[str, dict[str, Any]]]:
    """Say what the facts of a run let nobody expect of it.

    Args:
      classifier: the trained network.
      summary: of its run; None where there is none.
      rows: of its classes.

    Returns:
      Names of sentences in the template, each with its values.
    """
    decoding = classifier.preprocessing.decoding
    found: list[tuple[str, dict[str, Any]]] = [
        ("closed_set", {"count": len(classifier.class_names)})
    ]
    is_cropped = decoding.image_shape != classifier.preprocessing.image_shape
    if is_cropped or decoding.mode == "crop":
        found.append(("edges", {}))
    if decoding.num_channels == 1:
        found.append(("grey", {}))
    if classifier.config.data.dataset == "drawn_pets":
        found.append(("drawings", {}))
    if summary is None:
        return [*found, ("unmeasured", {})]
    return found + _limits_of_test(summary, rows)


_FEW_PHOTOS = 1000  # below, the interval of the accuracy is wider than about two points
_FEW_OF_A_CLASS = 50
_CALIBRATED = 0.05


def _limits_of_test(
    summary: Mapping[str, Any], rows: Sequence[ClassRow]
) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = [("one_source", {})]
    count = summary["num_test"]
    low, high = summary["test_accuracy_interval"]
    if count <= _FEW_PHOTOS:
        found.append(("small_test", {"count": count, "low": low, "high": high}))
    few = [row.name for row in rows if row.labels is not None and row.labels < _FEW_OF_A_CLASS]
    if few:
        found.append(("few_of_a_class", {"few": _FEW_OF_A_CLASS, "names": few}))
    known = [row for row in rows if row.recall is not None]
    worst = min(known, key=lambda row: row.recall or 0.0, default=None)
    if worst is not None and len(rows) > 1:
        found.append(("worst_class", {"name": worst.name, "recall": worst.recall}))
    error = summary.get("test_calibration_error")
    if error is not None and error > _CALIBRATED:
        found.append(("miscalibrated", {"error": error}))
    if summary.get("num_duplicates_across_splits"):
        found.append(("duplicates", {"count": summary["num_duplicates_across_splits"]}))
    return found
