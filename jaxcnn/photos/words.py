"""From words to the classes of a network, through WordNet's hierarchy of their names.

The rule, in order:

1. A text that is a name means the classes of that name; "tabby cat" is one class. Case, hyphens and
   underscores do not count; a plural means its singular, and "cell phone" a cellphone.
2. Else it is cut into the longest names from the left, each of which has to hold. Words such as
   "the" and "photo" are passed over.

Names are those of the classes, and WordNet's words for them and for all that they are a kind of:
"dog" means the 118 breeds. They are compared whole, so that "cat" is no caterpillar. Where a word
has several senses it means the classes of all, such as the bird and the machine that are called
crane; senses that are rare beside another are left out, see `wordnet.tsv`. Classes without an id of
WordNet have the senses of their name.

Source: Miller 1995, "WordNet: A Lexical Database for English", CACM 38(11); the endings of plurals
are those of its morphy(7WN).
"""

import collections
import difflib
import functools
import importlib.resources
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

_PASSED_OVER = frozenset(
    ("a", "an", "the", "of", "my", "our", "with", "and", "in", "on", "at")
    + ("photo", "photos", "picture", "pictures", "image", "images")
)
_ENDINGS = (  # of plurals, and of their singulars
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("ves", "f"),
    ("ves", "fe"),
)
_NO_WORD = re.compile(r"[\W_]+")
_MOST_SUGGESTIONS = 5
_LEAST_LIKENESS = 0.6  # of "dgo" and "dog" it is two thirds

ClassIds = tuple[int, ...]


class UnknownWordError(ValueError):
    """A word means no class of the network.

    Attributes:
      word: the word.
      suggestions: names that it may be a misspelling of, the most alike first; may be empty.
    """

    def __init__(self, word: str, suggestions: Sequence[str]) -> None:
        self.word = word
        self.suggestions = tuple(suggestions)
        meant = "no name that the network knows is like it"
        if suggestions:
            *first, last = suggestions
            meant = f"did you mean {', '.join(first)}{' or ' if first else ''}{last}?"
        super().__init__(f"the network knows nothing called {word!r}; {meant}")


class Synset(NamedTuple):
    """A sense of WordNet: its words, and what it is a kind of."""

    parents: tuple[str, ...]
    words: tuple[str, ...]


class WordTable:
    """The words that mean classes of a network.

    Args:
      class_names: in the order of the labels.
      wordnet_ids: WordNet 3.0's id of each class, "" where one has none; () where none has.

    Example:
      >>> WordTable(["cat", "dog"]).find("Dogs")
      ((1,),)
      >>> WordTable(["cat", "dog"]).find("carnivores")
      ((0, 1),)
    """

    def __init__(self, class_names: Sequence[str], wordnet_ids: Sequence[str] = ()) -> None:
        synsets, self._plurals = _wordnet()
        senses = _senses_by_name(synsets)
        meant: dict[str, set[int]] = collections.defaultdict(set)
        for class_id, name in enumerate(class_names):
            given = wordnet_ids[class_id] if wordnet_ids else ""
            own = [given] if given in synsets else senses.get(_plain(name), [])
            for synset_id in _above(own, synsets):
                for word in synsets[synset_id].words:
                    meant[_plain(word)].add(class_id)
        for class_id, name in enumerate(class_names):
            # A name that is a word has the word's senses: "plane" is first of all an airplane.
            if class_id not in meant[_plain(name)] and (not wordnet_ids or not meant[_plain(name)]):
                meant[_plain(name)].add(class_id)
        self._meant = {word: tuple(sorted(ids)) for word, ids in meant.items() if word}

    def find(self, text: str) -> tuple[ClassIds, ...]:
        """Find the classes that a text means.

        Args:
          text: one name or several.

        Returns:
          For each name its classes; a photo fits if it shows one of each.

        Raises:
          UnknownWordError: if a word is part of no name.
        """
        words = _plain(text).split()
        if whole := self._lookup(words):
            return (whole,)
        left = [word for word in words if word not in _PASSED_OVER] or words
        if not left:
            raise UnknownWordError(text, ())
        return tuple(dict.fromkeys(self._cut(left)))

    def _cut(self, words: list[str]) -> Iterator[ClassIds]:
        while words:
            lengths = range(len(words), 0, -1)
            length = next((n for n in lengths if self._lookup(words[:n])), 0)
            if not length:
                raise self._unknown(words)
            yield self._lookup(words[:length])
            words = words[length:]

    def _lookup(self, words: Sequence[str]) -> ClassIds:
        return next((self._meant[n] for n in self._singulars(words) if n in self._meant), ())

    def _singulars(self, words: Sequence[str]) -> Iterator[str]:
        if not words:
            return
        name = " ".join(words)
        yield name
        *before, last = words
        for singular in (self._plurals.get(name), self._plurals.get(last)):
            if singular:
                yield singular if singular in self._meant else " ".join([*before, singular])
        for ending, instead in _ENDINGS:
            if last.endswith(ending) and len(last) > len(ending):
                yield " ".join([*before, last.removesuffix(ending) + instead])
        if before:
            yield from self._singulars(["".join(words)])

    def _unknown(self, words: Sequence[str]) -> UnknownWordError:
        tried = [" ".join(words)] if len(words) > 1 else []
        for text in [*tried, words[0]]:
            alike = difflib.get_close_matches(
                text, self._meant, n=_MOST_SUGGESTIONS, cutoff=_LEAST_LIKENESS
            )
            if alike:
                return UnknownWordError(text, alike)
        return UnknownWordError(words[0], ())


@functools.lru_cache(maxsize=4)
def word_table(class_names: tuple[str, ...], wordnet_ids: tuple[str, ...] = ()) -> WordTable:
    """Make a WordTable, or give the one that was made before."""
    return WordTable(class_names, wordnet_ids)


def _plain(text: str) -> str:
    """Write a name in small letters, with single spaces in place of all that is no letter."""
    return _NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _above(synset_ids: Iterable[str], synsets: Mapping[str, Synset]) -> set[str]:
    """Collect senses and all that they are kinds of."""
    found: set[str] = set()
    waiting = list(synset_ids)
    while waiting:
        synset_id = waiting.pop()
        if synset_id not in found:
            found.add(synset_id)
            waiting += synsets[synset_id].parents
    return found


def _senses_by_name(synsets: Mapping[str, Synset]) -> dict[str, list[str]]:
    senses: dict[str, list[str]] = collections.defaultdict(list)
    for synset_id, synset in synsets.items():
        for word in synset.words:
            senses[_plain(word)].append(synset_id)
    return senses


@functools.cache
def _wordnet() -> tuple[dict[str, Synset], dict[str, str]]:
    """Read the table: senses by id, and singulars by irregular plural."""
    file = importlib.resources.files("jaxcnn.photos").joinpath("wordnet.tsv")
    synsets, plurals = {}, {}
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        first, second, third = line.split("\t")
        if first == "plural":
            plurals[_plain(second)] = _plain(third)
        else:
            synsets[first] = Synset(tuple(second.split()), tuple(filter(None, third.split(";"))))
    return synsets, plurals
