"""Members of a zip archive, read only where their declared sizes are sensible."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxcnn.pretrained.formats.errors import Budget, WeightsFileError

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_archive(path: Path) -> bool:
    """Tell whether a file begins as a zip archive does.

    Args:
      path: the file.

    Returns:
      Whether it does; the rest of it may still be damaged.
    """
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose members are stored or deflated and not too large in sum.

    Args:
      path: the archive.

    Yields:
      The open archive.

    Raises:
      WeightsFileError: on another compression, or if the members declare too many bytes.
    """
    with zipfile.ZipFile(path) as archive:
        budget = Budget(path, path.stat().st_size)
        for member in archive.infolist():
            if member.compress_type not in COMPRESSIONS:
                raise WeightsFileError(
                    f"{path}: {member.filename!r} has zip compression {member.compress_type}; "
                    "expected 0 (stored) or 8 (deflated)."
                )
            budget.take(member.file_size, repr(member.filename))
        yield archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one member and check its length and checksum.

    Args:
      archive: an archive from `open_archive`.
      name: the member's full name.

    Returns:
      Its bytes, exactly as many as the archive declares.

    Raises:
      ValueError: if there is no such member, or it is shorter than declared.
    """
    if name not in archive.NameToInfo:
        raise ValueError(f"the archive has no member {name!r}")
    declared = archive.NameToInfo[name].file_size
    found = archive.read(name)
    if len(found) != declared:
        raise ValueError(f"{name!r} has {len(found)} of {declared} bytes")
    return found
