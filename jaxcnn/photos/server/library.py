"""What the pages show of an index: pictures, originals, overlays, and photos that were dropped."""

import hashlib
import io
import os
import threading
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from jaxcnn.data.decode import DecodeError, decode_image
from jaxcnn.data.encode import encode_image
from jaxcnn.photos.index_reader import Columns, Photo, PhotoIndex
from jaxcnn.photos.labelling import Labeller
from jaxcnn.photos.ranking import Found, Query, search
from jaxcnn.photos.server.cache import Cache
from jaxcnn.photos.server.explain import Explain
from jaxcnn.photos.server.overlay import Overlay, draw_overlay
from jaxcnn.photos.server.safe_files import PhotoGoneError, open_inside
from jaxcnn.photos.server.thumbnails import make_thumbnail

_MAX_FILE_BYTES = 512 * 2**20  # of a file that is read as a whole
_CACHED_THUMBNAIL_BYTES = 64 * 2**20
_CACHED_OVERLAYS = 500
_CACHED_DROPPED = 100
_CACHED_FOUND = 20
_TOP = 5

# What browsers show, as Pillow names it; all else is sent to them as JPEG.
_SHOWN = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}
_OPENED_AS = [name for name in _SHOWN if name != "MPO"]  # the JPEG reader tells that one


class NetworkChangedError(RuntimeError):
    """The index was made again with another network while it was served."""


class Likeness(NamedTuple):
    """A photo that others are compared with."""

    name: str
    vector: np.ndarray  # (D,) float32
    thumbnail: bytes  # JPEG
    top: tuple[tuple[str, float], ...]  # most probable classes


class Original(NamedTuple):
    """A photo as a browser shows it."""

    file: BinaryIO  # to be closed by whoever sends it
    size: int  # bytes
    content_type: str


