import numpy as np
import pytest

from jaxcnn.data import label_cache
from jaxcnn.data.label_cache import read_names_and_labels


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path))
    monkeypatch.setattr(label_cache, "LEAST_CACHED", 10)
    return tmp_path / "tables"


def counting(reads):
    def row(i):
        reads.append(i)
        return f"é/{i}\udcff", i % 3

    return row


def test_a_large_set_is_read_once_and_then_found(folder):
    reads = []
    first = read_names_and_labels(counting(reads), 12, lambda: "one")
    again = read_names_and_labels(counting(reads), 12, lambda: "one")
    assert sorted(reads) == list(range(12))
    assert again[0] == first[0] == [f"é/{i}\udcff" for i in range(12)]
    np.testing.assert_array_equal(again[1], np.arange(12) % 3)
    assert again[1].dtype == np.int32
    assert [path.name for path in folder.iterdir()] == ["one.npz"]
    read_names_and_labels(counting(reads), 12, lambda: "another")
    assert len(reads) == 24


def test_what_is_damaged_or_of_another_length_is_read_again(folder):
    reads = []
    read_names_and_labels(counting(reads), 12, lambda: "one")
    read_names_and_labels(counting(reads), 13, lambda: "one")
    assert len(reads) == 25
    (folder / "one.npz").write_bytes(b"PK\x03\x04 nothing")
    assert len(read_names_and_labels(counting(reads), 12, lambda: "one")[0]) == 12
    assert len(reads) == 37


def test_a_small_set_is_not_cached(folder):
    read_names_and_labels(counting([]), 9, lambda: "one")
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_passed_over(folder):
    folder.write_bytes(b"a file in its place")
    assert len(read_names_and_labels(counting([]), 12, lambda: "one")[0]) == 12
