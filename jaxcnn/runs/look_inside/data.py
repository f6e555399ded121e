"""What a network learned of its data: what excites it, what it confuses, what it finds alike."""

import logging
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxcnn import plots
from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.files import write_json
from jaxcnn.host.outputs import GENERATOR
from jaxcnn.interpret import (
    Excitation,
    cut_field,
    excitations,
    map_photos,
    most_selective_channels,
    nearest_photos,
    top_images,
)
from jaxcnn.metrics.calibration import calibrate, most_confident_errors
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.figures import draw_mistakes
from jaxcnn.runs.look_inside.explanations import Fields, known_fields
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.preprocessing import network_input, seen_part
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_BATCH = 32
_CHANNELS, _PATCHES = 6, 8  # of a stage, and photos of a channel
_NEIGHBOURS, _MAX_QUERIES = 6, 12


_Answers = tuple[np.ndarray, np.ndarray, Mapping[str, Excitation]]


class _Looked(NamedTuple):
    """What a network makes of a split's photos."""

    index: np.ndarray  # type: ignore[assignment]  # (N,) positions in the split
    labels: np.ndarray  # (N,) int32
    features: np.ndarray  # (N, D) float32, what the head sees
    probabilities: np.ndarray  # (N, K) float32
    peaks: Mapping[str, Excitation]  # by stage, (N, C) each


def look_at_data(
    classifier: Classifier,
    data: ImageSplits,
    folder: Path,
    *,
    photos: Mapping[str, np.ndarray] | None = None,
    max_photos: int = 2000,
    method: str = "auto",
) -> list[Path]:
    """Draw what a network learned of the photos that it was trained and tested on.

    Args:
      classifier: a trained network; of several, the first is looked into and all are calibrated.
      data: its splits.
      folder: where the pictures go, and calibration.json.
      photos: (S, S, C) uint8 by name, as `Classifier.preprocess` gives each, whose nearest training
        photos are drawn; None for some of the test split.
      max_photos: the most to take of a split, evenly spaced.
      method: of the map, see `interpret.map_photos`.

    Returns:
      The files.

    Raises:
      ValueError: if the method is unknown, or a split is empty.
    """
    preprocessing, fields = classifier.preprocessing, known_fields(classifier)
    look = _Looker(classifier, list(fields), max_photos)
    validation, test = look(data.validation, "validation"), look(data.test, "test")
    train = look(data.train, "training")
    names, queries, vectors = _queries(look, test, data.test, photos)
    near = nearest_photos(vectors, train.features, count=_NEIGHBOURS)
    alike = [data.train.gather(train.index[row])[0] for row in near.index]
    placed = map_photos(test.features, method=method)
    return [
        *_draw_calibration(validation, test, folder),
        _draw_errors(test, data.test, folder),
        *_draw_excitations(preprocessing, fields, train, data.train, folder),
        plots.plot_neighbours(
            folder / "nearest_training_photos.png",
            np.asarray(seen_part(queries, preprocessing)),
            [np.asarray(seen_part(each, preprocessing)) for each in alike],
            labels=train.labels[near.index],
            similarities=near.similarity,
            class_names=classifier.class_names,
            names=names,
        ),
        plots.plot_photo_map(
            folder / "photo_map.png",
            placed.points,
            test.labels,
            classifier.class_names,
            method=placed.method,
            wrong=test.probabilities.argmax(axis=1) != test.labels,
            variance_share=placed.variance_share,
        ),
    ]


