"""Write the index: one writer at a time, whole photos, nothing half done after a kill."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from jaxcnn.data.photo_files import PhotoFile, Trouble, reason_of
from jaxcnn.photos.index_file import connect, holds_index, make, telling
from jaxcnn.photos.index_format import (
    NetworkRecord,
    PhotoIndexError,
    pack_labels,
    pack_vector,
    read_network,
)
from jaxcnn.photos.reading import ReadPhoto

REPLACE_HINT = ", or have it replaced with overwrite=True"
_ROW = "SELECT id, path, size, mtime_ns FROM photos"


class Row(NamedTuple):
    """What the index knows of a photo's file."""

    photo_id: int
    path: bytes
    size: int
    mtime_ns: int


class IndexWriter:
    """An index, open for writing, in a `with` block; made where there is none.

    What is written lasts from the next `commit`; a kill takes back what came after the last. While
    it is open a file PATH-wal lies beside the index, and PATH.lock, which stays.

    Args:
      path: the file; its folder is created.
      lock: the index that is locked; None for this one. A rebuilding locks the one it replaces.

    Raises:
      PhotoIndexError: on entry, if another process writes it, or it is no index.
    """

    def __init__(self, path: Path, *, lock: Path | None = None) -> None:
        self.path = Path(os.path.realpath(path))
        self._file_lock = FileLock(f"{os.path.realpath(lock or path)}.lock")
        self._lock = threading.Lock()  # threads that decode ask what is known

    def __enter__(self) -> "IndexWriter":
        """Take the lock and open the file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file_lock.acquire(blocking=False)
        except Timeout:
            raise PhotoIndexError(
                f"another process is writing {self.path}; wait until it is done, or name another "
                "file."
            ) from None
        except OSError as error:
            raise PhotoIndexError(f"{self.path} cannot be written: {reason_of(error)}.") from error
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._file_lock.release)
            if not holds_index(self.path, hint=REPLACE_HINT):
                with telling(self.path, "written"):
                    make(self.path)
            self._connection = connect(self.path, "rw")
            on_failure.callback(self._connection.close)
            with self._locked() as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
            self.network()
            on_failure.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Take back what is not committed, and leave one file behind."""
        try:
            self.close()
        finally:
            self._file_lock.release()

    def close(self) -> None:
        """Close the file, one without a companion; the lock stays until the block ends."""
        try:
            if self._connection.in_transaction:
                self._connection.rollback()
            # Fails while somebody reads; then the next writer does it.
            self._connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error:
            pass  # closed before, or in use
        finally:
            self._connection.close()

    def network(self) -> NetworkRecord | None:
        """Read whose labels it holds; None while it is new."""
        with self._locked() as connection:
            return read_network(connection.execute("SELECT key, value FROM about"), self.path)

    def claim(self, network: NetworkRecord) -> None:
        """Say whose labels are about to be written, and where that network lies now.

        Raises:
          PhotoIndexError: if it holds those of another network.
        """
        held = self.network()
        if held is None or held.fingerprint == network.fingerprint:
            if held != network:
                about = ("network", network.to_json())
                self._write("INSERT OR REPLACE INTO about VALUES (?, ?)", *about)
                self.commit()
        else:
            asked = network.name if network.name != held.name else "what that is now"
            dtypes = [each.source.get("compute_dtype") for each in (held, network)]
            if network.name == held.name and dtypes[0] != dtypes[1]:
                asked = f"it in {dtypes[1]}"
            raise PhotoIndexError(
                f"{self.path} holds labels by {held.name}, not by {asked}, and the two do not "
                "compare: label all photos again with rebuild=True, or keep both in two files."
            )

    def clear(self) -> None:
        """Forget all photos, and whose labels they had."""
        for table in ("photos", "vectors", "unreadable", "folders"):
            self._write(f"DELETE FROM {table}")
        self._write("DELETE FROM about WHERE key = 'network'")
        self.commit()

    def add_folder(self, path: bytes) -> None:
        """Note a folder that was asked for."""
        self._write("INSERT OR IGNORE INTO folders VALUES (?)", path)

    def folders(self) -> list[bytes]:
        """List the folders that were asked for."""
        return [row[0] for row in self._read("SELECT path FROM folders")]

    def forget_folder(self, folder: bytes, others: Sequence[bytes]) -> int:
        """Take out a folder, and what lies in it and in none of the others; count the photos."""

        def only_here(path: bytes) -> bool:
            return not any(path == other or path.startswith(inside(other)) for other in others)

        photos = [row.path for row in self.rows_below(folder) if only_here(row.path)]
        for path in (*photos, *filter(only_here, self.troubles_below(folder))):
            self.forget(path)
        self._write("DELETE FROM folders WHERE path = ?", folder)
        self.commit()
        return len(photos)

    def find_path(self, path: bytes) -> Row | None:
        """Find a photo by its path."""
        found = self._read(f"{_ROW} WHERE path = ?", path)
        return Row(*found[0]) if found else None

    def find_content(self, content: bytes) -> list[Row]:
        """Find photos by the digest of their files."""
        return [Row(*row) for row in self._read(f"{_ROW} WHERE content = ?", content)]

    def rows_below(self, folder: bytes) -> list[Row]:
        """List the photos in a folder and below."""
        rows = self._read(f"{_ROW} WHERE path >= ? AND path < ?", *_range_below(folder))
        return [Row(*row) for row in rows]

    def put(self, photo: ReadPhoto, probabilities: np.ndarray, vector: np.ndarray) -> None:
        """Write a photo and its labels; a photo at the same path keeps its id.

        Args:
          photo: as it was read.
          probabilities: (K,) float32.
          vector: (D,) float32.
        """
        self._put(photo, pack_labels(probabilities), pack_vector(vector))

    def copy(self, photo: ReadPhoto, known: Row) -> None:
        """Write a photo with the labels of another of the same content."""
        labels, vector = self._read(
            "SELECT labels, vector FROM photos JOIN vectors USING (id) WHERE id = ?", known.photo_id
        )[0]
        self._put(photo, labels, vector)

    def move(self, photo: ReadPhoto, known: Row) -> None:
        """Note that a photo lies elsewhere now; it keeps its id."""
        self.forget(photo.file.path)
        self._write("UPDATE photos SET path = ? WHERE id = ?", photo.file.path, known.photo_id)
        self.copy(photo, known)

    def forget(self, path: bytes) -> None:
        """Remove a photo, or the note that it cannot be read."""
        self._write("DELETE FROM vectors WHERE id IN (SELECT id FROM photos WHERE path = ?)", path)
        self._write("DELETE FROM photos WHERE path = ?", path)
        self.forget_trouble(path)

    def forget_trouble(self, path: bytes) -> None:
        """Remove the note that a file or folder cannot be read."""
        self._write("DELETE FROM unreadable WHERE path = ?", path)

    def note_trouble(self, trouble: Trouble) -> None:
        """Note that a file or folder cannot be read; labels stay."""
        values = (trouble.path, trouble.size, trouble.mtime_ns, trouble.reason)
        self._write("INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?, ?)", *values)

    def find_trouble(self, file: PhotoFile) -> str | None:
        """Give the reason why this very file could not be decoded before; None if it is news."""
        found = self._read(
            "SELECT reason FROM unreadable WHERE path = ? AND size = ? AND mtime_ns = ?", *file
        )
        return str(found[0][0]) if found else None

    def troubles_below(self, folder: bytes) -> list[bytes]:
        """List the paths in a folder and below that could not be read."""
        statement = "SELECT path FROM unreadable WHERE path = ? OR (path >= ? AND path < ?)"
        return [row[0] for row in self._read(statement, folder, *_range_below(folder))]

    def commit(self) -> None:
        """Make lasting what was written."""
        with self._locked() as connection:
            connection.commit()

    def _put(self, photo: ReadPhoto, labels: bytes, vector: bytes) -> None:
        self.forget_trouble(photo.file.path)
        self._write(
            "INSERT INTO photos (path, size, mtime_ns, content, taken, taken_by_exif, labels) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET size = excluded.size, "
            "mtime_ns = excluded.mtime_ns, content = excluded.content, taken = excluded.taken, "
            "taken_by_exif = excluded.taken_by_exif, labels = excluded.labels",
            *photo.file,
            photo.content,
            photo.taken,
            photo.taken_by_exif,
            labels,
        )
        self._write(
            "INSERT OR REPLACE INTO vectors SELECT id, ? FROM photos WHERE path = ?",
            vector,
            photo.file.path,
        )

    def _read(self, statement: str, *values: object) -> list[Any]:
        with self._locked() as connection:
            return connection.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: object) -> None:
        with self._locked() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            connection.execute(statement, values)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread, and tell what is wrong, such as a full disk."""
        with telling(self.path, "written"), self._lock:
            yield self._connection


def _range_below(folder: bytes) -> tuple[bytes, bytes]:
    """Give the least path below a folder, and the least one after all of them."""
    least = inside(folder)
    return least, least[:-1] + bytes([least[-1] + 1])


def inside(folder: bytes) -> bytes:
    """Give what the paths of all that lies in a folder begin with."""
    return folder.rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep)
