"""From a query to the facts that the page of results shows."""

import calendar
import dataclasses
import datetime
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.ranking import Found, Hit, Query
from jaxcnn.photos.server.advice import (
    MAX_SHOWN,
    Advice,
    advise_on_nothing,
    advise_on_word,
    summarize,
)
from jaxcnn.photos.server.library import Likeness, PhotoLibrary, as_text
from jaxcnn.photos.server.query import PageQuery
from jaxcnn.photos.words import UnknownWordError

PAGE_SIZE = 60  # a multiple of each number of columns that photos.css has
_COMMON = 200
_PAGES_AT_ONCE = 20  # ranking 400,000 photos takes long enough to do it once for some pages


@dataclasses.dataclass(frozen=True)
class Tile:
    """A photo among results."""

    id: int
    path: Path
    label: str
    shows: str  # what the probability is of: the words that were asked for; "" for the label
    probability: float
    similarity: float | None
    date: str  # YYYY-MM-DD
    class_id: int  # what the map is for
    vanished: bool

    @property
    def name(self) -> str:
        """Name of its file; bytes that are no text become question marks."""
        return as_text(self.path.name)

    @property
    def where(self) -> str:
        """Path of its file, likewise."""
        return as_text(str(self.path))

    @property
    def thumbnail_url(self) -> str:
        """Where its small picture is."""
        return f"/thumbnail/{self.id}"

    @property
    def original_url(self) -> str:
        """Where the photo itself is."""
        return f"/photo/{self.id}"

    @property
    def overlay_url(self) -> str:
        """Where the overlay is that shows what the network looked at."""
        return f"/overlay/{self.id}/{self.class_id}"

    @property
    def alike_url(self) -> str:
        """The page of photos like it."""
        return PageQuery(like=str(self.id)).url()


class NotCachedError(LookupError):
    """The photo that was dropped is no longer cached."""


def answer_page(library: PhotoLibrary, query: PageQuery) -> dict[str, Any]:
    """Answer a query as a page.

    Args:
      library: of the photos.
      query: what the page is to show.

    Returns:
      What the template "gallery.html.jinja" names, but for what does not depend on the query.

    Raises:
      PhotoGoneError: if the photo to be compared with is not in the index, or cannot be read.
    """
    likeness, found, problem = None, Found((), 0, ()), ""
    advice: tuple[Advice, ...] = ()
    try:
        likeness = _likeness(library, query)
        found = _search(library, query, likeness)
    except NotCachedError as error:
        problem = str(error)
    except UnknownWordError as error:
        problem, advice = advise_on_word(error, query)
    if not found.total and not problem:
        problem, advice = advise_on_nothing(query, library.index.count())
    shown = min(found.total, MAX_SHOWN)
    start = (query.page - 1) * PAGE_SIZE + 1
    return {
        "query": query,
        "likeness": likeness,
        "problem": bool(problem),
        "summary": problem or summarize(query, found.total, alike=likeness is not None),
        "advice": advice,
        "classes": found.class_names,
        "photos": make_tiles(library.index, found.hits, query.words),
        "start": start,
        "shown": shown,
        "page": query.page,
        "page_size": PAGE_SIZE,
        "more_url": f"/tiles?{query.query_string(page=1)}",
        "previous_url": query.url(page=query.page - 1) if query.page > 1 else "",
        "next_url": query.url(page=query.page + 1) if start + PAGE_SIZE <= shown else "",
        "show_common": bool(problem) or query.url(page=1) == "/",
    }


def answer_tiles(library: PhotoLibrary, query: PageQuery) -> dict[str, Any]:
    """Answer a query with one page of photos alone, as "tiles.html.jinja" shows them.

    Raises:
      NotCachedError: if the photo to compare with is no longer cached.
      UnknownWordError: if a word means no class.
      PhotoGoneError: as `answer_page`.
    """
    found = _search(library, query, _likeness(library, query))
    return {
        "photos": make_tiles(library.index, found.hits, query.words),
        "start": (query.page - 1) * PAGE_SIZE + 1,
        "total": min(found.total, MAX_SHOWN),
    }


def label_url(label: str) -> str:
    """Write the address of the page that shows a class."""
    return PageQuery(words=label).url()


def common_labels(index: PhotoIndex) -> list[tuple[str, int]]:
    """Count the photos of which each class is the most probable, the commonest first."""
    columns = index.columns()
    labelled = columns.starts[:-1][np.diff(columns.starts) > 0]
    counts = Counter(columns.class_ids[labelled].tolist())
    names = index.network.class_names
    return [(names[class_id], count) for class_id, count in counts.most_common(_COMMON)]


def make_tiles(index: PhotoIndex, hits: Sequence[Hit], words: str) -> list[Tile]:
    """Say of photos that were found what a page shows.

    Args:
      index: where they were found.
      hits: the photos.
      words: what they should show.

    Returns:
      What to show of each.
    """
    names = index.network.class_names
    return [
        Tile(
            hit.photo_id,
            hit.path,
            names[hit.class_id],
            words,
            _probability(hit),
            hit.similarity,
            _day(hit.taken),
            hit.class_id,
            hit.vanished,
        )
        for hit in hits
    ]


def _probability(hit: Hit) -> float:
    if hit.probability is not None:
        return hit.probability
    return hit.labels[0][1] if hit.labels else 0.0


def _likeness(library: PhotoLibrary, query: PageQuery) -> Likeness | None:
    if not query.like:
        return None
    if query.like_id is not None:
        return library.likeness(query.like_id)
    found = library.dropped(query.like)
    if found is None:
        raise NotCachedError(
            "The photo that was dropped is no longer cached; drop it again to see photos like it."
        )
    return found


def _search(library: PhotoLibrary, query: PageQuery, likeness: Likeness | None) -> Found:
    """Give one page of what fits; of more than MAX_SHOWN photos the first are shown."""
    first = (query.page - 1) // _PAGES_AT_ONCE * _PAGES_AT_ONCE  # pages before those ranked
    search_query = Query(
        words=query.words,
        like=None if likeness is None else likeness.vector,
        min_probability=query.min_probability,
        since=_seconds(query.since),
        limit=_PAGES_AT_ONCE * PAGE_SIZE,
        offset=first * PAGE_SIZE,
    )
    found = library.found(query.query_string(page=first + 1), search_query)
    start = (query.page - 1) * PAGE_SIZE
    end = min(start + PAGE_SIZE, MAX_SHOWN)
    hits = found.hits[start - search_query.offset : max(0, end - search_query.offset)]
    return dataclasses.replace(found, hits=hits)


def _seconds(day: str) -> int | None:
    # The index holds what a clock on the wall showed, as if it had shown UTC.
    return calendar.timegm(datetime.date.fromisoformat(day).timetuple()) if day else None


def _day(taken: int) -> str:
    epoch = datetime.datetime(1970, 1, 1)
    try:
        return (epoch + datetime.timedelta(seconds=taken)).date().isoformat()
    except OverflowError:
        return ""
