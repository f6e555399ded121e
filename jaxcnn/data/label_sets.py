"""One label per photo or several: both forms of labels, counted and named alike.

One label per photo is (N,) int32, an index of its class. Several are (N, K) uint8, of which 1 says
that a photo shows the class: any number of classes, none included.
"""

from collections.abc import Collection, Sequence
from typing import TypeAlias

import numpy as np

Label: TypeAlias = int | Sequence[int] | np.ndarray  # of one photo, in either form
SEPARATOR = "; "  # between the names of several labels


def as_labels(labels: Sequence[Label] | np.ndarray, num_classes: int) -> np.ndarray:
    """Give labels in one of the two forms.

    Args:
      labels: N class indices; N tuples of class indices; or an (N, K) table of 0 and 1.
      num_classes: K.

    Returns:
      (N,) int32, or (N, K) uint8 where photos have several labels.

    Raises:
      ValueError: if a table has another number of columns or other numbers than 0 and 1, or a tuple
        names a class that is not there.

    Example:
      >>> as_labels([(0, 2), ()], 3).tolist(), as_labels([1, 0], 3).tolist()
      ([[1, 0, 1], [0, 0, 0]], [1, 0])
    """
    if not isinstance(labels, np.ndarray) and any(isinstance(each, tuple) for each in labels):
        return _from_tuples(labels, num_classes)
    found = np.asarray(labels)
    if found.ndim != 2:
        return found.astype(np.int32)
    if found.shape[1] != num_classes or not np.isin(found, (0, 1)).all():
        raise ValueError(
            f"labels of several classes must be (N, {num_classes}) of 0 and 1, one column for each "
            f"class; got {found.dtype} of shape {found.shape}"
            f"{'' if found.shape[1] != num_classes else ' with other numbers'}."
        )
    return found.astype(np.uint8)


def _from_tuples(labels: Sequence[Label], num_classes: int) -> np.ndarray:
    found = np.zeros((len(labels), num_classes), np.uint8)
    for row, label in zip(found, labels, strict=True):
        classes = list(label) if isinstance(label, Collection) else [label]
        if wrong := [each for each in classes if not 0 <= each < num_classes]:
            raise ValueError(f"label {wrong[0]} is no class; expected 0 to {num_classes - 1}.")
        row[classes] = 1
    return found


def are_several(labels: np.ndarray) -> bool:
    """Tell whether labels are a table of several per photo.

    Example:
      >>> are_several(np.array([0, 1])), are_several(np.array([[0, 1]]))
      (False, True)
    """
    return labels.ndim == 2


def class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the photos of each class; one of several labels counts in each.

    Args:
      labels: (N,) int32 or (N, K) uint8.
      num_classes: K.

    Returns:
      (K,) int64.

    Example:
      >>> class_counts(np.array([[1, 1], [0, 1]]), 2).tolist()
      [1, 2]
    """
    if are_several(labels):
        return labels.sum(axis=0, dtype=np.int64)
    return np.bincount(labels, minlength=num_classes)


def names_of_label(label: Label, class_names: Sequence[str]) -> str:
    """Write the label of one photo: the name of its class, or of each of several.

    Args:
      label: a class index, or a (K,) row of 0 and 1.
      class_names: in the order of the labels.

    Returns:
      Names with "; " between them; "" where the photo shows none of several classes.

    Example:
      >>> names_of_label(1, ("cat", "dog")), names_of_label(np.array([1, 1]), ("cat", "dog"))
      ('dog', 'cat; dog')
    """
    if np.ndim(label) == 0:
        return class_names[int(label)]  # type: ignore[arg-type]
    return SEPARATOR.join(class_names[i] for i in np.flatnonzero(label).tolist())


def label_sets(labels: np.ndarray) -> np.ndarray:
    """Number the labels, or the sets of labels, so that equal ones have the same number.

    Args:
      labels: (N,) int32 or (N, K) uint8.

    Returns:
      (N,) integers; of single labels themselves.

    Example:
      >>> label_sets(np.array([[1, 0], [0, 1], [1, 0]])).tolist()
      [1, 0, 1]
    """
    if not are_several(labels):
        return labels
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
