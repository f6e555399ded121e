"""What a model card tells: facts of the classifier, of its run and of its weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn import pretrained
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.folder import Workdir


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
