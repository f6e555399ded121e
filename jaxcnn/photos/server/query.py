"""What a page is to show, as it stands in its address."""

import dataclasses
import datetime
import math
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from jaxcnn.photos.ranking import DEFAULT_MIN_PROBABILITY

MAX_WORDS = 200
_LARGEST_ID = 2**63 - 1  # SQLite's
_DROPPED = re.compile(r"[0-9a-f]{32}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PageQuery:
    """A query, checked.

    Attributes:
      words: what the photos should show; "" for anything.
      like: "" for no photo to be like, the id of an indexed one in digits, or the name that was
        given to one that was dropped.
      min_probability: least probability that a photo shows the words, in [0, 1].
      since: the first day, as YYYY-MM-DD; "" for any.
      page: number of the page of results, from 1.
    """

    words: str = ""
    like: str = ""
    min_probability: float = DEFAULT_MIN_PROBABILITY
    since: str = ""
    page: int = 1

    @property
    def like_id(self) -> int | None:
        """The id of the indexed photo that `like` names; None where it names none."""
        return int(self.like) if self.like and not _DROPPED.fullmatch(self.like) else None

    @property
    def min_probability_text(self) -> str:
        """The least probability as the address gives it."""
        return f"{self.min_probability:g}"

    def query_string(self, **changes: object) -> str:
        """Write the query as the part of an address behind "?", changed in some fields.

        Example:
          >>> PageQuery(words="tabby cat", page=3).query_string(page=1)
          'q=tabby+cat'
        """
        other = dataclasses.replace(self, **changes)  # type: ignore[arg-type]
        standard = PageQuery()
        parts = {
            "q": other.words,
            "like": other.like,
            "min_probability": other.min_probability_text,
            "since": other.since,
            "page": str(other.page),
        }
        omitted = {"min_probability": standard.min_probability_text, "page": "1"}
        return urlencode({k: v for k, v in parts.items() if v and v != omitted.get(k)})

    def url(self, **changes: object) -> str:
        """Write the address of the page that answers the query, changed in some fields."""
        text = self.query_string(**changes)
        return f"/?{text}" if text else "/"


def read_query(arguments: Mapping[str, str]) -> PageQuery:
    """Read a query from the arguments of an address.

    Args:
      arguments: those of `PageQuery.query_string`; an empty one counts as absent, an
        unknown one is ignored.

    Returns:
      The query.

    Raises:
      ValueError: if an argument is not of its form or out of range.

    Example:
      >>> read_query({"q": " dog ", "min_probability": "0.5"}).words
      'dog'
    """
    words = arguments.get("q", "").strip()
    if len(words) > MAX_WORDS:
        raise ValueError(f"q has {len(words)} characters; at most {MAX_WORDS} are read.")
    return PageQuery(
        words=words,
        like=_like(arguments.get("like", "")),
        min_probability=_probability(arguments.get("min_probability", "")),
        since=_day(arguments.get("since", "")),
        page=_whole("page", arguments.get("page", "") or "1", 1, 10**6),
    )


def _like(text: str) -> str:
    if not text or _DROPPED.fullmatch(text):
        return text
    return str(_whole("like", text, 1, _LARGEST_ID))


def _whole(name: str, text: str, least: int, most: int) -> int:
    # int() would also read "1_000", "+1", " 1" and digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise ValueError(f"{name} is {text[:40]!r}; expected a whole number from {least}.")
    return int(text)


def _probability(text: str) -> float:
    if not text:
        return DEFAULT_MIN_PROBABILITY
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"min_probability is {text[:40]!r}; expected a number from 0 to 1.")
    return value


def _day(text: str) -> str:
    if not text:
        return ""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError(f"since is {text[:40]!r}; expected a day such as 2024-05-31.")
