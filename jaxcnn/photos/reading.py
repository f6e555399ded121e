"""Read a photo's file without being led astray, in threads ahead of the network."""

import collections
import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from jaxcnn.data.decode import DecodeError
from jaxcnn.photos.dates import taken_at
from jaxcnn.photos.walk import PhotoFile, reason_of

MAX_BYTES = 256 * 2**20  # of a file; threads hold one each
_DIGEST_BYTES = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


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
    is_known: Callable[[bytes], bool] = lambda content: False,
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
    except DecodeError as error:
        return ReadPhoto(file, content, None, 0, False, str(error) or "cannot be decoded")
    except OSError as error:
        return ReadPhoto(file, b"", None, 0, False, reason_of(error))
    except MemoryError:
        return ReadPhoto(file, content, None, 0, False, "not enough memory to decode it")
    return ReadPhoto(file, content, pixels, *taken, "")


def digest(data: bytes) -> bytes:
    """Give what tells contents apart: BLAKE2b, 16 bytes."""
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def read_file(path: bytes | str | os.PathLike[str]) -> tuple[bytes, PhotoFile]:
    """Read a file whole, if it is one and not too large.

    Args:
      path: of the file; a pipe in its place is refused, and not waited for.

    Returns:
      Its bytes, and its size and time as of then.

    Raises:
      OSError: if it cannot be read, is no regular file, or is larger than MAX_BYTES.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb", buffering=0) as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a file")
        # One byte more than there should be tells of a file that grows.
        data = _read_at_most(opened.fileno(), min(found.st_size, MAX_BYTES) + 1)
    if len(data) > MAX_BYTES or found.st_size > MAX_BYTES:
        raise OSError(f"larger than {MAX_BYTES // 2**20} MiB")
    return data, PhotoFile(os.fsencode(path), found.st_size, found.st_mtime_ns)


def _read_at_most(descriptor: int, count: int) -> bytes:
    parts = []
    while count > 0 and (part := os.read(descriptor, min(count, 2**20))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def in_order_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, num_workers: int, num_ahead: int
) -> Generator[Result, None, None]:
    """Yield work(item) of each item in order, computed in threads ahead of their use.

    Args:
      work: safe for many threads at once.
      items: taken one by one, as results are.
      num_workers: threads.
      num_ahead: results that are made before they are asked for, at most. Close the generator to
        stop early: it waits for those that are being made, and drops the others.

    Yields:
      The results.
    """
    waiting: collections.deque[Future[Result]] = collections.deque()
    remaining = iter(items)
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="photos")
    try:
        while True:
            free = num_ahead - len(waiting)
            waiting.extend(pool.submit(work, item) for item in itertools.islice(remaining, free))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