class PhotoLibrary:
    """The photos of an index, by their ids alone; any number of threads may share it.

    Args:
      index: the index.
      labeller: the network of the index.
      explain: finds the evidence for a class, as `explain.make_explain` gives.
    """

    def __init__(self, index: PhotoIndex, labeller: Labeller, explain: Explain) -> None:
        self.index = index
        self.labeller = labeller
        self._explain = explain
        self._thumbnails: Cache[bytes] = Cache(_CACHED_THUMBNAIL_BYTES, len)
        self._overlays: Cache[Overlay] = Cache(_CACHED_OVERLAYS)
        self._found: Cache[tuple[Columns, Found]] = Cache(_CACHED_FOUND)
        self._dropped: Cache[Likeness] = Cache(_CACHED_DROPPED)
        # A large photo takes a few hundred megabytes while it is decoded.
        self._decoding = threading.BoundedSemaphore(min(4, os.cpu_count() or 1))
        self._labelling = threading.Lock()

    def found(self, name: str, query: Query) -> Found:
        """Answer a query, or take the answer given before unless the index has changed since.

        Args:
          name: tells the query from all others.
          query: the query.

        Returns:
          The answer.

        Raises:
          UnknownWordError: if a word means no class.
        """
        columns = self.index.columns()  # the same object until the file changes
        cached = self._found.get(name)
        if cached is None or cached[0] is not columns:
            cached = columns, search(self.index, query)
            self._found.put(name, cached)
        return cached[1]

    def thumbnail(self, photo_id: int) -> bytes:
        """Make a photo's small picture, or take the one made before.

        Raises:
          PhotoGoneError: if there is no such photo in the index, or none in its place any more.
          DecodeError: if what lies there is no photo.
        """

        def make() -> bytes:
            data = self._read(photo_id)
            with self._decoding:
                return make_thumbnail(data)

        return self._thumbnails.get_or_make(self._version(photo_id), make)

    def original(self, photo_id: int) -> Original:
        """Open a photo as a browser shows it; other formats become JPEG. Raises as `thumbnail`."""
        file = self._open(photo_id)
        if content_type := _content_type(file):
            file.seek(0)
            return Original(file, os.fstat(file.fileno()).st_size, content_type)
        with file, self._decoding:
            data = encode_image(decode_image(_read_all(file)), "JPEG", quality=92)
        return Original(io.BytesIO(data), len(data), "image/jpeg")

    def overlay(self, photo_id: int, class_id: int) -> Overlay:
        """Show where in a photo the network sees a class. Raises as `thumbnail`.

        Args:
          photo_id: in the index.
          class_id: in [0, K).
        """

        def make() -> Overlay:
            data = self._read(photo_id)
            with self._decoding:
                evidence, share = self._explain(data, class_id)
            return draw_overlay(evidence, share)

        self._check_network()
        return self._overlays.get_or_make((*self._version(photo_id), class_id), make)

    def drop(self, data: bytes, name: str) -> str:
        """Take a photo that others are to be compared with.

        Args:
          data: its file.
          name: what to call it.

        Returns:
          A name for `dropped`; it says nothing about the photo, and the same photo has the same.

        Raises:
          DecodeError: if it cannot be decoded, or is too large to be.
        """
        self._check_network()
        token = hashlib.sha256(data).hexdigest()[:32]
        known = self._dropped.get(token)
        if known is not None:
            self._dropped.put(token, known._replace(name=name))
        else:
            with self._decoding:
                image = self.labeller.preprocess(data)
                thumbnail = make_thumbnail(data)
            with self._labelling:
                probabilities, vectors = self.labeller.label(image[None])
            likeness = Likeness(name, vectors[0], thumbnail, self._top(probabilities[0]))
            self._dropped.put(token, likeness)
        return token

    def dropped(self, token: str) -> Likeness | None:
        """Find a photo that was dropped; None where it is no longer cached."""
        self._check_network()
        return self._dropped.get(token)

    def likeness(self, photo_id: int) -> Likeness:
        """Make a photo of the index one to compare with. Raises as `thumbnail`."""
        photo = self.photo(photo_id)
        vector = self.index.vector(photo_id)
        if vector is None:
            raise PhotoGoneError(_UNKNOWN)
        names = self.index.network.class_names
        top = tuple((names[class_id], p) for class_id, p in photo.labels[:_TOP])
        return Likeness(as_text(photo.path.name), vector, self.thumbnail(photo_id), top)

    def photo(self, photo_id: int) -> Photo:
        """Find a photo in the index.

        Raises:
          PhotoGoneError: if it is not there.
        """
        found = self.index.photos([photo_id])
        if not found:
            raise PhotoGoneError(_UNKNOWN)
        return found[0]

    def _check_network(self) -> None:
        if self.index.network.fingerprint != self.labeller.network.fingerprint:
            raise NetworkChangedError(
                "the index was made again with another network; end the server and start it again."
            )

    def _top(self, probabilities: np.ndarray) -> tuple[tuple[str, float], ...]:
        names = self.index.network.class_names
        best = np.argsort(-probabilities, kind="stable")[:_TOP]
        return tuple((names[i], float(probabilities[i])) for i in best)

    def _open(self, photo_id: int) -> BinaryIO:
        return open_inside(self.photo(photo_id).path, self.index.folders())

    def _read(self, photo_id: int) -> bytes:
        with self._open(photo_id) as file:
            return _read_all(file)

    def _version(self, photo_id: int) -> tuple[int, int, int]:
        """Tell a photo's file from the one that takes its place, for what is cached of it."""
        with self._open(photo_id) as file:
            found = os.fstat(file.fileno())
        return photo_id, found.st_mtime_ns, found.st_size


_UNKNOWN = "there is no such photo in the index (any more)."


def as_text(name: str) -> str:
    """Make a file's name fit for a page; bytes that are no text become question marks."""
    return name.encode("utf-8", "replace").decode()


def _content_type(file: BinaryIO) -> str | None:
    """Find what a file is by its bytes, not its name; None where browsers would not show it."""
    try:
        with Image.open(file, formats=_OPENED_AS) as image:  # reads the header alone
            return _SHOWN.get(str(image.format))
    except Exception:  # noqa: BLE001 - hostile bytes; the decoder will say what is wrong
        return None
    finally:
        file.seek(0)


def _read_all(file: BinaryIO) -> bytes:
    size = os.fstat(file.fileno()).st_size
    if size > _MAX_FILE_BYTES:
        raise DecodeError(f"too large: {size} bytes, at most {_MAX_FILE_BYTES} are read.")
    return file.read(_MAX_FILE_BYTES)
