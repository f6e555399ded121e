import numpy as np
import pytest

from jaxcnn.data.array_split import ArraySplit
from jaxcnn.data.batches import member_batches, train_batches
from jaxcnn.data.sampling import class_shares, epoch_order, sampled_order

LABELS = np.repeat([0, 1, 2], [900, 90, 10])


def _counts(order):
    return np.bincount(LABELS[order % len(LABELS)], minlength=3)


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [("none", [900, 90, 10]), ("balanced", [1000 / 3] * 3), ("sqrt", [697.6, 220.6, 73.5])],
)
def test_classes_have_the_shares_of_the_sampler(sampler, expected):
    np.testing.assert_allclose(
        class_shares([900, 90, 10], sampler), np.array(expected) / 1000, atol=0.01
    )
    for epoch in range(3):
        order = sampled_order(LABELS, sampler=sampler, seed=0, epoch=epoch)
        assert len(order) == 1000
        np.testing.assert_allclose(
            _counts(order), 1000 * class_shares([900, 90, 10], sampler), atol=1
        )


def test_copies_differ_by_one_at_most_and_each_has_its_own_index():
    order = sampled_order(LABELS, sampler="balanced", seed=0, epoch=0)
    assert len(set(order.tolist())) == 1000
    for label in range(3):
        copies = np.bincount(order % 1000, minlength=1000)[label == LABELS]
        assert copies.max() - copies.min() <= 1
    # Copies are not next to each other: rare photos stand all over the epoch.
    rare = np.flatnonzero(LABELS[order % 1000] == 2)
    assert np.diff(rare).max() < 40


def test_the_order_depends_on_seed_and_epoch_alone():
    first = sampled_order(LABELS, sampler="sqrt", seed=1, epoch=2)
    assert (first == sampled_order(LABELS, sampler="sqrt", seed=1, epoch=2)).all()
    assert (first != sampled_order(LABELS, sampler="sqrt", seed=2, epoch=2)).any()
    assert (first != sampled_order(LABELS, sampler="sqrt", seed=1, epoch=3)).any()
    none = sampled_order(LABELS, sampler="none", seed=1, epoch=2)
    assert (none == epoch_order(1000, seed=1, epoch=2)).all()


def test_a_class_without_examples_has_none():
    order = sampled_order(np.array([0, 0, 2, 2]), sampler="balanced", seed=0, epoch=0)
    assert sorted(order.tolist()) == [0, 1, 2, 3]


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(ValueError, match="unknown sampler 'square'"):
        sampled_order(LABELS, sampler="square", seed=0, epoch=0)
    for labels in (np.zeros((4, 2), int), np.zeros(4, np.float32)):
        with pytest.raises(ValueError, match="needs one class per example"):
            sampled_order(labels, sampler="sqrt", seed=0, epoch=0)
    with pytest.raises(ValueError, match="no example to sample"):
        class_shares([0, 0], "balanced")


def _split():
    images = np.arange(1000, dtype=np.int32).view(np.uint8).reshape(1000, 2, 2, 1)
    return ArraySplit(images, LABELS)


@pytest.mark.parametrize("repeats", [1, 2])
def test_batches_follow_the_sampler_and_resume(repeats):
    options = {"batch_size": 50, "repeats": repeats, "sampler": "balanced"}
    batches = train_batches(_split(), seed=3, num_epochs=1, **options)
    found = [next(batches) for _ in range(7)]
    state = batches.get_state()
    found += list(batches)
    assert len(found) == 20
    label = np.concatenate([batch.label for batch in found])
    np.testing.assert_allclose(np.bincount(label), [333, 333, 333], atol=60 if repeats > 1 else 2)
    index = np.concatenate([batch.index for batch in found])
    assert len(set(index.tolist())) == 1000  # each copy draws for itself
    assert (LABELS[index % 1000] == label).all()
    again = train_batches(_split(), seed=3, num_epochs=1, **options)
    again.set_state(state)
    assert (next(again).index == found[7].index).all()
    both = next(member_batches(_split(), seeds=[3, 4], **options))
    assert (both[0].index == found[0].index).all()


def test_copies_of_a_tiny_class_in_a_large_set_stay_in_32_bits():
    labels = np.zeros(60_000, np.int32)
    labels[0] = 1
    split = ArraySplit(np.zeros((60_000, 1, 1, 1), np.uint8), labels)
    for batch in train_batches(split, batch_size=20_000, seed=0, num_epochs=1, sampler="balanced"):
        assert batch.index.min() >= 0
        assert (labels[batch.index % 60_000] == batch.label).all()
