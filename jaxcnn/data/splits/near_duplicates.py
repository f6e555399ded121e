"""Photos that are nearly the same: crops, re-encodings, mirror images, bursts.

Two ways to tell: by what a network sees in them (the cosine of its features), or where there is no
network by a perceptual hash. Each gives pairs; pairs that hang together make groups.
"""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.data.source import SPLIT_NAMES
from jaxcnn.data.splits.perceptual_hash import _SIDE, mirrored
from jaxcnn.host.files import write_text
from jaxcnn.host.text import table_line

# As measured on changed photos and on others, see near_duplicates.json of the benchmarks' results.
MAX_DISTANCE = 8  # bits of 63
MIN_COSINE = 0.85

_MOST_PAIRED = 32  # of the earlier photos that one is paired with, the most alike
_BLOCKS, _BLOCK_BITS = 4, 16
_ROWS_BYTES = 2**26  # of cosines that are held at once


class NearPairs(NamedTuple):
    """Pairs of examples that are nearly the same, by position."""

    first: np.ndarray  # (M,) int64
    second: np.ndarray  # (M,) int64, above `first`
    likeness: np.ndarray  # (M,) float32, at most 1: cosine, or the share of equal bits


class NearDuplicate(NamedTuple):
    """Two photos that are nearly the same."""

    name: str
    split: str
    label: str
    other_name: str
    other_split: str
    other_label: str
    likeness: float

    @property
    def is_across(self) -> bool:
        """Whether they lie in two splits."""
        return self.split != self.other_split

    @property
    def is_conflict(self) -> bool:
        """Whether they have two labels."""
        return self.label != self.other_label


def pairs_by_hash(
    hashes: np.ndarray, *, max_distance: int = MAX_DISTANCE, mirror: bool = True
) -> NearPairs:
    """Find all pairs of hashes that differ in few bits.

    A pair that differs in at most d of 64 bits differs in at most d / 4 in one of four blocks of 16
    bits. So only hashes with a block that differs in at most d / 4 bits are compared.

    Args:
      hashes: (N,) uint64, as `perceptual_hashes` gives; 0 is like no other.
      max_distance: the largest number of bits that differ, 0 to 15.
      mirror: find mirror images too.

    Returns:
      The pairs, the most alike first. Each photo is paired with at most 32 earlier ones.

    Example:
      >>> pairs_by_hash(np.array([7, 2**40, 5, 7], np.uint64), max_distance=1, mirror=False).first
      array([0, 0, 2])

    Source: Norouzi et al. 2012, "Fast search in Hamming space with multi-index hashing".
    """
    if not 0 <= max_distance < _BLOCKS * 4:
        raise ValueError(f"max_distance must be 0 to {_BLOCKS * 4 - 1} bits; got {max_distance}.")
    there = np.flatnonzero(hashes)
    unique, place, counts = np.unique(hashes[there], return_inverse=True, return_counts=True)
    members = np.split(there[np.argsort(place, kind="stable")], np.cumsum(counts)[:-1])
    found: dict[tuple[int, int], int] = {}
    for other in (unique, mirrored(unique)) if mirror else (unique,):
        for i, j, distance in _close(unique, other, max_distance):
            key = (min(i, j), max(i, j))
            found[key] = min(distance, found.get(key, distance))
    rows = [
        (min(a, b), max(a, b), distance)
        for (i, j), distance in found.items()
        for a, b in itertools.product(members[i][:_MOST_PAIRED], members[j][:_MOST_PAIRED])
    ]
    rows += [
        (a, b, 0)
        for own in members
        for number, b in enumerate(own)
        for a in (own[:number] if number < _MOST_PAIRED else own[:1])
    ]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return _most_alike(table[:, 0], table[:, 1], 1 - table[:, 2] / (_SIDE**2 - 1))


def _close(
    codes: np.ndarray, others: np.ndarray, max_distance: int
) -> Iterable[tuple[int, int, int]]:
    """Find i < j whose codes[i] and others[j] differ in at most `max_distance` bits."""
    masks = [
        sum(1 << bit for bit in bits)
        for count in range(max_distance // _BLOCKS + 1)
        for bits in itertools.combinations(range(_BLOCK_BITS), count)
    ]
    seen: set[tuple[int, int]] = set()
    for number in range(_BLOCKS):
        shift = np.uint64(number * _BLOCK_BITS)
        low = np.uint64(2**_BLOCK_BITS - 1)
        own = ((codes >> shift) & low).astype(np.int64)
        block = ((others >> shift) & low).astype(np.int64)
        order = np.argsort(block, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(block, minlength=2**_BLOCK_BITS))])
        for mask in masks:
            wanted = own ^ mask
            begin, count = starts[wanted], starts[wanted + 1] - starts[wanted]
            i = np.repeat(np.arange(len(codes)), count)
            within = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
            j = order[np.repeat(begin, count) + within]
            i, j = i[i < j], j[i < j]
            distance = np.bitwise_count(codes[i] ^ others[j])
            near = distance <= max_distance
            for pair in zip(
                i[near].tolist(), j[near].tolist(), distance[near].tolist(), strict=True
            ):
                if pair[:2] not in seen:
                    seen.add(pair[:2])
                    yield pair


