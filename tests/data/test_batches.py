import json
import time
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jaxcnn.data.batches import (
    eval_batches,
    member_batches,
    steps_per_epoch,
    train_batches,
)
from jaxcnn.data.image_splits import DecodedSplit, StreamedSplit
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.sampling import epoch_order
from jaxcnn.data.source import Example
from jaxcnn.types import Batch

CLASSES = ("cat", "dog", "hen")


class _Examples(list):
    """Examples in memory: the least that a source can be."""

    class_names = CLASSES


def _split(count):
    """Images whose every pixel is their index, with labels to match."""
    images = np.arange(count, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(images, (count, 4, 4, 3)).copy()
    labels = np.arange(count, dtype=np.int32) % 3
    return DecodedSplit(images, labels, [str(i) for i in range(count)], CLASSES)


def _streamed(count):
    split = _split(count)
    return StreamedSplit(
        _Examples(map(Example, split.images, split.labels, split.names)), Decoding(4)
    )


def _check(batch, rows):
    """Check that a batch is whole: shapes, dtypes, and rows that belong together."""
    assert isinstance(batch, Batch)
    assert batch.image.shape == (rows, 4, 4, 3)
    dtypes = [(batch.image, np.uint8), (batch.label, np.int32), (batch.index, np.int32)]
    for array, dtype in [*dtypes, (batch.mask, np.bool_)]:
        assert array.dtype == dtype
        assert len(array) == rows
    real = batch.mask
    np.testing.assert_array_equal(batch.index >= 0, real)
    np.testing.assert_array_equal(batch.image[real, 0, 0, 0], batch.index[real])
    np.testing.assert_array_equal(batch.label[real], batch.index[real] % 3)
    assert not batch.image[~real].any()
    assert not batch.label[~real].any()
    assert (batch.index[~real] == -1).all()


def _indices(batches):
    return [batch.index.tolist() for batch in batches]


def _flat(lists):
    return list(chain.from_iterable(lists))


@pytest.mark.parametrize("make", [_split, _streamed])
@pytest.mark.parametrize("num_threads", [0, 3, None])
def test_an_epoch_is_a_permutation_less_the_remainder(make, num_threads):
    batches = list(
        train_batches(make(23), batch_size=5, seed=0, num_epochs=3, num_threads=num_threads)
    )
    assert len(batches) == 3 * steps_per_epoch(23, 5) == 12
    for batch in batches:
        _check(batch, 5)
        assert batch.mask.all()
    epochs = [_flat(_indices(batches[i : i + 4])) for i in (0, 4, 8)]
    for number, epoch in enumerate(epochs):
        assert len(set(epoch)) == 20
        assert epoch == epoch_order(23, seed=0, epoch=number)[:20].tolist()
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_order_depends_on_seed_and_epoch():
    def order(seed):
        return _indices(train_batches(_split(30), batch_size=10, seed=seed, num_epochs=2))

    assert order(1) == order(1)
    assert order(1) != order(2)
    # Neither may a seed's second epoch be the next seed's first.
    assert order(1)[3:] != order(2)[:3]


def test_repeats_show_the_first_part_of_the_order_and_each_copy_has_its_own_index():
    split = _split(24)
    batches = list(train_batches(split, batch_size=6, seed=3, num_epochs=2, repeats=3))
    assert len(batches) == 2 * steps_per_epoch(24, 6)
    for number, batch in enumerate(batches):
        epoch, i = divmod(number, 4)
        two = epoch_order(24, seed=3, epoch=epoch)[2 * i : 2 * i + 2]
        assert batch.index.tolist() == [*two, *(two + 24), *(two + 48)]
        assert (batch.image == split.images[batch.index % 24]).all()
        assert (batch.label == split.labels[batch.index % 24]).all()


def test_repeats_that_do_not_divide_a_batch_go_on_in_the_next():
    index = _indices(train_batches(_split(24), batch_size=4, seed=3, num_epochs=1, repeats=3))
    counts = np.bincount(np.array(_flat(index)) % 24, minlength=24)
    assert sorted(counts[counts > 0]) == [3] * 8
    assert len(set(_flat(index))) == 24
    with pytest.raises(ValueError, match=r"repeats \(=5\) must be from 1 to batch_size \(=4\)"):
        train_batches(_split(24), batch_size=4, seed=3, repeats=5)


def test_the_order_does_not_depend_on_batch_size():
    def order(batch_size):
        batches = train_batches(_split(24), batch_size=batch_size, seed=7, num_epochs=2)
        return _flat(_indices(batches))

    assert order(4) == order(12) == order(24)


@pytest.mark.parametrize("num_threads", [0, 2])
def test_batches_are_put_on_the_device_ahead_of_their_use(num_threads):
    put = []

    def to_device(batch):
        put.append(batch.index.tolist())
        return batch._replace(image=batch.image.astype(np.float32))

    options = {"batch_size": 5, "seed": 3, "num_threads": num_threads}
    moved = train_batches(_split(23), **options, to_device=to_device)
    batch = next(moved)
    plain = next(train_batches(_split(23), **options))
    assert batch.image.dtype == np.float32
    np.testing.assert_array_equal(batch.image, plain.image)
    assert put[0] == plain.index.tolist()
    ahead = 2 if num_threads else 1
    for _ in range(200):
        if len(put) >= ahead:
            break
        time.sleep(0.02)
    assert len(put) >= ahead
    moved.set_state(moved.get_state())  # a state is a step, whatever is ahead of it
    np.testing.assert_array_equal(next(moved).index, epoch_order(23, seed=3, epoch=0)[5:10])


@pytest.mark.parametrize("make", [_split, _streamed])
@pytest.mark.parametrize("stop", [0, 1, 4, 7])
@pytest.mark.parametrize("num_threads", [0, 2])
def test_a_resumed_iterator_goes_on_as_if_never_stopped(make, stop, num_threads):
    def start():
        return train_batches(make(23), batch_size=5, seed=3, num_epochs=3, num_threads=num_threads)

    whole = list(start())
    first = start()
    for _ in range(stop):
        next(first)
    state = json.loads(json.dumps(first.get_state()))
    first.close()
    resumed = start()
    resumed.set_state(state)
    rest = list(resumed)
    assert len(rest) == len(whole) - stop
    for got, want in zip(rest, whole[stop:], strict=True):
        for one, other in zip(got, want, strict=True):
            np.testing.assert_array_equal(one, other)


def test_state_may_be_set_back_in_a_running_iterator():
    iterator = train_batches(_split(23), batch_size=5, seed=3)
    next(iterator)
    state = iterator.get_state()
    ahead = _indices(next(iterator) for _ in range(6))
    iterator.set_state(state)
    assert _indices(next(iterator) for _ in range(6)) == ahead
    iterator.close()


def test_training_goes_on_without_end():
    iterator = train_batches(_split(6), batch_size=3, seed=0)
    seen = _indices(next(iterator) for _ in range(40))
    assert len({tuple(row) for row in seen}) > 20
    iterator.close()


@pytest.mark.parametrize("process_count", [1, 2, 4])
def test_processes_share_each_batch(process_count):
    whole = _indices(train_batches(_split(30), batch_size=8, seed=5, num_epochs=2))
    shares = [
        _indices(
            train_batches(
                _split(30),
                batch_size=8,
                seed=5,
                num_epochs=2,
                process_index=p,
                process_count=process_count,
            )
        )
        for p in range(process_count)
    ]
    for step, rows in enumerate(whole):
        assert _flat(share[step] for share in shares) == rows


@pytest.mark.parametrize("batch_size", [1, 7, 64, 150, 200])
@pytest.mark.parametrize("make", [_split, _streamed])
def test_evaluation_sees_each_example_once(make, batch_size):
    batches = list(eval_batches(make(150), batch_size=batch_size))
    for batch in batches:
        _check(batch, batch_size)
    assert len(batches) == -(-150 // batch_size)
    assert all(batch.mask.all() for batch in batches[:-1])
    real = np.concatenate([batch.index[batch.mask] for batch in batches])
    assert real.tolist() == list(range(150))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4))
