"""A split's images at one size: all decoded beforehand, or each when it is requested.

Both kinds answer `gather(indices)`, so what makes batches of them need not care. Decoded beforehand
is faster from the second epoch on, where they fit in memory.

Bad files never stop a run unless there are many: decoding beforehand leaves them out and lists
them; reading on demand gives blank images marked as missing, and `check_source` finds them before.
"""

import functools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from jaxcnn.data.bad_files import BadFiles, SkippedFile, sort_out
from jaxcnn.data.decode import MAX_PIXELS, DecodeError, decode_and_resize
from jaxcnn.data.fast_jpeg import choose_decoder, decoder_version
from jaxcnn.data.image_cache import CachedImages, ImageCache
from jaxcnn.data.label_sets import names_of_label
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.resize import check_resize
from jaxcnn.data.source import (
    Source,
    SubsetSource,
    example_labels,
    example_names,
    opened,
    source_fingerprint,
)
from jaxcnn.data.workers import in_threads

Decode = Callable[[bytes | np.ndarray], np.ndarray]  # to (S, S, C) uint8

_UNREADABLE = "cannot be read"


class ImageSplit(Protocol):
    """What batches are made of: labels, and images by position, safe for many threads."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""

    @property
    def names(self) -> Sequence[str]:
        """The examples' names."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) int32, or (N, K) uint8 where photos have several labels."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(S, S, C), the shape of each image."""

    @property
    def dtype(self) -> np.dtype:
        """Of the images: uint8, or float32 where features stand in for them."""

    @property
    def num_threads(self) -> int:
        """How many threads it pays to gather with."""

    def __len__(self) -> int:
        """Return N, the number of examples."""

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (B, S, S, C) uint8 images at (B,) indices, and (B,) bool, False if missing."""


@dataclass(frozen=True, eq=False)
class DecodedSplit:
    """All images of a split, in memory.

    Example:
      >>> images, labels = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1])
      >>> split = DecodedSplit(images, labels, ["a.jpg", "b.jpg"], ("cat", "dog"))
      >>> len(split), split.image_shape
      (2, (8, 8, 3))
    """

    images: np.ndarray  # (N, S, S, C) uint8
    labels: np.ndarray  # (N,) int32, or (N, K) uint8 of several labels
    names: list[str]
    class_names: tuple[str, ...]
    skipped: list[SkippedFile] = field(default_factory=list)  # left out of the above
    num_threads: int = 1  # with more, copying is slower: they wait for each other
    from_disk: bool = False  # whether an earlier run had decoded them
    source: Source | None = None  # of the images, undecoded and in this order

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(S, S, C)."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    @property
    def dtype(self) -> np.dtype:
        """Of the images: uint8."""
        return self.images.dtype

    def __len__(self) -> int:
        return len(self.images)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images at (B,) indices, and (B,) bool, all True."""
        return self.images[indices], np.ones(len(indices), bool)


