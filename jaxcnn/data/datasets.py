"""From a data set's name to three splits of images, ready to be batched."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn.data.bad_files import BadFiles, SkippedFile
from jaxcnn.data.decisions.applying import DecidedCounts
from jaxcnn.data.drawn_pets import drawn_pets_splits
from jaxcnn.data.fast_jpeg import describe_decoder
from jaxcnn.data.image_cache import ImageCache
from jaxcnn.data.image_splits import (
    DecodedSplit,
    ImageSplit,
    StreamedSplit,
    check_source,
    decode_split,
)
from jaxcnn.data.photo_sources import load_photos, tell_what_is_left_out
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import (
    SPLIT_NAMES,
    Source,
    SplitError,
    Splits,
    check_classes,
    example_digests,
    example_names,
)
from jaxcnn.data.splits.duplicates import (
    DuplicatePair,
    count_across,
    count_conflicts,
    find_duplicates,
)
from jaxcnn.data.splits.splitting import at_most, complete_splits
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.tfds_source import load_tfds
from jaxcnn.data.workers import usable_cores
from jaxcnn.host.text import counted

logger = logging.getLogger(__name__)

_FRACTION = 0.15  # of the examples, where nothing is said
DRAWN_PETS, FOLDER = "drawn_pets", "folder"
_FEW = 200  # examples that are read at once


class ImageSplits(NamedTuple):
    """A data set's images in three parts, and what was noticed while reading them."""

    train: ImageSplit
    validation: ImageSplit
    test: ImageSplit
    skipped: list[SkippedFile]  # files, and rows of a table, that were left out
    duplicates: list[DuplicatePair]  # equal images
    digests: list[list[bytes]] | None = None  # of the images of each split; None if not compared
    # The split of each example by name, those that are left out among them.
    split_names: Mapping[str, str] = {}
    decided: DecidedCounts | None = None  # what decisions changed; None without any

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""
        return self.train.class_names

    @property
    def splits(self) -> tuple[ImageSplit, ImageSplit, ImageSplit]:
        """Training, validation and test."""
        return self.train, self.validation, self.test


def load_splits(
    name: str,
    *,
    data_dir: Path | str | None = None,
    size_px: int,
    max_train_examples: int = 0,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
    method: str = "stratified",
    group_by: str = "",
    groups: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
    labels: Path | str | None = None,
    columns: TableColumns | None = None,
) -> Splits:
    """Find a data set by its name and divide it in three; no image is decoded yet.

    Args:
      name: "drawn_pets", "folder", or the name of a tensorflow-datasets set.
      data_dir: the photos, in any form that `load_photos` takes, or where tensorflow-datasets keeps
        its sets.
      size_px: side of the drawings of "drawn_pets", pixels; photos come in their own sizes.
      max_train_examples: number of training examples at most; 0 takes all.
      validation_fraction: share of the examples for validation where there is no such split.
      test_fraction: share of the examples for the test where there is no such split.
      seed: decides the split, the drawings and the choice of training examples.
      method: how missing splits are made, see `complete_splits`.
      group_by: finds each example's group in its name, see `complete_splits`.
      groups: {name: group} in place of `group_by`.
      known: {name: split} of examples that keep their split, see `complete_splits`.
      labels: with "folder", a table of the photos' labels.
      columns: names of the table's columns.

    Returns:
      Sources of the three splits.

    Raises:
      ValueError: if the name, the folder or the set cannot be used.

    Example:
      >>> splits = load_splits("drawn_pets", size_px=64, max_train_examples=100)
      >>> len(splits.train), splits.train.class_names
      (100, ('cat', 'dog'))
    """
    if name == DRAWN_PETS:
        options = {"num_train": max_train_examples} if max_train_examples else {}
        return drawn_pets_splits(seed=seed, size_px=size_px, **options)
    if name == FOLDER:
        if not data_dir and not labels:
            raise ValueError(
                "dataset=folder needs data_dir, the folder that holds the photos, or labels, a "
                "table of them."
            )
        photos = load_photos(data_dir, labels, columns)
        tell_what_is_left_out(photos.values())
        found: dict[str, Source] = dict(photos)
    else:
        found = dict(load_tfds(name, data_dir=str(data_dir) if data_dir else None))
    fractions = {"validation": validation_fraction, "test": test_fraction}
    for split, fraction in fractions.items():
        if split in found and fraction != _FRACTION:
            logger.info(f"{split}_fraction has no effect: the data set has a {split} split.")
    try:
        splits = complete_splits(
            found,
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            seed=seed,
            method=method,
            group_by=group_by,
            groups=groups,
            known=known,
        )
    except SplitError:
        _check_few(found)  # if files are unreadable, that is the reason to name
        raise
    return splits._replace(train=at_most(splits.train, max_train_examples, seed=seed))


