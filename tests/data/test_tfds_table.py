import numpy as np
import pytest

from jaxcnn.data import tfds_table
from jaxcnn.data.tfds_table import read_table


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path))
    monkeypatch.setattr(tfds_table, "LEAST_KEPT", 10)
    return tmp_path / "tables"


def counting(reads):
    def row(i):
        reads.append(i)
        return f"é/{i}\udcff", i % 3

    return row


def test_a_large_set_is_read_once_and_then_found(kept):
    reads = []
    first = read_table(counting(reads), 12, lambda: "one")
    again = read_table(counting(reads), 12, lambda: "one")
    assert sorted(reads) == list(range(12))
    assert again.names == first.names == [f"é/{i}\udcff" for i in range(12)]
    np.testing.assert_array_equal(again.labels, np.arange(12) % 3)
    assert again.labels.dtype == np.int32
    assert [path.name for path in kept.iterdir()] == ["one.npz"]
    read_table(counting(reads), 12, lambda: "another")
    assert len(reads) == 24


def test_what_is_damaged_or_of_another_length_is_read_again(kept):
    reads = []
    read_table(counting(reads), 12, lambda: "one")
    read_table(counting(reads), 13, lambda: "one")
    assert len(reads) == 25
    (kept / "one.npz").write_bytes(b"PK\x03\x04 nothing")
    assert len(read_table(counting(reads), 12, lambda: "one").names) == 12
    assert len(reads) == 37


def test_a_small_set_is_not_kept(kept):
    read_table(counting([]), 9, lambda: "one")
    assert not kept.exists()


def test_a_folder_that_cannot_be_written_is_passed_over(kept):
    kept.write_bytes(b"a file in its place")
    assert len(read_table(counting([]), 12, lambda: "one").names) == 12