class StreamedSplit:
    """A split whose images are decoded each time they are requested; safe for many threads.

    An image that cannot be read or decoded comes as zeros and is marked as missing.

    Args:
      source: the examples; what `check_source` found bad is better left out beforehand.
      decoding: size of the images, and how they are made.
      num_threads: threads that batches are made with, best one per core.
      max_bad_share: share of bad examples in [0, 1] above which `gather` raises.
      bad_files: counts the bad examples of several splits together, in place of `max_bad_share`.
      split: what the split is called there.

    Raises:
      BadFilesError: by `gather`, once more than `max_bad_share` of the examples proved bad.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> split = StreamedSplit(DrawnPetsSource("train", 4, size_px=16), Decoding(8))
      >>> images, found = split.gather(np.array([2, 0]))
      >>> images.shape, found.tolist()
      ((2, 8, 8, 3), [True, True])
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        source: Source,
        decoding: Decoding,
        *,
        num_threads: int = 2,
        max_bad_share: float = 0.05,
        bad_files: BadFiles | None = None,
        split: str = "",
    ) -> None:
        self.num_threads = num_threads
        self.class_names = source.class_names
        self.names = example_names(source)
        self.labels = example_labels(source)
        self.image_shape = decoding.image_shape
        self.source = source
        self._decoding = decoding._replace(decoder=choose_decoder(decoding.decoder))
        self._bad_files = bad_files or BadFiles(len(source), max_bad_share)
        self._split = split

    def of(self, source: Source) -> "StreamedSplit":
        """Give a split of other examples, decoded and counted in the same way."""
        return StreamedSplit(
            source,
            self._decoding,
            num_threads=self.num_threads,
            bad_files=self._bad_files,
            split=self._split,
        )

    @property
    def skipped(self) -> list[SkippedFile]:
        """The examples that proved bad so far."""
        return [each for each in self._bad_files.skipped if each.split == self._split]

    def __len__(self) -> int:
        return len(self.names)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decode the images at (B,) indices; (B,) bool says which could be."""
        return self._decode_all(indices, [self._whole] * len(indices))

    def _whole(self, data: bytes | np.ndarray) -> np.ndarray:
        return decode_and_resize(data, **self._decoding._asdict())

    def _decode_all(
        self, indices: np.ndarray, ways: Sequence[Decode]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decode the images at (B,) indices, each its own way."""
        images = np.zeros((len(indices), *self.image_shape), np.uint8)
        reasons = [
            _decode_into(image, self.source, int(i), way)
            for image, i, way in zip(images, indices, ways, strict=True)
        ]
        self._bad_files.add(
            SkippedFile(
                self.names[i], reason, names_of_label(self.labels[i], self.class_names), self._split
            )
            for i, reason in zip(indices, reasons, strict=True)
            if reason
        )
        return images, np.array([reason is None for reason in reasons], bool)


def decode_split(
    source: Source,
    decoding: Decoding,
    *,
    num_workers: int = 2,
    max_bad_share: float = 0.05,
    split: str = "",
    cache: ImageCache | None = None,
    progress: bool = True,
) -> DecodedSplit:
    """Decode all images of a source into memory, each once, or read what an earlier run decoded.

    The result depends neither on the number of workers nor on the cache.

    Args:
      source: the examples.
      decoding: size of the images, and how they are made.
      num_workers: threads that decode.
      max_bad_share: share of the examples in [0, 1] that may be bad.
      split: what the split is called in the list of the bad.
      cache: where decoded images are cached between runs, if the source can say whether it changed.
      progress: show a bar with the images per second, where standard error is a terminal.

    Returns:
      The good examples in the source's order, and the list of the bad.

    Raises:
      BadFilesError: if more than `max_bad_share` of the examples are bad.
      ValueError: if the source is empty, or an option is out of range.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> split = decode_split(DrawnPetsSource("train", 4, size_px=16), Decoding(8), progress=False)
      >>> split.images.shape, split.labels.tolist()
      ((4, 8, 8, 3), [0, 1, 0, 1])
    """
    check_resize(decoding.size_px, decoding.mode, decoding.interpolation)
    decoding = decoding._replace(decoder=choose_decoder(decoding.decoder))
    shape = (len(source), *decoding.image_shape)
    way = functools.partial(decode_and_resize, **decoding._asdict())

    def decode_all() -> CachedImages:
        images = np.zeros(shape, np.uint8)

        with opened(source, num_workers) as reader:

            def decode(i: int) -> str | None:
                return _decode_into(images[i], reader, i, way)

            reasons = list(in_threads(decode, len(source), num_workers, progress))
        # What is wrong with a file out of reach is not in its bytes.
        is_final = not any(reason and reason.startswith(_UNREADABLE) for reason in reasons)
        return CachedImages(images, reasons, is_final)

    fingerprint = source_fingerprint(source) if cache else None
    if cache is None or fingerprint is None:
        found = decode_all()
    else:
        pixels = decoding.mode, decoding.interpolation, decoder_version(decoding.decoder)
        about = json.dumps([fingerprint, shape, *pixels, decoding.max_pixels])
        found = cache.get(about, len(source), math.prod(shape), decode_all)
    images, reasons, _, from_disk = found
    good, skipped = sort_out(source, reasons, split)
    BadFiles(len(source), max_bad_share).add(skipped)
    names, labels = example_names(source), example_labels(source)
    if skipped:
        images, labels, names = images[good], labels[good], [names[i] for i in good]
        source = SubsetSource(source, good)
    return DecodedSplit(
        images, labels, names, source.class_names, skipped, from_disk=from_disk, source=source
    )


def check_source(
    source: Source,
    *,
    num_workers: int = 2,
    max_bad_share: float = 0.05,
    max_pixels: int = MAX_PIXELS,
    split: str = "",
    progress: bool = True,
) -> tuple[SubsetSource, list[SkippedFile]]:
    """Find the bad examples of a source that is too large to hold decoded.

    Args:
      source: the examples; each is read and decoded once.
      num_workers: threads that decode.
      max_bad_share: share of the examples in [0, 1] that may be bad.
      max_pixels: images that take more pixels in memory are bad, see `decode_and_resize`.
      split: what the split is called in the list of the bad.
      progress: show a bar with the images per second, where standard error is a terminal.

    Returns:
      The good examples in the source's order, and the list of the bad.

    Raises:
      BadFilesError: if more than `max_bad_share` of the examples are bad.
      ValueError: if the source is empty, or `num_workers` < 1.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> good, bad = check_source(DrawnPetsSource("train", 4, size_px=16), progress=False)
      >>> len(good), bad
      (4, [])
    """
    # One pixel is enough to reach the end of the file, and lets a JPEG be decoded small.
    decoding = Decoding(1, max_pixels=max_pixels)
    way = functools.partial(decode_and_resize, **decoding._asdict())

    def decode(i: int) -> str | None:
        return _decode_into(np.zeros((1, 1, 3), np.uint8), source, i, way)

    reasons = list(in_threads(decode, len(source), num_workers, progress))
    good, skipped = sort_out(source, reasons, split)
    BadFiles(len(source), max_bad_share).add(skipped)
    return SubsetSource(source, good), skipped


def _decode_into(pixels: np.ndarray, source: Source, i: int, way: Decode) -> str | None:
    """Decode example i into (S, S, C); return why it could not be done, None if it was."""
    try:
        pixels[:] = way(source[i].image)
    except DecodeError as error:
        return str(error)
    except OSError as error:
        return f"{_UNREADABLE}: {error.strerror or error}"
    return None
