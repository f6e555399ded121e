"""Safetensors: every dtype that numpy has, bfloat16 widened, others refused."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxcnn.pretrained.formats import WeightsFileError, read_weights

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]


def written(path, dtype, shape, data, **changes):
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)], **changes}
    header = json.dumps({"a": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_as_they_were(tmp_path, dtype):
    arrays = {"a": (np.arange(6) % 2).astype(dtype).reshape(2, 3), "scalar": np.array(1, dtype)}
    save_file(arrays, tmp_path / "a.safetensors", metadata={"format": "pt"})
    found = read_weights(tmp_path / "a.safetensors")
    assert list(found) == ["a", "scalar"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_bfloat16_is_widened_exactly(tmp_path):
    values = np.array([1.5, -2.0, np.inf, 2.0**-130], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    found = read_weights(written(tmp_path / "a", "BF16", [2, 2], data))
    np.testing.assert_array_equal(found["a"], values.reshape(2, 2), strict=True)


@pytest.mark.parametrize(
    ("dtype", "shape", "data", "changes", "message"),
    [
        ("F8_E4M3", [4], b"\0" * 4, {}, "'a' has dtype F8_E4M3"),
        ("F33", [1], b"\0" * 4, {}, "truncated or damaged"),
        ("F32", [2], b"\0" * 4, {}, "truncated or damaged"),
        ("F32", [1], b"\0" * 4, {"data_offsets": [0, 4000]}, "truncated or damaged"),
        ("F32", [2**62, 8], b"\0" * 4, {}, "truncated or damaged"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, dtype, shape, data, changes, message):
    path = written(tmp_path / "a", dtype, shape, data, **changes)
    with pytest.raises(WeightsFileError, match=message):
        read_weights(path)
