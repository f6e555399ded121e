"""WordNet's table: senses, what they are kinds of, and the singulars of plurals.

Source: Miller 1995, "WordNet: A Lexical Database for English", CACM 38(11); the endings of plurals
are those of its morphy(7WN).
"""

import collections
import functools
import importlib.resources
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

_ENDINGS = (  # of plurals, and of their singulars
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("zzes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("oes", "o"),
    ("men", "man"),
    ("ies", "y"),
    ("ves", "f"),
    ("ves", "fe"),
)
_IRREGULAR = (  # beside those of the table, which are WordNet's
    "children child, people person, feet foot, teeth tooth, mice mouse, lice louse, dice die, "
    "oxen ox, cacti cactus, octopi octopus, nuclei nucleus, larvae larva, algae alga, "
    "bacteria bacterium, vertebrae vertebra, antennae antenna, data datum, criteria criterion, "
    "crises crisis, oases oasis, matrices matrix, vertices vertex, indices index"
)
_PLAIN = re.compile("[a-z0-9]+( [a-z0-9]+)*")
_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; other marks are letters


class Synset(NamedTuple):
    """A sense of WordNet: its words, and what it is a kind of."""

    parents: tuple[str, ...]
    words: tuple[str, ...]


def plain(text: str) -> str:
    """Write a name in small letters without accents, in words with single spaces between them."""
    if _PLAIN.fullmatch(text):  # nearly all that is read
        return text
    humps = zip(" " + text, text, strict=False)
    text = "".join(f" {c}" if before.islower() and c.isupper() else c for before, c in humps)
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    text = unicodedata.normalize("NFC", _ACCENTS.sub("", text))
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split()
    return " ".join(words) or text.strip()


def singulars(words: Sequence[str]) -> Iterator[str]:
    """Give the names that words may mean: themselves, singulars, and the same as one word."""
    if not words:
        return
    name = " ".join(words)
    yield name
    *before, last = words
    plurals = read_wordnet()[1]
    for singular in filter(None, (plurals.get(name), plurals.get(last))):
        yield singular
        yield " ".join([*before, singular])
    for ending, instead in _ENDINGS:
        if last.endswith(ending) and len(last) > len(ending) and not last.endswith("ss"):
            yield " ".join([*before, last.removesuffix(ending) + instead])
    if before:
        yield from singulars(["".join(words)])


def above(synset_ids: Iterable[str], synsets: Mapping[str, Synset]) -> set[str]:
    """Collect senses and all that they are kinds of."""
    found: set[str] = set()
    waiting = list(synset_ids)
    while waiting:
        synset_id = waiting.pop()
        if synset_id not in found:
            found.add(synset_id)
            waiting += synsets[synset_id].parents
    return found


def senses_by_name(synsets: Mapping[str, Synset]) -> dict[str, list[str]]:
    """Give the ids of the senses of each name."""
    senses: dict[str, list[str]] = collections.defaultdict(list)
    for synset_id, synset in synsets.items():
        for word in synset.words:
            senses[plain(word)].append(synset_id)
    for name in list(senses):
        if (joined := name.replace(" ", "")) not in senses:  # "fireengine", as folders are called
            senses[joined] = senses[name]
    return senses


@functools.cache
def read_wordnet() -> tuple[dict[str, Synset], dict[str, str]]:
    """Read the table: senses by id, and singulars by irregular plural."""
    file = importlib.resources.files("jaxcnn.photos").joinpath("wordnet.tsv")
    synsets = {}
    plurals = dict(pair.split() for pair in _IRREGULAR.split(","))
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        first, second, third = line.split("\t")
        if first == "plural":
            plurals[plain(second)] = plain(third)
        else:
            synsets[first] = Synset(tuple(second.split()), tuple(filter(None, third.split(";"))))
    return synsets, plurals
