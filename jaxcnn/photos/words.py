"""From words to the classes of a network, through WordNet's hierarchy of their names.

A text is read as a search engine reads it:

1. A text that is a name means the classes of that name; "tabby cat" is one class. Case, accents,
   hyphens and underscores do not count, "fireEngine" is a fire engine; a plural means its singular,
   and "cell phone" a cellphone.
2. Else it is cut into the longest names from the left, each of which has to hold. Words such as
   "the" and "photo" are passed over.
3. What stands in quotes is one name. Of names joined by "or" one is enough; "or" binds closer than
   a space. A name behind "-" or "not" has to be absent.

Names are those of the classes, and WordNet's words for them and for all that they are a kind of:
"dog" means the 118 breeds. They are compared word by word, so that "cat" is no caterpillar. Where a
word has several senses it means the classes of all, such as the bird and the machine that are
called crane; senses that are rare beside another are left out, see `wordnet.tsv`. Classes without
an id of WordNet have the senses of their name; one that WordNet does not know is found by its
parts, and is of the kind of the last that has one: "red apples" are apples, and fruits.
"""

import collections
import difflib
import functools
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jaxcnn.host.text import listed
from jaxcnn.photos.wordnet import above, plain, read_wordnet, senses_by_name, singulars

_PASSED_OVER = frozenset(
    ("a", "an", "the", "of", "my", "our", "with", "and", "or", "in", "on", "at")
    + ("photo", "photos", "picture", "pictures", "image", "images")
)
_NEGATIONS = frozenset(("no", "non", "not", "without"))
_OR = ["|"]
_TOKENS = re.compile(r'(-?)"([^"]+)"|(\S+)')
_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'))
_MOST_SUGGESTIONS = 5
_QUOTED = reprlib.Repr()
_QUOTED.maxstring = 80  # of a page that was pasted a line is enough
_LEAST_LIKENESS = 0.6  # of "dgo" and "dog" it is two thirds

ClassIds = tuple[int, ...]


class Meaning(NamedTuple):
    """What a text means.

    Attributes:
      wanted: a photo fits if it shows, of each entry, one of the classes.
      unwanted: and of each of these none.
    """

    wanted: tuple[ClassIds, ...]
    unwanted: tuple[ClassIds, ...] = ()


class UnknownWordError(ValueError):
    """Words mean no class of the network.

    Attributes:
      words: the words, in the order of the text.
      suggestions: names that the first may be a misspelling of, the most alike first; may be empty.
    """

    def __init__(
        self, words: Sequence[str], suggestions: Sequence[str], class_names: Sequence[str] = ()
    ) -> None:
        self.words = tuple(words)
        self.suggestions = tuple(suggestions)
        meant = f"its classes are {listed(class_names)}"
        if suggestions:
            meant = f"did you mean {_alternatives(suggestions)}?"
        named = _alternatives([_QUOTED.repr(word) for word in words])
        super().__init__(f"the network knows nothing called {named}; {meant}")


def _alternatives(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)}{' or ' if first else ''}{last}"


