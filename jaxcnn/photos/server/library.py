"""What the pages show of an index: results, pictures, overlays, and photos that were dropped."""

import functools
import hashlib
import os
import threading
from typing import BinaryIO, NamedTuple

import numpy as np

from jaxcnn.data.decode import DecodeError, decode_and_resize
from jaxcnn.data.encode import encode_image
from jaxcnn.photos.dates import parse_since
from jaxcnn.photos.index_reader import Columns, Photo, PhotoIndex
from jaxcnn.photos.labelling import Labeller
from jaxcnn.photos.ranking import Found, Query, search
from jaxcnn.photos.server.overlay import Explain, Overlay, draw_overlay
from jaxcnn.photos.server.pictures import (
    Original,
    as_browsers_show,
    convert_for_browsers,
    read_all,
)
from jaxcnn.photos.server.query import PageQuery
from jaxcnn.photos.server.safe_files import PhotoGoneError, open_inside
from jaxcnn.runs.report.page import embed_picture

_THUMBNAIL_PX = 256
_CACHED_THUMBNAILS = 4000  # of some 15 kB
_CACHED_OVERLAYS = 500
_CACHED_DROPPED = 100
_CACHED_RANKINGS = 20
_TOP = 5

# What comes before the decoder's reason.
CHANGED = "this file has changed, and cannot be read:"


class NetworkChangedError(RuntimeError):
    """The index was made again with another network while it was served."""


class NotCachedError(LookupError):
    """The photo that was dropped is no longer cached."""


class Likeness(NamedTuple):
    """A photo that others are compared with."""

    name: str
    vector: np.ndarray  # (D,) float32
    thumbnail: bytes  # JPEG
    top: tuple[tuple[str, float], ...]  # most probable classes

    @property
    def picture(self) -> str:
        """The thumbnail as a data URI."""
        return embed_picture(self.thumbnail, alt="").source