def _check_few(sources: Mapping[str, Source]) -> None:
    """Raise BadFilesError if examples that are too few to split are unreadable, too."""
    for name, source in sources.items():
        if 0 < len(source) <= _FEW:
            check_source(source, split="" if name == "all" else name, progress=False)


def load_images(
    splits: Splits,
    decoding: Decoding,
    *,
    num_workers: int | None = None,
    max_bad_share: float = 0.05,
    memory_limit_bytes: int = 2**31,
    cache: ImageCache | None = None,
    look_for_duplicates: bool = True,
    check_beforehand: bool = True,
    are_final: bool = True,
    progress: bool = True,
) -> ImageSplits:
    """Decode three splits into memory where they fit, and check them where they do not.

    Args:
      splits: sources of the three splits.
      decoding: size of the images, and how they are made.
      num_workers: threads that decode; None takes one for each core of this process.
      max_bad_share: share of the examples of all splits that may be unreadable.
      memory_limit_bytes: above this size of all decoded images together, they are streamed.
      cache: where decoded images are cached between runs; None caches none.
      look_for_duplicates: compare the splits for equal images, reading each file once more.
      check_beforehand: read each file that is streamed once, to leave out the bad; else they are
        found when their turn comes, and then count as missing.
      are_final: warn of equal images in two splits; not of use where they are split again.
      progress: show a bar, where standard error is a terminal.

    Returns:
      The images, and the files that were skipped.

    Raises:
      ValueError: if too many files are bad, a class has no photo to train on, or an option is out
        of range.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> splits = complete_splits({"all": DrawnPetsSource("train", 40, size_px=16)})
      >>> images = load_images(splits, Decoding(16), progress=False)
      >>> images.train.image_shape, images.skipped
      ((16, 16, 3), [])
    """
    are_known = all(getattr(source, "digests", None) is not None for source in splits)
    compares = look_for_duplicates or are_known
    digests = [example_digests(source) for source in splits] if compares else None
    duplicates = find_duplicates(splits, digests) if digests and look_for_duplicates else []
    tell_of_conflicts(duplicates)
    if are_final:
        tell_of_copies(duplicates)
    needed = sum(map(len, splits)) * math.prod(decoding.image_shape)
    workers = num_workers or usable_cores()
    # The bad are counted over all splits together, so each alone may have any number.
    options: dict[str, Any] = {"num_workers": workers, "max_bad_share": 1.0, "progress": progress}
    bad_files = BadFiles(sum(map(len, splits)), max_bad_share)
    found: Sequence[ImageSplit]
    if needed <= memory_limit_bytes:
        found = decoded = _decoded(splits, decoding, cache=cache, **options)
        bad_files.add(file for split in decoded for file in split.skipped)
    else:
        limit = f"exceed the limit of {memory_limit_bytes / 2**30:.1f} GiB; they "
        over = limit if memory_limit_bytes else ""
        logger.info(
            f"{needed / 2**30:.1f} GiB of images {over}are decoded as they are needed "
            f"{_by(splits, decoding, workers)}."
        )
        named = list(zip(SPLIT_NAMES, splits, strict=True))
        sources: list[Source] = list(splits)
        if check_beforehand:
            options["max_pixels"] = decoding.max_pixels
            checked = [check_source(source, split=name, **options) for name, source in named]
            bad_files.add(file for _, bad in checked for file in bad)
            sources = [good for good, _ in checked]
        found = [
            StreamedSplit(good, decoding, num_threads=workers, bad_files=bad_files, split=name)
            for name, good in zip(SPLIT_NAMES, sources, strict=True)
        ]
    skipped = bad_files.skipped
    check_classes(found, " once unreadable files are left out" if skipped else "")
    left_out = [*_left_out_of(splits), *skipped]
    return _with_digests(splits, found, left_out, duplicates, digests)


