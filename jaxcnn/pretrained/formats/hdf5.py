"""HDF5 files, read so that nothing outside them is touched.

HDF5 can link to, and store data in, other files of the machine. Only objects that are in the
file itself are followed; soft links are passed over, and links to other files are refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jaxcnn.pretrained.formats.errors import Budget, WeightsFileError
from jaxcnn.pretrained.formats.raw_numbers import decode

MAX_LEVELS = 32
MAX_OBJECTS = 200_000


class Hdf5File:
    """An open file, and what is still allowed to be read of it."""

    def __init__(self, root: Any, path: Path, file_bytes: int) -> None:
        self.root = root
        self._path = path
        self._budget = Budget(path, file_bytes)
        self._objects_left = MAX_OBJECTS

    def children(self, group: Any) -> dict[str, Any]:
        """List the groups and datasets that are in a group, without following soft links.

        Args:
          group: an h5py group of this file.

        Returns:
          h5py groups and datasets by name.

        Raises:
          WeightsFileError: if the group links to another file.
        """
        found = {name: self._member(group, name) for name in group}
        return {name: member for name, member in found.items() if member is not None}

    def find(self, group: Any, name: str) -> Any:
        """Find an object below a group by its path, without following soft links.

        Args:
          group: an h5py group of this file.
          name: a path such as "conv1/kernel:0".

        Returns:
          The h5py group or dataset.

        Raises:
          ValueError: if nothing is there.
        """
        for part in name.strip("/").split("/"):
            group = self._member(group, part)
            if group is None:
                raise ValueError(f"{name!r} is a link")
        return group

    def array(self, dataset: Any) -> np.ndarray:
        """Read a dataset of numbers.

        Args:
          dataset: an h5py dataset of this file.

        Returns:
          The array in this machine's byte order; bfloat16 is widened to float32.

        Raises:
          WeightsFileError: if its data lies in another file, it is not numeric, or too large.
        """
        if dataset.is_virtual or dataset.external:
            raise WeightsFileError(
                f"{self._path}: the data of {dataset.name!r} lies in another file; refused."
            )
        # Keras stores bfloat16 as opaque pairs of bytes and says so in an attribute.
        is_bfloat16 = dataset.dtype == "V2" and dataset.attrs.get("dtype") == "bfloat16"
        if dataset.dtype.kind not in "fiub" and not is_bfloat16:
            raise WeightsFileError(
                f"{self._path}: {dataset.name!r} has dtype {dataset.dtype}; expected numbers. "
                "Objects and references are not read."
            )
        self._budget.take(dataset.size * dataset.dtype.itemsize, repr(dataset.name))
        values = np.asarray(dataset[()])
        if is_bfloat16:
            return decode(values.tobytes(), "bf16").reshape(values.shape)
        return values.astype(values.dtype.newbyteorder("="))

    def _member(self, group: Any, name: str) -> Any:
        import h5py

        self._objects_left -= 1
        if self._objects_left < 0:
            raise ValueError(f"it has more than {MAX_OBJECTS:,} objects, or groups in a circle")
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise WeightsFileError(
                f"{self._path}: {group.name}/{name} links to the file {link.filename!r}; links "
                "out of the file are refused."
            )
        return group[name] if isinstance(link, h5py.HardLink) else None


@contextmanager
def open_hdf5(source: Path | BinaryIO, path: Path) -> Iterator[Hdf5File]:
    """Open an HDF5 file for reading.

    Args:
      source: the file, or a stream of its bytes.
      path: the file that it is or is part of, for messages.

    Yields:
      The open file.
    """
    import h5py

    with h5py.File(source, "r") as root:
        yield Hdf5File(root, path, path.stat().st_size)


def is_group(member: Any) -> bool:
    """Tell a group from a dataset.

    Args:
      member: an h5py object.

    Returns:
      Whether it is a group.
    """
    import h5py

    return isinstance(member, h5py.Group)


def text_list(group: Any, name: str) -> list[str]:
    """Read an attribute that is a list of strings.

    Keras splits lists longer than HDF5's 64 KB into `name0`, `name1` and so on.

    Args:
      group: an h5py group.
      name: the attribute's name.

    Returns:
      The strings; empty where there is no such attribute.
    """
    if name in group.attrs:
        return [text(value) for value in np.asarray(group.attrs[name]).ravel()]
    parts: list[str] = []
    for count in range(len(group.attrs)):
        if f"{name}{count}" not in group.attrs:
            break
        parts += [text(value) for value in np.asarray(group.attrs[f"{name}{count}"]).ravel()]
    return parts


def text(value: Any) -> str:
    """Decode a string attribute.

    Args:
      value: str or UTF-8 bytes.

    Returns:
      The string.

    Raises:
      TypeError: if it is neither.
    """
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise TypeError(f"expected text in an attribute, found {type(value).__name__}")
    return str(value)
