"""From folders and the file of an index to an index that is up to date, or made again."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.data.photo_files import Seen, walk
from jaxcnn.data.workers import usable_cores
from jaxcnn.photos.index_format import PhotoIndexError
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.index_writer import IndexWriter
from jaxcnn.photos.indexing import FolderIndexer, IndexReport

if TYPE_CHECKING:
    from jaxcnn.photos.labelling import Labeller  # brings the networks, which searches do without


def check_folders(index_path: Path, names: Sequence[str]) -> list[bytes]:
    """Make the paths of folders absolute.

    Args:
      index_path: the index's file; it need not be there.
      names: paths of folders; none for all that were indexed before.

    Returns:
      Absolute paths without links. One that is not there is among them if it was indexed before:
      its drive may not be mounted.

    Raises:
      ValueError: if one is not a folder, or there is none.
    """
    known, _ = _held_by(index_path)
    if not names and not known:
        raise ValueError("name the folders whose photos to label: index ~/Pictures.")
    folders = [os.path.realpath(os.fsencode(os.path.expanduser(name))) for name in names]
    for name, folder in zip(names, folders, strict=True):
        if not os.path.isdir(folder) and folder not in known:
            what = "is not a folder" if os.path.exists(folder) else "does not exist"
            raise ValueError(f"{name} {what}.")
    return list(dict.fromkeys(folders or known))


def update_index(
    path: Path,
    folders: Sequence[bytes],
    load: Callable[[Mapping[str, str]], "Labeller"],
    *,
    rebuild: bool = False,
    num_workers: int | None = None,
    forget_missing: bool = False,
    on_photo: Callable[[], object] = lambda: None,
    on_total: Callable[[int], object] = lambda total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> IndexReport:
    """Bring the index in a file up to date with folders.

    Photos that are gone are forgotten, unless their drive may not be mounted: where they are more
    than half of a folder's, or what is left of their folder is empty. Then they are kept, and
    counted as missing.

    Args:
      path: the file; made where there is none.
      folders: as `check_folders` gives.
      load: gives the network, from the source that the index names; {} where it names none.
      rebuild: label all again, the folders that were indexed before too, in a file beside, which
        takes the place of the old one when it is whole. A rebuilding that was stopped goes on when
        it is asked for again.
      num_workers: threads that read and decode; None for one per core.
      forget_missing: forget all that is gone, however many they are.
      on_photo: called once for each photo or trouble, when it is done with.
      on_total: called with the number of photos in the folders once they are counted, from another
        thread.
      should_stop: asked between photos; what is done then is kept.

    Returns:
      What became of the photos.

    Raises:
      PhotoIndexError: if the file is no index, holds another network's labels, is written by
        another process, or cannot be written (any more), such as on a full disk.
      ValueError: if the network cannot be had.
    """
    path = Path(path).absolute()
    known, source = _held_by(path)
    target = path
    if rebuild:
        target = path.with_name(f"{path.name}.rebuilt")
        folders = list(dict.fromkeys([*folders, *known]))
    stopped = threading.Event()
    with IndexWriter(target, lock=path) as writer:
        held = writer.network()
        labeller = load(held.source if held else source)
        if rebuild and held and held.fingerprint != labeller.network.fingerprint:
            writer.clear()  # of a rebuilding that was stopped, with another network
        writer.claim(labeller.network)
        indexer = FolderIndexer(
            writer,
            labeller,
            num_workers=num_workers or usable_cores(),
            on_photo=on_photo,
            should_stop=should_stop,
        )
        counting = threading.Thread(target=_count, args=(folders, on_total, stopped), daemon=True)
        counting.start()
        try:
            for folder in folders:
                if not indexer.report.interrupted:
                    indexer.index_folder(folder, forget_missing=forget_missing)
        finally:
            stopped.set()
            counting.join()
        writer.close()
        if rebuild and not indexer.report.interrupted:
            os.replace(target, path)
    return indexer.report


def _count(
    folders: Sequence[bytes], on_total: Callable[[int], object], stopped: threading.Event
) -> None:
    """Count the photos ahead of their reading, so that the time left can be told."""
    total, seen = 0, Seen()
    for folder in folders:
        for _ in walk(folder, seen):
            total += 1
            if stopped.is_set():
                return
    on_total(total)


def _held_by(path: Path) -> tuple[list[bytes], Mapping[str, str]]:
    """Read the folders and the network of an index; none of either where there is no such index."""
    try:
        index = PhotoIndex(path)
        return [os.fsencode(folder) for folder in index.folders()], index.network.source
    except PhotoIndexError:
        return [], {}
