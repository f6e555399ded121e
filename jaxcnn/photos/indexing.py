"""Bring an index up to date: label what is new or changed, note what has moved or is gone.

A file is looked into where its size or its time differs from what the index holds; its digest then
tells whether it is another photo, the same one touched, a copy of a known one, or one that has
moved. A stop at any moment loses the batch under way at most: the next run goes on from there.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.data.workers import usable_cores
from jaxcnn.photos.reading import ReadPhoto, in_order_ahead, read_photo
from jaxcnn.photos.walk import PhotoFile, Seen, Trouble, walk
from jaxcnn.photos.writer import IndexWriter, Row

if TYPE_CHECKING:
    from jaxcnn.photos.labelling import Labeller  # brings the networks, which searches do without

_COMMIT_EVERY = 1000  # notes without a label; labelled photos are committed with their batch
_BATCHES_AHEAD = 3
MAX_TROUBLES_TOLD = 1000


@dataclasses.dataclass
class IndexReport:
    """What became of the photos of the folders."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    copied: int = 0  # new paths of a known content; counted in `added` too
    unchanged: int = 0
    removed: int = 0  # gone, and forgotten
    missing: int = 0  # gone, but kept, since their drive may be
    unreadable: int = 0  # files and folders
    interrupted: bool = False
    troubles: list[Trouble] = dataclasses.field(default_factory=list)  # MAX_TROUBLES_TOLD of them


