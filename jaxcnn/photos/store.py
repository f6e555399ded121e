"""The index of photos: one SQLite file, its tables, and what is read from it.

A photo is one row of `photos`, with its labels in the row, and one of `vectors`; both are written
in one transaction, so that a photo is in the index whole or not at all. Labels are kept sparse and
packed in the photo's row, not in a table by class: numpy sums any word's classes over all of them
at once, in a time that does not grow with the number of classes, and they take a third of the room.

Paths are bytes, as the system gives them: names on disk need not be text.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.host.folders import data_folder
from jaxcnn.photos.packing import unpack_columns, unpack_labels, unpack_vector
from jaxcnn.photos.records import Columns, NetworkRecord, Photo, PhotoIndexError

SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
_ROWS_AT_ONCE = 4096
_IDS_AT_ONCE = 500  # SQLite takes so many parameters anywhere

SCHEMA = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO about VALUES ('what', 'photos labelled by jaxcnn'), ('version', '{SCHEMA_VERSION}');
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
    labels BLOB NOT NULL                   -- see packing.pack_labels
);
CREATE INDEX photos_by_content ON photos (content);
CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL);  -- see packing.pack_vector
CREATE TABLE unreadable (
    path BLOB PRIMARY KEY,
    size INTEGER,                          -- null where not even that is known
    mtime_ns INTEGER,
    reason TEXT NOT NULL
) WITHOUT ROWID;
"""


def default_index_path() -> Path:
    """Give the place of the index where the user names none."""
    return data_folder() / "photos.sqlite"


class PhotoIndex:
    """An index, open for reading; any number of threads may share it.

    It may be written meanwhile: each reading sees the last finished transaction. A file that is
    replaced, as a rebuilding does at its end, is opened again.

    Args:
      path: the file.

    Raises:
      PhotoIndexError: if there is none, or it is no index of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._network: NetworkRecord | None = None
        self._columns: tuple[int, Columns] | None = None
        _ = self.network  # raises where there is none

    @property
    def network(self) -> NetworkRecord:
        """Whose labels it holds."""
        with self._lock:
            connection = self._open()
            if self._network is None:
                self._network = read_network(connection, self.path)
            if self._network is None:
                raise PhotoIndexError(f"{self.path} holds no photos yet; index a folder first.")
            return self._network

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
        found = {}
        for start in range(0, len(photo_ids), _IDS_AT_ONCE):
            part = [int(i) for i in photo_ids[start : start + _IDS_AT_ONCE]]
            places = ",".join("?" * len(part))
            rows = self._rows(f"{_PHOTO} WHERE id IN ({places})", *part)
            found.update({row[0]: _photo(row) for row in rows})
        return [found[i] for i in map(int, photo_ids) if i in found]

    def find_path(self, path: Path) -> Photo | None:
        """Find a photo by its absolute path."""
        rows = self._rows(f"{_PHOTO} WHERE path = ?", os.fsencode(path))
        return _photo(rows[0]) if rows else None

    def find_content(self, content: bytes) -> Photo | None:
        """Find a photo by the digest of its file, see `reading.digest`."""
        rows = self._rows(f"{_PHOTO} WHERE content = ? ORDER BY id LIMIT 1", content)
        return _photo(rows[0]) if rows else None

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
            ids = np.array([row[0] for row in rows], np.int64)
            vectors = np.frombuffer(b"".join([row[1] for row in rows]), np.int8)
            yield ids, vectors.reshape(len(rows), -1)
            after = int(ids[-1])

    def columns(self) -> Columns:
        """Read what every search needs, and keep it until the file changes."""
        with self._lock:
            version = int(self._rows("PRAGMA data_version")[0][0])
            if self._columns is None or self._columns[0] != version:
                cursor = self._open().execute("SELECT id, taken, labels FROM photos ORDER BY id")
                self._columns = version, _read_columns(cursor)
            return self._columns[1]

    def close(self) -> None:
        """Close the file; a later reading opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._network = self._columns = None

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._open().execute(statement, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise PhotoIndexError(f"{self.path} cannot be read: {error}.") from error

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
            self._connection = connect(self.path, "ro")
            self._identity = identity
        return self._connection


_PHOTO = "SELECT id, path, taken, taken_by_exif, labels FROM photos"


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the file, "ro" to read or "rwc" to write, for use from any thread.

    Raises:
      PhotoIndexError: if it cannot be opened.
    """
    try:
        return sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
            isolation_level=None,
        )
    except sqlite3.Error as error:
        raise PhotoIndexError(f"{path} cannot be opened: {error}.") from error


def read_network(connection: sqlite3.Connection, path: Path) -> NetworkRecord | None:
    """Read whose labels a file holds; None where it holds none yet.

    Raises:
      PhotoIndexError: if the file is no index, or of another version.
    """
    try:
        about = dict(connection.execute("SELECT key, value FROM about"))
    except sqlite3.DatabaseError as error:
        raise PhotoIndexError(
            f"{path} is no index of photos ({error}); name another file."
        ) from error
    if about.get("version") != str(SCHEMA_VERSION):
        raise PhotoIndexError(
            f"{path} is an index of version {about.get('version')}; this program reads version "
            f"{SCHEMA_VERSION}. Make it again with rebuild=True."
        )
    return NetworkRecord.from_json(about["network"]) if "network" in about else None


def _path(path: bytes) -> Path:
    return Path(os.fsdecode(path))


def _photo(row: Any) -> Photo:
    photo_id, path, taken, taken_by_exif, labels = row
    return Photo(photo_id, _path(path), taken, bool(taken_by_exif), unpack_labels(labels))


def _read_columns(cursor: sqlite3.Cursor) -> Columns:
    ids, taken = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    lengths, class_ids = [np.empty(0, np.int64)], [np.empty(0, np.uint16)]
    probabilities = [np.empty(0, np.float32)]
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        packed = [row[2] for row in rows]
        ids.append(np.array([row[0] for row in rows], np.int64))
        taken.append(np.array([row[1] for row in rows], np.int64))
        lengths.append(np.array([len(labels) // 4 for labels in packed], np.int64))
        unpacked = unpack_columns(packed)
        class_ids.append(unpacked[0])
        probabilities.append(unpacked[1])
    counts = np.concatenate(lengths)
    return Columns(
        np.concatenate(ids),
        np.concatenate(taken),
        np.cumsum(counts) - counts,
        np.concatenate(class_ids),
        np.concatenate(probabilities),
    )


__all__ = [
    "Columns",
    "NetworkRecord",
    "Photo",
    "PhotoIndex",
    "PhotoIndexError",
    "connect",
    "default_index_path",
    "read_network",
]