class WordTable:
    """The words that mean classes of a network.

    Args:
      class_names: in the order of the labels.
      wordnet_ids: WordNet 3.0's id of each class, "" where one has none; () where none has.

    Example:
      >>> WordTable(["cats", "dogs"]).find("Dog")
      Meaning(wanted=((1,),), unwanted=())
      >>> WordTable(["cat", "dog"]).find("carnivores -dog")
      Meaning(wanted=((0, 1),), unwanted=((1,),))
    """

    def __init__(self, class_names: Sequence[str], wordnet_ids: Sequence[str] = ()) -> None:
        synsets, _ = read_wordnet()
        senses = senses_by_name(synsets)
        meant: dict[str, set[int]] = collections.defaultdict(set)
        parts: dict[str, set[int]] = collections.defaultdict(set)
        for class_id, name in enumerate(class_names):
            given = wordnet_ids[class_id] if wordnet_ids else ""
            own = [given]
            if given not in synsets:
                names = self._parts(plain(name).split(), senses)
                for part in names:
                    for singular in singulars(part.split()):
                        parts[singular].add(class_id)
                own = self._senses_of(names, senses)
            for synset_id in above(own, synsets):
                for word in synsets[synset_id].words:
                    meant[plain(word)].add(class_id)
        for class_id, name in enumerate(class_names):
            # A name that is a word has the word's senses: "plane" is first of all an airplane.
            if class_id not in meant[plain(name)] and (not wordnet_ids or not meant[plain(name)]):
                meant[plain(name)].add(class_id)
        self._meant = {word: tuple(sorted(ids)) for word, ids in meant.items() if word and ids}
        self._parts_of = parts
        self._class_names = class_names

    def find(self, text: str) -> Meaning:
        """Find the classes that a text means.

        Args:
          text: one name or several, joined as the module says.

        Returns:
          The classes.

        Raises:
          UnknownWordError: if words are part of no name.
        """
        text = text.translate(_QUOTES)
        whole = text.strip()
        is_plain = not whole.startswith("-") and '"' not in whole and " -" not in whole
        if is_plain and (ids := self._lookup(plain(text).split())):
            return Meaning((ids,))
        wanted: list[ClassIds] = []
        unwanted: list[ClassIds] = []
        unknown: list[str] = []
        is_alternative = False
        for words, is_negated, is_one in _runs(text):
            if words == _OR:
                is_alternative = bool(wanted)
                continue
            for part in [words] if is_one else self._cut(words):
                ids = self._lookup(part)
                if not ids:
                    unknown.append(" ".join(part))
                elif is_negated:
                    unwanted.append(ids)
                elif is_alternative:
                    wanted[-1] = tuple(sorted({*wanted[-1], *ids}))
                else:
                    wanted.append(ids)
                is_alternative = False
        if unknown or not (wanted or unwanted):
            raise self._unknown(unknown or [text])
        return Meaning(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)))

    def _cut(self, words: list[str]) -> Iterator[list[str]]:
        """Cut into the longest names from the left; words of no name stay together."""
        lost: list[str] = []
        while words:
            lengths = range(len(words), 0, -1)
            length = next((n for n in lengths if self._lookup(words[:n])), 0)
            is_passed_over = not length and _is_passed_over(words[0])
            if (length or is_passed_over) and lost:
                yield lost
                lost = []
            if length:
                yield words[:length]
            elif not is_passed_over:
                lost.append(words[0])
            words = words[length or 1 :]
        if lost:
            yield lost

    def _lookup(self, words: Sequence[str]) -> ClassIds:
        names = list(singulars(words))
        ids = set(next((self._meant[name] for name in names if name in self._meant), ()))
        return tuple(sorted(ids.union(*(self._parts_of.get(name, ()) for name in names))))

    def _senses_of(self, names: Sequence[str], senses: Mapping[str, list[str]]) -> list[str]:
        """Give the senses of a name: its own, else those of its last part that has one."""
        known = (self._known(name, senses) for name in (names[0], *reversed(names[1:])))
        return next((senses[name] for name in known if name), [])

    def _known(self, name: str, senses: Mapping[str, list[str]]) -> str:
        return next((n for n in singulars(name.split()) if n in senses), "")

    def _parts(self, words: list[str], senses: Mapping[str, list[str]]) -> list[str]:
        """Give a name and, where WordNet has it not, the names that it is made of."""
        names = [" ".join(words)]
        if self._known(names[0], senses) or not _NEGATIONS.isdisjoint(words):
            return names
        while words:
            lengths = range(len(words), 0, -1)
            length = next((n for n in lengths if self._known(" ".join(words[:n]), senses)), 1)
            if words[0] not in _PASSED_OVER:
                names.append(" ".join(words[:length]))
            words = words[length:]
        return names

    def _unknown(self, words: Sequence[str]) -> UnknownWordError:
        for text in [words[0], *words[0].split()]:
            alike = difflib.get_close_matches(
                plain(text), self._meant, n=_MOST_SUGGESTIONS, cutoff=_LEAST_LIKENESS
            )
            if alike:
                return UnknownWordError(words, alike)
        return UnknownWordError(words, (), self._class_names)


def _runs(text: str) -> Iterator[tuple[list[str], bool, bool]]:
    """Cut a text into runs of words: whether each is negated, and whether it is one name."""
    run: list[str] = []
    is_negated = False
    for minus, phrase, bare in _TOKENS.findall(text):
        negates = bool(minus) or (len(bare) > 1 and bare[0] == "-")
        words = plain(phrase or bare).split()
        is_one = bool(phrase) or negates or is_negated
        if (words in (["or"], ["not"]) and not is_one) or bare == "|":
            yield run, False, False
            run = []
            is_negated = words == ["not"]
            if not is_negated:
                yield _OR, False, True
        elif is_one and words:
            yield run, False, False
            run = []
            yield words, negates or is_negated, True
            is_negated = False
        else:
            run += words
    yield run, False, False


@functools.lru_cache(maxsize=4)
def word_table(class_names: tuple[str, ...], wordnet_ids: tuple[str, ...] = ()) -> WordTable:
    """Make a WordTable, or give the one that was made before."""
    return WordTable(class_names, wordnet_ids)


def _is_passed_over(word: str) -> bool:
    return word in _PASSED_OVER or not any(c.isalnum() for c in word)
