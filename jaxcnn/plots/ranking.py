"""Which of several is best, and by how much."""

import math
from collections.abc import Sequence

import numpy as np

from jaxcnn.host.text import percent, points
from jaxcnn.plots.text import quoted


def best_index(values: np.ndarray, *, losses: np.ndarray | None = None) -> int | None:
    """Find the first of the greatest finite values; None if none is finite.

    Among equal values the one of least loss is the best, where losses are given.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return None
    ties = np.zeros(len(values)) if losses is None else np.nan_to_num(losses, nan=np.inf)
    return int(np.lexsort((ties, -np.where(finite, values, -np.inf)))[0])


def winner_title(names: Sequence[str], accuracies: Sequence[float]) -> str:
    """Title a picture with which of the names is best, and by how much."""
    order = sorted(
        (i for i, value in enumerate(accuracies) if math.isfinite(value)),
        key=lambda i: -accuracies[i],
    )
    if not order:
        return "No accuracy was measured"
    first = f"{quoted(names[order[0]])} is best: {percent(accuracies[order[0]])}"
    if len(order) == 1:
        return first.replace(" is best:", ":")
    lead = accuracies[order[0]] - accuracies[order[1]]
    return f"{first}, {points(lead)} above {quoted(names[order[1]])}"
