"""Rank the photos of an index: by words, by likeness to a photo, or by both."""

import dataclasses
from pathlib import Path

import numpy as np

from jaxcnn.photos.store import PhotoIndex
from jaxcnn.photos.words import WordTable

DEFAULT_MIN_PROBABILITY = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """What is looked for.

    Attributes:
      words: what the photo should show, see `words.WordTable.find`; "" for anything.
      like: (D,) float32 feature vector of a photo that it should look like, as
        `labelling.Labeller.label` or `PhotoIndex.vector` gives; None for anything.
      min_probability: least probability that the photo shows the words, in [0, 1].
      since: taken at or after this, seconds since 1970 by the clock on the wall, see
        `dates.parse_since`; None for any time.
      limit: photos at most, >= 1.
      offset: photos of the ranking that are passed over, for pages.
    """

    words: str = ""
    like: np.ndarray | None = None
    min_probability: float = DEFAULT_MIN_PROBABILITY
    since: int | None = None
    limit: int = 20
    offset: int = 0


@dataclasses.dataclass(frozen=True)
class Hit:
    """A photo that was found."""

    photo_id: int
    path: Path  # absolute; names that are no text hold surrogate escapes
    score: float  # what it is ranked by
    probability: float | None  # that it shows the words; None without words
    similarity: float | None  # cosine of the vectors; None without `like`
    class_id: int  # the most probable class of those asked for, or of all: what it was found by
    labels: tuple[tuple[str, float], ...]  # names and probabilities, the most probable first
    taken: int  # seconds since 1970 by the clock on the wall
    taken_by_exif: bool  # False: by the file's time
    vanished: bool  # whether there is no file at the path any more


@dataclasses.dataclass(frozen=True)
class Found:
    """The answer to a query."""

    hits: tuple[Hit, ...]  # the page that was asked for, the best first
    total: int  # photos that fit, on all pages
    class_names: tuple[str, ...]  # the classes that the words mean; () without words


def search(index: PhotoIndex, query: Query) -> Found:
    """Find photos, the best first.

    With words alone photos are ranked by probability, with `like` alone by the cosine of their
    vectors, with both by the product of the two, with neither by time, the latest first.

    Args:
      index: the index.
      query: what to look for.

    Returns:
      The photos; `hits` is empty where none fits.

    Raises:
      words.UnknownWordError: if a word means no class of the index's network; its `suggestions`
        are words that do.
      ValueError: if another part of the query is out of range.
    """
    raise NotImplementedError


__all__ = ["Found", "Hit", "Query", "WordTable", "search"]
