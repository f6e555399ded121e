"""Parts of fixed shares, with each class's share in each part: by hash numbers, groups whole.

Within a class, units (single examples, or groups that belong together) stand in the order of their
hash numbers, and the order is cut at the shares. So an example that is added moves another one only
if that lies at a cut.
"""

from collections.abc import Sequence

import numpy as np

_LARGE = 0.25  # of the smallest part: larger groups are placed first, one by one


def assign_parts(
    numbers: np.ndarray,
    strata: np.ndarray,
    units: np.ndarray,
    shares: Sequence[float],
    offsets: np.ndarray,
    *,
    fixed: np.ndarray | None = None,
) -> np.ndarray:
    """Deal examples into parts: each stratum has its share in each part, and no unit is split.

    What is promised:
      - All examples of a unit are in one part.
      - A stratum of more units than there are parts has one in each part with a share, and each
        stratum one in the last part, as far as `fixed` leaves units for them.
      - Of single examples, each part has its share of each stratum, rounded up or down, except
        where the rule above takes one away.
      - A unit counts as of its commonest stratum. With groups, each share is met to within half of
        a group for each stratum, with the same exception.
      - Groups larger than a quarter of the smallest part are placed first, the largest first, each
        where most is missing of its strata. These may move whenever examples are added; smaller
        units move only at a cut.

    Args:
      numbers: (N,) in [0, 1), uniform, equal within a unit: the order in which units are dealt.
      strata: (N,) int, from 0: the class of each example.
      units: (N,) int, from 0 without gaps: which examples belong together.
      shares: of each part, at least 0, with sum 1; the order in which each stratum is cut.
      offsets: (number of strata,) in [0, 1): where each stratum's shares are rounded.
      fixed: (N,) int, the part of examples that are placed already, -1 for the others; a unit stays
        where most of its own are.

    Returns:
      (N,) int, the part of each example.

    Example:
      >>> numbers = np.array([0.1, 0.9, 0.4, 0.6])
      >>> strata = np.zeros(4, int)
      >>> assign_parts(numbers, strata, np.arange(4), (0.5, 0.5), np.array([0.5]))
      array([0, 1, 0, 1])

    Source: groups that are placed one by one, the largest first, follow StratifiedGroupKFold of
    scikit-learn, there for all groups; deviations: what is missing is counted in shares of a class.
    """
    num_parts, num_strata = len(shares), len(offsets)
    num_units = int(units.max(initial=-1)) + 1
    sizes = np.bincount(units, minlength=num_units)
    order = np.empty(num_units)
    order[units] = numbers
    own = _commonest(units, strata, num_units)
    part = np.full(num_units, -1)
    if fixed is not None:
        known = fixed >= 0
        part = _commonest(units[known], fixed[known], num_units)
    totals = np.bincount(strata, minlength=num_strata)
    held = _counts(part[units], strata, num_parts, num_strata)
    missing = np.outer(shares, totals) - held
    smallest = min(share for share in shares if share > 0) * len(numbers)
    is_large = (part < 0) & (sizes > 1) & (sizes > _LARGE * smallest)
    has_share = np.array(shares) > 0
    placed = np.zeros((num_parts, num_strata), bool)
    np.logical_or.at(placed, (part[part >= 0], own[part >= 0]), True)
    is_last = np.arange(num_parts) == num_parts - 1
    has_many = np.bincount(own, minlength=num_strata) > num_parts
    # The parts that get a unit of each stratum.
    entitled = has_share[:, None] & (is_last[:, None] | has_many)
    num_left = np.bincount(own[part < 0], minlength=num_strata)
    for unit in sorted(np.flatnonzero(is_large), key=lambda unit: (-sizes[unit], order[unit])):
        stratum, counts = own[unit], np.bincount(strata[units == unit], minlength=num_strata)
        need = missing @ (counts / np.maximum(totals, 1))
        empty = entitled[:, stratum] & ~placed[:, stratum]
        may = empty if 0 < empty.sum() >= num_left[stratum] else has_share
        part[unit] = int(np.argmax(np.where(may, need, -np.inf)))
        missing[part[unit]] -= counts
        placed[part[unit], stratum] = True
        num_left[stratum] -= 1
    free = np.flatnonzero(part < 0)
    free = free[np.lexsort((order[free], own[free]))]
    for one in np.split(free, np.flatnonzero(np.diff(own[free])) + 1):
        if len(one):
            stratum = own[one[0]]
            wanted = np.maximum(missing[:, stratum], 0)
            empty = entitled[:, stratum] & ~placed[:, stratum]
            part[one] = _cut(sizes[one], wanted, offsets[stratum], empty)
    return part[units]


def _cut(sizes: np.ndarray, wanted: np.ndarray, offset: float, empty: np.ndarray) -> np.ndarray:
    """Cut a row of units at the parts' shares.

    Args:
      sizes: of the units.
      wanted: examples that each part wants.
      offset: in [0, 1): where shares are rounded.
      empty: the parts that must get a unit.

    Returns:
      The part of each unit.
    """
    total = sizes.sum()
    if not wanted.any():
        return np.full(len(sizes), len(wanted) - 1)
    ends = np.cumsum(wanted) / wanted.sum() * total
    places = np.cumsum(sizes) - sizes + offset * sizes
    part = np.searchsorted(ends[:-1], places, side="right")
    for number in np.flatnonzero(empty)[::-1]:  # the last part before all others
        held = np.bincount(part, weights=sizes, minlength=len(wanted))
        count = np.bincount(part, minlength=len(wanted))
        can_give = count > empty
        if count[number] or not can_give.any():
            continue
        # The unit nearest to the cut, of the part that is furthest above its share.
        above = np.where(can_give, held - np.diff(ends, prepend=0), -np.inf)
        own = np.flatnonzero(part == above.argmax())
        part[own[np.abs(places[own] - ends[number]).argmin()]] = number
    return part


def _commonest(keys: np.ndarray, values: np.ndarray, num_keys: int) -> np.ndarray:
    """Give each key's commonest value, the smallest of those that are; -1 where it has none."""
    found = np.full(num_keys, -1)
    num_values = int(values.max(initial=0)) + 1
    pairs, counts = np.unique(keys * num_values + values, return_counts=True)
    key, value = np.divmod(pairs, num_values)
    # The last write wins: the commonest, and of equally common ones the smallest.
    rank = np.lexsort((-value, counts))
    found[key[rank]] = value[rank]
    return found


def _counts(part: np.ndarray, strata: np.ndarray, num_parts: int, num_strata: int) -> np.ndarray:
    """Count the examples of each stratum in each part; -1 is no part."""
    there = part >= 0
    flat = np.bincount(part[there] * num_strata + strata[there], minlength=num_parts * num_strata)
    return flat.reshape(num_parts, num_strata)
