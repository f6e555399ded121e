"""What a page says of a question's answer, and what to do where there is none."""

from typing import NamedTuple

from jaxcnn.photos.server.query import Asked
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


def summarize(asked: Asked, total: int, *, alike: bool = False, shown: int = MAX_SHOWN) -> str:
    """Say in a sentence what is shown.

    Args:
      asked: the question.
      total: photos that fit.
      alike: whether they are ranked by likeness.
      shown: photos shown at most.

    Returns:
      The sentence.

    Example:
      >>> summarize(Asked(words="dog"), 1200)
      '1,200 photos of “dog”, the most probable first.'
    """
    what = f"{total:,} photo{'' if total == 1 else 's'}"
    if asked.words:
        what += f" of “{asked.words}”"
    if asked.since:
        what += f" since {asked.since}"
    order = "the latest first"
    if alike and asked.words:
        order = "the most probable and most alike first"
    elif alike:
        order = "the most alike first"
    elif asked.words:
        order = "the most probable first"
    more = f" The first {shown:,} are shown." if total > shown else ""
    return f"{what}{f', {order}' if total > 1 else ''}.{more}"


def advise_on_word(error: UnknownWordError, asked: Asked) -> tuple[str, tuple[Advice, ...]]:
    """Say that a word is not known, and what to do about it.

    Args:
      error: which word, and which are like it.
      asked: the question.

    Returns:
      A sentence, and the advice.
    """
    problem = f"The network knows nothing called “{error.word}”."
    advice = []
    if error.suggestions:
        links = tuple(Link(word, asked.url(words=word, page=1)) for word in error.suggestions)
        advice.append(Advice("Did you mean: ", links))
    else:
        advice.append(Advice("Try a more general word, such as animal, food or vehicle."))
    advice.append(Advice("Or drop a photo that looks like what you seek."))
    return problem, tuple(advice)


def advise_on_nothing(asked: Asked, count: int) -> tuple[str, tuple[Advice, ...]]:
    """Say that nothing was found, and what to do about it.

    Args:
      asked: the question.
      count: photos in the index.

    Returns:
      A sentence, and the advice.
    """
    if not count:
        text = "Index a folder: jaxcnn photos index FOLDER"
        return "The index holds no photo yet.", (Advice(text),)
    advice = []
    if asked.since:
        link = Link("any day", asked.url(since="", page=1))
        advice.append(Advice("Look at photos of ", (link,)))
    if asked.words and asked.min_probability > 0.01:
        link = Link("at least 1 %", asked.url(min_probability=0.01, page=1))
        advice.append(Advice("Show less certain photos too: ", (link,)))
    if asked.words:
        advice.append(Advice("Try a more general word, or one of the common ones below."))
    if asked.page > 1:
        advice.append(Advice("See ", (Link("the first photos", asked.url(page=1)),)))
    what = f" shows “{asked.words}”" if asked.words else " fits"
    since = f" since {asked.since}" if asked.since else ""
    sure = f" with at least {100 * asked.min_probability:g} %" if asked.words else ""
    return f"No photo{since}{what}{sure}.", tuple(advice)
