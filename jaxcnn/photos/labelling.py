"""Label photos for an index: probabilities and a feature vector of each, from one forward pass."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxcnn.data.photo_files import reason_of
from jaxcnn.photos.index_format import NetworkRecord, PhotoIndexError
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.pretrained.labels import label_names, wordnet_ids
from jaxcnn.pretrained.table import list_weights
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
            classifier.fingerprint(),
            names,
            _wordnet_ids_of(names),
            dict(source),
            several_labels=classifier.thresholds is not None,
        )

    def preprocess(self, data: bytes) -> np.ndarray:
        """Decode a photo; see `jaxcnn.Classifier.preprocess`."""
        return self.classifier.preprocess(data)

    def label(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label photos.

        Args:
          images: (B, S, S, C) uint8, as `preprocess` gives each; B at most `batch_size`.

        Returns:
          (B, K) probabilities, all 0 for a photo that is none of the classes, and (B, D) feature
          vectors, float32.
        """
        filled = fill_up(images, self.batch_size)
        probabilities, vectors = (
            found[: len(images)] for found in self.classifier.probabilities_and_features(filled)
        )
        if (known_photos := self.classifier.known_photos) is not None:
            judged = known_photos.judge(vectors, probabilities)
            is_known = np.array([each.is_known for each in judged], bool)
            probabilities = np.where(is_known[:, None], probabilities, np.float32(0))
        return probabilities, vectors


def load_labeller(
    source: Mapping[str, str], *, held: Mapping[str, str] | None = None, batch_size: int = 32
) -> Labeller:
    """Load a network to label photos with.

    Args:
      source: {"weights": name or file} for published weights, with "model" where the file does not
        say of which network it is, "weights_key" and "class_names" as in
        `jaxcnn.Classifier.from_pretrained`; {"workdir": folder} for a trained run; {} for that of
        `held`.
        "compute_dtype" may say the precision of the layers; without it, it is that of `held`, so
        that labels of one index are of one precision, or else what is fastest on this machine.
      held: the source that an index names; {} for EfficientNet-Lite0 by its default weights.
      batch_size: photos of each pass through the network; 1 for single photos.

    Returns:
      The network.

    Raises:
      ValueError: if it cannot be had.
    """
    held = held or {}
    dtype = source.get("compute_dtype") or (_dtype_of(held) if held else "auto")
    if source.keys() - {"compute_dtype"} or not held:
        return _load(source, held.get("model"), dtype, batch_size)
    try:
        return _load(held, None, dtype, batch_size)
    except (ValueError, OSError) as error:
        why = str(error).rstrip(".")
        if isinstance(error, OSError):
            why = f"{error.filename}: {reason_of(error)}"
        raise PhotoIndexError(
            f"the network that labelled the index cannot be loaded ({why}): {_AGAIN}."
        ) from error


def load_labeller_of(index: PhotoIndex, *, batch_size: int = 32) -> Labeller:
    """Load the network that labelled an index.

    Raises:
      PhotoIndexError: if it is no longer where it was, or has changed.
    """
    network = index.network
    labeller = load_labeller({}, held=network.source, batch_size=batch_size)
    if labeller.network.fingerprint != network.fingerprint:
        raise PhotoIndexError(
            f"{network.name} is no longer the network that labelled {index.path}: {_AGAIN}, or "
            "with rebuild=True to label all photos with what it is now."
        )
    return labeller


_AGAIN = "index again with workdir=RUN or weights=FILE, where it is now (labels are kept)"


def _dtype_of(held: Mapping[str, str]) -> str | None:
    """Tell the precision of an index's labels; an older one has its run's own, or float32."""
    return held.get("compute_dtype", None if "workdir" in held else "float32")


def _load(
    source: Mapping[str, str], model: str | None, dtype: str | None, batch_size: int
) -> Labeller:
    """Load a network; `model` is the name of the network of an unpublished file."""
    if workdir := source.get("workdir"):
        folder = str(_absolute(workdir))
        classifier = Classifier.load(folder, compute_dtype=dtype)
        return _noting_dtype(classifier, {"workdir": folder}, batch_size)
    weights, named = source.get("weights"), source.get("model")
    is_file = weights is not None and weights not in {row.name for row in list_weights()}
    if weights is not None and is_file:
        weights, named = str(_absolute(weights)), named or model
    of_file = {name: source[name] for name in ("weights_key", "class_names") if name in source}
    if "class_names" in of_file:
        of_file["class_names"] = str(_absolute(of_file["class_names"]))
    classifier = Classifier.from_pretrained(
        weights, model=named, compute_dtype=dtype or "float32", **of_file
    )
    network = classifier.config.network
    found = {"weights": str(network.weights)} | ({"model": str(network.model)} if is_file else {})
    found |= of_file
    return _noting_dtype(classifier, found, batch_size)


def _noting_dtype(classifier: Classifier, source: Mapping[str, str], batch_size: int) -> Labeller:
    dtype = classifier.config.network.compute_dtype
    return Labeller(classifier, {**source, "compute_dtype": dtype}, batch_size=batch_size)


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def _wordnet_ids_of(class_names: tuple[str, ...]) -> tuple[str, ...]:
    """Give WordNet's ids of ImageNet's classes; () for any others, which have their names alone."""
    known = {label_names("imagenet1k"): wordnet_ids()}
    known[label_names("imagenet1001")] = ("", *wordnet_ids())
    return known.get(class_names, ())