def update_index(
    writer: IndexWriter,
    labeller: "Labeller",
    folders: Sequence[bytes],
    *,
    num_workers: int | None = None,
    forget_missing: bool = False,
    on_photo: Callable[[], object] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> IndexReport:
    """Bring an index up to date with folders.

    Photos that are gone are forgotten, unless their drive may not be mounted: where they are more
    than half of a folder's, or what is left of their folder is empty. Then they are kept, and
    counted as missing.

    Args:
      writer: the open index.
      labeller: the network; the index holds labels by it, or none.
      folders: absolute paths of folders.
      num_workers: threads that read and decode; None for one a core.
      forget_missing: forget all that is gone, however many they are.
      on_photo: called once for each photo or trouble, when it is done with.
      should_stop: asked between photos; what is done then is kept.

    Returns:
      The counts.

    Raises:
      PhotoIndexError: if the index holds another network's labels.
      OSError: if the index cannot be written (any more), such as on a full disk.
    """
    writer.claim(labeller.network)
    update = _Update(writer, labeller, num_workers or usable_cores(), on_photo, should_stop)
    walked: Seen = set()
    for folder in folders:
        writer.add_folder(folder)
        update.look_through(folder, walked)
        if update.report.interrupted:
            break
        update.sort_out_missing(folder, forget_all=forget_missing)
    writer.commit()
    return update.report


class _Update:
    """One run over the folders: the batch under way, and what was met."""

    def __init__(
        self,
        writer: IndexWriter,
        labeller: "Labeller",
        num_workers: int,
        on_photo: Callable[[], object],
        should_stop: Callable[[], bool],
    ) -> None:
        self.report = IndexReport()
        self._writer, self._labeller = writer, labeller
        self._num_workers = num_workers
        self._on_photo, self._should_stop = on_photo, should_stop
        self._batch: list[ReadPhoto] = []
        self._num_notes = 0
        self._met = bytearray()  # by photo id: 1 where the file is as the index has it
        self._troubled: set[bytes] = set()

    def look_through(self, folder: bytes, walked: Seen) -> None:
        """Label what is new in a folder."""
        photos = in_order_ahead(
            self._read,
            self._news(folder, walked),
            num_workers=self._num_workers,
            num_ahead=_BATCHES_AHEAD * self._labeller.batch_size,
        )
        with contextlib.closing(photos):
            for photo in photos:
                self._take(photo)
                if self._should_stop():
                    break
        self._flush()
        self.report.interrupted = self._should_stop()

    def sort_out_missing(self, folder: bytes, *, forget_all: bool) -> None:
        """Forget the photos of a folder that are gone, unless they are too many."""
        count = sum(1 for _ in self._writer.rows_below(folder))
        gone = sum(1 for _ in self._missing(folder))
        forget_none = not forget_all and 2 * gone > count
        for row in self._missing(folder):
            if forget_none or (not forget_all and _may_be_unmounted(row.path)):
                self.report.missing += 1
            else:
                self._writer.forget(row.path)
                self.report.removed += 1
                self._noted()
        for path in self._writer.troubles_below(folder):
            if path not in self._troubled:
                self._writer.forget_trouble(path)
        self._writer.commit()

    def _missing(self, folder: bytes) -> Iterator[Row]:
        """Find the photos of a folder that are there no more."""
        for row in self._writer.rows_below(folder):
            is_met = row.photo_id < len(self._met) and self._met[row.photo_id]
            if not is_met and _is_gone(row.path):
                yield row

    def _news(self, folder: bytes, walked: Seen) -> Iterator[PhotoFile]:
        """Find the files that have to be read."""
        for found in walk(folder, walked):
            if self._should_stop():
                return
            if isinstance(found, Trouble):
                self._note_trouble(found)
            elif reason := self._writer.find_trouble(found):
                self._note_trouble(Trouble(found.path, reason, False, *found[1:]))
            elif not self._is_unchanged(found):
                yield found

    def _is_unchanged(self, file: PhotoFile) -> bool:
        row = self._writer.find_path(file.path)
        if row is None or (row.size, row.mtime_ns) != (file.size, file.mtime_ns):
            return False
        self._meet(row.photo_id)
        self.report.unchanged += 1
        self._on_photo()
        return True

    def _read(self, file: PhotoFile) -> ReadPhoto:
        """Read a file; called by many threads."""
        return read_photo(file, self._labeller.preprocess, self._is_known)

    def _is_known(self, content: bytes) -> bool:
        return bool(self._writer.find_content(content))

    def _take(self, photo: ReadPhoto) -> None:
        """Note what needs no label, and gather the rest for the network."""
        if not photo.error and photo.pixels is None:
            known = self._writer.find_content(photo.content)
            if known:
                self._take_known(photo, known)
                return
            # Since it was read, what it is a copy of has become another photo.
            photo = read_photo(photo.file, self._labeller.preprocess)
        if photo.error:
            self._take_bad(photo)
            return
        self._batch.append(photo)
        if len(self._batch) == self._labeller.batch_size:
            self._flush()

    def _take_known(self, photo: ReadPhoto, known: list[Row]) -> None:
        own = [row for row in known if row.path == photo.file.path]
        gone = [row for row in known if _is_gone(row.path)]
        if own:
            self._writer.copy(photo, own[0])  # touched, and the same
            self.report.unchanged += 1
            self._meet(own[0].photo_id)
        elif gone:
            self._writer.move(photo, gone[0])
            self.report.moved += 1
            self._meet(gone[0].photo_id)
        else:
            self._count(photo)
            self._writer.copy(photo, known[0])
            self.report.copied += 1
        self._noted()
        self._on_photo()

    def _take_bad(self, photo: ReadPhoto) -> None:
        if not photo.content:  # not even read: another time it may be, and labels stay
            self._note_trouble(Trouble(photo.file.path, photo.error))
            return
        self._writer.forget(photo.file.path)
        self._note_trouble(Trouble(photo.file.path, photo.error, False, *photo.file[1:]))

    def _note_trouble(self, trouble: Trouble) -> None:
        self._troubled.add(trouble.path)
        self.report.unreadable += 1
        if len(self.report.troubles) < MAX_TROUBLES_TOLD:
            self.report.troubles.append(trouble)
        self._writer.note_trouble(trouble)
        self._noted()
        self._on_photo()

    def _flush(self) -> None:
        """Label the batch under way, and make lasting all that was written."""
        if self._batch:
            pixels = np.stack([photo.pixels for photo in self._batch if photo.pixels is not None])
            for photo, *answer in zip(self._batch, *self._labeller.label(pixels), strict=True):
                self._count(photo)
                self._writer.put(photo, *answer)
        self._writer.commit()
        self._num_notes = 0
        for _ in self._batch:
            self._on_photo()
        self._batch.clear()

    def _count(self, photo: ReadPhoto) -> None:
        if self._writer.find_path(photo.file.path):
            self.report.changed += 1
        else:
            self.report.added += 1

    def _meet(self, photo_id: int) -> None:
        self._met.extend(bytes(max(0, photo_id + 1 - len(self._met))))
        self._met[photo_id] = 1

    def _noted(self) -> None:
        self._num_notes += 1
        if self._num_notes >= _COMMIT_EVERY:
            self._writer.commit()
            self._num_notes = 0


def _is_gone(path: bytes) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # it may be there, behind what cannot be read
        return False
    return False


def _may_be_unmounted(path: bytes) -> bool:
    """Tell whether the nearest folder above that is there is empty, as a mount point would be."""
    folder = os.path.dirname(path)
    while _is_gone(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True
