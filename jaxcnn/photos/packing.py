"""How a photo's labels and its feature vector are packed into bytes for the index."""

import numpy as np

LEAST_PROBABILITY = 0.001  # labels below it are left out
LEAST_COUNT = 5  # of labels that are kept in any case
MAX_CLASSES = 2**16
_STEPS = 65535  # probabilities are kept as multiples of 1 / 65535
_LEVELS = 127


def pack_labels(probabilities: np.ndarray) -> bytes:
    """Pack the probable classes of a photo.

    Args:
      probabilities: (K,) float32, K at most MAX_CLASSES.

    Returns:
      Pairs of uint16, class and probability, the most probable first; those of at least
      LEAST_PROBABILITY, and the LEAST_COUNT most probable in any case.

    Raises:
      ValueError: if there are more classes.

    Example:
      >>> unpack_labels(pack_labels(np.array([0.25, 0.75], np.float32)))
      ((1, 0.75), (0, 0.25))
    """
    if len(probabilities) > MAX_CLASSES:
        raise ValueError(
            f"the network has {len(probabilities)} classes; an index holds {MAX_CLASSES} at most."
        )
    count = max(LEAST_COUNT, int((probabilities >= LEAST_PROBABILITY).sum()))
    order = np.argsort(-probabilities, kind="stable")[:count]
    shares = np.rint(probabilities[order].astype(np.float64) * _STEPS)
    return np.stack([order, shares], axis=1).astype("<u2").tobytes()


def unpack_labels(data: bytes) -> tuple[tuple[int, float], ...]:
    """Give classes and their probabilities, the most probable first."""
    class_ids, probabilities = unpack_columns([data])
    return tuple(
        (int(i), round(float(p), 5)) for i, p in zip(class_ids, probabilities, strict=True)
    )


def unpack_columns(rows: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Give the classes and probabilities of many photos, one photo's after the other.

    Args:
      rows: as `pack_labels` gives each.

    Returns:
      (L,) uint16 classes and (L,) float32 probabilities; photo i has len(rows[i]) // 4 of them.
    """
    pairs = np.frombuffer(b"".join(rows), "<u2").reshape(-1, 2)
    probabilities = pairs[:, 1].astype(np.float32)
    probabilities /= _STEPS
    return pairs[:, 0].astype(np.uint16), probabilities


def pack_vector(vector: np.ndarray) -> bytes:
    """Pack the direction of a feature vector into a byte a channel.

    The largest channel becomes 127; the length is lost. A cosine changes by about 1e-4.

    Args:
      vector: (D,) float32.

    Returns:
      D bytes, of int8.
    """
    largest = float(np.abs(vector).max(initial=0.0))
    scaled = vector * (_LEVELS / largest) if largest > 0 else np.zeros_like(vector)
    return np.rint(scaled).astype(np.int8).tobytes()


def unpack_vector(data: bytes) -> np.ndarray:
    """Give the (D,) float32 vector of length 1, or of length 0 where there was none."""
    vector = np.frombuffer(data, np.int8).astype(np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1.0)
