"""Write jaxcnn/photos/wordnet.tsv: what WordNet 3.0 says above what photos show.

Those are ImageNet's 1,000 classes and, for networks with classes of their own, animals, plants,
food, things and people, see `shown`.

    python tests/photos/references/make_wordnet.py /usr/share/wordnet jaxcnn/photos/wordnet.tsv

The first argument is WordNet 3.0's folder `dict`; Debian's package wordnet-base holds it. The data
lines of `data.noun` are as wndb(5WN) says: the offset, then words, then pointers, of which @ and @i
lead to hypernyms. `cntlist.rev` holds how often a sense was met in the texts that were tagged by
hand; `noun.exc` the irregular plurals.

Words have rare senses that nobody looks for: a cougar is also a "painter", a big cat a "cat", a
carpenter's tool a "plane". A word is left out of a sense that was met less than a tenth as often as
another sense of it: another one in the table, or, where the word is not the sense's first, any that
was met five times. Senses of words that were never met all stay, such as both cranes; so does the
first word of a class that would have none.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jaxcnn.pretrained.labels import wordnet_ids

_LEAST_SHARE = 0.1  # of the count of a word's most frequent sense
_LEAST_COUNT = 5  # of such a sense, if it is not in the table

# Subjects, by their numbers in lexnames(5WN), of which all ordinary words are taken: animals, food
# and plants; and those of which only words that were met: things, natural objects and people.
_ALL_WORDS = ("05", "13", "20")
_PEOPLE = "18"
_MET_WORDS = ("06", "17", _PEOPLE)

_HEADER = """\
A part of WordNet 3.0: the classes of ImageNet (ILSVRC 2012), animals, plants, food, things and
people with ordinary names, and all their hypernyms. A line is an id, the ids of its hypernyms, and
its words; or "plural", an irregular plural and its singular.
Changed: taken out of data.noun and noun.exc by tests/photos/references/make_wordnet.py, which tells
what it leaves out; underscores are spaces.
"""


class Synset(NamedTuple):
    """A sense: its words, how often each was met, and what it is a kind of."""

    words: tuple[str, ...]
    counts: tuple[int, ...]
    parents: tuple[str, ...]
    subject: str  # number of its file


def read_counts(folder: Path) -> dict[str, int]:
    """Read {sense key: number of times that it was met}."""
    rows = (line.split() for line in (folder / "cntlist.rev").read_text().splitlines())
    return {key: int(count) for key, _, count in rows}


def read_synsets(folder: Path, counts: dict[str, int]) -> dict[str, Synset]:
    """Read {id: synset} of all nouns."""
    lines = (folder / "data.noun").read_text().splitlines()
    return dict(parse_synset(line, counts) for line in lines if not line.startswith(" "))


def parse_synset(line: str, counts: dict[str, int]) -> tuple[str, Synset]:
    """Read a line of data.noun."""
    offset, lex_file, _, number, *rest = line.split(" | ")[0].split()
    count = 2 * int(number, 16)
    words, lex_ids = rest[:count:2], rest[1:count:2]
    keys = [
        f"{word.lower()}%1:{lex_file}:{int(lex_id, 16):02d}::"
        for word, lex_id in zip(words, lex_ids, strict=True)
    ]
    pointers = rest[count + 1 :]
    parents = [
        f"n{pointers[i + 1]}" for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")
    ]
    return f"n{offset}", Synset(
        tuple(word.replace("_", " ") for word in words),
        tuple(counts.get(key, 0) for key in keys),
        tuple(parents),
        lex_file,
    )


def closure(synsets: dict[str, Synset], leaves: Iterable[str]) -> dict[str, Synset]:
    """Keep the leaves and all that lies above them."""
    found: dict[str, Synset] = {}
    waiting = list(leaves)
    while waiting:
        synset_id = waiting.pop()
        if synset_id not in found:
            found[synset_id] = synsets[synset_id]
            waiting += synsets[synset_id].parents
    return dict(sorted(found.items()))


def shown(synset: Synset) -> bool:
    """Whether photos may show it, by a name that people use: one word, and no scientific one."""
    is_ordinary = any(word.islower() and word.isalpha() for word in synset.words)
    return is_ordinary and (
        synset.subject in _ALL_WORDS or (synset.subject in _MET_WORDS and sum(synset.counts) > 0)
    )


def frequent(found: dict[str, Synset], synsets: dict[str, Synset]) -> dict[str, list[str]]:
    """List each sense's words without those of which it is a rare sense."""
    inside, anywhere = most_met(found.values()), most_met(synsets.values())
    classes = set(wordnet_ids())

    def keep(synset: Synset, i: int) -> bool:
        word = synset.words[i].lower()
        most = inside[word]
        if i > 0 and anywhere[word] >= _LEAST_COUNT:
            most = anywhere[word]
        return synset.counts[i] >= _LEAST_SHARE * most

    def kept(synset: Synset) -> list[str]:
        return [word for i, word in enumerate(synset.words) if keep(synset, i)]

    return {
        synset_id: kept(synset) or list(synset.words[: synset_id in classes])
        for synset_id, synset in found.items()
    }


def without_nicknames(
    found: dict[str, Synset], words: dict[str, list[str]]
) -> dict[str, list[str]]:
    """Leave out of the people those who are called as something else is: a tiger, a nut."""
    others = {
        word for name, held in words.items() if found[name].subject != _PEOPLE for word in held
    }
    return {
        name: [word for word in held if found[name].subject != _PEOPLE or word not in others]
        for name, held in words.items()
    }


def most_met(synsets: Iterable[Synset]) -> dict[str, int]:
    """Give for each word the count of its most frequent sense."""
    most: dict[str, int] = defaultdict(int)
    for synset in synsets:
        for word, count in zip(synset.words, synset.counts, strict=True):
            most[word.lower()] = max(most[word.lower()], count)
    return most


def plurals(folder: Path, synsets: Iterable[Synset]) -> list[str]:
    """List the irregular plurals of the synsets' words."""
    known = {word.lower() for synset in synsets for word in synset.words}
    rows = (line.split() for line in (folder / "noun.exc").read_text().splitlines())
    pairs = [(plural, singular) for plural, *singulars in rows for singular in singulars]
    return [
        f"plural\t{plural.replace('_', ' ')}\t{singular.replace('_', ' ')}"
        for plural, singular in pairs
        if singular.replace("_", " ") in known
    ]


def licence(folder: Path) -> str:
    """Read the licence that stands before the data, which has to go with every copy."""
    lines = (folder / "data.noun").read_text().splitlines()
    held = (line.strip().partition(" ")[2] for line in lines if line.startswith("  "))
    return "\n".join(held)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dict", type=Path)
    parser.add_argument("table", type=Path)
    given = parser.parse_args()
    nouns = read_synsets(given.dict, read_counts(given.dict))
    found = closure(nouns, wordnet_ids())
    words = frequent(found, nouns)
    found = closure(nouns, [*found, *(name for name, synset in nouns.items() if shown(synset))])
    words = without_nicknames(found, frequent(found, nouns)) | words
    lines = [f"# {line}".rstrip() for line in (_HEADER + "\n" + licence(given.dict)).splitlines()]
    for synset_id, synset in found.items():
        lines.append(f"{synset_id}\t{' '.join(synset.parents)}\t{';'.join(words[synset_id])}")
    lines += plurals(given.dict, found.values())
    given.table.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
