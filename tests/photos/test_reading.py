"""Files are read whole or refused, and results come in order from the threads."""

import os
import threading
import time

import pytest

from jaxcnn.data.decode import DecodeError
from jaxcnn.photos import reading
from jaxcnn.photos.reading import digest, in_order_ahead, read_file, read_photo
from jaxcnn.photos.walk import PhotoFile


def test_a_file_is_read_with_its_size_and_time(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"12345")
    os.utime(path, ns=(1, 2_000_000_003))
    data, file = read_file(path)
    assert data == b"12345"
    assert file == PhotoFile(os.fsencode(path), 5, 2_000_000_003)


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX")
def test_a_pipe_that_took_the_place_of_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="not a file"):
        read_file(tmp_path / "a.jpg")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(2**40)
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_file(tmp_path / "sparse.jpg")


def preprocess(data):
    if data == b"bad":
        raise DecodeError("cut off")
    if data == b"huge":
        raise MemoryError
    return data.upper()


@pytest.mark.parametrize(
    ("data", "known", "pixels", "error"),
    [
        (b"good", (), b"GOOD", ""),
        (b"good", (b"good",), None, ""),
        (b"bad", (), None, "cut off"),
        (b"huge", (), None, "not enough memory"),
        (None, (), None, "no such file"),
    ],
)
def test_what_comes_of_a_file(tmp_path, data, known, pixels, error):
    path = tmp_path / "a.jpg"
    if data is not None:
        path.write_bytes(data)
    contents = {digest(each) for each in known}
    found = read_photo(PhotoFile(os.fsencode(path), 1, 2), preprocess, contents.__contains__)
    assert found.pixels == pixels
    assert found.error.startswith(error)
    assert bool(found.error) == bool(error)
    assert found.content == (b"" if data is None else digest(data))


def test_results_come_in_order_and_no_more_are_made_than_asked_for():
    begun, lock = [], threading.Lock()

    def work(item):
        with lock:
            begun.append(item)
        time.sleep(0.001 * (5 - item % 5))
        return -item

    results = in_order_ahead(work, range(100), num_workers=4, num_ahead=6)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    results.close()
    assert 3 <= len(begun) <= 9
    assert list(in_order_ahead(work, range(20), num_workers=3, num_ahead=2)) == [
        -i for i in range(20)
    ]
    assert list(in_order_ahead(work, [], num_workers=3, num_ahead=2)) == []
