"""Read and decode the photos that are found, whatever stands in the way."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxcnn.data.opening import DecodeError, TooManyPixelsError
from jaxcnn.data.photo_files import PhotoFile, digest, read_file, reason_of
from jaxcnn.photos.dates import taken_at


class ReadPhoto(NamedTuple):
    """What came of reading a file."""

    file: PhotoFile  # as it was when it was read
    content: bytes  # digest of its bytes; b"" where they could not be read
    pixels: np.ndarray | None  # for the network; None where the content is known, or bad
    taken: int
    taken_by_exif: bool
    error: str  # "" where there is none


def read_photo(
    file: PhotoFile,
    preprocess: Callable[[bytes], np.ndarray],
    is_known: Callable[[bytes], object] = lambda content: False,
) -> ReadPhoto:
    """Read and decode a photo.

    Args:
      file: as `walk` found it.
      preprocess: bytes to pixels; raises DecodeError.
      is_known: whether a digest's photo needs no pixels.

    Returns:
      What came of it; never raises because of the file.
    """
    content = b""
    try:
        data, file = read_file(file.path)
        content = digest(data)
        taken = taken_at(data, file.mtime_ns)
        pixels = None if is_known(content) else preprocess(data)
    except TooManyPixelsError as error:  # another time more may be allowed
        return ReadPhoto(file, b"", None, 0, False, str(error))
    except DecodeError as error:
        return ReadPhoto(file, content, None, 0, False, str(error) or "cannot be decoded")
    except OSError as error:
        return ReadPhoto(file, b"", None, 0, False, reason_of(error))
    except MemoryError:
        return ReadPhoto(file, content, None, 0, False, "not enough memory to decode it")
    return ReadPhoto(file, content, pixels, *taken, "")
