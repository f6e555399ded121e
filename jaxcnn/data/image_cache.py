"""Decoded images cached on disk between runs, so that a second run starts without decoding.

A set of images lies in two files: `<key>.npy`, and `<key>.json` that says of what, with a checksum;
the key is a hash of what the pixels depend on. Both are written under another name first, and the
record last, so that a set is there whole or not at all. A lock lets one process decode while others
wait for what it will leave. The sets used last stay, up to a limit.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.host.files import locked, replacing, sha256_of, write_json

logger = logging.getLogger(__name__)

FORMAT = 1  # of the files; another number makes another key
_STALE_SECONDS = 24 * 3600  # after so long, a half-written file is a dead process's


class CachedImages(NamedTuple):
    """All images of a source, good or bad."""

    images: np.ndarray  # (N, S, S, C) uint8, zeros where the image is bad
    reasons: list[str | None]  # N, why an image is bad, None where it is good
    is_final: bool = True  # False where a reason may pass, such as a disk out of reach
    from_disk: bool = False


@dataclasses.dataclass(frozen=True)
class ImageCache:
    """Sets of decoded images in a folder; processes may share it.

    Attributes:
      folder: created when the first set is cached.
      limit_bytes: of all sets together; the ones unused for longest go first.
      least_images: a smaller set is decoded again, which is quicker than a file is worth.

    Example:
      >>> from jaxcnn.data import Decoding, DrawnPetsSource, decode_split
      >>> cache = ImageCache(Path("images"), least_images=1)
      >>> source = DrawnPetsSource("train", 4, size_px=16)
      >>> for _ in range(2):
      ...     print(decode_split(source, Decoding(16), cache=cache, progress=False).from_disk)
      False
      True
    """

    folder: Path
    limit_bytes: int = 4 * 2**30
    least_images: int = 256

    def get(
        self, about: str, num_images: int, num_bytes: int, make: Callable[[], CachedImages]
    ) -> CachedImages:
        """Read a set of images, or make and cache it.

        No trouble with the disk is an error: the images are then made, and a line says why.

        Args:
          about: all that the pixels depend on, as text.
          num_images: how many there are.
          num_bytes: size of all of them, decoded.
          make: decodes them.

        Returns:
          The images, read-only and mapped from the file where they were cached.
        """
        if num_images < self.least_images or num_bytes > self.limit_bytes:
            return make()
        key = hashlib.sha256(f"{FORMAT} {about}".encode()).hexdigest()[:32]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            waiting = "waiting for another run that decodes the same images"
            lock = locked(self.folder / f"{key}.lock", waiting)
        except (OSError, NotImplementedError) as error:
            logger.warning(f"decoded images cannot be cached in {self.folder}: {error}")
            return make()
        with lock:
            found = self._read(key, about)
            if found is None:
                found = make()
                if found.is_final:
                    self._write(key, about, found)
            return found

    def _read(self, key: str, about: str) -> CachedImages | None:
        record_path, images_path = self._paths(key)
        if not record_path.exists():
            return None
        try:
            record = json.loads(record_path.read_text("utf-8"))
            if record["about"] != about or sha256_of(images_path) != record["sha256"]:
                raise ValueError("its checksum is another")
            images = np.asarray(np.load(images_path, mmap_mode="r", allow_pickle=False))
            os.utime(record_path)  # used now
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            logger.warning(
                f"the decoded images in {images_path} are damaged ({error}); decoding again"
            )
            _remove(record_path, images_path)
            return None
        bad = record["bad"]
        return CachedImages(images, [bad.get(str(i)) for i in range(len(images))], from_disk=True)

    def _write(self, key: str, about: str, made: CachedImages) -> None:
        record_path, images_path = self._paths(key)
        try:
            with replacing(images_path) as part:
                np.save(part, made.images)
                digest = sha256_of(part)
            bad = {str(i): reason for i, reason in enumerate(made.reasons) if reason}
            write_json(record_path, {"about": about, "sha256": digest, "bad": bad})
            self._evict(key)
        except OSError as error:
            logger.warning(f"decoded images cannot be cached in {self.folder}: {error}")

    def _evict(self, newest: str) -> None:
        """Remove the sets unused for longest, down to the limit, and what dead processes left."""
        for path in self.folder.glob("*.npy"):
            is_stale = time.time() - _stat(path).st_mtime > _STALE_SECONDS
            if is_stale and not path.with_suffix(".json").exists():
                _remove(path)
        records = [path for path in self.folder.glob("*.json") if ".part" not in path.name]
        # The newest goes first by its name: clocks of two machines may differ.
        records.sort(key=lambda path: (path.stem == newest, _stat(path).st_mtime), reverse=True)
        total = 0
        for record in records:
            images = record.with_suffix(".npy")
            total += _stat(images).st_size
            if total > self.limit_bytes and record.stem != newest:
                _remove(record, images)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.json", self.folder / f"{key}.npy"


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError:  # another process was quicker to remove it
        return os.stat_result([0] * 10)


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):  # gone already, or in use on Windows
            path.unlink()
