"""Bring an index up to date: label what is new or changed, note what has moved or is gone.

A file is looked into where its size or its time differs from what the index holds; its digest then
tells whether it is another photo, the same one touched, a copy of a known one, or one that has
moved. A stop at any moment loses the batch under way at most: the next run goes on from there.
"""

import contextlib
import dataclasses
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.data.photo_files import PhotoFile, Seen, Trouble, is_gone, walk
from jaxcnn.data.workers import in_order_ahead
from jaxcnn.photos.index_writer import IndexWriter, Row
from jaxcnn.photos.reading import ReadPhoto, read_photo

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
    missing: int = 0  # gone, but kept, since their drive may be; not those of absent folders
    unreadable: int = 0  # files and folders
    absent: dict[bytes, int] = dataclasses.field(default_factory=dict)  # folders; photos kept
    interrupted: bool = False
    troubles: list[Trouble] = dataclasses.field(default_factory=list)  # MAX_TROUBLES_TOLD of them


@dataclasses.dataclass
class FolderIndexer:
    """One run over folders: the batch under way, and what was met.

    Attributes:
      writer: the open index; it holds labels by this network, or none.
      labeller: the network.
      num_workers: threads that read and decode.
      on_photo: called once for each photo or trouble, when it is done with.
      should_stop: asked between photos; what is done then is kept.
      report: what became of the photos so far.
    """

    writer: IndexWriter
    labeller: "Labeller"
    num_workers: int
    on_photo: Callable[[], object]
    should_stop: Callable[[], bool]
    report: IndexReport = dataclasses.field(default_factory=IndexReport)
    _walked: Seen = dataclasses.field(default_factory=set)
    _batch: list[ReadPhoto] = dataclasses.field(default_factory=list)
    _num_notes: int = 0
    _met: set[int] = dataclasses.field(default_factory=set)  # photos that are as the index has them
    _troubled: set[bytes] = dataclasses.field(default_factory=set)

    def index_folders(self, folders: Sequence[bytes], *, forget_missing: bool) -> None:
        """Bring the index up to date with folders.

        Args:
          folders: absolute paths.
          forget_missing: forget all that is gone, however many they are.
        """
        for folder in folders:
            if self.report.interrupted:
                return
            self.writer.add_folder(folder)
            if is_no_folder(folder) and not forget_missing:
                self.report.absent[folder] = len(self.writer.rows_below(folder))
                self.writer.forget_trouble(folder)
            else:
                self._label_new(folder)
            self.writer.commit()
            self.report.interrupted = self.should_stop()
        # What is gone from one folder may have been found in another.
        for folder in folders if not self.report.interrupted else ():
            if folder not in self.report.absent:
                self._sort_out_missing(folder, forget_all=forget_missing)
            self.writer.commit()

    def _label_new(self, folder: bytes) -> None:
        preprocess, is_known = self.labeller.preprocess, self.writer.find_content
        photos = in_order_ahead(
            lambda file: read_photo(file, preprocess, is_known),
            self._news(folder),
            num_workers=self.num_workers,
            num_ahead=_BATCHES_AHEAD * self.labeller.batch_size,
        )
        with contextlib.closing(photos):
            for photo in photos:
                self._take(photo)
                if self.should_stop():
                    break
        self._flush()

    def _sort_out_missing(self, folder: bytes, *, forget_all: bool) -> None:
        """Forget the photos of a folder that are gone, unless they are too many."""
        rows = self.writer.rows_below(folder)
        missing = [row for row in rows if row.photo_id not in self._met and is_gone(row.path)]
        forget_none = not forget_all and 2 * len(missing) > len(rows)
        for row in missing:
            if forget_none or (not forget_all and may_be_unmounted(row.path)):
                self.report.missing += 1
            else:
                self.writer.forget(row.path)
                self.report.removed += 1
                self._noted()
        for path in self.writer.troubles_below(folder):
            if path not in self._troubled:
                self.writer.forget_trouble(path)

    def _news(self, folder: bytes) -> Iterator[PhotoFile]:
        """Find the files that have to be read."""
        for found in walk(folder, self._walked):
            if self.should_stop():
                return
            if isinstance(found, Trouble):
                self._note_trouble(found)
            elif reason := self.writer.find_trouble(found):
                self._note_trouble(Trouble(found.path, reason, *found[1:]))
            elif not self._is_unchanged(found):
                yield found

    def _is_unchanged(self, file: PhotoFile) -> bool:
        row = self.writer.find_path(file.path)
        if row is None or row[1:] != file:
            return False
        self._met.add(row.photo_id)
        self.report.unchanged += 1
        self.on_photo()
        return True

    def _take(self, photo: ReadPhoto) -> None:
        """Note what needs no label, and gather the rest for the network."""
        if not photo.error and photo.pixels is None:
            known = self.writer.find_content(photo.content)
            if known:
                self._take_known(photo, known)
                return
            # Since it was read, what it is a copy of has become another photo.
            photo = read_photo(photo.file, self.labeller.preprocess)
        if photo.error and photo.content:
            self.writer.forget(photo.file.path)
            self._note_trouble(Trouble(photo.file.path, photo.error, *photo.file[1:]))
            return
        if photo.error:  # not even read: another time it may be, and labels stay
            self._note_trouble(Trouble(photo.file.path, photo.error))
            return
        self._batch.append(photo)
        if len(self._batch) == self.labeller.batch_size:
            self._flush()

    def _take_known(self, photo: ReadPhoto, known: list[Row]) -> None:
        own = [row for row in known if row.path == photo.file.path]
        gone = [row for row in known if is_gone(row.path)]
        if own:
            self.writer.copy(photo, own[0])  # touched, and the same
            self.report.unchanged += 1
            self._met.add(own[0].photo_id)
        elif gone:
            self.writer.move(photo, gone[0])
            self.report.moved += 1
            self._met.add(gone[0].photo_id)
        else:
            self._count(photo)
            self.writer.copy(photo, known[0])
            self.report.copied += 1
        self._noted()
        self.on_photo()

    def _note_trouble(self, trouble: Trouble) -> None:
        self._troubled.add(trouble.path)
        self.report.unreadable += 1
        if len(self.report.troubles) < MAX_TROUBLES_TOLD:
            self.report.troubles.append(trouble)
        self.writer.note_trouble(trouble)
        self._noted()
        self.on_photo()

    def _flush(self) -> None:
        """Label the batch under way, and make lasting all that was written."""
        if self._batch:
            pixels = np.stack([photo.pixels for photo in self._batch if photo.pixels is not None])
            for photo, *answer in zip(self._batch, *self.labeller.label(pixels), strict=True):
                self._count(photo)
                self.writer.put(photo, *answer)
        self.writer.commit()
        self._num_notes = 0
        for _ in self._batch:
            self.on_photo()
        self._batch.clear()

    def _count(self, photo: ReadPhoto) -> None:
        if self.writer.find_path(photo.file.path):
            self.report.changed += 1
        else:
            self.report.added += 1

    def _noted(self) -> None:
        self._num_notes += 1
        if self._num_notes >= _COMMIT_EVERY:
            self.writer.commit()
            self._num_notes = 0


def is_no_folder(path: bytes) -> bool:
    """Tell whether no folder is at a path; not where that cannot be found out."""
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def may_be_unmounted(path: bytes) -> bool:
    """Tell whether the nearest folder above that is there is empty, as a mount point would be."""
    folder = os.path.dirname(path)
    while is_no_folder(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True
