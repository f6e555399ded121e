"""From a query to the facts that the page of results shows."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxcnn.photos.dates import format_taken
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.ranking import Found, Hit
from jaxcnn.photos.server.advice import (
    MAX_SHOWN,
    Advice,
    advise_on_nothing,
    advise_on_word,
    summarize,
)
from jaxcnn.photos.server.library import NotCachedError, PhotoLibrary, as_text
from jaxcnn.photos.server.query import PageQuery
from jaxcnn.photos.words import UnknownWordError

PAGE_SIZE = 60  # a multiple of each number of columns that photos.css has
_COMMON = 200
_PAGES_AT_ONCE = 20  # ranking 400,000 photos takes long enough to do it once for some pages


class Tile(NamedTuple):
    """A photo among results."""

    id: int
    class_id: int  # what the map is for
    name: str  # of its file; bytes that are no text become question marks
    where: str  # the file's path, likewise
    label: str
    shows: str  # what the probability is of: the words that were asked for; "" for the label
    probability: float
    similarity: float | None
    date: str  # YYYY-MM-DD


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
        likeness = library.likeness(query)
        found = _search(library, query)
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
    found = _search(library, query)
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
    counts = Counter(columns.class_ids[columns.starts].tolist())
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
            id=hit.photo_id,
            class_id=hit.class_id,
            name=as_text(hit.path.name),
            where=as_text(str(hit.path)),
            label=names[hit.class_id],
            shows=words,
            probability=hit.labels[0][1] if hit.probability is None else hit.probability,
            similarity=hit.similarity,
            date=format_taken(hit.taken)[: len("YYYY-MM-DD")],
        )
        for hit in hits
    ]


def _search(library: PhotoLibrary, query: PageQuery) -> Found:
    """Give one page of what fits; of more than MAX_SHOWN photos the first are shown."""
    size = _PAGES_AT_ONCE * PAGE_SIZE
    start = (query.page - 1) * PAGE_SIZE
    offset = start // size * size  # of the pages that are ranked together
    found = library.ranked(
        library.index.columns(), dataclasses.replace(query, page=1), size, offset
    )
    end = min(start + PAGE_SIZE, MAX_SHOWN)
    hits = found.hits[start - offset : max(0, end - offset)]
    return dataclasses.replace(found, hits=hits)
