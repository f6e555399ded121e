"""Read an index of photos: its photos, its labels as arrays, its feature vectors."""

import dataclasses
import json
import os
import sqlite3
import threading
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.host.text import listed, printable
from jaxcnn.photos.index_file import connect, holds_index, telling
from jaxcnn.photos.index_format import (
    NetworkRecord,
    PhotoIndexError,
    read_network,
    unpack_columns,
    unpack_labels,
    unpack_vector,
)

_ROWS_AT_ONCE = 4096
_PHOTO = "SELECT id, path, taken, taken_by_exif, labels FROM photos"


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


class PhotoIndex:
    """An index, open for reading; any number of threads may share it.

    It may be written meanwhile: each reading sees the last finished transaction. A file that is
    replaced is opened again.

    Args:
      path: the file.

    Raises:
      PhotoIndexError: if there is none, or it is no index of this version, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        self.path = Path(path).absolute()
        self._lock = threading.RLock()
        self._identity: tuple[int, int] | None = None
        self._network: NetworkRecord | None = None
        self._columns: Columns | None = None
        self._version: int | None = None  # of the data that these two are from
        _ = self.network  # raises where there is none

    def __del__(self) -> None:
        """Close the file with the last use of the index."""
        if self._connection is not None:
            self._connection.close()

    @property
    def network(self) -> NetworkRecord:
        """Whose labels it holds."""
        with self._lock:
            self._refresh()
            if self._network is None:
                rows = self._rows("SELECT key, value FROM about")
                with telling(self.path):
                    self._network = read_network(rows, self.path)
            if self._network is None:
                raise PhotoIndexError(f"{self.path} holds no photos yet; index a folder first.")
            return self._network

    def _repr_html_(self) -> str:
        """Show in a notebook what it holds."""
        from jaxcnn.host.html import table  # only notebooks ask

        network, folders = self.network, self.folders()
        rows = [
            ("photos", self.count()),
            ("labelled by", network.name),
            ("classes", f"{len(network.class_names):,}: {listed(network.class_names, 10)}"),
            ("folders", listed([printable(folder) for folder in folders], 10)),
            ("file", printable(self.path)),
        ]
        return table([], rows, caption="Index of photos")

    def count(self) -> int:
        """Count its photos."""
        return int(self._rows("SELECT count(*) FROM photos")[0][0])

    def folders(self) -> list[Path]:
        """List the folders that were indexed."""
        return [_path(path) for (path,) in self._rows("SELECT path FROM folders ORDER BY path")]

    def unreadable(self) -> list[tuple[Path, str]]:
        """List the files that could not be read, each with the reason."""
        rows = self._rows("SELECT path, reason FROM unreadable ORDER BY path")
        return [(_path(path), reason) for path, reason in rows]

    def photos(self, photo_ids: Sequence[int]) -> list[Photo]:
        """Read photos by their ids, in that order; those that are in it no more are left out."""
        ids = [int(photo_id) for photo_id in photo_ids]
        # One parameter for all of them, since SQLite limits their number.
        rows = self._rows(f"{_PHOTO} WHERE id IN (SELECT value FROM json_each(?))", json.dumps(ids))
        with telling(self.path):
            found = {row[0]: _photo(row) for row in rows}
        return [found[photo_id] for photo_id in ids if photo_id in found]

    def holds(self, content: bytes) -> bool:
        """Tell whether a photo has these bytes, by their digest."""
        return bool(self._rows("SELECT 1 FROM photos WHERE content = ? LIMIT 1", content))

    def find_vector(self, content: bytes) -> np.ndarray | None:
        """Read the vector of a photo by the digest of its file."""
        rows = self._rows(
            "SELECT vector FROM photos JOIN vectors USING (id) WHERE content = ? LIMIT 1", content
        )
        return unpack_vector(rows[0][0]) if rows else None

    def vector(self, photo_id: int) -> np.ndarray | None:
        """Read the (D,) float32 feature vector of a photo, of length 1; None if it is not there."""
        rows = self._rows("SELECT vector FROM vectors WHERE id = ?", int(photo_id))
        return unpack_vector(rows[0][0]) if rows else None

    def vectors(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (n,) ids and (n, D) int8 vectors of some photos at a time, ids ascending."""
        after = 0
        while rows := self._rows(
            f"SELECT id, vector FROM vectors WHERE id > ? ORDER BY id LIMIT {_ROWS_AT_ONCE}", after
        ):
            with telling(self.path):
                ids = np.array([row[0] for row in rows], np.int64)
                if len({len(row[1]) for row in rows}) > 1:
                    raise ValueError("a vector is cut off")
                vectors = np.frombuffer(b"".join([row[1] for row in rows]), np.int8)
            yield ids, vectors.reshape(len(rows), -1)
            after = int(ids[-1])

    def columns(self) -> Columns:
        """Read what every search needs, and keep it until the file changes."""
        with self._lock:
            num_classes = len(self.network.class_names)
            if self._columns is None:
                with telling(self.path):
                    cursor = self._open().execute(
                        "SELECT id, taken, labels FROM photos ORDER BY id"
                    )
                    self._columns = _read_columns(cursor, num_classes)
            return self._columns

    def close(self) -> None:
        """Close the file; a later reading opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._network = self._columns = None

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            connection = self._open()
            with telling(self.path):
                return connection.execute(statement, values).fetchall()

    def _refresh(self) -> None:
        """Drop what was read of a file that has changed since."""
        version = int(self._rows("PRAGMA data_version")[0][0])
        if version != self._version:
            self._version, self._network, self._columns = version, None, None

    def _open(self) -> sqlite3.Connection:
        """Give the connection; a new one where another file has taken the place."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise PhotoIndexError(
                f"there is no index {self.path}; index a folder of photos first."
            ) from error
        identity = (found.st_dev, found.st_ino)
        if self._connection is None or identity != self._identity:
            self.close()
            if not holds_index(self.path):
                raise PhotoIndexError(f"{self.path} is empty; index a folder of photos first.")
            self._connection = connect(self.path, "ro")
            self._identity = identity
        return self._connection


def _path(path: bytes) -> Path:
    return Path(os.fsdecode(path))


def _photo(row: Any) -> Photo:
    photo_id, path, taken, taken_by_exif, labels = row
    return Photo(photo_id, _path(path), taken, bool(taken_by_exif), unpack_labels(labels))


def _read_columns(cursor: sqlite3.Cursor, num_classes: int) -> Columns:
    ids, taken, lengths, packed = array("q"), array("q"), array("q"), bytearray()
    for photo_id, when, labels in cursor:
        ids.append(photo_id)
        taken.append(when)
        lengths.append(len(labels) // 4)
        packed += labels
    counts = np.array(lengths, np.int64)
    if len(packed) != 4 * counts.sum() or not counts.all():
        raise ValueError("labels are cut off")
    class_ids, probabilities = unpack_columns(packed)
    if class_ids.max(initial=0) >= num_classes:
        raise ValueError(f"a label of class {class_ids.max()}, of {num_classes}")
    return Columns(
        np.array(ids, np.int64),
        np.array(taken, np.int64),
        np.cumsum(counts) - counts,
        class_ids,
        probabilities,
    )
