"""From a query to the facts that the page of results shows."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxcnn.host.text import counted
from jaxcnn.photos.dates import format_taken
from jaxcnn.photos.index_format import NONE_OF_THESE
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.ranking import Found, Hit
from jaxcnn.photos.server.library import NotCachedError, PhotoLibrary, as_text
from jaxcnn.photos.server.query import PageQuery
from jaxcnn.photos.words import UnknownWordError

MAX_SHOWN = 20_000  # beyond this a page would be higher than browsers draw


class Link(NamedTuple):
    """Words that lead somewhere."""

    text: str
    url: str


class Advice(NamedTuple):
    """What to do where nothing was found."""

    text: str
    links: tuple[Link, ...] = ()


def summarize(query: PageQuery, total: int, *, alike: bool = False, shown: int = MAX_SHOWN) -> str:
    """Say in a sentence what is shown.

    Args:
      query: what the page is to show.
      total: photos that fit.
      alike: whether they are ranked by likeness.
      shown: photos shown at most.

    Returns:
      The sentence.

    Example:
      >>> summarize(PageQuery(words="dog"), 1200)
      '1,200 photos of “dog”, the most probable first.'
    """
    what = counted(total, "photo")
    if query.words:
        what += f" of “{query.words}”"
    if query.since:
        what += f" since {query.since}"
    order = "the latest first"
    if alike and query.words:
        order = "the most probable and most alike first"
    elif alike:
        order = "the most alike first"
    elif query.words:
        order = "the most probable first"
    more = f" The first {shown:,} are shown." if total > shown else ""
    return f"{what}{f', {order}' if total > 1 else ''}.{more}"


def advise_on_word(error: UnknownWordError, query: PageQuery) -> tuple[str, tuple[Advice, ...]]:
    """Say that a word is not known, and what to do about it.

    Args:
      error: which words, and which are like the first.
      query: what the page is to show.

    Returns:
      A sentence, and the advice.
    """
    named = " or ".join(f"“{word}”" for word in error.words)
    problem = f"The network knows nothing called {named}."
    advice = []
    if error.suggestions:
        links = tuple(Link(word, query.url(words=word, page=1)) for word in error.suggestions)
        advice.append(Advice("Did you mean: ", links))
    else:
        advice.append(Advice("Try a more general word, such as animal, food or vehicle."))
    advice.append(Advice("Or drop a photo that looks like what you seek."))
    return problem, tuple(advice)


def advise_on_nothing(query: PageQuery, count: int) -> tuple[str, tuple[Advice, ...]]:
    """Say that nothing was found, and what to do about it.

    Args:
      query: what the page is to show.
      count: photos in the index.

    Returns:
      A sentence, and the advice.
    """
    if not count:
        text = "Index a folder of photos, then load this page again."
        return "The index holds no photo yet.", (Advice(text),)
    advice = []
    if query.since:
        link = Link("any day", query.url(since="", page=1))
        advice.append(Advice("Look at photos of ", (link,)))
    if query.words and query.min_probability > 0.01:
        link = Link("at least 1 %", query.url(min_probability=0.01, page=1))
        advice.append(Advice("Show less certain photos too: ", (link,)))
    if query.words:
        advice.append(Advice("Try a more general word, or one of the common ones below."))
    if query.page > 1:
        advice.append(Advice("See ", (Link("the first photos", query.url(page=1)),)))
    what = f" shows “{query.words}”" if query.words else " fits"
    since = f" since {query.since}" if query.since else ""
    sure = f" with at least {100 * query.min_probability:g} %" if query.words else ""
    return f"No photo{since}{what}{sure}.", tuple(advice)


PAGE_SIZE = 60  # a multiple of each number of columns that photos.css has
_COMMON = 200
_PAGES_AT_ONCE = 20  # ranking 400,000 photos takes long enough to do it once for some pages


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
    first = columns.starts[columns.probabilities[columns.starts] > 0]  # 0 is "none of these"
    counts = Counter(columns.class_ids[first].tolist())
    names = index.network.class_names
    return [(names[class_id], count) for class_id, count in counts.most_common(_COMMON)]


def make_tiles(index: PhotoIndex, hits: Sequence[Hit], words: str) -> list[dict[str, Any]]:
    """Say of photos that were found what a page shows.

    Args:
      index: where they were found.
      hits: the photos.
      words: what they should show.

    Returns:
      What to show of each, as "tiles.html.jinja" names it.
    """
    names = index.network.class_names
    return [
        {
            "id": hit.photo_id,
            "class_id": hit.class_id,  # what the map is for
            "name": as_text(hit.path.name),
            "where": as_text(str(hit.path)),
            "label": names[hit.class_id] if hit.is_known else NONE_OF_THESE,
            "shows": ""
            if hit.probability is None
            else words,  # what the probability is of; "" for the label
            "probability": hit.labels[0][1] if hit.probability is None else hit.probability,
            "similarity": hit.similarity,
            "date": format_taken(hit.taken)[: len("YYYY-MM-DD")],
        }
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
