"""Rank the photos of an index: by words, by likeness to a photo, or by both."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxcnn.data.photo_files import is_gone
from jaxcnn.host.text import counted, printable
from jaxcnn.photos.dates import format_taken
from jaxcnn.photos.index_format import NONE_OF_THESE, NetworkRecord
from jaxcnn.photos.index_reader import Columns, PhotoIndex
from jaxcnn.photos.words import ClassIds, Meaning, word_table

DEFAULT_MIN_PROBABILITY = 0.1
DEFAULT_LIMIT = 20
_LABELS_SHOWN = 5
_ROWS_IN_CACHE = 256  # as floats; three times as fast as 4,096


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """What is looked for.

    Attributes:
      words: what the photo should show, see `words`; "" for anything.
      like: (D,) feature vector of a photo that it should look like, as `Labeller.label` or
        `PhotoIndex.vector` gives, of any length; None for anything.
      min_probability: least probability that the photo shows what the words say, in [0, 1].
      since: taken then or later, seconds since 1970 by the clock on the wall; None for any
        time.
      limit: photos at most, >= 1.
      offset: photos of the ranking that are passed over, >= 0; for pages.

    Raises:
      ValueError: if a number is out of range.
    """

    words: str = ""
    like: np.ndarray | None = None
    min_probability: float = DEFAULT_MIN_PROBABILITY
    since: int | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.min_probability <= 1:
            raise ValueError(f"min_probability is {self.min_probability}; expected 0 to 1.")
        if self.limit < 1 or self.offset < 0:
            raise ValueError(
                f"limit is {self.limit} and offset {self.offset}; expected at least 1 and 0."
            )


@dataclasses.dataclass(frozen=True)
class Hit:
    """A photo that was found."""

    photo_id: int
    path: Path  # absolute; names that are no text hold surrogate escapes
    score: float  # what it is ranked by
    probability: float | None  # that it shows what the words say; None without words
    similarity: float | None  # cosine of the vectors, in [-1, 1]; None without `like`
    class_id: int  # the most probable class of those that the words mean, or of all
    labels: tuple[tuple[str, float], ...]  # names and probabilities, the most probable first
    taken: int  # seconds since 1970 by the clock on the wall
    taken_by_exif: bool  # False: by the file's time
    vanished: bool  # whether no file is there any more

    @property
    def is_known(self) -> bool:
        """Whether it shows one of the classes; labels of others have a probability of 0."""
        return self.labels[0][1] > 0

    @property
    def shows(self) -> str:
        """The most probable class and its probability, or "none of these"."""
        name, probability = self.labels[0]
        return f"{name} {probability:.0%}" if self.is_known else NONE_OF_THESE


@dataclasses.dataclass(frozen=True)
class Found:
    """The answer to a query."""

    hits: tuple[Hit, ...]  # the page that was asked for, the best first
    total: int  # photos that fit, on all pages
    class_names: tuple[str, ...]  # the classes that the words mean; () without words
    unwanted_names: tuple[str, ...] = ()  # the classes that they exclude

    def _repr_html_(self) -> str:
        """Show the photos in a notebook."""
        from jaxcnn.host.html import table  # only notebooks ask

        rows = [
            (
                "" if hit.probability is None else f"{hit.probability:.1%}",
                hit.similarity,
                hit.shows,
                format_taken(hit.taken),
                printable(hit.path) + "  (gone)" * hit.vanished,
            )
            for hit in self.hits
        ]
        heads = ("probability", "similarity", "shows", "taken", "photo")
        return table(heads, rows, caption=f"{len(rows):,} of {counted(self.total, 'photo')}")


def search(index: PhotoIndex, query: Query) -> Found:
    """Find photos, the best first.

    With words photos are ranked by the probability that they show them: for each name of the text
    the sum over its classes (the greatest of them, if the network gives several labels), of which
    the least counts; a photo that would be found by a name that
    is to be absent is left out. With `like` they are ranked by the cosine
    of the vectors, with both by the product of the two, with neither by time, the latest first.

    Args:
      index: the index.
      query: what to look for.

    Returns:
      The photos; `hits` is empty where none fits.

    Raises:
      UnknownWordError: if a word means no class of the index's network; it has `suggestions`.
      ValueError: if `like` is no vector of the index's network.
      PhotoIndexError: if the index cannot be read.
    """
    network, columns = index.network, index.columns()
    meaning = Meaning(())
    probability = similarity = None
    fits = np.ones(len(columns.photo_ids), bool)
    score = columns.taken.astype(np.float64)
    if query.words.strip():
        meaning = word_table(network.class_names, network.wordnet_ids).find(query.words)
        for ids in meaning.unwanted:
            fits &= ~_shown(_probability_of([ids], columns, network), query)
    if meaning.wanted:
        score = probability = _probability_of(meaning.wanted, columns, network)
        fits &= _shown(probability, query)
    if query.like is not None:
        similarity, present = _similarity_to(query.like, index, columns)
        fits &= present
        score = similarity if probability is None else probability * similarity.clip(min=0)
    if query.since is not None:
        fits &= columns.taken >= query.since
    rows = np.flatnonzero(fits)
    ranked = rows[np.argsort(-score[rows], kind="stable")]
    wanted, unwanted = (sorted({i for ids in names for i in ids}) for names in meaning)
    page = ranked[query.offset : query.offset + query.limit]
    row_of = dict(zip(columns.photo_ids[page].tolist(), page, strict=True))
    hits = []
    for photo in index.photos(list(row_of)):
        row = row_of[photo.photo_id]
        meant = [class_id for class_id, _ in photo.labels if class_id in wanted]
        hit = Hit(
            photo_id=photo.photo_id,
            path=photo.path,
            score=float(score[row]),
            probability=None if probability is None else float(probability[row]),
            similarity=None if similarity is None else float(similarity[row]),
            class_id=meant[0] if meant else photo.labels[0][0],
            labels=tuple((network.class_names[i], p) for i, p in photo.labels[:_LABELS_SHOWN]),
            taken=photo.taken,
            taken_by_exif=photo.taken_by_exif,
            vanished=is_gone(os.fsencode(photo.path)),
        )
        hits.append(hit)
    named = [tuple(network.class_names[i] for i in ids) for ids in (wanted, unwanted)]
    return Found(tuple(hits), len(ranked), *named)


def _shown(probability: np.ndarray, query: Query) -> np.ndarray:
    return (probability >= query.min_probability) & (probability > 0)


def _probability_of(
    names: Sequence[ClassIds], columns: Columns, network: NetworkRecord
) -> np.ndarray:
    """Give each photo's probability, (N,) float64: the least over the names."""
    # Of classes that exclude each other the sum; of others at least the greatest.
    gather = np.maximum if network.several_labels else np.add
    least = np.ones(len(columns.photo_ids))
    for class_ids in names:
        wanted = np.zeros(len(network.class_names), bool)
        wanted[list(class_ids)] = True
        shares = np.where(wanted[columns.class_ids], columns.probabilities, np.float32(0))
        sums = gather.reduceat(shares, columns.starts) if len(columns.starts) else least
        least = np.minimum(least, sums)
    return least


