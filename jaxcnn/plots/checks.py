"""Checks of what the callers hand over: lengths, labels, probabilities."""

import math
from collections.abc import Sequence, Sized

import numpy as np


def check_lengths(most: float = math.inf, /, **arrays: Sized | None) -> None:
    """Raise ValueError unless all but None have one length, in [1, most]; keywords name them."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    length, *others = set(lengths.values())
    if others or not 1 <= length <= most:
        limit = f" and at most {most}" if math.isfinite(most) else ""
        raise ValueError(f"lengths are {lengths}; expected all equal, at least 1{limit}.")


def check_labels(labels: Sequence[int] | np.ndarray, num_classes: int) -> np.ndarray:
    """Return labels as an (N,) array; ValueError unless they are integers in [0, num_classes)."""
    checked = np.asarray(labels)
    if not np.issubdtype(checked.dtype, np.integer) or checked.ndim != 1:
        raise ValueError(
            f"labels are {checked.dtype} of shape {checked.shape}; expected (N,) integers."
        )
    if checked.min() < 0 or checked.max() >= num_classes:
        raise ValueError(
            f"labels run from {checked.min()} to {checked.max()}; expected 0 to {num_classes - 1}, "
            "one for each class name."
        )
    return checked


def check_label_table(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return several labels per photo as (N, K) bool; ValueError unless they are 0 and 1."""
    checked = np.asarray(labels)
    if checked.ndim != 2 or checked.shape[1] != num_classes or not np.isin(checked, (0, 1)).all():
        raise ValueError(
            f"labels are {checked.dtype} of shape {checked.shape}; expected (N, {num_classes}) of "
            "0 and 1, a column for each class name."
        )
    return checked.astype(bool)


def check_photos(max_photos: int, **arrays: Sized | None) -> None:
    """Raise ValueError unless 1 to 400 photos are to be drawn, and the lengths are the same."""
    check_lengths(**arrays)
    if not 1 <= max_photos <= 400:
        raise ValueError(f"max_photos (={max_photos}) is out of range; expected 1 to 400.")


def top_1(probabilities: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Find each photo's predicted class and its probability, NaN where all of them are.

    ValueError unless `probabilities` is (N, num_classes).
    """
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != num_classes:
        raise ValueError(
            f"probabilities have shape {table.shape}; expected (N, {num_classes}), "
            "a column for each class name."
        )
    predicted = np.nan_to_num(table, nan=-np.inf).argmax(axis=1)
    return predicted, table[np.arange(len(table)), predicted]
