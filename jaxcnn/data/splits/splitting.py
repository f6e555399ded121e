"""Which example is for training, which for validation, which for the test: decided by its name.

A hash of the name, not its position, decides, so neither the order of the files nor the machine
matters. Stratified, each class is cut at its shares in the order of these hashes: a photo that is
added moves another one only if that lies at a cut.
"""

import hashlib
import logging
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from jaxcnn.data.label_sets import are_several, label_sets
from jaxcnn.data.source import (
    SPLIT_NAMES,
    Source,
    SplitError,
    Splits,
    SubsetSource,
    check_classes,
    check_same_classes,
    example_labels,
    example_names,
)
from jaxcnn.data.splits.groups import describe_groups, example_groups, group_sizes, grouped
from jaxcnn.data.splits.stratified import assign_parts
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import counted, printable

logger = logging.getLogger(__name__)

SPLIT_METHODS = ("stratified", "hash")


def complete_splits(
    sources: Mapping[str, Source],
    *,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
    method: str = "stratified",
    group_by: str = "",
    groups: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
) -> Splits:
    """Make three splits of what is there; a split that is given stays whole.

    - "all", or "train" alone: split into three.
    - "train" and "test": validation is taken out of train.
    - "train" and "validation": the test is taken out of train, since validation serves to choose
      among runs and so must not serve as the test.

    An example's name, in Unicode's form C, and the seed give a number in [0, 1). Examples of one
    group (`source.groups`, or `group_by`) have the number of the group, and share a split.

    - "stratified": each class has its share in each split, rounded up or down, see
      `stratified.assign_parts`. Adding examples moves only those that lie at a cut.
    - "hash": below `validation_fraction` the example is for validation, in the next `test_fraction`
      for the test, above for training. The shares are met on average, and adding examples moves
      none.

    Args:
      sources: {"all": ...}, or "train" and perhaps "validation" and "test".
      validation_fraction: share of train to take for validation, where it is missing; > 0.
      test_fraction: share of train to take for the test, where it is missing; > 0.
      seed: another seed gives another split.
      method: one of `SPLIT_METHODS`.
      group_by: regular expression that finds each example's group in its name, see
        `groups.groups_by_name`; "" leaves the groups that the source has.
      groups: {name: group} in place of both.
      known: {name: split} of examples that keep the split they had in an earlier run.

    Returns:
      Three splits with the same class names, each in the order of its source.

    Raises:
      ValueError: if a split's name is unknown, the class names differ, a fraction is not positive
        or leaves nothing to train on, a split ends up empty, or a class without an example to
        train on.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> splits = complete_splits({"all": DrawnPetsSource("train", 100, size_px=16)})
      >>> [len(split) for split in splits]
      [70, 15, 15]
    """
    for name in sources:
        if name not in (*SPLIT_NAMES, "all"):
            raise unknown_name("split", name, (*SPLIT_NAMES, "all"))
    if ("all" in sources) == ("train" in sources) or ("all" in sources and len(sources) > 1):
        raise ValueError(f"got the splits {sorted(sources)}; expected 'all' alone, or 'train'.")
    if method not in SPLIT_METHODS:
        raise unknown_name("split_method", method, SPLIT_METHODS)
    sources = {name: grouped(source, group_by, groups) for name, source in sources.items()}
    pool = sources["all" if "all" in sources else "train"]
    shares = {
        name: fraction
        for name, fraction in [("validation", validation_fraction), ("test", test_fraction)]
        if name not in sources
    }
    _check_fractions(**{f"{name}_fraction": fraction for name, fraction in shares.items()})
    parts = _split(pool, shares, seed, method, known or {})
    given = {name: sources[name] for name in ("validation", "test") if name in sources}
    for name, source in given.items():
        check_same_classes(pool.class_names, source.class_names, expected_in="train", got_in=name)
    splits = parts._replace(**given)
    _check_groups(pool, splits)
    check_classes(splits, tell=False)
    return splits


