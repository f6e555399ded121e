"""Label photos for an index: probabilities and a feature vector of each, from one forward pass."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from jaxcnn.photos.store import NetworkRecord


class Labeller(Protocol):
    """What the index needs of a network; `load_labeller` gives one."""

    network: NetworkRecord

    def preprocess(self, data: bytes) -> np.ndarray:
        """Decode a file's bytes to the (S, S, C) uint8 that `label` takes; DecodeError if bad."""
        ...

    def label(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map (B, S, S, C) uint8 to (B, K) probabilities and (B, D) feature vectors, float32."""
        ...


def load_labeller(source: Mapping[str, str]) -> "Labeller":
    """Load a network: {"weights": name}, {"workdir": path}, or {} for EfficientNet-Lite0.

    The labeller also has `classifier`, a `jaxcnn.classifier.Classifier`.

    Raises:
      ValueError: if it cannot be had.
    """
    raise NotImplementedError
