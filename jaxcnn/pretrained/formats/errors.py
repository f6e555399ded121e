"""The one error that every reader raises, and the limits that keep a file from filling memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxcnn.host.extras import MissingExtraError


class WeightsFileError(ValueError):
    """A weights file that is absent, damaged, of an unknown format, or refused as unsafe."""


@contextmanager
def reading(path: Path, format_name: str) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into one clear error.

    Args:
      path: the file, named in the message.
      format_name: what the file seems to be, e.g. "NumPy .npz".

    Yields:
      Nothing; the parsing goes inside.

    Raises:
      WeightsFileError: in place of a parser's own error.
    """
    try:
        yield
    except (WeightsFileError, MissingExtraError):
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise WeightsFileError(f"{path}: cannot be opened ({error.strerror}).") from error
    except Exception as error:  # parsers raise whatever hostile bytes lead them to
        found = " ".join(str(error).split())[:300]
        raise WeightsFileError(
            f"{path}: looked like a {format_name} file, but is truncated or damaged "
            f"({type(error).__name__}: {found}); fetch it again."
        ) from error


class Budget:
    """How many bytes a file's arrays may still take in memory.

    A file of weights hardly compresses. One that declares far more than its own size would fill
    memory with nothing, by mistake or on purpose.
    """

    floor_bytes = 2**30
    per_file_byte = 16

    def __init__(self, path: Path, file_bytes: int) -> None:
        self.path = path
        self.left = max(self.floor_bytes, self.per_file_byte * file_bytes)

    def take(self, size_bytes: int, what: str) -> None:
        """Count an array before it is read.

        Args:
          size_bytes: its declared size.
          what: its name, for the message.

        Raises:
          WeightsFileError: if the file's arrays together declare too much.
        """
        self.left -= size_bytes
        if self.left < 0:
            raise WeightsFileError(
                f"{self.path}: {what} declares {size_bytes:,} bytes, more than a file of this "
                f"size can sensibly hold; it is damaged or made to fill memory, and was not read."
            )