def fold_numbers(source: Source, num_folds: int, *, seed: int = 0) -> np.ndarray:
    """Deal examples into folds, each class evenly and groups whole, by the hashes of their names.

    Args:
      source: the examples.
      num_folds: at least 2.
      seed: another seed gives other folds.

    Returns:
      (N,) int, the fold of each example, from 0.

    Raises:
      ValueError: if there are too few examples, or groups too large, for a fold to have some.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> fold = fold_numbers(DrawnPetsSource("train", 20, size_px=16), 5)
      >>> np.bincount(fold).tolist()
      [4, 4, 4, 4, 4]
    """
    names, groups = example_names(source), example_groups(source)
    strata, strata_names = class_strata(source)
    fold = assign_parts(
        hash_numbers(names, groups, seed),
        strata,
        unit_numbers(names, groups),
        (1 / num_folds,) * num_folds,
        np.array([_unit_interval(name, seed) for name in strata_names]),
    )
    if len(set(fold.tolist())) < num_folds:
        sizes = group_sizes(groups)
        largest = max(sizes.values(), default=0)
        about = f" in groups that stay together, the largest of {largest:,}," if sizes else ""
        raise SplitError(
            f"{counted(len(source), 'photo')}{about} are too few for {num_folds} "
            "folds; give fewer folds, or more photos."
        )
    return fold


def split_of_each(splits: Splits) -> dict[str, str]:
    """Give the split of each example by its name, see `known` of `complete_splits`."""
    named = zip(SPLIT_NAMES, splits, strict=True)
    return {name: split for split, source in named for name in example_names(source)}


def at_most(source: Source, count: int, *, seed: int) -> Source:
    """Take the same share of each class; a larger count keeps all that a smaller one has.

    Where photos have several labels, it is the same share of each set of labels, after one photo of
    each class.
    """
    if not count or count >= len(source):
        return source
    labels = example_labels(source)
    if are_several(labels):
        return _at_most_of_sets(source, labels, count, seed)
    sizes = np.bincount(labels, minlength=len(source.class_names))
    if count < np.count_nonzero(sizes):
        raise ValueError(
            f"max_train_examples (={count}) is less than the number of classes, {len(sizes)}; each "
            "needs at least one photo."
        )
    draws = np.random.default_rng(seed).permutation(len(source))
    # The place of each example in its class, as a share of it; the first of each class come first.
    turn = np.empty(len(source))
    for label in np.flatnonzero(sizes):
        own = draws[labels[draws] == label]
        turn[own] = np.arange(len(own)) / len(own)
    order = draws[np.argsort(turn[draws], kind="stable")]
    return SubsetSource(source, np.sort(order[:count]))


def _at_most_of_sets(source: Source, labels: np.ndarray, count: int, seed: int) -> Source:
    firsts = {int(k) for k in np.flatnonzero(labels.any(axis=0))}
    if count < len(firsts):
        raise ValueError(
            f"max_train_examples (={count}) is less than the number of classes, {len(firsts)}; "
            "each needs at least one photo."
        )
    draws = np.random.default_rng(seed).permutation(len(source))
    sets = label_sets(labels)[draws]
    turn = np.empty(len(source))  # the middle of each example's part of its set, as a share of it
    for number in np.unique(sets):
        own = draws[sets == number]
        turn[own] = (np.arange(len(own)) + 0.5) / len(own)
    for k in firsts:
        turn[draws[labels[draws, k].argmax()]] = -1.0
    order = draws[np.argsort(turn[draws], kind="stable")]
    return SubsetSource(source, np.sort(order[:count]))


def _unit_interval(name: str, seed: int) -> float:
    """Map a name to [0, 1): the same everywhere, uniform over names."""
    # Form C: one and the same file name comes in another form from a Mac than from Linux.
    text = f"{seed}/{unicodedata.normalize('NFC', name)}".encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(text, digest_size=6).digest()  # 48 bits are exact in a float
    return int.from_bytes(digest, "big") / 2**48