def test_evaluation_is_exact_however_it_is_divided(count, rows, process_count):
    shares = [
        list(
            eval_batches(
                _split(count),
                batch_size=rows * process_count,
                process_index=p,
                process_count=process_count,
                num_threads=0,
            )
        )
        for p in range(process_count)
    ]
    assert len({len(share) for share in shares}) == 1
    for batch in _flat(shares):
        _check(batch, rows)
    real = sorted(i for share in shares for b in share for i in b.index[b.mask].tolist())
    assert real == list(range(count))


def test_evaluation_of_nothing_has_no_batch():
    assert list(eval_batches(_split(0), batch_size=4)) == []


def _with_bad(max_bad_share):
    images = [np.full((4, 4, 3), i, np.uint8) for i in range(12)]
    images[4] = b"no photo"
    source = _Examples(Example(image, i % 3, str(i)) for i, image in enumerate(images))
    return StreamedSplit(source, Decoding(4), max_bad_share=max_bad_share)


def test_a_bad_file_in_a_stream_is_masked_as_padding_is():
    split = _with_bad(max_bad_share=0.1)
    batches = list(eval_batches(split, batch_size=5))
    for batch in batches:
        _check(batch, 5)
    assert _indices(batches) == [[0, 1, 2, 3, -1], [5, 6, 7, 8, 9], [10, 11, -1, -1, -1]]
    batch = next(train_batches(split, batch_size=12, seed=0, num_epochs=1))
    _check(batch, 12)
    assert batch.mask.sum() == 11


def test_an_error_in_a_thread_reaches_the_caller():
    split = _with_bad(max_bad_share=0.0)
    with pytest.raises(ValueError, match="1 of 12 images are bad"):
        list(eval_batches(split, batch_size=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 31}, r"batch_size \(=31\) exceeds .* \(=30\); lower batch_size"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"num_epochs": 0}, "num_epochs 0"),
        ({"process_count": 3}, r"batch_size \(=8\) is no multiple of process_count \(=3\)"),
        ({"process_index": 1}, "process_index is 1 of process_count 1"),
        ({"num_threads": -1}, "num_threads is -1"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        train_batches(_split(30), **({"batch_size": 8, "seed": 0} | options))


def test_the_batches_of_members_are_those_of_their_seeds():
    split, seeds = _split(7), (4, 0, 4)
    together = member_batches(split, batch_size=3, seeds=seeds)
    alone = [train_batches(split, batch_size=3, seed=seed) for seed in seeds]
    for _ in range(5):  # into the third epoch
        for found, expected in zip(next(together), map(next, alone), strict=True):
            _check(found, 3)
            np.testing.assert_array_equal(found.index, expected.index)


def test_the_batches_of_members_go_on_where_they_stopped():
    first, second = (member_batches(_split(7), batch_size=3, seeds=(0, 1)) for _ in range(2))
    for _ in range(3):
        next(first)
    second.set_state(json.loads(json.dumps(first.get_state())))
    for found, expected in zip(next(second), next(first), strict=True):
        np.testing.assert_array_equal(found.index, expected.index)
