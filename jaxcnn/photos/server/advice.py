"""What a page says of a query's results, and what to do where there is none."""

from typing import NamedTuple

from jaxcnn.host.text import counted
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
      error: which word, and which are like it.
      query: what the page is to show.

    Returns:
      A sentence, and the advice.
    """
    problem = f"The network knows nothing called “{error.word}”."
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
