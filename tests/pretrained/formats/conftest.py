"""What the tests of the readers share: good files of every format, and where they lie."""

import shutil
from pathlib import Path

import numpy as np
import pytest

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def fixtures():
    """The folder of files that PyTorch and Keras wrote; see make_fixtures.py."""
    return FIXTURES


@pytest.fixture(scope="session")
def good_files(tmp_path_factory):
    """One sound file of each format by a short name."""
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("good")
    arrays = {
        "conv/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "count": np.array(3, np.int64),
    }
    save_file(arrays, folder / "tensors.safetensors")
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)
    for name in ("zip.pth", "legacy.th", "net.h5", "net.weights.h5", "net.keras"):
        shutil.copy(FIXTURES / name, folder / name)
    return {path.name: path for path in folder.iterdir()}
