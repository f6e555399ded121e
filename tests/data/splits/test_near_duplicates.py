import csv
import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jaxcnn.data.array_split import ArraySplit
from jaxcnn.data.splits.near_duplicates import (
    NearDuplicate,
    NearPairs,
    connected,
    merge_groups,
    name_pairs,
    pairs_by_features,
    pairs_by_hash,
    write_near_duplicates_csv,
)
from jaxcnn.data.splits.perceptual_hash import (
    hashes_of,
    mirrored,
    perceptual_hash,
    perceptual_hashes,
)


def _photo(seed, size=48):
    """A smooth random picture: blobs of colour."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((6, 6, 3))
    places = np.linspace(0, 5, size)
    low = np.minimum(places.astype(int), 4)
    share = (places - low)[:, None, None]
    rows = coarse[low] * (1 - share) + coarse[low + 1] * share
    share = (places - low)[None, :, None]
    image = rows[:, low] * (1 - share) + rows[:, low + 1] * share
    return np.round(255 * image).astype(np.uint8)


def _distance(a, b):
    return int(a ^ b).bit_count()


def test_small_changes_change_few_bits_and_other_photos_many():
    photos = [_photo(seed) for seed in range(30)]
    for photo in photos:
        own = perceptual_hash(photo)
        noise = np.random.default_rng(0).normal(0, 4, photo.shape)
        smaller = photo.reshape(24, 2, 24, 2, 3).mean(axis=(1, 3))
        brighter = np.clip(photo * 0.8 + 30 + noise, 0, 255)
        assert _distance(own, perceptual_hash(brighter)) <= 4
        assert _distance(own, perceptual_hash(smaller)) <= 4
        assert _distance(own, perceptual_hash(photo.mean(axis=2))) <= 1
    others = [_distance(*map(perceptual_hash, pair)) for pair in itertools.combinations(photos, 2)]
    assert min(others) > 10


def test_the_hash_of_the_mirror_image_is_known():
    photos = np.stack([_photo(seed) for seed in range(20)])
    hashes = perceptual_hashes(photos)
    found = perceptual_hashes(photos[:, :, ::-1])
    assert max(map(_distance, mirrored(hashes).tolist(), found.tolist())) <= 2
    assert (mirrored(mirrored(hashes)) == hashes).all()


def test_a_photo_of_one_colour_is_like_no_other():
    flat = np.stack([np.full((16, 16, 3), value, np.uint8) for value in (0, 0, 9, 255)])
    assert perceptual_hashes(flat).tolist() == [0] * 4
    assert len(pairs_by_hash(perceptual_hashes(flat)).first) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 15), st.booleans(), st.integers(0, 2**32))
def test_every_close_pair_is_found(max_distance, mirror, seed):
    rng = np.random.default_rng(seed)
    base = rng.integers(1, 2**63, 12, np.uint64)
    flips = [
        sum(1 << int(b) for b in rng.choice(63, rng.integers(0, 18), replace=False))
        for _ in range(48)
    ]
    hashes = np.concatenate([base, base.repeat(4) ^ np.array(flips, np.uint64)])
    pairs = pairs_by_hash(hashes, max_distance=max_distance, mirror=mirror)
    other = mirrored(hashes)
    expected = {}
    for i, j in itertools.combinations(range(len(hashes)), 2):
        distance = _distance(hashes[i], hashes[j])
        if mirror:
            distance = min(distance, _distance(hashes[i], other[j]))
        if distance <= max_distance and hashes[i] and hashes[j]:
            expected[i, j] = 1 - distance / 63
    found = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    assert dict(zip(found, pairs.likeness, strict=True)) == pytest.approx(expected)
    assert (np.diff(pairs.likeness) <= 0).all()


def test_many_equal_hashes_make_few_pairs_that_hang_together():
    hashes = np.full(2000, 12345, np.uint64)
    pairs = pairs_by_hash(hashes)
    assert len(pairs.first) <= 2000 * 32
    assert set(connected(pairs, 2000).tolist()) == {0}


def test_features_pair_what_is_close(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 32)).astype(np.float32)
    features[150] = 3 * features[20] + 0.01
    features[199] = features[20] + 0.02
    features[7], features[8] = np.nan, 0
    expected = [(20, 150), (20, 199), (150, 199)]
    for rows in (2**26, 4 * 200 * 16):
        monkeypatch.setattr("jaxcnn.data.splits.near_duplicates._ROWS_BYTES", rows)
        pairs = pairs_by_features(features)
        assert sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == expected
        assert pairs.likeness.min() > 0.99
    views = np.stack([features - 0.5, features + 0.5], axis=1)
    assert len(pairs_by_features(views).first) == 3
    assert len(pairs_by_features(features[:0]).first) == 0


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="min_cosine must be in"):
        pairs_by_features(np.ones((2, 2)), min_cosine=0.0)
    with pytest.raises(ValueError, match="max_distance must be 0 to 15 bits; got 16"):
        pairs_by_hash(np.ones(2, np.uint64), max_distance=16)


def _pairs(*rows):
    first, second = np.array(rows, np.int64).reshape(-1, 2).T
    return NearPairs(first, second, np.linspace(1, 0.9, len(rows), dtype=np.float32))


def test_pairs_and_groups_that_hang_together_are_joined():
    groups = ["", "g", "", "g", "h", "", "h"]
    names = list("abcdefg")
    found = merge_groups(groups, _pairs((0, 1), (2, 5)), names)
    assert found[0] == found[1] == found[3]
    assert found[2] == found[5] == "c"
    assert found[4] == found[6] == "h"
    assert merge_groups([""] * 3, _pairs(), list("abc")) == [""] * 3


def test_pairs_are_named_with_those_across_splits_first(tmp_path):
    names, labels = ["a,1.jpg", "b\n.jpg", "=c.jpg"], ["cat", "dog", "cat"]
    splits = ["train", "train", "test"]
    rows = name_pairs(_pairs((0, 1), (0, 2)), names, splits, labels)
    assert rows[0][:6] == ("=c.jpg", "test", "cat", "a,1.jpg", "train", "cat")
    assert [row.is_across for row in rows] == [True, False]
    assert [row.is_conflict for row in rows] == [False, True]
    write_near_duplicates_csv(tmp_path / "near.csv", rows)
    with (tmp_path / "near.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == list(NearDuplicate._fields)
    assert [row["likeness"] for row in read] == ["0.9000", "1.0000"]
    assert read[0]["other_name"] == "a,1.jpg"


def test_a_split_is_hashed_in_parts_and_what_is_missing_is_left_out():
    images = np.stack([_photo(seed) for seed in range(5)])
    split = ArraySplit(images, np.zeros(5, np.int32))
    assert (hashes_of(split, at_once=2) == perceptual_hashes(images)).all()
    split.gather = lambda where: (images[where], where != 3)
    assert (hashes_of(split) == 0).tolist() == [False, False, False, True, False]
