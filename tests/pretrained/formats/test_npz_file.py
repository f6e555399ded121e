"""NumPy archives: plain arrays only, and none larger than what is there."""

import io
import zipfile

import numpy as np
import pytest

from jaxcnn.pretrained.formats import WeightsFileError, read_weights
from jaxcnn.pretrained.formats.errors import Budget

ARRAYS = {
    "conv/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.array([1.5], np.float16),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">i4"),
    "none": np.zeros((0, 2), np.uint8),
    "scalar": np.array(True),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = read_weights(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


class RunsCommands:
    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return open, (str(self.sentinel), "w")


def test_pickled_objects_are_not_opened(tmp_path):
    sentinel = tmp_path / "ran"
    np.savez(tmp_path / "a.npz", a=np.array([RunsCommands(sentinel)], dtype=object))
    with pytest.raises(WeightsFileError, match=r"'a.npy' holds pickled Python objects.*not opened"):
        read_weights(tmp_path / "a.npz")
    assert not sentinel.exists()


def member(shape, data):
    stream = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + data


@pytest.mark.parametrize("shape", [(3,), (10**15,), (2**62, 8), (1,)])
def test_a_shape_that_the_data_does_not_fill_is_refused(tmp_path, shape):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", member(shape, b"\0" * 8))
    with pytest.raises(WeightsFileError, match="truncated or damaged"):
        read_weights(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_absurd_sizes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Budget, "floor_bytes", 2**20)
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(2**18 + 1, np.float32))
    with pytest.raises(WeightsFileError, match=r"'a.npy' declares 1,048,7\d\d bytes"):
        read_weights(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", a=np.zeros(2**17, np.float32))
    assert read_weights(tmp_path / "b.npz")["a"].shape == (2**17,)


def test_other_compressions_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", member((2,), b"\0" * 8))
    with pytest.raises(WeightsFileError, match="zip compression 14"):
        read_weights(tmp_path / "a.npz")
