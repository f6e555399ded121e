"""NumPy's `.npz`: a zip archive of named arrays."""

import io
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxcnn.pretrained.formats.archive import open_archive, read_member
from jaxcnn.pretrained.formats.errors import WeightsFileError, reading


def read_npz_file(path: Path | str) -> dict[str, np.ndarray]:
    """Read every array of a `.npz` file, refusing pickled objects.

    Args:
      path: the file, written by `numpy.savez` or `numpy.savez_compressed`.

    Returns:
      Arrays by name, in the file's order.

    Raises:
      WeightsFileError: if the file is damaged, holds a pickle, or declares absurd sizes.
    """
    path = Path(path)
    with reading(path, "NumPy .npz"), open_archive(path) as archive:
        names = [n for n in archive.namelist() if n.endswith(".npy")]
        return {
            name.removesuffix(".npy"): _read_array(path, name, read_member(archive, name))
            for name in names
        }


def _read_array(path: Path, name: str, data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    shape, dtype = _read_header(stream)
    if dtype.hasobject:
        raise WeightsFileError(
            f"{path}: {name!r} holds pickled Python objects, which could run commands; it was "
            "not opened. Save plain numeric arrays instead."
        )
    # Checked before numpy allocates the shape that the header asks for.
    wanted, found = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if wanted != found:
        raise ValueError(f"{name!r} declares {wanted} bytes of data and has {found}")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    return shape, dtype