Version = tuple[int, int, int]  # a photo's id, and time and size of its file


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
        self.ranked = functools.lru_cache(_CACHED_RANKINGS)(self._rank)
        self._thumbnails = functools.lru_cache(_CACHED_THUMBNAILS)(self._make_thumbnail)
        self._overlays = functools.lru_cache(_CACHED_OVERLAYS)(self._make_overlay)
        self._dropped: dict[str, Likeness] = {}  # the latest last
        # A large photo takes a few hundred megabytes while it is decoded.
        self._decoding = threading.BoundedSemaphore(min(4, os.cpu_count() or 1))
        self._labelling = threading.Lock()

    def _rank(self, columns: Columns, query: PageQuery, limit: int, offset: int) -> Found:
        """Answer a query; `ranked` does, and caches the answer until the index changes.

        Args:
          columns: as the index gives them now, the same object until it changes.
          query: what to look for.
          limit: photos at most.
          offset: photos of the ranking that are passed over.

        Raises:
          UnknownWordError: if a word means no class.
          NotCachedError: if the photo to compare with was dropped and is no longer cached.
          PhotoGoneError: if the photo to compare with is not in the index, or cannot be read.
        """
        likeness = self.likeness(query)
        search_query = Query(
            words=query.words,
            like=None if likeness is None else likeness.vector,
            min_probability=query.min_probability,
            since=parse_since(query.since) if query.since else None,
            limit=limit,
            offset=offset,
        )
        return search(self.index, search_query)

    def thumbnail(self, photo_id: int) -> bytes:
        """Make a photo's small picture, or take the one made before.

        Raises:
          PhotoGoneError: if there is no such photo in the index, or none in its place any more.
          DecodeError: if what lies there is no photo.
        """
        return self._thumbnails(self._version(photo_id))

    def _make_thumbnail(self, version: Version) -> bytes:
        data = self._read(version[0])
        try:
            with self._decoding:
                return make_thumbnail(data)
        except DecodeError as error:
            raise DecodeError(f"{CHANGED} {error}") from error

    def original(self, photo_id: int) -> Original:
        """Open a photo as a browser shows it; other formats become JPEG. Raises as `thumbnail`."""
        file = self._open(photo_id)
        if found := as_browsers_show(file):
            return found
        with file, self._decoding:
            return convert_for_browsers(read_all(file))

    def overlay(self, photo_id: int, class_id: int) -> Overlay:
        """Show where in a photo the network sees a class. Raises as `thumbnail`.

        Args:
          photo_id: in the index.
          class_id: in [0, K).
        """
        self._check_network()
        return self._overlays(self._version(photo_id), class_id)

    def _make_overlay(self, version: Version, class_id: int) -> Overlay:
        data = self._read(version[0])
        with self._decoding:
            evidence, share = self._explain(data, class_id)
        return draw_overlay(evidence, share)

    def drop(self, data: bytes, name: str) -> str:
        """Take a photo that others are to be compared with.

        Args:
          data: its file.
          name: what to call it.

        Returns:
          A name for `PageQuery.like`; it says nothing about the photo, and the same photo has the
          same.

        Raises:
          DecodeError: if it cannot be decoded, or is too large to be.
        """
        self._check_network()
        token = hashlib.sha256(data).hexdigest()[:32]
        with self._labelling:
            known = self._dropped.pop(token, None) or self._label(data)
            self._dropped[token] = known._replace(name=name)
            while len(self._dropped) > _CACHED_DROPPED:
                del self._dropped[next(iter(self._dropped))]
        return token

    def _label(self, data: bytes) -> Likeness:
        with self._decoding:
            image = self.labeller.preprocess(data)
            thumbnail = make_thumbnail(data)
        (probabilities,), (vector,) = self.labeller.label(image[None])
        best = np.argsort(-probabilities, kind="stable")[:_TOP]
        names = self.index.network.class_names
        top = tuple((names[i], float(probabilities[i])) for i in best)
        return Likeness("", vector, thumbnail, top)

    def likeness(self, query: PageQuery) -> Likeness | None:
        """Give the photo that a query compares others with; None where it names none.

        Raises:
          NotCachedError: if it was dropped and is no longer cached.
          PhotoGoneError: if it is not in the index, or cannot be read.
        """
        if query.like_id is not None:
            return self._likeness_of(query.like_id)
        if not query.like:
            return None
        self._check_network()
        found = self._dropped.get(query.like)
        if found is None:
            raise NotCachedError(
                "The photo that was dropped is no longer cached; drop it again to see photos like "
                "it."
            )
        return found

    def _likeness_of(self, photo_id: int) -> Likeness:
        photo = self.photo(photo_id)
        vector = self.index.vector(photo_id)
        if vector is None:
            raise PhotoGoneError(_UNKNOWN)
        names = self.index.network.class_names
        top = tuple((names[class_id], p) for class_id, p in photo.labels[:_TOP] if p > 0)
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

    def _open(self, photo_id: int) -> BinaryIO:
        path = self.photo(photo_id).path
        return open_inside(path, self.index.folders(), self.index.holds)

    def _read(self, photo_id: int) -> bytes:
        with self._open(photo_id) as file:
            return read_all(file)

    def _version(self, photo_id: int) -> Version:
        """Tell a photo's file from the one that takes its place, for what is cached of it."""
        with self._open(photo_id) as file:
            found = os.fstat(file.fileno())
        return photo_id, found.st_mtime_ns, found.st_size


def make_thumbnail(data: bytes, *, size_px: int = _THUMBNAIL_PX) -> bytes:
    """Make a small picture of a photo.

    Args:
      data: the photo's file.
      size_px: side of the square.

    Returns:
      A JPEG file of the photo's central square, upright.

    Raises:
      DecodeError: if the photo cannot be decoded, or is too large to be.
    """
    return encode_image(decode_and_resize(data, size_px, "crop"), "JPEG", quality=82)


_UNKNOWN = "there is no such photo in the index (any more)."


def as_text(name: str) -> str:
    """Make a file's name fit for a page; bytes that are no text become question marks."""
    return name.encode("utf-8", "replace").decode()
