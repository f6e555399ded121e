"""The thresholds of a run with several labels per photo, kept beside its best checkpoint."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxcnn.host.files import read_json, write_json
from jaxcnn.metrics.multi_label import DEFAULT_THRESHOLD
from jaxcnn.training.checkpoints import CheckpointError

logger = logging.getLogger(__name__)

THRESHOLDS = "thresholds.json"


def keep_thresholds(
    folder: Path, thresholds: np.ndarray, class_names: Sequence[str], *, step: int
) -> None:
    """Write each class's threshold into the folder of the best checkpoint.

    Args:
      folder: `checkpoints/best` of a run.
      thresholds: (K,), as `jaxcnn.metrics.choose_thresholds` gives.
      class_names: (K,), in the same order.
      step: of the checkpoint whose answers chose them.

    Example:
      >>> keep_thresholds(Path("."), np.array([0.25]), ["cat"], step=3)
      >>> load_thresholds(Path("."), ["cat"], step=3)
      array([0.25])
    """
    by_class = dict(zip(class_names, np.asarray(thresholds).tolist(), strict=True))
    write_json(folder / THRESHOLDS, {"step": step, "thresholds": by_class})


def load_thresholds(folder: Path, class_names: Sequence[str], *, step: int) -> np.ndarray:
    """Read what `keep_thresholds` wrote.

    Args:
      folder: `checkpoints/best` of a run, or a copy of it.
      class_names: of the checkpoint, (K,).
      step: of the checkpoint.

    Returns:
      (K,) float64; 0.5 for each class where the run has not ended, or went on since.

    Raises:
      CheckpointError: if the file is damaged, or is of other classes.
    """
    path = folder / THRESHOLDS
    default = np.full(len(class_names), DEFAULT_THRESHOLD)
    if not path.is_file():
        logger.warning(f"{folder} has no {THRESHOLDS}, since its run has not ended: 0.5 is taken")
        return default
    try:
        found = read_json(path, "step", "thresholds")
        values = np.array([found["thresholds"][name] for name in class_names], np.float64)
        if len(found["thresholds"]) != len(class_names) or not np.isfinite(values).all():
            raise ValueError("it is not of these classes")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or of another run ({error}); copy it again, or remove it for "
            "thresholds of 0.5."
        ) from error
    if found["step"] != step:
        logger.warning(
            f"{path} is of step {found['step']}, the checkpoint of step {step}, since its run has "
            "gone on and not ended: 0.5 is taken"
        )
        return default
    return values