def _left_out_of(splits: Splits) -> list[SkippedFile]:
    """List what the sources leave out, each once: splits of one source share their list."""
    every = [each for source in splits for each in getattr(source, "left_out", ())]
    return list(dict.fromkeys(every))


def tell_of_copies(pairs: Sequence[DuplicatePair]) -> None:
    """Warn of equal images in two splits."""
    across = [pair for pair in pairs if pair.is_across]
    if across:
        logger.warning(
            f"{counted(count_across(across), 'photo')} in two splits, so the result is too good, "
            f"e.g. {across[0].name} ({across[0].split}) = {across[0].other_name} "
            f"({across[0].other_split})"
        )


def tell_of_conflicts(pairs: Sequence[DuplicatePair]) -> None:
    """Warn of equal images in two classes."""
    conflicts = [pair for pair in pairs if pair.is_conflict]
    if conflicts:
        photos = counted(count_conflicts(conflicts), "photo")
        logger.warning(
            f"{photos} in two classes, so one label is wrong, e.g. "
            f"{conflicts[0].name} ({conflicts[0].label}) = {conflicts[0].other_name} "
            f"({conflicts[0].other_label})"
        )


def _with_digests(
    sources: Splits,
    found: Sequence[ImageSplit],
    skipped: list[SkippedFile],
    duplicates: list[DuplicatePair],
    digests: list[list[bytes]] | None,
) -> ImageSplits:
    """Put the splits together, with the digests of the images that are left in them."""
    if digests is not None:
        known = [
            dict(zip(example_names(source), each, strict=True))
            for source, each in zip(sources, digests, strict=True)
        ]
        digests = [
            [by_name[name] for name in split.names]
            for split, by_name in zip(found, known, strict=True)
        ]
    return ImageSplits(found[0], found[1], found[2], skipped, duplicates, digests)


def _decoded(
    splits: Splits, decoding: Decoding, *, num_workers: int, **options: Any
) -> list[DecodedSplit]:
    """Decode three splits into memory, and say how long it took."""
    started = time.perf_counter()
    decoded = [
        decode_split(source, decoding, num_workers=num_workers, split=name, **options)
        for name, source in zip(SPLIT_NAMES, splits, strict=True)
    ]
    seconds, count = time.perf_counter() - started, sum(map(len, decoded))
    if all(split.from_disk for split in decoded):
        done, by = "images, decoded by an earlier run, read from the cache in", ""
    else:
        done, by = "images decoded in", f" {_by(splits, decoding, num_workers)}"
    logger.info(f"{count:,} {done} {seconds:.1f} s{by}")
    return decoded


def _by(splits: Splits, decoding: Decoding, num_workers: int) -> str:
    """Say what decodes: threads, and of encoded files the decoder."""
    try:  # images of a data set of arrays, or drawn, are no files
        holds_files = isinstance(splits.train[0].image, bytes)
    except (OSError, IndexError):
        holds_files = True
    by = f"by {counted(num_workers, 'thread' if holds_files else 'worker')}"
    return f"{by}, JPEGs by {describe_decoder(decoding.decoder)}" if holds_files else by
