"""Label photos for an index: probabilities and a feature vector of each, from one forward pass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from jaxcnn import pretrained
from jaxcnn.photos.index_format import NetworkRecord
from jaxcnn.pretrained.labels import label_names, wordnet_ids
from jaxcnn.runs.classifier import Classifier

DEFAULT_MODEL = "efficientnet_lite0"


class Labeller(Protocol):
    """What an index needs of a network; `NetworkLabeller` has it."""

    @property
    def network(self) -> NetworkRecord:
        """Who labels."""
        ...

    @property
    def batch_size(self) -> int:
        """How many photos are best labelled together."""
        ...

    def preprocess(self, data: bytes) -> np.ndarray:
        """Decode a file's bytes to the (S, S, C) uint8 that `label` takes; DecodeError if bad."""
        ...

    def label(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map (B, S, S, C) uint8 to (B, K) probabilities and (B, D) feature vectors, float32."""
        ...


class NetworkLabeller:
    """A trained network that labels photos for an index.

    Args:
      classifier: the network.
      source: where it is from, as `load_labeller` takes it.
      batch_size: photos of each pass through the network; fewer are filled up.

    Attributes:
      classifier: the network.
      network: what an index notes of it.
      batch_size: as given.
    """

    def __init__(
        self, classifier: Classifier, source: Mapping[str, str], *, batch_size: int
    ) -> None:
        self.classifier = classifier
        self.batch_size = batch_size
        names = classifier.class_names
        self.network = NetworkRecord(
            classifier.fingerprint(), names, _wordnet_ids_of(names), dict(source)
        )

    def preprocess(self, data: bytes) -> np.ndarray:
        """Decode a photo; see `Classifier.preprocess`."""
        return self.classifier.preprocess(data)

    def label(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label photos.

        Args:
          images: (B, S, S, C) uint8, as `preprocess` gives each.

        Returns:
          (B, K) probabilities and (B, D) feature vectors, float32.
        """
        parts = [
            self._label_batch(images[start : start + self.batch_size])
            for start in range(0, len(images), self.batch_size)
        ]
        return np.concatenate([p for p, _ in parts]), np.concatenate([v for _, v in parts])

    def _label_batch(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = len(images)
        missing = self.batch_size - count
        padded = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)]) if missing else images
        probabilities, vectors = self.classifier.probabilities_and_features(padded)
        return probabilities[:count], vectors[:count]


def load_labeller(source: Mapping[str, str], *, batch_size: int = 32) -> NetworkLabeller:
    """Load a network to label photos with.

    Args:
      source: {"weights": name or file} for published weights, {"workdir": folder} for a trained
        run, {} for EfficientNet-Lite0 by its default weights.
      batch_size: photos of each pass through the network; 1 for single photos.

    Returns:
      The network.

    Raises:
      ValueError: if it cannot be had.
    """
    if workdir := source.get("workdir"):
        folder = str(Path(workdir).absolute())
        return NetworkLabeller(Classifier.load(folder), {"workdir": folder}, batch_size=batch_size)
    weights = source.get("weights") or pretrained.default_weights(DEFAULT_MODEL).name
    if Path(weights).is_file():
        weights = str(Path(weights).absolute())
    classifier = Classifier.from_pretrained(weights)
    return NetworkLabeller(classifier, {"weights": weights}, batch_size=batch_size)


def _wordnet_ids_of(class_names: tuple[str, ...]) -> tuple[str, ...]:
    """Give WordNet's ids of ImageNet's classes; () for any others, which have their names alone."""
    known = {label_names("imagenet1k"): wordnet_ids()}
    known[label_names("imagenet1001")] = ("", *wordnet_ids())
    return known.get(class_names, ())
