"""Label photos for an index: probabilities and a feature vector of each, from one forward pass."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxcnn.photos.index_format import NetworkRecord
from jaxcnn.pretrained.labels import label_names, wordnet_ids
from jaxcnn.runs.classifier import Classifier, fill_up


class Labeller:
    """A trained network that labels photos for an index.

    Args:
      classifier: the network.
      source: where it is from, as `load_labeller` takes it.
      batch_size: photos of each pass through the network; black ones are added to fewer.

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
          images: (B, S, S, C) uint8, as `preprocess` gives each; B at most `batch_size`.

        Returns:
          (B, K) probabilities and (B, D) feature vectors, float32.
        """
        filled = fill_up(images, self.batch_size)
        probabilities, vectors = self.classifier.probabilities_and_features(filled)
        return probabilities[: len(images)], vectors[: len(images)]


def load_labeller(source: Mapping[str, str], *, batch_size: int = 32) -> Labeller:
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
        return Labeller(Classifier.load(folder), {"workdir": folder}, batch_size=batch_size)
    weights = source.get("weights")
    if weights and Path(weights).is_file():
        weights = str(Path(weights).absolute())
    classifier = Classifier.from_pretrained(weights)
    found = {"weights": str(classifier.config.network.weights)}
    return Labeller(classifier, found, batch_size=batch_size)


def _wordnet_ids_of(class_names: tuple[str, ...]) -> tuple[str, ...]:
    """Give WordNet's ids of ImageNet's classes; () for any others, which have their names alone."""
    known = {label_names("imagenet1k"): wordnet_ids()}
    known[label_names("imagenet1001")] = ("", *wordnet_ids())
    return known.get(class_names, ())
