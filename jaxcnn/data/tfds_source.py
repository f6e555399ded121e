"""Image classification sets of TensorFlow Datasets, read without TensorFlow.

`load_tfds("cats_vs_dogs")` reads the array_record files that tfds wrote; what is not yet on disk is
downloaded and written first (`jaxcnn.data.tfds_prepare`). tfds takes a second to import, so it is
imported only when a set is loaded.
"""

import dataclasses
import functools
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxcnn.data.label_cache import read_names_and_labels
from jaxcnn.data.source import Example, Source, digest_of
from jaxcnn.data.tfds_prepare import TfdsError, find_builder, preparation_command, prepare_tfds
from jaxcnn.host.extras import install

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder, DatasetInfo

# Features that identify an example, the most specific first.
_NAME_KEYS = (
    "image/filename",
    "image/file_name",
    "file_name",
    "filename",
    "image_id",
    "id",
    "sample_id",
)


class FeatureKeys(NamedTuple):
    """Where an example keeps what a classifier needs."""

    image: str
    label: str
    name: str | None  # None: examples go by split and position


@dataclasses.dataclass(frozen=True)
class TfdsSource:
    """One split of a prepared tfds set; random access, thread-safe, picklable.

    Attributes:
      records: position -> example as a dict, the image still encoded where tfds stores it so.
      class_names: names in the order of the labels.
      keys: features to take from an example.
      split: name of the split.
      folder: where the files lie, for messages.
    """

    records: Sequence[Mapping[str, Any]]
    class_names: tuple[str, ...]
    keys: FeatureKeys
    split: str
    folder: str

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> Example:
        """Read example i.

        Args:
          i: position in the split, 0 <= i < len(self).

        Returns:
          The example; its name is the set's own file name or id, else "split/i".

        Raises:
          IndexError: if `i` is out of range.
          TfdsError: if the files are damaged or the label is none of the classes.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"example {i} of split {self.split!r}, which has {len(self)}.")
        record = self._read(i)
        name, label = self._row(record, i)
        return Example(image=record[self.keys.image], label=label, name=name)

    @property
    def names(self) -> list[str]:
        """The examples' names."""
        return self._names_and_labels[0]

    @property
    def labels(self) -> np.ndarray:
        """(N,) int32."""
        return self._names_and_labels[1]

    @functools.cached_property
    def _names_and_labels(self) -> tuple[list[str], np.ndarray]:
        return read_names_and_labels(
            lambda i: self._row(self._read(i), i),
            len(self),
            lambda: self.fingerprint(np.arange(len(self))),
        )

    def _row(self, record: Mapping[str, Any], i: int) -> tuple[str, int]:
        """Give the name and the label of example i."""
        label = int(record[self.keys.label])
        if not 0 <= label < len(self.class_names):
            raise TfdsError(
                f"example {i} of split {self.split!r} in {self.folder} has label {label}, which is "
                f"none of the {len(self.class_names)} classes; train and test on labelled splits."
            )
        if self.keys.name is None:
            return f"{self.split}/{i}", label
        name = record[self.keys.name]
        text = name.decode() if isinstance(name, bytes) else str(name)
        return text.replace("\\", "/"), label  # sets prepared on Windows keep its separators

    def fingerprint(self, indices: np.ndarray) -> str:
        """Identify the examples at (M,) indices by a text: the set's files, split, positions."""
        with os.scandir(self.folder) as entries:
            files = sorted((e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in entries)
        # The folder's end is name, configuration and version of the set.
        return digest_of(os.path.split(self.folder)[1], files, self.split, indices.tolist())

    def _read(self, i: int) -> Mapping[str, Any]:
        try:
            return self.records[i]
        except (IndexError, OSError, RuntimeError, ValueError) as error:
            raise _damaged(self.folder, f"example {i} of {self.split!r}: {error}") from error


def load_tfds(name: str, *, data_dir: str | None = None) -> dict[str, Source]:
    """Open an image classification set of TensorFlow Datasets; prepare it first if need be.

    Reads array_record files; TensorFlow is not imported. Splits without labels, as the test split
    of a contest, are left out.

    Args:
      name: as tfds has it: `cats_vs_dogs`, `cifar10`, `emnist/letters`, `mnist:3.0.1`.
      data_dir: folder of all tfds sets; None for tfds's own (TFDS_DATA_DIR, ~/tensorflow_datasets).

    Returns:
      tfds's name of each split (train, test, validation, ...) -> its source. Images are encoded
      bytes, or (H, W, C) uint8 where the set stores arrays.

    Raises:
      ValueError: if the set is unknown; the nearest known ones are listed.
      TfdsError: if the set has not exactly one image and one class to an example, cannot be
        prepared, is damaged, or is stored as tfrecord. Says what to do.
    """
    find_feature_keys(find_builder(name, data_dir=data_dir).info)  # before anything is downloaded
    builder = prepare_tfds(name, data_dir)
    _check_files(builder, name, data_dir)
    keys = find_feature_keys(builder.info)
    class_names = tuple(builder.info.features[keys.label].names)
    sources = {
        split: TfdsSource(records, class_names, keys, split, builder.data_dir)
        for split, records in _open_records(builder, keys).items()
    }
    labelled = {s: source for s, source in sources.items() if source._read(0)[keys.label] >= 0}
    if not labelled:
        raise TfdsError(f"the tfds set {name!r} has no split with labels, only {list(sources)}.")
    return dict(labelled)


def find_feature_keys(info: "DatasetInfo") -> FeatureKeys:
    """Find an example's image, label and name among the features of a tfds set.

    The set's supervised keys decide; without them there must be one image and one class label, or
    such as are called "image" and "label".

    Args:
      info: of the set's builder.

    Returns:
      The features' keys.

    Raises:
      TfdsError: if the set is no image classification set, or its images are not uint8.
    """
    import tensorflow_datasets as tfds

    features = dict(info.features or {})
    classes = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    supervised = info.supervised_keys or ()
    image = _sole([k for k, f in features.items() if _holds_image(f)], supervised[:1], "image")
    label = _sole(classes, supervised[1:2], "label")
    if image is None or label is None:
        listed = ", ".join(f"{key}: {type(feature).__name__}" for key, feature in features.items())
        raise TfdsError(
            f"tfds set {info.name!r} is no image classification set: expected one uint8 image and "
            f"one class label to an example, got {listed}."
        )
    return FeatureKeys(image, label, next((k for k in _NAME_KEYS if k in features), None))


def _sole(candidates: list[str], supervised: Sequence[Any], usual: str) -> str | None:
    for key in (*supervised, usual):
        if key in candidates:
            return str(key)
    return candidates[0] if len(candidates) == 1 else None


def _holds_image(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    if feature.np_dtype != np.uint8 or isinstance(feature, tfds.features.LabeledImage):
        return False
    is_array = type(feature) is tfds.features.Tensor and len(feature.shape) == 3
    return isinstance(feature, tfds.features.Image) or is_array


def _check_files(builder: "DatasetBuilder", name: str, data_dir: str | None) -> None:
    folder, quoted = builder.data_dir, shlex.quote(builder.data_dir)
    formats = {file_format.value for file_format in builder.info.available_file_formats()}
    if "array_record" not in formats:
        raise TfdsError(
            f"the tfds set {name!r} is stored in {folder} as {', '.join(sorted(formats))}, which "
            f"only TensorFlow reads. Put it aside\n  mv {quoted} {quoted}.tfrecord\nand run again, "
            "which writes it as array_record. Or do so with TensorFlow:\n"
            f"  {install('tensorflow')}\n"
            f"  {preparation_command(name, data_dir)}"
        )
    for split in builder.info.splits.values():
        gone = [path for path in split.filepaths if not os.path.exists(path)]
        if gone and formats == {"array_record"}:
            raise _damaged(folder, f"{gone[0]} is missing")


def _open_records(builder: "DatasetBuilder", keys: FeatureKeys) -> dict[str, Any]:
    import tensorflow_datasets as tfds

    # Decoding here would cost time that `jaxcnn.data.decode` spends again, more so for the masks
    # and depth maps that no classifier looks at.
    images = [k for k, f in builder.info.features.items() if isinstance(f, tfds.features.Image)]
    splits = {s: s for s, split in builder.info.splits.items() if split.num_examples}
    return dict(
        builder.as_data_source(
            splits,
            decoders={key: tfds.decode.SkipDecoding() for key in images},
            file_format="array_record",
        )
    )


def _damaged(folder: str, what: str) -> TfdsError:
    return TfdsError(
        f"the tfds set in {folder} is damaged ({what}); delete that folder and run again, which "
        "prepares it again."
    )
