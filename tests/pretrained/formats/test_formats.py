"""The format is told by content; whatever is wrong with a file, one clear error says so."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.host.extras import MissingExtraError
from jaxcnn.pretrained.formats import (
    WeightsFileError,
    keras_file,
    read_weights,
    subprocess_reader,
)
from jaxcnn.pretrained.formats.detect import detect_format

FORMATS = {
    "zip.pth": "PyTorch",
    "legacy.th": "PyTorch",
    "tensors.safetensors": "safetensors",
    "stored.npz": "NumPy .npz",
    "deflated.npz": "NumPy .npz",
    "net.h5": "Keras",
    "net.weights.h5": "Keras",
    "net.keras": "Keras",
}


@pytest.fixture
def in_process(monkeypatch):
    """Open HDF5 here rather than in a child: quicker, for damage that is known not to crash."""
    monkeypatch.setattr(keras_file, "read_in_subprocess", keras_file.read_in_this_process)


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_told_by_content_not_by_name(good_files, tmp_path, name):
    disguised = shutil.copy(good_files[name], tmp_path / "weights.bin")
    assert detect_format(disguised) == FORMATS[name]
    expected = read_weights(good_files[name])
    found = read_weights(str(disguised))
    assert list(found) == list(expected)
    for key, array in found.items():
        np.testing.assert_array_equal(array, expected[key], strict=True)


UNKNOWN = {
    "an empty file": b"",
    "a single NumPy array": b"\x93NUMPY\x01\x00",
    "a Python pickle that torch.save did not write": b"\x80\x04N.",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
    "a web page": b"<!DOCTYPE html><html></html>",
    "perhaps a failed download": b"\xef\xbb\xbf\r\n <html></html>",
    "a gzip archive": b"\x1f\x8b\x08\x00",
    "a truncated or damaged zip archive; fetch it again": b"PK\x03\x04 and no more",
    "found text": b"01",
    "begins with the bytes ff 31": b"\xff1",
}


@pytest.mark.parametrize("found", UNKNOWN)
def test_an_unknown_file_is_named_with_what_was_found_and_what_is_known(tmp_path, found):
    path = tmp_path / "weights.pth"
    path.write_bytes(UNKNOWN[found])
    with pytest.raises(WeightsFileError, match=found) as error:
        read_weights(path)
    assert str(path) in str(error.value)
    assert "safetensors, Keras (.h5, .weights.h5, .keras), NumPy (.npz)" in str(error.value)


def test_an_absent_file_and_an_empty_folder(tmp_path):
    with pytest.raises(WeightsFileError, match=r"nowhere\.h5: cannot be opened \(No such file"):
        read_weights(tmp_path / "nowhere.h5")
    with pytest.raises(WeightsFileError, match=r"found a folder without saved_model\.pb"):
        read_weights(tmp_path)


def test_a_folder_is_answered_with_what_can_be_given_instead(tmp_path):
    for name in ("model.safetensors", "config.json", "pytorch_model.bin"):
        (tmp_path / name).touch()
    with pytest.raises(
        WeightsFileError, match=r"its files: model\.safetensors, pytorch_model\.bin;"
    ):
        read_weights(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(WeightsFileError, match="the folder of a run; give it as init_from"):
        read_weights(tmp_path)


@pytest.mark.parametrize("name", ["tensors.safetensors", "stored.npz"])
def test_a_group_of_arrays_is_read_by_its_key(good_files, name):
    assert list(read_weights(good_files[name], key="conv")) == ["kernel"]
    with pytest.raises(WeightsFileError, match=r"weights_key of .* 'con'; known, .*: conv"):
        read_weights(good_files[name], key="con")


@pytest.mark.parametrize("name", FORMATS)
def test_every_part_of_a_good_file_is_refused(good_files, tmp_path, name, in_process):
    data, path = good_files[name].read_bytes(), tmp_path / name
    lengths = {*range(0, 40), *np.linspace(0, len(data) - 1, 150, dtype=int).tolist()}
    for length in sorted(lengths | {len(data) - 1}):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsFileError, match=str(path)):
            read_weights(path)


@pytest.mark.parametrize(
    ("name", "package"), [("net.h5", "h5py"), ("tensors.safetensors", "safetensors")]
)
def test_a_package_that_is_not_installed_is_named(good_files, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"needs {package}, which is not installed"):
        read_weights(good_files[name])


def survives(path):
    try:
        return dict(read_weights(path)) is not None
    except WeightsFileError as error:
        return str(path) in str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_wrong_bytes_give_arrays_or_the_one_error(good_files, tmp_path, name, monkeypatch):
    # HDF5 opens in a child process each time, so fewer of those; seconds to wait for a hang.
    monkeypatch.setattr(subprocess_reader, "BASE_SECONDS", 10.0)
    data, path = good_files[name].read_bytes(), tmp_path / name
    draws = np.random.default_rng(0)
    for _ in range(5 if FORMATS[name] == "Keras" else 150):
        damaged = bytearray(data)
        for place in draws.integers(len(data), size=draws.integers(1, 4)):
            damaged[place] = draws.integers(256)
        path.write_bytes(damaged)
        assert survives(path)


def test_what_crashes_the_hdf5_library_is_a_damaged_file(fixtures, tmp_path):
    # Found by chance: with this byte HDF5 2.0.0 ends its process by a segmentation fault. Where
    # another version reads the file or objects to it, that is well too.
    data = bytearray((fixtures / "net.weights.h5").read_bytes())
    data[21265] = 91
    path = tmp_path / "net.weights.h5"
    path.write_bytes(data)
    assert survives(path)


@pytest.mark.parametrize(
    ("code", "seconds", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 60.0, "crash with signal 9"),
        ("import time; time.sleep(60)", 1.0, "busy for over 1 s"),
        ("raise RuntimeError('no luck')", 60.0, r"could not be read .*no luck"),
        ('print(\'{"arrays": [["a", "<f4", [2]]]}\')', 60.0, "truncated or damaged"),
    ],
)
def test_the_child_process_may_fail_in_any_way(fixtures, monkeypatch, code, seconds, message):
    monkeypatch.setattr(subprocess_reader, "CHILD", code)
    monkeypatch.setattr(subprocess_reader, "BASE_SECONDS", seconds)
    with pytest.raises(WeightsFileError, match=message):
        read_weights(fixtures / "net.h5")


def test_the_readers_import_nothing_heavy():
    # What `jaxcnn.pretrained` itself imports is not theirs, so a bare package takes its place.
    package = str(Path(subprocess_reader.__file__).parents[1])
    code = (
        "import sys, types; bare = types.ModuleType('jaxcnn.pretrained'); "
        f"bare.__path__ = [{package!r}]; sys.modules['jaxcnn.pretrained'] = bare; "
        "import jaxcnn.pretrained.formats; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "jaxcnn.pretrained.formats.torch_file" in loaded
    assert not {"h5py", "safetensors", "tensorflow", "torch", "jax", "flax"} & loaded