def hash_numbers(names: Sequence[str], groups: Sequence[str], seed: int) -> np.ndarray:
    """Give each example a number in [0, 1) by its group, or by its name where it has none."""
    pairs = zip(names, groups, strict=True)
    return np.array([_unit_interval(group or name, seed) for name, group in pairs])


def unit_numbers(names: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """Number the groups from 0, in order; an example without a group is one of its own."""
    found: dict[tuple[bool, str | int], int] = {}
    keys = [(bool(group), group or i) for i, group in enumerate(groups)]
    return np.array([found.setdefault(key, len(found)) for key in keys], np.int64)


def class_strata(source: Source) -> tuple[np.ndarray, list[str]]:
    """Give each example's stratum, and the strata's names.

    Args:
      source: any source; of several labels per example the rarest one counts.

    Returns:
      (N,) int64, and the names: those of the classes, and "" for examples of no class.
    """
    labels = getattr(source, "labels", None)
    labels = example_labels(source) if labels is None else np.asarray(labels)
    if labels.ndim == 2:
        rarity = np.where(labels > 0, (labels > 0).sum(axis=0), len(labels) + 1)
        labels = np.where((labels > 0).any(axis=1), rarity.argmin(axis=1), labels.shape[1])
    return labels.astype(np.int64), [*source.class_names, ""]


def _split(
    source: Source, shares: Mapping[str, float], seed: int, method: str, known: Mapping[str, str]
) -> Splits:
    names, groups = example_names(source), example_groups(source)
    numbers = hash_numbers(names, groups, seed)
    order = (*shares, "train")  # in which the shares are cut
    fractions = (*shares.values(), 1 - sum(shares.values()))
    if method == "hash":
        part = np.searchsorted(np.cumsum(fractions[:-1]), numbers, side="right")
    else:
        strata, strata_names = class_strata(source)
        part = assign_parts(
            numbers,
            strata,
            unit_numbers(names, groups),
            fractions,
            np.array([_unit_interval(name, seed) for name in strata_names]),
            fixed=np.array([order.index(s) if (s := known.get(n)) in order else -1 for n in names]),
        )
    places = {name: np.flatnonzero(part == number) for number, name in enumerate(order)}
    nowhere = np.zeros(0, np.int64)
    return Splits(*(SubsetSource(source, places.get(name, nowhere)) for name in SPLIT_NAMES))


def _check_groups(pool: Source, splits: Splits) -> None:
    """Say how large the groups are, and refuse those that leave a split empty or lie in two."""
    each = [example_groups(split) for split in splits]
    sizes = group_sizes(example_groups(pool))
    if not sizes:
        return
    logger.info(f"groups: {describe_groups(example_groups(pool))}")
    largest = max(sizes, key=lambda group: sizes[group])
    for name, split in zip(SPLIT_NAMES, splits, strict=True):
        if not len(split):
            raise SplitError(
                f"the {name} split is empty, since groups stay together: "
                f"{counted(len(sizes), 'group')}, and the largest, {printable(largest)}, has "
                f"{sizes[largest]:,} of {len(pool):,} photos. Give smaller groups, or more of them."
            )
    seen: set[str] = set()
    shared: set[str] = set()
    for found in each:
        own = {*found} - {""}
        shared |= own & seen
        seen |= own
    if shared:
        logger.warning(
            f"{counted(len(shared), 'group')} in two of the splits that the data have, e.g. "
            f"{printable(min(shared))}, so the result is too good"
        )


def _check_fractions(**fractions: float) -> None:
    for name, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise ValueError(f"{name} is {fraction}; expected more than 0 and less than 1.")
    if sum(fractions.values()) >= 1:
        found = " and ".join(f"{name} (={fraction})" for name, fraction in fractions.items())
        raise ValueError(f"{found} leave nothing to train on; expected a sum below 1.")
