"""Names and labels of a large set, read in one pass over its files and cached for the next run.

A tfds set stores a label beside its image, so all records must be read to know the labels. For a
million photos that takes minutes; what comes of it takes seconds to read again.
"""

import contextlib
from collections.abc import Callable

import numpy as np

from jaxcnn.data.workers import in_threads, usable_cores
from jaxcnn.host.files import DamagedFileError, open_arrays, replacing
from jaxcnn.host.folders import cache_folder

LEAST_CACHED = 100_000  # examples; smaller sets are read again as quickly


def read_names_and_labels(
    row: Callable[[int], tuple[str, int]], count: int, fingerprint: Callable[[], str]
) -> tuple[list[str], np.ndarray]:
    """Read names and labels, or find those that an earlier run read.

    Args:
      row: position to name and label; safe for many threads at once.
      count: number of examples.
      fingerprint: gives a text that distinguishes one set from another; called for large sets only.

    Returns:
      The names, and (N,) int32 labels, in order.

    Raises:
      ValueError: if there is no example.
    """
    is_large = count >= LEAST_CACHED
    path = cache_folder() / "tables" / f"{fingerprint()}.npz" if is_large else None
    if path is not None:
        with contextlib.suppress(OSError, DamagedFileError), open_arrays(path) as cached:
            names = cached["names"].tobytes().decode("utf-8", "surrogateescape").split("\0")
            labels = cached["labels"]
            if len(names) == len(labels) == count:
                return names, labels
    rows = list(in_threads(row, count, usable_cores(), is_large))
    names, labels = [name for name, _ in rows], np.array([label for _, label in rows], np.int32)
    if path is not None:
        text = "\0".join(names).encode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError):  # no room for it; the next run reads again
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as part:
                np.savez(part, names=np.frombuffer(text, np.uint8), labels=labels)
    return names, labels
