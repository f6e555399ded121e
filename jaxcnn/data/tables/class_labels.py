"""From labels as people write them to classes: one spelling each, in a fixed order.

Labels that differ by case, by blanks around or between words, or by Unicode's form only, are one
class, under the spelling that most rows have. Classes are in alphabetical order; where all are
whole numbers, in that of the numbers.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.data.tables.table_file import TableError, is_missing
from jaxcnn.host.text import counted, listed, printable

Label = str | tuple[str, ...] | None  # one text, several, or none that could be read


class Classes(NamedTuple):
    """The classes of a data set.

    Attributes:
      names: in the order of the labels.
      spellings: the class of each spelling that occurs, by its text.
    """

    names: tuple[str, ...]
    spellings: Mapping[str, str]

    def told(self) -> list[str]:
        """Say in a line per class which spellings are taken for it."""
        merged: dict[str, list[str]] = {}
        for text, name in self.spellings.items():
            if text != name:
                merged.setdefault(name, []).append(text)
        return [
            f"one class by different spellings: {printable(name)!r}, also written "
            f"{listed(repr(printable(text)) for text in sorted(texts))}"
            for name, texts in sorted(merged.items())
        ]


def label_text(value: Any) -> str:
    """Write a label's value as text; a whole number without decimals, what is missing as "".

    Example:
      >>> label_text(3.0), label_text(" cat "), label_text(None), label_text(True)
      ('3', ' cat ', '', 'true')
    """
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    # JSON may hold halves of characters, which no file can.
    return str(value).encode("utf-8", "backslashreplace").decode()


def spelling_key(text: str) -> str:
    """Give what all spellings of a class share.

    Example:
      >>> spelling_key(" Golden  Retriever") == spelling_key("golden retriever")
      True
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def settle_classes(labels: Iterable[Label], known: Sequence[str] = ()) -> Classes:
    """Find the classes that labels name.

    Args:
      labels: of all splits.
      known: the classes, in order, where they are given; those without an example stay.

    Returns:
      The classes.

    Raises:
      TableError: if a label is none of the known classes.

    Example:
      >>> settle_classes(["cat", "Cat ", "cat", "dog"]).names
      ('cat', 'dog')
      >>> settle_classes(["10", "9"]).names
      ('9', '10')
    """
    counts = Counter(text for each in labels for text in _texts(each))
    if known:
        return Classes(tuple(known), _among(counts, known))
    spellings: dict[str, list[str]] = {}
    for text in counts:
        spellings.setdefault(spelling_key(text), []).append(text)
    found: dict[str, str] = {}
    for texts in spellings.values():
        most = min(texts, key=lambda text: (-counts[text], text.strip() != text, text))
        name = " ".join(unicodedata.normalize("NFC", most).split())
        found |= dict.fromkeys(texts, name)
    return Classes(_in_order(set(found.values())), found)


def _among(texts: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """Find each text among the known classes: as it is, else by its spelling if one fits."""
    by_key: dict[str, list[str]] = {}
    for name in known:
        by_key.setdefault(spelling_key(name), []).append(name)
    fitting = {text: by_key.get(spelling_key(text), []) for text in texts}
    found = {t: t if t in names else names[0] for t, names in fitting.items() if names}
    unsure = [t for t, names in fitting.items() if t not in names and len(names) != 1]
    if unsure:
        raise TableError(
            f"labels that are no class here: {listed(map(printable, sorted(unsure)))}; known are "
            f"{listed(map(printable, known))}."
        )
    return found


def label_array(
    labels: Sequence[Label], classes: Classes, *, several: bool | None = None
) -> np.ndarray:
    """Make the labels of examples into numbers.

    Args:
      labels: one text each, or several each.
      classes: as `settle_classes` gives.
      several: whether examples may have several; None for whether one of these has a tuple.

    Returns:
      (N,) int32 where each has one label; (N, K) uint8 of 0 and 1 where each has several.

    Example:
      >>> classes = settle_classes(["cat", "dog"])
      >>> label_array([("cat", "dog"), ()], classes).tolist()
      [[1, 1], [0, 0]]
    """
    place = {name: i for i, name in enumerate(classes.names)}
    number = {text: place[name] for text, name in classes.spellings.items()}
    if several is None:
        several = any(isinstance(each, tuple) for each in labels)
    if not several:
        return np.array([number[text] for each in labels for text in _texts(each)], np.int32)
    found = np.zeros((len(labels), len(classes.names)), np.uint8)
    for row, each in zip(found, labels, strict=True):
        row[[number[text] for text in _texts(each)]] = 1
    return found


def without_empty(classes: Classes) -> tuple[Classes, str]:
    """Leave out known classes that no example has, and say so; "" where there are none."""
    used = set(classes.spellings.values())
    names = tuple(name for name in classes.names if name in used)
    if len(names) == len(classes.names):
        return classes, ""
    empty = [printable(name) for name in classes.names if name not in used]
    told = f"{counted(len(empty), 'class', 'classes')} without any photo left out: {listed(empty)}"
    return Classes(names, classes.spellings), told


def _texts(label: Label) -> tuple[str, ...]:
    return () if label is None else label if isinstance(label, tuple) else (label,)


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names; numbers by value."""
    names = list(names)
    if all(name.isascii() and name.lstrip("-").isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
