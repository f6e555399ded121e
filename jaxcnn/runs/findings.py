"""What a person should look at among a run's photos, worst first.

Suspected wrong labels come first, by the loss of a classifier that has not seen the label; then
duplicates and photos that are nearly the same, those with two labels first; files that cannot be
read; and odd photos. A photo that is listed for several reasons comes once, in the first place that
it has.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.decisions.decision_table import Decision, read_decisions
from jaxcnn.data.odd_photos import measure_looks, odd_reasons
from jaxcnn.data.source import SPLIT_NAMES, Source, image_digest
from jaxcnn.data.splits.duplicates import DuplicatePair
from jaxcnn.data.splits.joined_split import JoinedSplit
from jaxcnn.data.splits.near_duplicates import NearDuplicate, name_pairs
from jaxcnn.data.workers import usable_cores
from jaxcnn.metrics.label_quality import label_losses, rank_by
from jaxcnn.runs import near_duplicates
from jaxcnn.runs.evaluate_again import load_run
from jaxcnn.runs.judging import Judged, check_judgeable, find_weights, judge_labels

LABEL, DUPLICATE, NEAR, UNREADABLE, ODD = FINDING_KINDS = (
    *("label", "duplicate", "near_duplicate"),
    *("unreadable", "odd"),
)
_TOP = 5  # classes that are named of each photo
_OTHERS = 8  # photos that are shown beside one, of its duplicates


class Finding(NamedTuple):
    """A photo to look at, and why."""

    name: str
    split: str
    label: str  # the name of its class in the run
    source_label: str  # that of its source, where decisions changed it; "" if it is not known
    kinds: tuple[str, ...]  # of FINDING_KINDS, without repetition
    reasons: tuple[str, ...]  # for people
    suggested: str = ""  # the class that it seems to be; "" where that is its label
    top: tuple[tuple[str, float], ...] = ()  # most probable classes, of who has not seen the label
    others: tuple[str, ...] = ()  # names of its duplicates, the most alike first


class StoredPhoto(NamedTuple):
    """Where a photo can be read again, and the digest of what was judged."""

    source: Source
    place: int  # in it
    digest: bytes  # see `data.source.example_digests`


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """What is to be looked at of a run.

    Attributes:
      items: the photos, worst first.
      class_names: in the order of the labels.
      photos: where each photo that can be read lies, by name.
      num_photos: of all splits.
      decided: the decisions that the run was trained with, by name.
    """

    items: list[Finding]
    class_names: tuple[str, ...]
    photos: Mapping[str, StoredPhoto]
    num_photos: int
    decided: Mapping[str, Decision]

    def count(self, kind: str) -> int:
        """Count the photos that are listed for a reason of this kind."""
        return sum(kind in item.kinds for item in self.items)


def find_findings(
    workdir: Path | str, *, weights: str | None = None, data_dir: Path | str | None = None
) -> Findings:
    """Look through the photos of all splits of a finished run.

    Args:
      workdir: the folder of a run; what features cost most to compute are kept there.
      weights: published weights whose features judge the labels, by name or as a file; None for
        the run's own network.
      data_dir: where the run's photos lie now; None for where they lay.

    Returns:
      What was found.

    Raises:
      ValueError: if the folder holds no run of one network, or its photos cannot be used.
    """
    start = find_weights(weights)  # before data is read
    run = load_run(workdir, data_dir=data_dir)
    check_judgeable(run)
    judged = judge_labels(run, run.best_variables(), start)
    applied = run.folder.applied_decisions
    decided = read_decisions(applied) if applied.is_file() else {}
    near = _find_near(run.data, judged.vectors)
    workers = run.config.data.num_workers
    return gather_findings(run.data, judged, decided, near=near, num_workers=workers)


def _find_near(data: ImageSplits, vectors: np.ndarray | None) -> list[NearDuplicate]:
    pool = JoinedSplit(data.splits)
    pairs = near_duplicates.find_pairs(pool, vectors, streamed=True)
    assert pairs is not None  # streamed photos are hashed too
    texts = near_duplicates.label_texts(pool)
    return name_pairs(pairs, pool.names, _split_names(data), texts)


def _split_names(data: ImageSplits) -> list[str]:
    """Name the split of each photo, in the order of all."""
    named = zip(SPLIT_NAMES, data.splits, strict=True)
    return [name for name, split in named for _ in range(len(split))]


def gather_findings(
    data: ImageSplits,
    judged: Judged,
    decided: Mapping[str, Decision],
    *,
    near: Sequence[NearDuplicate] = (),
    num_workers: int | None = None,
) -> Findings:
    """Put together what there is to look at.

    Args:
      data: the photos of all splits.
      judged: what they seem to be.
      decided: decisions that were applied to them, by name.
      near: pairs of photos that are nearly the same.
      num_workers: threads that read photos; None for one per core.

    Returns:
      The photos to look at, worst first.
    """
    joined, class_names = JoinedSplit(data.splits), data.class_names
    about = [
        _Photo(*each)
        for each in zip(
            joined.names,
            _split_names(data),
            (class_names[label] for label in joined.labels),
            strict=True,
        )
    ]
    found: dict[str, Finding] = {}
    for photo, why in (
        *((about[i], why) for i, why in _suspicious(judged, joined.labels)),
        *_duplicates(data.duplicates, DUPLICATE, "the same photo is"),
        *_duplicates(_not_equal(near, data.duplicates), NEAR, "nearly the same photo is"),
        *((_Photo(f.name, f.split, f.label), _unreadable(f)) for f in data.skipped),
        *((about[i], why) for i, why in _odd(data, num_workers or usable_cores())),
    ):
        found[photo.name] = _add(found.get(photo.name), photo, why, decided)
    places = {name: i for i, name in enumerate(joined.names)}
    items = [
        _with_answers(item, judged, places[item.name], class_names) if item.name in places else item
        for item in found.values()
    ]
    return Findings(items, class_names, _stored(data, items), len(joined), dict(decided))


class _Photo(NamedTuple):
    name: str
    split: str
    label: str


class _Why(NamedTuple):
    kind: str
    reason: str
    others: tuple[str, ...] = ()


def _add(
    item: Finding | None, photo: _Photo, why: _Why, decided: Mapping[str, Decision]
) -> Finding:
    """Add a reason to what is known of a photo, if anything is."""
    if item is None:
        row = decided.get(photo.name)
        item = Finding(*photo, photo.label if row is None else row.label, (), ())
    return item._replace(
        kinds=tuple(dict.fromkeys([*item.kinds, why.kind])),
        reasons=tuple(dict.fromkeys([*item.reasons, why.reason])),
        others=tuple(dict.fromkeys([*item.others, *why.others]))[:_OTHERS],
    )


def _suspicious(judged: Judged, labels: np.ndarray) -> Iterator[tuple[int, _Why]]:
    """Give the positions of photos that seem to show another class, the surest first.

    The list is longer than what confident learning suspects, which in our trials missed a third
    of the wrong labels; the order, not the length, spares a person's time.
    """
    answers = np.where(judged.present[:, None], judged.unseen, 0.0)
    seems_other = judged.present & (answers.argmax(1) != labels)
    losses = np.where(seems_other | (judged.suspected >= 0), label_losses(answers, labels), np.nan)
    for i in rank_by(losses)[: np.isfinite(losses).sum()].tolist():
        yield i, _Why(LABEL, "the label may be wrong")


def _duplicates(
    pairs: Iterable[DuplicatePair | NearDuplicate], kind: str, what: str
) -> Iterator[tuple[_Photo, _Why]]:
    """Give the photos that are there twice: both where one has the wrong label, else the copy."""
    for pair in sorted(pairs, key=lambda p: (not p.is_conflict, not p.is_across)):
        one, other = _Photo(*pair[:3]), _Photo(*pair[3:6])
        for own, twin in ((one, other), (other, one)) if pair.is_conflict else ((one, other),):
            where = "in the same split" if own.split == twin.split else f"in {twin.split}"
            label = f", there labelled {twin.label}" if pair.is_conflict else ""
            yield own, _Why(kind, f"{what} {where}{label}", (twin.name,))


def _not_equal(
    near: Iterable[NearDuplicate], equal: Iterable[DuplicatePair]
) -> Iterator[NearDuplicate]:
    """Leave out the pairs that are listed as equal."""
    known = {frozenset((pair.name, pair.other_name)) for pair in equal}
    return (pair for pair in near if frozenset((pair.name, pair.other_name)) not in known)


def _unreadable(file: SkippedFile) -> _Why:
    return _Why(UNREADABLE, f"left out: {file.reason}")


def _odd(data: ImageSplits, num_workers: int) -> list[tuple[int, _Why]]:
    """Give the positions of odd photos, those with the most reasons first."""
    looks = [
        each
        for split in data.splits
        for each in measure_looks(split, getattr(split, "source", None), num_workers=num_workers)
    ]
    reasons = [(i, odd_reasons(each)) for i, each in enumerate(looks) if each is not None]
    ranked = sorted((each for each in reasons if each[1]), key=lambda each: -len(each[1]))
    return [(i, _Why(ODD, reason)) for i, found in ranked for reason in found]


def _with_answers(item: Finding, judged: Judged, i: int, class_names: Sequence[str]) -> Finding:
    """Add what the classifiers that have not seen the label say."""
    if not judged.present[i]:
        return item
    row = judged.unseen[i]
    best = np.argsort(-row, kind="stable")[:_TOP].tolist()
    seems = int(judged.suspected[i]) if judged.suspected[i] >= 0 else best[0]
    suggested = class_names[seems] if class_names[seems] != item.label else ""
    return item._replace(
        suggested=suggested, top=tuple((class_names[k], float(row[k])) for k in best)
    )


def _stored(data: ImageSplits, items: Sequence[Finding]) -> dict[str, StoredPhoto]:
    """Find where the photos lie that a page shows."""
    wanted = {name for item in items for name in (item.name, *item.others)}
    found = {}
    for split in data.splits:
        source: Source | None = getattr(split, "source", None)
        for i, name in enumerate(split.names):
            if name in wanted and source is not None:
                with contextlib.suppress(OSError):  # gone since; the page says so
                    found[name] = StoredPhoto(source, i, image_digest(source[i].image))
    return found
