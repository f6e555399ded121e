"""Which of several is best, and by how much."""

import math
from collections.abc import Sequence

import numpy as np

from jaxcnn.plots.text import percent, points, quoted


def best_index(values: np.ndarray) -> int | None:
    """Find the first of the greatest finite values; None if none is finite."""
    finite = np.isfinite(values)
    return int(np.where(finite, values, -np.inf).argmax()) if finite.any() else None


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
