"""What the page says of a photo, and of how far one has come."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from jaxcnn.data.decisions.decision_table import EXCLUDE, RELABEL, Decision
from jaxcnn.host.text import counted
from jaxcnn.photos.cleaning.review import Review
from jaxcnn.runs.findings import FINDING_KINDS

MOST_KEYS = 9  # classes that a digit each is enough for
_MOST_UNDONE = 50  # decisions of a tab that can be taken back
_KIND_NAMES = {
    "label": "labels",
    "duplicate": "duplicates",
    "near_duplicate": "near-duplicates",
    "unreadable": "unreadable",
    "odd": "odd",
}


class Place(NamedTuple):
    """What an address asks for.

    Attributes:
      at: the number of a photo; None for the first that is not decided.
      kind: one of FINDING_KINDS; "" for all.
      done: the numbers of the photos that this tab has decided about, the latest last.
    """

    at: int | None = None
    kind: str = ""
    done: tuple[int, ...] = ()

    def url(self, **changed: Any) -> str:
        """Write the address of a place like this one.

        Example:
          >>> Place(3, "odd", (1, 2)).url(at=4)
          '/?at=4&kind=odd&done=1.2'
        """
        place = self._replace(**changed)
        values = {
            "at": "" if place.at is None else str(place.at),
            "kind": place.kind,
            "done": ".".join(map(str, place.done[-_MOST_UNDONE:])),
        }
        query = urlencode({name: value for name, value in values.items() if value})
        return f"/?{query}" if query else "/"


def read_place(values: Mapping[str, str], count: int) -> Place:
    """Read what an address or a form asks for.

    Args:
      values: texts by name; others than a place has are passed over.
      count: photos that there are.

    Raises:
      ValueError: if a text is not as `Place.url` writes it, or there is no such photo.

    Example:
      >>> read_place({"at": "4", "done": "1.2"}, 5)
      Place(at=4, kind='', done=(1, 2))
    """
    kind = values.get("kind", "")
    if kind and kind not in FINDING_KINDS:
        raise ValueError(f"kind is none of {', '.join(FINDING_KINDS)}.")
    done = [_number(text, count) for text in values.get("done", "").split(".") if text]
    at = values.get("at", "")
    return Place(_number(at, count) if at else None, kind, tuple(done[-_MOST_UNDONE:]))


def _number(text: str, count: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < count):
        raise ValueError("there is no such photo on this page.")
    return int(text)


def next_place(review: Review, place: Place) -> Place:
    """Find the next photo that is not decided, after this one or else from the start."""
    decided = review.decided()
    left = [number for number in review.of_kind(place.kind) if number not in decided]
    after = [number for number in left if place.at is None or number > place.at]
    return place._replace(at=next(iter([*after, *left]), None))


def page_facts(review: Review, place: Place) -> dict[str, Any]:
    """Gather what the template "clean.html.jinja" names.

    Args:
      review: what is looked through.
      place: which photo; `at` is None where all are decided.

    Returns:
      Facts by name.
    """
    decided, numbers = review.decided(), review.of_kind(place.kind)
    looked_at = sum(number in decided for number in numbers)
    return {
        "place": place,
        "total": len(numbers),
        "looked_at": looked_at,
        "progress": f"{looked_at:,} of {counted(len(numbers), 'photo')} looked at",
        "kinds": _kinds(review, place),
        "table": review.log.path.name,
        "num_photos": review.findings.num_photos,
        "undo": _undo(review, place, decided),
        "photo": None if place.at is None else _photo(review, place, decided.get(place.at)),
        **_neighbours(review, numbers, place),
    }


def _kinds(review: Review, place: Place) -> list[tuple[str, int, str, bool]]:
    """Name each kind of finding that there is: its name, count, address, and whether it is shown.

    One kind alone needs no choice.
    """
    counts = {kind: review.findings.count(kind) for kind in FINDING_KINDS}
    there = [(kind, _KIND_NAMES[kind], count) for kind, count in counts.items() if count]
    if len(there) < 2:
        return []
    every = [("", "all", len(review.items)), *there]
    return [
        (name, count, place.url(kind=kind, at=None), kind == place.kind)
        for kind, name, count in every
    ]


def _neighbours(review: Review, numbers: Sequence[int], place: Place) -> dict[str, str]:
    at, there = place.at, review.findings.photos
    before = [number for number in numbers if at is not None and number < at]
    after = [number for number in numbers if at is not None and number > at]
    return {
        "previous_url": place.url(at=before[-1]) if before else "",
        "next_url": place.url(at=after[0]) if after else "",
        "next_picture": f"/photo/{after[0]}"
        if after and review.items[after[0]].name in there
        else "",
    }


def _undo(review: Review, place: Place, decided: Mapping[int, Decision]) -> dict[str, Any] | None:
    """Say what can be taken back: this tab's last decision, else that about the photo shown."""
    for number in (*reversed(place.done), *([] if place.at is None else [place.at])):
        if number in decided:
            row = decided[number]
            return {
                "number": number,
                "version": review.version(number),
                "what": describe_decision(row),
                "name": as_text(row.name),
            }
    return None


def _photo(review: Review, place: Place, row: Decision | None) -> dict[str, Any]:
    assert place.at is not None
    item, class_names = review.items[place.at], review.findings.class_names
    changed = item.source_label and item.source_label != item.label
    return {
        "number": place.at,
        "name": as_text(item.name),
        "split": item.split,
        "label": item.label,
        "source_label": item.source_label if changed else "",
        "reasons": [_sentence(reason) for reason in item.reasons],
        "is_there": item.name in review.findings.photos,
        "suggested": item.suggested,
        "top": [(name, share, class_names.index(name)) for name, share in item.top],
        "choices": _choices(item.label, item.suggested, [n for n, _ in item.top], class_names),
        "is_long_list": len(class_names) > MOST_KEYS,
        "class_names": class_names,
        "decision": "" if row is None else describe_decision(row),
        "version": review.version(place.at),
        "others": [
            {
                "number": review.numbers[other],
                "name": as_text(other),
                "is_there": other in review.findings.photos,
            }
            for other in item.others
        ],
    }


def _choices(
    label: str, suggested: str, top: Sequence[str], class_names: Sequence[str]
) -> list[tuple[str, int, str]]:
    """Choose the classes that have a button: name, index and key.

    Few classes keep their keys on every photo; of many, those that the photo may show have one.
    """
    if len(class_names) <= MOST_KEYS:
        chosen = list(class_names)
    else:
        chosen = list(dict.fromkeys(name for name in (suggested, *top) if name and name != label))
    return [
        (name, class_names.index(name), str(key))
        for key, name in enumerate(chosen, start=1)
        if name != label
    ]


def describe_decision(row: Decision) -> str:
    """Say what was decided.

    Example:
      >>> describe_decision(Decision("a.jpg", "relabel", "cat", "dog"))
      'relabelled dog'
    """
    if row.decision == RELABEL:
        return f"relabelled {row.new_label}"
    return "excluded" if row.decision == EXCLUDE else "kept"


def as_text(name: str) -> str:
    """Make a name fit for a page; bytes that are no text become question marks."""
    return name.encode("utf-8", "replace").decode()


def _sentence(text: str) -> str:
    return as_text(text[:1].upper() + text[1:].rstrip("."))
