"""From photo to label in three lines, with nothing but a checkpoint."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from jaxcnn import pretrained
from jaxcnn.data.decode import DecodeError, decode_and_resize
from jaxcnn.data.given_photos import Photo, read_given, split_photos
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import listed, printable
from jaxcnn.metrics.multi_label import DEFAULT_THRESHOLD, predicted_sets
from jaxcnn.models import fold_batch_norm
from jaxcnn.runs import build, config as config_lib
from jaxcnn.runs.best_checkpoint import checkpoint_folder, member_folders, read_best
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.config.checks import COMPUTE_DTYPES
from jaxcnn.runs.config.presets import PHOTO_CHANNELS, preset_of_weights
from jaxcnn.runs.known_photos import Judgement, KnownPhotos, folder_of_all, load_known_photos
from jaxcnn.runs.prediction import Prediction
from jaxcnn.runs.thresholds import load_thresholds
from jaxcnn.training import features
from jaxcnn.training.checkpoints import (
    fingerprint,
)
from jaxcnn.training.compilation import CompiledStep, compile_step
from jaxcnn.training.eval_step import make_predict
from jaxcnn.types import PyTree


class Classifier:
    """A trained network with its classes and its way of looking at photos.

    Example:
      classifier = Classifier.load("runs/my_pets")
      answer = classifier.predict("photo.jpg")
      print(answer.label, answer.probability)

    Attributes:
      known_photos: what "none of these" and sets of classes follow from; None where the network
        keeps none. Of several networks those of the first.
      thresholds: (K,) probability from which each class applies; None where a photo has one label.
    """

    known_photos: KnownPhotos | None = None
    thresholds: np.ndarray | None = None

    def __init__(
        self,
        config: TrainConfig,
        class_names: Sequence[str],
        variables: PyTree,
        *,
        others: Sequence[PyTree] = (),
        thresholds: Sequence[float] | np.ndarray | None = None,
        known_photos: KnownPhotos | None = None,
    ) -> None:
        """Build the network; `load` is the usual way.

        Args:
          config: complete settings of the run; its `compute_dtype` may be auto.
          class_names: names in the order of the labels.
          variables: {"params": ..., "batch_stats": ...}.
          others: variables of further networks, whose probabilities are averaged with its own.
          thresholds: (K,) probability from which each class applies, where a photo may have several
            labels; None for 0.5.
          known_photos: of the first network.
        """
        self.known_photos = known_photos
        self.config = config = build.settle_dtype(config)
        self.class_names = tuple(class_names)
        if config.has_several_labels:
            self.thresholds = np.full(len(class_names), DEFAULT_THRESHOLD)
            self.thresholds[:] = DEFAULT_THRESHOLD if thresholds is None else thresholds
        self.preprocessing = config.preprocessing
        decoding = self.preprocessing.decoding
        if decoding.decoder == "fast":  # what a machine has installed is no part of a network
            portable = decoding._replace(decoder="auto")
            self.preprocessing = dataclasses.replace(self.preprocessing, decoding=portable)
        plain = build.build_model(config, len(class_names))
        folded = [fold_batch_norm(plain, each) for each in (variables, *others)]
        self._model = model = folded[0][0]
        self._members = tuple(each for _, each in folded)
        self._probabilities = make_predict(model, self.preprocessing)
        self._answer_step = features.make_answer_step(model, self.preprocessing)
        self._compiled: dict[tuple[object, ...], CompiledStep] = {}

    def limit_pixels(self, max_pixels: int) -> None:
        """Set the most pixels of a photo from now on, see `jaxcnn.data.decode_and_resize`."""
        decoding = self.preprocessing.decoding._replace(max_pixels=max_pixels)
        self.preprocessing = dataclasses.replace(self.preprocessing, decoding=decoding)

    @property
    def model(self) -> Any:
        """The network, a Flax module, with every BatchNorm folded into its convolution."""
        return self._model

    def _repr_html_(self) -> str:
        """Show in a notebook what it is."""
        from jaxcnn.host.html import table

        network, names = self.config.network, self.class_names
        rows = [
            ("network", network.model),
            ("precision", network.compute_dtype),
            ("images", self.config.data.image_size()),
            ("classes", f"{len(names):,}: {listed(names, 10)}"),
        ]
        if len(self._members) > 1:
            rows.append(("networks whose probabilities are averaged", str(len(self._members))))
        return table([], rows, caption="Classifier")

    @property
    def members(self) -> tuple[PyTree, ...]:
        """The variables of each network whose probabilities are averaged; of one, mostly."""
        return self._members

    @classmethod
    def load(cls, workdir: Path | str, *, compute_dtype: str | None = "auto") -> "Classifier":
        """Load the best checkpoint of a run.

        Args:
          workdir: the run's folder, or its folder `checkpoints/best` alone.
          compute_dtype: precision of the layers: "float32", "bfloat16", or "auto" for what is
            fastest on this machine, so that all answers of a machine are of one precision; None
            for that of the run. bfloat16 may name another class than float32 where two are almost
            equally probable.

        Returns:
          A classifier; of a run of several networks, one that averages their probabilities.

        Raises:
          CheckpointError: if there is no checkpoint, or it is damaged.
          ValueError: if the precision is unknown.
        """
        if compute_dtype not in (None, *COMPUTE_DTYPES):
            raise unknown_name("compute_dtype", compute_dtype, COMPUTE_DTYPES)
        members = member_folders(Path(workdir)) or [Path(workdir)]
        (config, first, class_names), *others = [read_best(member) for member in members]
        if compute_dtype is not None:
            config = config.replace(compute_dtype=compute_dtype)
        best = checkpoint_folder(members[0])
        known_photos = load_known_photos(folder_of_all(best) if others else best, first.step)
        thresholds = None
        if config.has_several_labels:
            thresholds = load_thresholds(best, class_names, step=first.step)
        return cls(
            config,
            class_names,
            first.state,
            others=[each.state for _, each, _ in others],
            thresholds=thresholds,
            known_photos=known_photos,
        )

    @classmethod
    def from_pretrained(
        cls,
        weights: Path | str | None = None,
        *,
        model: str | None = None,
        weights_key: str | None = None,
        class_names: Path | str | Sequence[str] | None = None,
        compute_dtype: str = "auto",
    ) -> "Classifier":
        """Load published weights, with the classes that they were trained on.

        Args:
          weights: a name that `jaxcnn.pretrained.list_weights` lists, or the path of a file; None
            for the network's default.
          model: name of the network; None for that of the weights, or efficientnet_lite0.
          weights_key: which part of a file to read, see `jaxcnn.pretrained.load`.
          class_names: names in the order of the outputs, or a file of them, see
            `jaxcnn.pretrained.load`.
          compute_dtype: see `load`.

        Returns:
          A classifier.

        Raises:
          ValueError: if the weights cannot be had, read or recognised, name no classes, or are not
            for photos; if there is not a name per class; if the precision is unknown.
        """
        if weights is None:
            if weights_key is not None:
                raise ValueError("weights_key names a part of a file; give the file as weights.")
            weights = pretrained.default_weights(model or "efficientnet_lite0").name
        found = pretrained.load(
            weights, model=model, weights_key=weights_key, class_names=class_names
        )
        _check_answers(weights, found)
        given = make_config(
            dataset="folder", weights=str(weights), augment="none", compute_dtype=compute_dtype
        )
        num_channels = found.preprocessing.decoding.num_channels
        config = config_lib.resolve(given, preset_of_weights(found, num_channels=num_channels))
        return cls(config, found.class_names, found.variables)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is one photo
        self,
        photos: Photo,
        *,
        batch_size: int = ...,
        coverage: float | None = ...,
        conformal: float | None = ...,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        photos: Iterable[Photo],
        *,
        batch_size: int = ...,
        coverage: float | None = ...,
        conformal: float | None = ...,
    ) -> list[Prediction]: ...

    def predict(
        self,
        photos: Photo | Iterable[Photo],
        *,
        batch_size: int = 32,
        coverage: float | None = None,
        conformal: float | None = None,
    ) -> Prediction | list[Prediction]:
        """Label one photo, or many.

        Args:
          photos: a photo: its path, its file's bytes, an open file, a Pillow image, or an array
            (JAX's too) of shape (H, W) or (H, W, C), uint8 or floats in [0, 1]. Or many of them: a
            list or any iterable, or an array of shape (B, H, W, C).
          batch_size: photos classified together; no effect on results.
          coverage: a photo is "none of these" if it looks less like the training photos than this
            share of the validation photos do; None for the run's own.
          conformal: give each photo the set of classes that holds the right one with at least this
            probability, in (0, 1); None for no sets.

        Returns:
          A prediction for one photo; for many a list of them, in order.

        Raises:
          DecodeError: if a photo cannot be decoded.
          OSError: if a file cannot be read.
          TypeError: if it is none of these.
          ValueError: if a share is out of range, or is given where no known photos are kept.
        """
        is_one, each = split_photos(photos)
        shares: dict[str, Any] = {"coverage": coverage, "conformal": conformal}
        if is_one:
            return next(self.predict_each(each, batch_size=1, **shares))
        return list(self.predict_each(each, batch_size=batch_size, **shares))

    def predict_each(
        self,
        photos: Iterable[Photo],
        *,
        batch_size: int = 32,
        coverage: float | None = None,
        conformal: float | None = None,
    ) -> Iterator[Prediction]:
        """Label any number of photos, of which one batch at a time is held in memory.

        Args:
          photos: see `predict`.
          batch_size: photos classified together; no effect on results.
          coverage: see `predict`.
          conformal: likewise.

        Yields:
          A prediction for each photo, in order, as soon as its batch is done.

        Raises:
          DecodeError, OSError, TypeError: as `predict`, after the answers of the batches before.
          ValueError: as `predict`.
        """
        shares: dict[str, Any] = {"coverage": coverage, "conformal": conformal}
        self.check_shares(**shares)
        images = (self._preprocess_named(photo, i) for i, photo in enumerate(photos))
        while batch := list(itertools.islice(images, batch_size)):
            yield from self.answer_images(batch, batch_size=batch_size, **shares)

    def check_shares(self, *, coverage: float | None, conformal: float | None) -> None:
        """Refuse shares that `predict` cannot answer by, before any photo is read.

        Args:
          coverage: see `predict`.
          conformal: likewise.

        Raises:
          ValueError: as `predict`.
        """
        given = {"coverage": coverage, "conformal": conformal}
        if asked := [f"{name} (={share})" for name, share in given.items() if share is not None]:
            if self.known_photos is None:
                raise ValueError(
                    f"{asked[0]} needs scores of the validation photos, which this network does "
                    "not have. They are not kept for published weights, private training, several "
                    "labels per photo and cross-validation, and older versions kept none. Leave "
                    "it out; if an older version trained the run, test it again for its report."
                )
            self.known_photos.check(coverage=coverage, conformal=conformal)

    def answer_images(
        self,
        images: Sequence[np.ndarray],
        *,
        batch_size: int,
        coverage: float | None = None,
        conformal: float | None = None,
    ) -> list[Prediction]:
        """Label preprocessed images by a program compiled for `batch_size` of them.

        Args:
          images: (S, S, C) uint8, as `preprocess` gives each; at most `batch_size`.
          batch_size: the number that the network is given at once; the rest is padding.
          coverage: see `predict`.
          conformal: likewise.

        Returns:
          A prediction for each image, in order.

        Raises:
          ValueError: as `predict`.
        """
        self.check_shares(coverage=coverage, conformal=conformal)
        if not images:
            return []
        filled = fill_up(np.stack(images), batch_size)
        if self.known_photos is None:
            return [self._answer(row) for row in self.probabilities(filled)[: len(images)]]
        rows, vectors = (x[: len(images)] for x in self.probabilities_and_features(filled))
        judged = self.known_photos.judge(vectors, rows, coverage=coverage, conformal=conformal)
        return list(map(self._answer, rows, judged))

    def _preprocess_named(self, photo: Photo, number: int) -> np.ndarray:
        """Preprocess a photo; an error names it."""
        try:
            return self.preprocess(photo)
        except DecodeError as error:
            name = f"photo {number}, counted from 0"
            if isinstance(photo, (str, os.PathLike)):
                name = printable(photo)
            raise DecodeError(f"{name}: {error}") from error

    def preprocess(self, photo: Photo) -> np.ndarray:
        """Decode a photo to the image that the network takes its view from.

        Args:
          photo: one photo, see `predict`.

        Returns:
          (H, W, C) uint8, as `preprocessing.decoding` says.

        Raises:
          DecodeError: if the photo cannot be decoded.
          OSError: if the file cannot be read.
          TypeError: if it is not a photo.
        """
        return decode_and_resize(read_given(photo), **self.preprocessing.decoding._asdict())

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Classify preprocessed images.

        Args:
          images: (B, S, S, C) uint8, as `preprocess` gives each.

        Returns:
          (B, K) float32.
        """
        each = [np.asarray(found) for found in self._run(self._probabilities, images)]
        return each[0] if len(each) == 1 else np.mean(each, axis=0)

    def probabilities_and_features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Classify preprocessed images, and give what the last layer saw of each.

        Args:
          images: (B, S, S, C) uint8, as `preprocess` gives each.

        Returns:
          (B, K) float32 as `probabilities` gives, and (B, D) float32 features; of several networks
          those of the first.
        """
        each = self._run(self._answer_step, images)
        probabilities = np.mean([np.asarray(answer[0]) for answer in each], axis=0)
        return probabilities, np.asarray(each[0][1])

    def _run(self, step: Callable[..., Any], images: np.ndarray) -> list[Any]:
        """Give a step's answer of each network, compiled once for each shape of images."""
        key = step, images.shape
        if key not in self._compiled:
            self._compiled[key] = compile_step(step, self._members[0], images)
        return [self._compiled[key](variables, images) for variables in self._members]

    def fingerprint(self) -> str:
        """Digest all that answers depend on: weights, classes, how photos are looked at.

        Thresholds of several labels are left out, since they change no probability.
        """
        config, network = self.config, self.config.network
        options = network.model, network.model_options, config.head, network.compute_dtype
        about: list[object] = [self.class_names, options, self.preprocessing]
        if self.known_photos is not None:
            about.append((self.known_photos.step, self.known_photos.threshold()))
        return fingerprint(self._members, *about)

    def _answer(self, row: np.ndarray, judged: Judgement | None = None) -> Prediction:
        best = int(row.argmax())
        each = dict(zip(self.class_names, map(float, row), strict=True))
        label = self.class_names[best]
        labels: tuple[str, ...] = (label,)
        if self.thresholds is not None:
            order = np.argsort(-row, kind="stable")
            applies = predicted_sets(row, self.thresholds)[order]
            labels = tuple(self.class_names[i] for i in order[applies])
        answer = Prediction(label, float(row[best]), each, labels)
        if judged is None:
            return answer
        classes = judged.classes
        names = None if classes is None else tuple(self.class_names[i] for i in classes)
        return answer._replace(is_known=judged.is_known, score=judged.score, set=names)


def _check_answers(weights: Path | str, found: pretrained.Pretrained) -> None:
    """Refuse weights that cannot name the class of a photo."""
    if not found.class_names:
        raise ValueError(
            f"{weights} has no last layer, so it names no class. Start a training from it, with "
            f"weights={weights} and model={found.model}."
        )
    num_channels = found.preprocessing.decoding.num_channels
    if num_channels not in PHOTO_CHANNELS:
        raise ValueError(
            f"{weights} takes images of {num_channels} channels; a photo has 1 or 3. Give it "
            "arrays of your own in a program, through jaxcnn.pretrained.load."
        )


def fill_up(images: np.ndarray, count: int) -> np.ndarray:
    """Add black images up to a number of them, so that one compiled program serves all batches.

    Example:
      >>> fill_up(np.ones((2, 8, 8, 3), np.uint8), 5).shape
      (5, 8, 8, 3)
    """
    return np.pad(images, [(0, count - len(images)), (0, 0), (0, 0), (0, 0)])


__all__ = ["Classifier", "DecodeError", "Prediction"]
