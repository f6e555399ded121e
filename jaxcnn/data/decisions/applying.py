"""What decisions about photos make of a source: other labels, and photos that are left out."""

import logging
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.decisions.decision_table import (
    EXCLUDE,
    KEEP,
    RELABEL,
    Decision,
    DecisionError,
    read_decisions,
)
from jaxcnn.data.label_sets import names_of_label
from jaxcnn.data.source import (
    Example,
    Source,
    Splits,
    SubsetSource,
    check_classes,
    digest_of,
    example_labels,
    example_names,
    label_at,
)
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import counted, listed, printable

logger = logging.getLogger(__name__)

_SHOWN = 3  # names in a line of the log


def digest_of_decisions(decisions: Mapping[str, Decision]) -> str:
    """Make a text that changes whenever the decisions make something else of the data."""
    acting = [row for row in decisions.values() if row.decision in (RELABEL, EXCLUDE)]
    return digest_of(*sorted((_form_c(row.name), row.decision, row.new_label) for row in acting))


class Applied(NamedTuple):
    """What decisions made of a source: names of photos, and what is left."""

    source: Source
    relabelled: list[str]
    excluded: list[str]
    outdated: list[str]  # whose label is not that of the decision any more; left as they are


def apply_decisions(source: Source, decisions: Mapping[str, Decision] | Path | str) -> Source:
    """Give photos the labels that were decided, and leave out those that are excluded.

    Decisions about photos that are not there, or whose label is another one now, are counted in
    the log and change nothing.

    Args:
      source: labelled photos.
      decisions: as `read_decisions` gives, or the path of their table.

    Returns:
      The same photos in the same order, without the excluded; no image is read.

    Raises:
      DecisionError: if the table cannot be read, or a new label is none of the source's classes.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource, example_labels
      >>> source = DrawnPetsSource("train", 3, size_px=16)
      >>> decided = {"train/000000": Decision("train/000000", "exclude")}
      >>> decided["train/000002"] = Decision("train/000002", "relabel", "cat", "dog")
      >>> example_labels(apply_decisions(source, decided)).tolist()
      [1, 1]
    """
    return apply_to_each({"": source}, decisions)[""].source


def apply_to_each(
    sources: Mapping[str, Source], decisions: Mapping[str, Decision] | Path | str
) -> dict[str, Applied]:
    """Apply decisions to several sources that they may be about, such as the splits of a set.

    Returns:
      By the sources' names, what was made of each. Errors and the log are as `apply_decisions` has.
    """
    if not isinstance(decisions, Mapping):
        decisions = read_decisions(decisions)
    about = {_form_c(name): row for name, row in decisions.items()}
    applied = {name: _apply(source, about) for name, source in sources.items()}
    there = {_form_c(name) for each in sources.values() for name in example_names(each)}
    _tell(applied, [row.name for key, row in about.items() if key not in there])
    return applied


def _apply(source: Source, about: Mapping[str, Decision]) -> Applied:
    labels, names = example_labels(source).copy(), example_names(source)
    kept = np.ones(len(names), bool)
    done = Applied(source, [], [], [])
    for i, name in enumerate(names):
        row = about.get(_form_c(name))
        if row is None or row.decision == KEEP:
            continue
        label = names_of_label(labels[i], source.class_names)
        if row.label and label not in (row.label, row.new_label):
            done.outdated.append(name)
        elif row.decision == EXCLUDE:
            kept[i] = False
            done.excluded.append(name)
        elif row.new_label != label:
            labels[i] = _class_of(row, source.class_names, labels.ndim)
            done.relabelled.append(name)
    if not done.excluded and not done.relabelled:
        return done
    return done._replace(source=_DecidedSource(source, np.flatnonzero(kept), labels[kept]))


def _class_of(row: Decision, class_names: Sequence[str], ndim: int) -> int:
    if ndim > 1:
        raise DecisionError(
            f"the decision about {printable(row.name)} gives it one label, but photos have several "
            "here; correct their table of labels, or exclude the photo."
        )
    if row.new_label not in class_names:
        reason = unknown_name("class", row.new_label, class_names)
        raise DecisionError(f"the decision about {printable(row.name)} names an {reason}")
    return list(class_names).index(row.new_label)


def _form_c(name: str) -> str:
    """Write a name as all systems do: one file's name comes in another form from a Mac."""
    return unicodedata.normalize("NFC", name)


def _tell(applied: Mapping[str, Applied], unknown: Sequence[str]) -> None:
    def all_of(field: Callable[[Applied], list[str]]) -> list[str]:
        return [name for each in applied.values() for name in field(each)]

    relabelled, excluded = all_of(lambda a: a.relabelled), all_of(lambda a: a.excluded)
    logger.info(f"decisions: {describe_counts(len(relabelled), len(excluded))}")
    for names, why in (
        (unknown, "no such photo here"),
        (all_of(lambda a: a.outdated), "the photo has another label now"),
    ):
        if names:
            shown = listed(map(printable, names), _SHOWN)
            logger.warning(f"{counted(len(names), 'decision')} changed nothing, {why}: {shown}")


class DecidedCounts(NamedTuple):
    """How many photos decisions changed, by split: train, validation, test."""

    relabelled: tuple[int, ...]
    excluded: tuple[int, ...]


def decide_splits(
    splits: Splits, decisions: Mapping[str, Decision] | Path | str
) -> tuple[Splits, DecidedCounts]:
    """Apply decisions to the splits of a data set; no photo goes from one split to another.

    Args:
      splits: as `complete_splits` gives.
      decisions: as `apply_decisions` takes.

    Returns:
      The splits, and how many photos were changed in each.

    Raises:
      DecisionError: as `apply_decisions`.
      SplitError: if no photo of a split is left, or a class has none to train on.
    """
    applied = apply_to_each(splits._asdict(), decisions)
    decided = Splits(**{name: each.source for name, each in applied.items()})
    check_classes(decided, " once decisions are applied", tell=False)
    relabelled = tuple(len(each.relabelled) for each in applied.values())
    excluded = tuple(len(each.excluded) for each in applied.values())
    return decided, DecidedCounts(relabelled, excluded)


def describe_counts(num_relabelled: int, num_excluded: int) -> str:
    """Say how much was changed.

    Example:
      >>> describe_counts(5, 1)
      '5 labels changed and 1 photo left out'
    """
    changed = counted(num_relabelled, "label")
    return f"{changed} changed and {counted(num_excluded, 'photo')} left out"


class _DecidedSource(SubsetSource):
    """Examples that are left of another source, with the labels that were decided."""

    def __init__(self, source: Source, indices: np.ndarray, labels: np.ndarray) -> None:
        super().__init__(source, indices)
        self.labels = labels  # in place of the source's

    def __getitem__(self, i: int) -> Example:
        return super().__getitem__(i)._replace(label=label_at(self.labels, i))
