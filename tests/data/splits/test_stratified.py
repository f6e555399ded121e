import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jaxcnn.data.splits.stratified import assign_parts

SHARES = (0.15, 0.15, 0.7)


def _assign(numbers, strata, units=None, shares=SHARES, **options):
    count = len(numbers)
    units = np.arange(count) if units is None else np.asarray(units)
    strata = np.asarray(strata)
    offsets = np.full(int(strata.max(initial=0)) + 1, 0.5)
    return assign_parts(np.asarray(numbers), strata, units, shares, offsets, **options)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=80))
def test_every_example_has_a_part_and_every_unit_one(rows):
    strata, units = (np.array(column) for column in zip(*rows, strict=True))
    units = np.unique(units, return_inverse=True)[1]
    numbers = np.random.default_rng(0).random(units.max() + 1)[units]
    part = _assign(numbers, strata, units)
    assert part.min() >= 0
    assert part.max() < 3
    for unit in np.unique(units):
        assert len(set(part[units == unit].tolist())) == 1


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_class_too_small_for_all_parts_has_one_in_the_last(size):
    part = _assign(np.linspace(0, 0.9, size), np.zeros(size, int))
    assert (part == 2).any()


@pytest.mark.parametrize("size", range(4, 30))
def test_a_class_large_enough_has_one_in_each_part(size):
    part = _assign(np.random.default_rng(size).random(size), np.zeros(size, int))
    counts = np.bincount(part, minlength=3)
    assert counts.min() >= 1
    assert np.abs(counts - size * np.array(SHARES)).max() <= 1.5


@pytest.mark.parametrize("size", range(4, 40))
@pytest.mark.parametrize("shares", [(0.2, 0.1, 0.7), (0.1, 0.2, 0.7), SHARES])
def test_each_part_has_its_share_rounded_up_or_down(size, shares):
    wanted = size * np.array(shares)
    for offset in np.linspace(0, 0.99, 12):
        units = np.arange(size)
        part = assign_parts(units / size, 0 * units, units, shares, np.array([offset]))
        counts = np.bincount(part, minlength=3)
        assert (counts >= np.maximum(np.floor(wanted + 1e-9), 1)).all()
        assert (counts <= np.ceil(wanted - 1e-9)).all()


def test_the_number_decides_the_order():
    numbers = np.arange(100) / 100
    part = _assign(numbers, np.zeros(100, int))
    assert part.tolist() == [0] * 15 + [1] * 15 + [2] * 70


def test_placed_examples_stay_and_others_make_up_for_them():
    fixed = np.full(100, -1)
    fixed[:30] = 2
    part = _assign(np.arange(100) / 100, np.zeros(100, int), fixed=fixed)
    assert (part[:30] == 2).all()
    assert np.bincount(part).tolist() == [15, 15, 70]


@settings(max_examples=80, deadline=None)
@given(
    shares=st.sampled_from([(0.2, 0.1, 0.7), SHARES, (0.2,) * 5, (0.05, 0.05, 0.9), (0.3, 0.7, 0)]),
    num_groups=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    is_fixed=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_each_class_of_groups_has_one_in_each_part(shares, num_groups, is_fixed, seed):
    random, num_parts = np.random.default_rng(seed), len(shares)
    sizes = random.integers(1, 12, sum(num_groups))
    units = np.repeat(np.arange(len(sizes)), sizes)
    own = np.repeat(np.arange(len(num_groups)), num_groups)
    placed = np.where(random.random(len(sizes)) < 0.3 * is_fixed, 0, -1)
    part = assign_parts(
        random.random(len(sizes))[units],
        own[units],
        units,
        shares,
        random.random(len(num_groups)),
        fixed=placed[units],
    )
    of_unit = np.array([part[units == unit][0] for unit in range(len(sizes))])
    assert (part == of_unit[units]).all()
    assert (of_unit[placed == 0] == 0).all()
    for k, count in enumerate(num_groups):
        wanted = {i for i in range(num_parts) if shares[i] > 0} if count > num_parts else set()
        wanted |= {num_parts - 1} if shares[-1] > 0 else set()
        got = set(of_unit[own == k].tolist())
        if ((own == k) & (placed < 0)).sum() >= len(wanted):
            assert wanted <= got
        assert shares[-1] > 0 or num_parts - 1 not in got


def test_a_share_of_nothing_gets_nothing():
    none_in_last = _assign(np.arange(10) / 10, np.zeros(10, int), shares=(0.5, 0.5, 0.0))
    assert np.bincount(none_in_last, minlength=3).tolist() == [5, 5, 0]
    part = _assign(np.random.default_rng(0).random(50), np.zeros(50, int), shares=(0.2, 0.8))
    assert np.bincount(part).tolist() == [10, 40]


def test_no_example_is_no_error():
    assert _assign([], np.zeros(0, int)).tolist() == []
