"""The file of an index of photos: its tables, whose labels it holds, and how they are packed.

The index is one SQLite file. A photo is one row of `photos`, with its labels in the row, and one of
`vectors`; both are written in one transaction, so that a photo is in the index whole or not at all.
Labels are kept sparse and packed in the photo's row, not in a table by class: numpy sums any word's
classes over all of them at once, in a time that does not grow with the number of classes, and they
take a third of the room.

Paths are bytes, as the system gives them: names on disk need not be text.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from jaxcnn.host.folders import data_folder

SCHEMA_VERSION = 1
WHAT = "photos labelled by jaxcnn"
LEAST_PROBABILITY = 0.001  # labels below it are left out
LEAST_COUNT = 5  # of labels that are kept in any case
MAX_CLASSES = 2**16
NONE_OF_THESE = "none of these"  # a photo whose labels have a probability of 0
_STEPS = 65535  # probabilities are kept as multiples of 1 / 65535
_LEVELS = 127

SCHEMA = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO about VALUES ('what', '{WHAT}'), ('version', '{SCHEMA_VERSION}');
-- The folders that were asked for, absolute; photos lie in them or below.
CREATE TABLE folders (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE photos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice
    path BLOB NOT NULL UNIQUE,             -- absolute
    size INTEGER NOT NULL,                 -- bytes
    mtime_ns INTEGER NOT NULL,
    content BLOB NOT NULL,                 -- BLAKE2b of the file's bytes, 16 bytes
    taken INTEGER NOT NULL,                -- seconds since 1970 by the clock on the wall, see dates
    taken_by_exif INTEGER NOT NULL,        -- 0: by the file's time
    labels BLOB NOT NULL                   -- see pack_labels
);
CREATE INDEX photos_by_content ON photos (content);
CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL);  -- see pack_vector
CREATE TABLE unreadable (
    path BLOB PRIMARY KEY,
    size INTEGER,                          -- null where not even that is known
    mtime_ns INTEGER,
    reason TEXT NOT NULL
) WITHOUT ROWID;
"""


def default_index_path() -> Path:
    """Give the place of the index where the user names none.

    Example:
      >>> default_index_path().name
      'photos.sqlite'
    """
    return data_folder() / "photos.sqlite"


class PhotoIndexError(ValueError):
    """The file is no index of photos that can be used; the message says what to do."""


class UnusableIndexError(PhotoIndexError):
    """The file is an index that has to be made again.

    Args:
      path: the file.
      why: what is wrong with it.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the index {path} cannot be used: {why}; index the photos again with rebuild=True."
        )


@dataclasses.dataclass(frozen=True)
class NetworkRecord:
    """Which network the labels of an index are from.

    Attributes:
      fingerprint: digest of its weights, its classes and how it sees photos.
      class_names: in the order of the labels.
      wordnet_ids: WordNet 3.0's id of each class, such as "n02123045"; () where they have none.
      source: what `labelling.load_labeller` takes to load it: {"weights": name} or
        {"workdir": path}, and "compute_dtype", the precision of the labels.
      several_labels: whether a photo may show several classes, each of its own probability.
    """

    fingerprint: str
    class_names: tuple[str, ...]
    wordnet_ids: tuple[str, ...]
    source: Mapping[str, str]
    several_labels: bool = False

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "NetworkRecord":
        """Read what `to_json` wrote."""
        held = json.loads(text)
        names, ids = tuple(held["class_names"]), tuple(held["wordnet_ids"])
        several = bool(held.get("several_labels"))  # which older indexes do not say
        return cls(held["fingerprint"], names, ids, held["source"], several)

    @property
    def name(self) -> str:
        """Name the network for people: its weights, or its run's folder."""
        return next(iter(self.source.values()), "unnamed")


def read_network(rows: Iterable[tuple[str, str]], path: Path) -> NetworkRecord | None:
    """Read whose labels a file holds; None where it holds none yet.

    Args:
      rows: the table `about`.
      path: the file.

    Raises:
      UnusableIndexError: if it is of another version, or damaged.
    """
    about = dict(rows)
    if about.get("what") != WHAT:
        raise UnusableIndexError(path, "it is damaged (it does not say what it is)")
    if (version := about.get("version")) != str(SCHEMA_VERSION):
        reads = f"this program reads version {SCHEMA_VERSION}"
        raise UnusableIndexError(path, f"it is of version {version}, and {reads}")
    return NetworkRecord.from_json(about["network"]) if "network" in about else None


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
    class_ids, probabilities = unpack_columns(data)
    return tuple(
        (int(i), round(float(p), 5)) for i, p in zip(class_ids, probabilities, strict=True)
    )


def unpack_columns(data: bytes | bytearray) -> tuple[np.ndarray, np.ndarray]:
    """Give the classes and probabilities of photos whose labels follow one another.

    Args:
      data: as `pack_labels` gives, of any number of photos; four bytes for each label.

    Returns:
      (L,) uint16 classes and (L,) float32 probabilities.
    """
    pairs = np.frombuffer(data, "<u2").reshape(-1, 2)
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
