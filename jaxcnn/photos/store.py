"""The index of photos: one SQLite file, its tables, and what is read from it.

A photo is one row of `photos`, with its labels in the row, and one of `vectors`; both are written
in one transaction, so that a photo is in the index whole or not at all. Labels are kept sparse and
packed: to sum a word's classes over 400,000 photos numpy reads all labels faster than SQL gathers
those classes' rows, in a quarter of the bytes.

Paths are bytes, as the system gives them: names need not be valid text.
"""

import contextlib
import dataclasses
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.user_cache import data_folder

SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
-- The folders that were asked for, absolute; photos lie in them or below.
CREATE TABLE folders (path BLOB PRIMARY KEY);
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
CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL);  -- see pack_vectors
CREATE TABLE unreadable (
    path BLOB PRIMARY KEY,
    size INTEGER,      -- null where not even that could be read
    mtime_ns INTEGER,
    reason TEXT NOT NULL
);
"""


class PhotoIndexError(ValueError):
    """The file is no index of photos that can be used; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class NetworkRecord:
    """Which network the labels of an index are from.

    Attributes:
      fingerprint: digest of its weights, its classes and how it sees photos.
      class_names: in the order of the labels.
      wordnet_ids: WordNet 3.0's id of each class, such as "n02123045"; empty where they have none.
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
    starts: np.ndarray  # (N + 1,) int64: the labels of photo i are [starts[i], starts[i + 1])
    class_ids: np.ndarray  # (L,) uint16
    probabilities: np.ndarray  # (L,) float32


class PhotoIndex:
    """An index, open for reading; any number of threads may share it.

    It may be written meanwhile: each reading sees the last finished transaction. A file that is
    replaced, as a rebuilding does at its end, is opened anew.

    Args:
      path: the file.

    Raises:
      PhotoIndexError: if there is none, or it is no index of this version.
    """

    def __init__(self, path: Path) -> None:
        raise NotImplementedError

    @property
    def network(self) -> NetworkRecord:
        """Whose labels it holds."""
        raise NotImplementedError

    def count(self) -> int:
        """Count its photos."""
        raise NotImplementedError

    def folders(self) -> list[Path]:
        """List the folders that were indexed."""
        raise NotImplementedError

    def unreadable(self) -> list[tuple[Path, str]]:
        """List the files that could not be read, each with the reason."""
        raise NotImplementedError

    def photos(self, photo_ids: Sequence[int]) -> list[Photo]:
        """Read photos by their ids, in that order; those that are in it no more are left out."""
        raise NotImplementedError

    def columns(self) -> Columns:
        """Read what every search needs, and keep it until the file changes."""
        raise NotImplementedError

    def vectors(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (n,) ids and (n, D) int8 vectors of some photos at a time, ids ascending."""
        raise NotImplementedError

    def vector(self, photo_id: int) -> np.ndarray | None:
        """Read the (D,) float32 feature vector of a photo, of length 1."""
        raise NotImplementedError

    def find_path(self, path: Path) -> Photo | None:
        """Find a photo by its path."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError
