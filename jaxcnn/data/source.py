"""Sources of labelled images: random access, host side, one interface for all.

A source is anything with `class_names`, a length and `source[i] -> Example`, such as a subclass of
`list`. It must be safe to read from several threads at once. Two more attributes are optional, and
spare a read of every image where a source knows them beforehand: `names` and `labels`, sequences as
long as the source; where photos have several labels, `labels` is (N, K) uint8 of 0 and 1. So is a
method `fingerprint(indices) -> str | None`: a text that changes whenever one of these examples may
have changed, found without reading them; decoded images are cached between runs by it. So is
`digests`, what `example_digests` gives, and a method `opened(num_workers)`, a context manager that
gives the source in a form that is read faster. So is `left_out`, the files that are no examples,
each a `SkippedFile`. And `groups`: a text for each example; those of one text belong together and
share a split, "" belongs to none.
"""

import contextlib
import functools
import hashlib
import logging
from collections.abc import Sequence, Sized
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxcnn.data.label_sets import as_labels, class_counts
from jaxcnn.host.text import listed

logger = logging.getLogger(__name__)


class Example(NamedTuple):
    """One labelled image, as it is stored.

    Example:
      >>> Example(np.zeros((8, 8, 3), np.uint8), label=0, name="cat/001.png").label
      0
    """

    image: bytes | np.ndarray  # an encoded file's bytes, or (H, W, C) uint8
    label: int | tuple[int, ...]  # index into the source's class_names; a tuple where several apply
    name: str  # the example's lasting identity, e.g. "cat/001.jpg"; unique within a source


class Source(Protocol):
    """Labelled images by position; reading is thread-safe."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""

    def __len__(self) -> int:
        """Return the number of examples."""

    def __getitem__(self, i: int) -> Example:
        """Return example i, 0 <= i < len(self)."""


SPLIT_NAMES = ("train", "validation", "test")


class SplitError(ValueError):
    """The data cannot be split in three; the message says why and what to do."""


class Splits(NamedTuple):
    """Three sources with the same class names."""

    train: Source
    validation: Source
    test: Source


def example_names(source: Source) -> list[str]:
    """List the names of all examples, without reading images where the source allows it.

    Args:
      source: any source; its `names` are taken if it has them, else every example is read.

    Returns:
      len(source) names, in order.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> example_names(DrawnPetsSource("train", 2, size_px=16))
      ['train/000000', 'train/000001']
    """
    names = getattr(source, "names", None)
    return [source[i].name for i in range(len(source))] if names is None else list(names)


def example_labels(source: Source) -> np.ndarray:
    """Collect the labels of all examples, without reading images where the source allows it.

    Args:
      source: any source; its `labels` are taken if it has them, else every example is read.

    Returns:
      (N,) int32, in order; (N, K) uint8 of 0 and 1 where photos have several labels.

    Raises:
      ValueError: if several labels are not as said.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> example_labels(DrawnPetsSource("train", 4, size_px=16)).tolist()
      [0, 1, 0, 1]
    """
    labels = getattr(source, "labels", None)
    if labels is None:
        labels = [source[i].label for i in range(len(source))]
    return as_labels(labels, len(source.class_names))


def label_at(labels: np.ndarray, i: int) -> Any:
    """Give the label of example i: its class's number, or a tuple of those of several classes.

    Args:
      labels: (N,) whole numbers, or (N, K) of 0 and 1.
      i: position.

    Example:
      >>> label_at(np.array([2, 0]), 0), label_at(np.array([[0, 1, 1]], np.uint8), 0)
      (2, (1, 2))
    """
    return int(labels[i]) if labels.ndim == 1 else tuple(np.flatnonzero(labels[i]).tolist())


def opened(source: Source, num_workers: int) -> contextlib.AbstractContextManager[Source]:
    """Open a source that is to be read as a whole, by as many threads.

    Args:
      source: any source; its method `opened` is called if it has one.
      num_workers: threads that will read it.

    Returns:
      A context manager that gives what to read: the same examples.
    """
    open_ = getattr(source, "opened", None)
    return open_(num_workers) if open_ else contextlib.nullcontext(source)


def example_digests(source: Source) -> list[bytes]:
    """Digest each image, so that equal ones are found in other splits and by later runs.

    Args:
      source: any source; its `digests` are taken if it has them, else every example is read once.

    Returns:
      len(source) times 16 bytes, equal where files or pixels are; b"" for what cannot be read.
    """
    known = getattr(source, "digests", None)
    return [_digest(source, i) for i in range(len(source))] if known is None else list(known)


def _digest(source: Source, i: int) -> bytes:
    try:
        return image_digest(source[i].image)
    except OSError:
        return b""


def image_digest(image: bytes | np.ndarray) -> bytes:
    """Digest an image as it is stored.

    Args:
      image: an encoded file's bytes, or (H, W, C) uint8.

    Returns:
      16 bytes.
    """
    if isinstance(image, bytes):
        return hashlib.sha256(image).digest()[:16]
    shape = repr(image.shape).encode()  # a row of pixels is not a column of them
    return hashlib.sha256(shape + np.ascontiguousarray(image).tobytes()).digest()[:16]


def source_fingerprint(source: Source, indices: np.ndarray | None = None) -> str | None:
    """Identify by a text what a source holds, without reading its images.

    Args:
      source: any source.
      indices: (M,) positions of the examples that count, in order; None for all.

    Returns:
      A text that changes whenever an example may have changed; None if the source has none.
    """
    method = getattr(source, "fingerprint", None)
    if method is None:
        return None
    found: str | None = method(np.arange(len(source)) if indices is None else indices)
    return found


def digest_of(*parts: object) -> str:
    """Make a short text of any parts, by their `repr`.

    Example:
      >>> digest_of("a", 1) == digest_of("a", 1), digest_of("a", 1) == digest_of("a1")
      (True, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part!r}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class SubsetSource:
    """Some examples of another source, in a given order.

    Args:
      source: the source that holds the examples.
      indices: positions in `source`; none is copied or read before it is requested.

    Raises:
      ValueError: if an index lies outside the source.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> source = DrawnPetsSource("train", 3, size_px=16)
      >>> [example.name for example in SubsetSource(source, [2, 0])]
      ['train/000002', 'train/000000']
    """

    def __init__(self, source: Source, indices: Sequence[int] | np.ndarray) -> None:
        self.class_names = source.class_names
        self._source = source
        self._indices = np.asarray(indices, np.int64)
        outside = self._indices[(self._indices < 0) | (self._indices >= len(source))]
        if outside.size:
            raise ValueError(
                f"index {outside[0]} lies outside the source of {len(source)} examples."
            )

    @functools.cached_property
    def names(self) -> list[str]:
        """The chosen examples' names."""
        names = example_names(self._source)
        return [names[i] for i in self._indices]

    @property
    def groups(self) -> Sequence[str] | None:
        """The chosen examples' groups, where the source has them; else None."""
        known = getattr(self._source, "groups", None)
        return None if known is None else [known[i] for i in self._indices]

    @property
    def digests(self) -> list[bytes] | None:
        """The chosen examples' digests, where they are known without reading; else None."""
        known = getattr(self._source, "digests", None)
        return None if known is None else [known[i] for i in self._indices]

    @property
    def left_out(self) -> Sequence[Any]:
        """What the source leaves out, of all its examples."""
        return getattr(self._source, "left_out", ())

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """(N,) int32 or (N, K) uint8, the chosen examples' labels."""
        return example_labels(self._source)[self._indices]

    def fingerprint(self, indices: np.ndarray) -> str | None:
        """Identify the examples at (M,) indices by a text; None if the source cannot."""
        return source_fingerprint(self._source, self._indices[indices])

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, i: int) -> Example:
        return self._source[int(self._indices[i])]


