"""Which example is for training, which for validation, which for the test: decided by its name.

A hash of the name, not its position, decides. So adding photos moves no other photo from one split
to another, and neither the order of the files nor the machine matters.
"""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxcnn.data.source import (
    Source,
    Splits,
    SubsetSource,
    check_same_classes,
    example_digests,
    example_labels,
    example_names,
)
from jaxcnn.host.names import unknown_name

_SPLIT_NAMES = ("train", "validation", "test")


class SplitError(ValueError):
    """What is there cannot be split in three; the message says why and what to do."""


class DuplicatePair(NamedTuple):
    """Two examples with the same bytes or pixels, in two splits."""

    name: str
    split: str
    other_name: str
    other_split: str


def complete_splits(
    sources: Mapping[str, Source],
    *,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
) -> Splits:
    """Make three splits of what is there; a split that is given stays whole.

    - "all", or "train" alone: split into three.
    - "train" and "test": validation is taken out of train.
    - "train" and "validation": the test is taken out of train, since validation serves to choose
      among runs and so must not serve as the test.

    An example's name, in Unicode's form C, and the seed give a number in [0, 1): below
    `validation_fraction` the example is for validation, in the next `test_fraction` for the test,
    above for training. The shares are therefore met on average, not exactly.

    Args:
      sources: {"all": ...}, or "train" and perhaps "validation" and "test".
      validation_fraction: expected share of train to take for validation, where it is missing; > 0.
      test_fraction: expected share of train to take for the test, where it is missing; > 0.
      seed: another seed gives another split.

    Returns:
      Three splits with the same class names, each in the order of its source.

    Raises:
      ValueError: if a split's name is unknown, the class names differ, a fraction is not positive
        or leaves nothing to train on, a split ends up empty, or a class without an example to
        train on.

    Example:
      >>> from jaxcnn.data.drawn_pets import DrawnPetsSource
      >>> splits = complete_splits({"all": DrawnPetsSource("train", 100, size_px=16)})
      >>> [len(split) for split in splits]
      [78, 12, 10]
    """
    for name in sources:
        if name not in (*_SPLIT_NAMES, "all"):
            raise unknown_name("split", name, (*_SPLIT_NAMES, "all"))
    if ("all" in sources) == ("train" in sources) or ("all" in sources and len(sources) > 1):
        raise ValueError(f"got the splits {sorted(sources)}; expected 'all' alone, or 'train'.")
    pool = sources["all" if "all" in sources else "train"]
    missing = {
        name: fraction
        for name, fraction in [("validation", validation_fraction), ("test", test_fraction)]
        if name not in sources
    }
    _check_fractions(**{f"{name}_fraction": fraction for name, fraction in missing.items()})
    parts = _split(pool, missing.get("validation", 0.0), missing.get("test", 0.0), seed)
    given = {name: sources[name] for name in ("validation", "test") if name in sources}
    for name, source in given.items():
        check_same_classes(pool.class_names, source.class_names, expected_in="train", got_in=name)
    return _checked(parts._replace(**given))


def find_duplicates(
    splits: Splits, digests: Sequence[Sequence[bytes]] | None = None
) -> list[DuplicatePair]:
    """Find photos that are in more than one split, byte for byte or pixel for pixel.

    Such a photo makes the measured accuracy too good. One that cannot be read is passed over, since
    decoding reports it.

    Args:
      splits: the three splits.
      digests: of the examples of each, see `example_digests`; None to read every example once.

    Returns:
      One pair for each example of validation and test whose image is in an earlier split too, in
      the order of the splits; the other is the first example that has the image.
    """
    first: dict[bytes, tuple[str, str]] = {}
    pairs: list[DuplicatePair] = []
    digests = digests or [example_digests(source) for source in splits]
    for split, source, each in zip(_SPLIT_NAMES, splits, digests, strict=True):
        for name, digest in zip(example_names(source), each, strict=True):
            other_name, other_split = first.setdefault(digest, (name, split))
            if digest and other_split != split:
                pairs.append(DuplicatePair(name, split, other_name, other_split))
    return pairs


def _unit_interval(name: str, seed: int) -> float:
    """Map a name to [0, 1): the same everywhere, uniform over names."""
    # Form C: one and the same file name comes in another form from a Mac than from Linux.
    text = f"{seed}/{unicodedata.normalize('NFC', name)}".encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(text, digest_size=6).digest()  # 48 bits are exact in a float
    return int.from_bytes(digest, "big") / 2**48


def _split(source: Source, validation_fraction: float, test_fraction: float, seed: int) -> Splits:
    place = np.array([_unit_interval(name, seed) for name in example_names(source)])
    in_validation = place < validation_fraction
    in_test = ~in_validation & (place < validation_fraction + test_fraction)
    in_train = ~in_validation & ~in_test
    chosen = (in_train, in_validation, in_test)
    return Splits(*(SubsetSource(source, np.flatnonzero(where)) for where in chosen))


def _check_fractions(**fractions: float) -> None:
    for name, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise ValueError(f"{name} is {fraction}; expected more than 0 and less than 1.")
    if sum(fractions.values()) >= 1:
        found = " and ".join(f"{name} (={fraction})" for name, fraction in fractions.items())
        raise ValueError(f"{found} leave nothing to train on; expected a sum below 1.")


def _checked(splits: Splits) -> Splits:
    for name, source in zip(_SPLIT_NAMES, splits, strict=True):
        if not len(source):
            sizes = ", ".join(f"{n} {len(s)}" for n, s in zip(_SPLIT_NAMES, splits, strict=True))
            raise SplitError(
                f"the {name} split is empty ({sizes}); add photos, raise its fraction, or "
                f"give it a folder of its own."
            )
    held = set(example_labels(splits.train).tolist())
    lacking = [name for i, name in enumerate(splits.train.class_names) if i not in held]
    if lacking:
        raise SplitError(f"no example to train on for {', '.join(lacking)}; add photos of it.")
    return splits
