"""What an index holds: whose labels, and of which photos."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np


class PhotoIndexError(ValueError):
    """The file is no index of photos that can be used; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class NetworkRecord:
    """Which network the labels of an index are from.

    Attributes:
      fingerprint: digest of its weights, its classes and how it sees photos.
      class_names: in the order of the labels.
      wordnet_ids: WordNet 3.0's id of each class, such as "n02123045"; () where they have none.
      source: what `labelling.load_labeller` takes to load it: {"weights": name} or
        {"workdir": path}.
    """

    fingerprint: str
    class_names: tuple[str, ...]
    wordnet_ids: tuple[str, ...]
    source: Mapping[str, str]

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "NetworkRecord":
        """Read what `to_json` wrote."""
        held = json.loads(text)
        names, ids = tuple(held["class_names"]), tuple(held["wordnet_ids"])
        return cls(held["fingerprint"], names, ids, held["source"])

    @property
    def name(self) -> str:
        """Name the network for people: its weights, or its run's folder."""
        return next(iter(self.source.values()), "unnamed")


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo of an index."""

    photo_id: int
    path: Path  # absolute; names that are no text hold surrogate escapes
    taken: int  # seconds since 1970 by the clock on the wall, see `dates`
    taken_by_exif: bool  # False: by the file's time
    labels: tuple[tuple[int, float], ...]  # class and probability, the most probable first


@dataclasses.dataclass(frozen=True, eq=False)
class Columns:
    """What searches read of every photo, as arrays."""

    photo_ids: np.ndarray  # (N,) int64, ascending
    taken: np.ndarray  # (N,) int64
    starts: np.ndarray  # (N,) int64: where the labels of each photo begin; each has some
    class_ids: np.ndarray  # (L,) uint16
    probabilities: np.ndarray  # (L,) float32