class _Looker:
    """Runs a network over photos, once, for all that is drawn of them."""

    def __init__(self, classifier: Classifier, stages: Sequence[str], max_photos: int) -> None:
        self._classifier, self._max_photos = classifier, max_photos
        model, preprocessing = classifier.model, classifier.preprocessing
        backbone = model.clone(num_classes=0)

        def step(variables: PyTree, images: jax.Array) -> tuple[jax.Array, dict[str, Excitation]]:
            x = network_input(images, preprocessing)
            peaks = {stage: excitations(model, variables, x, stage=stage) for stage in stages}
            return jnp.asarray(backbone.apply(variables, x, train=False)), peaks

        shape = jax.ShapeDtypeStruct((_BATCH, *preprocessing.decoding.image_shape), np.uint8)
        self._step = compile_step(step, classifier.members[0], shape)

    def __call__(self, split: ImageSplit, name: str) -> _Looked:
        """Look at a split, or at evenly spaced photos of it."""
        count = min(len(split), self._max_photos)
        index = np.arange(count) * len(split) // max(count, 1)
        labels = np.asarray(split.labels).astype(np.int32)
        found = []
        with tqdm(total=count, unit="photo", desc=f"looking at {name} photos", disable=None) as bar:
            for start in range(0, count, _BATCH):
                part = index[start : start + _BATCH]
                images, present = split.gather(part)
                if present.any():
                    looked = _Looked(part, labels[part], *self.look(images))
                    found.append(jax.tree.map(operator.itemgetter(present), looked))
                bar.update(len(part))
        if not found:
            raise ValueError(f"the {name} split holds no photo to look at.")
        joined: _Looked = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
        return joined

    def look(self, images: np.ndarray) -> _Answers:
        """Give features, probabilities and peaks of up to 32 preprocessed images."""
        padded = np.zeros((_BATCH, *images.shape[1:]), np.uint8)
        padded[: len(images)] = images
        features, peaks = self._step(self._classifier.members[0], padded)
        each = (features, self._classifier.probabilities(padded), peaks)
        answers: _Answers = jax.tree.map(lambda x: np.asarray(x)[: len(images)], each)
        return answers


def _draw_calibration(validation: _Looked, test: _Looked, folder: Path) -> list[Path]:
    """Draw how calibrated the answers to the test split are, and write it down."""
    found = calibrate(
        (validation.probabilities, validation.labels), (test.probabilities, test.labels)
    )
    picture = plots.plot_calibration(
        folder / "calibration.png",
        found.curve,
        scaled=found.scaled,
        temperature=found.temperature,
    )
    numbers = {
        "generator": GENERATOR,
        "expected_calibration_error": found.curve.error,
        "temperature": found.temperature,
        "expected_calibration_error_with_temperature": found.scaled.error,
        "num_validation": len(validation.labels),
        "num_test": len(test.labels),
    }
    written = folder / "calibration.json"
    write_json(written, numbers)
    scaled = "no temperature improves it significantly on validation"
    if found.temperature != 1:
        scaled = (
            f"with the temperature {found.temperature:.2f}, fitted on validation, "
            f"{found.scaled.error:.1%}"
        )
    logger.info(
        f"expected calibration error {found.curve.error:.1%} on {len(test.labels):,} test photos; "
        f"{scaled}"
    )
    return [picture, written]


def _draw_errors(test: _Looked, split: ImageSplit, folder: Path) -> Path:
    """Draw the most confident errors, and name the first."""
    for i in most_confident_errors(test.probabilities, test.labels, count=5):
        said = test.probabilities[i].argmax()
        logger.info(
            f"  {split.names[test.index[i]]}: {split.class_names[test.labels[i]]} taken for "
            f"{split.class_names[said]} with {test.probabilities[i, said]:.1%}"
        )
    path = folder / "most_confident_errors.png"
    return draw_mistakes(path, split, test.index, test.labels, test.probabilities)


def _draw_excitations(
    preprocessing: Preprocessing,
    fields: Fields,
    train: _Looked,
    split: ImageSplit,
    folder: Path,
) -> list[Path]:
    """Draw, for each stage, what excites its most selective channels most."""
    made = []
    for stage, field in fields.items():
        found = train.peaks[stage]
        channels = most_selective_channels(found.peak, count=_CHANNELS)
        if field is None or not len(channels):
            continue  # nothing to cut out, or a stage whose output is alike for all
        patches = []
        for channel in channels.tolist():
            top = top_images(found.peak, channel, count=_PATCHES)
            photos = np.asarray(seen_part(split.gather(train.index[top])[0], preprocessing))
            rows, columns = found.row[top, channel].tolist(), found.column[top, channel].tolist()
            places = zip(photos, rows, columns, strict=True)
            patches.append([cut_field(photo, field, row, column) for photo, row, column in places])
        path = folder / f"excitations_{stage}.png"
        made.append(
            plots.plot_excitations(path, stage, channels, patches, num_photos=len(train.index))
        )
    return made


def _queries(
    look: _Looker, test: _Looked, split: ImageSplit, photos: Mapping[str, np.ndarray] | None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Give the photos whose neighbours are asked for: names, images and features."""
    if photos:
        names = list(photos)[:_MAX_QUERIES]
        images = np.stack([photos[name] for name in names])
        return names, images, look.look(images)[0]
    chosen = np.arange(min(8, len(test.index))) * len(test.index) // min(8, len(test.index))
    names = [split.class_names[label] for label in test.labels[chosen]]
    return names, split.gather(test.index[chosen])[0], test.features[chosen]