def pairs_by_features(features: np.ndarray, *, min_cosine: float = MIN_COSINE) -> NearPairs:
    """Find all pairs of photos in which a network sees nearly the same.

    Args:
      features: (N, D) float32, what a network's last layer takes in; (N, V, D) for several views,
        of which the mean counts. A row that is not finite is like no other.
      min_cosine: the smallest cosine of the angle between two photos' features, in (0, 1].

    Returns:
      The pairs, the most alike first. Each photo is paired with at most 32 earlier ones.

    Example:
      >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
      >>> pairs_by_features(features).second
      array([2])
    """
    if not 0 < min_cosine <= 1:
        raise ValueError(f"min_cosine must be in (0, 1]; got {min_cosine}.")
    vectors = np.asarray(features, np.float32)
    vectors = vectors.mean(axis=1) if vectors.ndim == 3 else vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    there = np.isfinite(lengths) & (lengths > 0)
    vectors = (np.where(there, vectors, 0) / np.where(there, lengths, 1)).astype(np.float32)
    step = max(1, _ROWS_BYTES // (4 * max(1, len(vectors))))
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    for start in range(0, len(vectors), step):
        rows = vectors[start : start + step]
        cosines = rows @ vectors[: start + len(rows)].T
        second, first = np.nonzero(cosines >= min_cosine)
        before = first < second + start
        second, first = second[before], first[before]
        parts.append(_most_alike(first, second + start, cosines[second, first]))
    return _most_alike(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _most_alike(first: np.ndarray, second: np.ndarray, likeness: np.ndarray) -> NearPairs:
    """Keep of each photo's earlier ones the most alike; sort the most alike pairs first."""
    order = np.lexsort((first, -likeness, second))
    place = np.arange(len(order)) - np.searchsorted(second[order], second[order])
    order = order[place < _MOST_PAIRED]
    order = order[np.lexsort((first[order], second[order], -likeness[order]))]
    least = np.minimum(likeness[order], 1).astype(np.float32)
    return NearPairs(first[order], second[order], least)


def connected(pairs: NearPairs, count: int) -> np.ndarray:
    """Number the groups of photos that hang together by pairs.

    Args:
      pairs: of positions.
      count: number of photos, N.

    Returns:
      (N,) int64, the position of the first photo of each photo's group: its own where it stands
      alone.

    Example:
      >>> pairs = NearPairs(np.array([0, 1]), np.array([1, 3]), np.ones(2))
      >>> connected(pairs, 4).tolist()
      [0, 0, 2, 0]
    """
    root = list(range(count))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]  # halves the path
            i = root[i]
        return i

    for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        a, b = sorted((find(a), find(b)))
        root[b] = a
    return np.array([find(i) for i in range(count)], np.int64)


def merge_groups(groups: Sequence[str], pairs: NearPairs, names: Sequence[str]) -> list[str]:
    """Join the groups of photos that are nearly the same.

    Args:
      groups: a text for each photo; "" belongs to none.
      pairs: photos that are nearly the same.
      names: of the photos.

    Returns:
      A text for each: of those that hang together by groups and pairs, the first one's group or
      name; "" where a photo stands alone.

    Example:
      >>> pairs = NearPairs(np.array([0]), np.array([1]), np.ones(1))
      >>> merge_groups(["", "", "b"], pairs, ["x.jpg", "y.jpg", "z.jpg"])
      ['x.jpg', 'x.jpg', 'b']
    """
    first_of: dict[str, int] = {}
    links = [(first_of.setdefault(group, i), i) for i, group in enumerate(groups) if group]
    tied = np.array(links, np.int64).reshape(-1, 2)
    both = NearPairs(
        np.concatenate([pairs.first, tied[:, 0]]),
        np.concatenate([pairs.second, tied[:, 1]]),
        pairs[2],
    )
    root = connected(both, len(groups)).tolist()
    sizes = np.bincount(root, minlength=len(groups))
    return [groups[r] or (names[r] if sizes[r] > 1 else "") for r in root]


def name_pairs(
    pairs: NearPairs,
    names: Sequence[str],
    splits: Sequence[str],
    labels: Sequence[str],
    *,
    order: Sequence[str] = SPLIT_NAMES,
) -> list[NearDuplicate]:
    """Give pairs with names, splits and classes: those across splits first, the most alike first.

    Args:
      pairs: of positions.
      names: of the photos.
      splits: the split of each.
      labels: the name of each one's class.
      order: the splits' names, the earliest first.

    Returns:
      One row per pair, the photo of the later split first, as `duplicates.find_duplicates` does.
    """
    rows = []
    for a, b, likeness in zip(*(column.tolist() for column in pairs), strict=True):
        i, j = sorted((a, b), key=lambda i: (order.index(splits[i]), i), reverse=True)
        own, other = (names[i], splits[i], labels[i]), (names[j], splits[j], labels[j])
        rows.append(NearDuplicate(*own, *other, likeness))
    return sorted(rows, key=lambda row: (not row.is_across, -row.likeness))


def write_near_duplicates_csv(path: str | Path, rows: Sequence[NearDuplicate]) -> None:
    """Write pairs of photos that are nearly the same as a table, with a header.

    Args:
      path: file to write, UTF-8; replaced if there.
      rows: as `name_pairs` gives.
    """
    lines = (table_line([*row[:-1], f"{row.likeness:.4f}"]) for row in rows)
    write_text(Path(path), table_line(NearDuplicate._fields) + "".join(lines))
