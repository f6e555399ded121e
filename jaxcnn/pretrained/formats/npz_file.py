"""NumPy's `.npz`: a zip archive of named arrays."""

import io
from pathlib import Path

import numpy as np

from jaxcnn.pretrained.formats.archive import open_archive, read_member
from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.raw_numbers import decode


def read_npz_file(path: Path) -> dict[str, np.ndarray]:
    """Read every array of a `.npz` file, refusing pickled objects.

    Args:
      path: the file, written by `numpy.savez` or `numpy.savez_compressed`.

    Returns:
      Arrays by name, in the file's order; bfloat16, which numpy writes as pairs of bytes without a
      type, is widened to float32, which is exact.

    Raises:
      WeightsFileError: if the file holds a pickle, or declares absurd sizes.
      ValueError: if an array is not as large as it declares.
    """
    with open_archive(path) as archive:
        return {
            name.removesuffix(".npy"): _read_array(path, name, read_member(archive, name))
            for name in archive.namelist()
            if name.endswith(".npy")
        }


def _read_array(path: Path, name: str, data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        np.lib.format.read_magic(stream), np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, dtype = read_header(stream)
    if dtype.hasobject:
        raise WeightsFileError(
            f"{path}: {name!r} holds pickled Python objects, which could run commands; it was "
            "not opened. Save plain numeric arrays instead."
        )
    # Made of what is there: numpy's own reader allocates the shape that the header asks for.
    numbers = data[stream.tell() :]
    if dtype == "V2":  # how numpy writes bfloat16
        flat = decode(numbers, "bf16")
    else:
        flat = np.frombuffer(numbers, dtype).copy() if numbers else np.zeros(0, dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C")