def _similarity_to(
    like: np.ndarray, index: PhotoIndex, columns: Columns
) -> tuple[np.ndarray, np.ndarray]:
    """Give each photo's cosine with a vector, (N,) float64, and whether its vector was there."""
    similarity = np.zeros(len(columns.photo_ids))
    present = np.zeros(len(columns.photo_ids), bool)
    ids_and_none = np.append(columns.photo_ids, -1)
    for photo_ids, vectors in index.vectors():
        if vectors.shape[1:] != like.shape:
            raise ValueError(
                f"like has shape {like.shape}; the index holds vectors of {vectors.shape[1:]}."
            )
        # A writer may have added photos since the columns were read.
        rows = np.searchsorted(columns.photo_ids, photo_ids)
        known = ids_and_none[rows] == photo_ids
        similarity[rows[known]] = _cosines(vectors, like.astype(np.float32))[known]
        present[rows[known]] = True
    return similarity, present


def _cosines(vectors: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Give the cosine of each of (n, D) int8 vectors with a (D,) float32 one."""
    found = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _ROWS_IN_CACHE):
        floats = vectors[start : start + _ROWS_IN_CACHE].astype(np.float32)
        lengths = np.sqrt(np.einsum("nd,nd->n", floats, floats)).clip(min=1)
        found[start : start + _ROWS_IN_CACHE] = (floats @ like) / lengths
    return found / max(float(np.linalg.norm(like)), 1e-12)