def check_same_classes(
    expected: Sequence[str], got: Sequence[str], *, expected_in: str = "first", got_in: str = "next"
) -> None:
    """Check that two sources name the same classes in the same order.

    Args:
      expected: class names of the one.
      got: class names of the other.
      expected_in: what the first is called in the message.
      got_in: what the second is called in the message.

    Raises:
      ValueError: if they differ; the message lists what each has and the other lacks.

    Example:
      >>> check_same_classes(("cat", "dog"), ("cat", "dog"))
    """
    if tuple(expected) == tuple(got):
        return
    missing = [name for name in expected if name not in got]
    extra = [name for name in got if name not in expected]
    found = [f"only in {expected_in}: {', '.join(missing)}"] if missing else []
    found += [f"only in {got_in}: {', '.join(extra)}"] if extra else []
    found = found or [f"the same names in another order: {list(expected)} and {list(got)}"]
    raise ValueError(f"class names differ; {'; '.join(found)}. Give every split the same classes.")


def describe_sizes(splits: Sequence[Sized]) -> str:
    """Say how many examples each split has.

    Example:
      >>> describe_sizes([range(70), range(15), range(15)])
      'train 70, validation 15, test 15'
    """
    return ", ".join(f"{n} {len(s):,}" for n, s in zip(SPLIT_NAMES, splits, strict=True))


def check_classes(splits: Sequence[Any], what: str = "", *, tell: bool = True) -> None:
    """Check that each class has photos where it needs them, however the data was split.

    A class without a photo to train on is refused. A class without a photo in another split is
    warned of, since the figures of that split leave it out.

    Args:
      splits: train, validation and test: sources, or splits of images.
      what: what happened to photos, for the message: " once unreadable files are left out".
      tell: warn of classes that validation or test lacks.

    Raises:
      SplitError: if a class has no example to train on, or a split has none at all.
    """
    sizes = ", ".join(f"{name} {len(s)}" for name, s in zip(SPLIT_NAMES, splits, strict=True))
    for name, split in zip(SPLIT_NAMES, splits, strict=True):
        if not len(split):
            raise SplitError(
                f"the {name} split is empty{what} ({sizes}); add photos, raise its fraction, or "
                "give it a folder of its own."
            )
        held = class_counts(example_labels(split), len(split.class_names))
        lacking = [each for each, n in zip(split.class_names, held, strict=True) if not n]
        if lacking and name == "train":
            raise SplitError(
                f"no photo to train on{what} for {listed(lacking)}; add photos of it, or leave the "
                "class out."
            )
        if lacking and tell:
            logger.warning(
                f"the {name} split has no photo{what} of {listed(lacking)}; its figures leave "
                "them out"
            )
