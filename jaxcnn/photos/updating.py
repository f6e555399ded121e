"""From folders and the file of an index to an index that is up to date, or made again."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.photos.indexing import IndexReport, update_index
from jaxcnn.photos.store import NetworkRecord, PhotoIndex, PhotoIndexError
from jaxcnn.photos.walk import Seen, walk
from jaxcnn.photos.writer import IndexWriter

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
      ValueError: if one is no folder, or there is none.
    """
    known = _known_folders(index_path)
    if not names and not known:
        raise ValueError("name the folders whose photos to label: index ~/Pictures.")
    folders = [os.path.realpath(os.fsencode(os.path.expanduser(name))) for name in names]
    for name, folder in zip(names, folders, strict=True):
        if not os.path.isdir(folder) and folder not in known:
            what = "is no folder" if os.path.exists(folder) else "does not exist"
            raise ValueError(f"{name} {what}.")
    return list(dict.fromkeys(folders or known))


def update_file(
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
    """Bring the index in a file up to date, see `indexing.update_index`.

    Args:
      path: the file; made where there is none.
      folders: as `check_folders` gives.
      load: gives the network, from the source that the index names; {} where it names none.
      rebuild: label all again, the folders that were indexed before too, in a file beside, which
        takes the place of the old one when it is whole. A rebuilding that was stopped goes on when
        it is asked for again.
      num_workers: as for `update_index`.
      forget_missing: likewise.
      on_photo: likewise.
      on_total: called with the number of photos in the folders once they are counted, from another
        thread.
      should_stop: likewise.

    Returns:
      What became of the photos.

    Raises:
      PhotoIndexError: as for `update_index` and `IndexWriter`.
      ValueError: if the network cannot be had.
    """
    path = Path(path).absolute()
    if rebuild:
        folders = list(dict.fromkeys([*folders, *_known_folders(path)]))
    target = path.with_name(f"{path.name}.rebuilt") if rebuild else path
    stopped = threading.Event()
    with IndexWriter(target, lock=path) as writer:
        held = writer.network()
        former = held or (_known_network(path) if rebuild else None)
        labeller = load(former.source if former else {})
        if rebuild and held and held.fingerprint != labeller.network.fingerprint:
            writer.clear()  # of a rebuilding that was stopped, with another network
        counting = threading.Thread(target=_count, args=(folders, on_total, stopped), daemon=True)
        counting.start()
        try:
            report = update_index(
                writer,
                labeller,
                folders,
                num_workers=num_workers,
                forget_missing=forget_missing,
                on_photo=on_photo,
                should_stop=should_stop,
            )
        finally:
            stopped.set()
            counting.join()
        writer.close()
        if rebuild and not report.interrupted:
            os.replace(target, path)
    return report


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


def _known_folders(path: Path) -> list[bytes]:
    """List the folders that an index holds; none where there is no index, or an empty one."""
    try:
        return [os.fsencode(folder) for folder in PhotoIndex(path).folders()]
    except PhotoIndexError:
        return []


def _known_network(path: Path) -> NetworkRecord | None:
    try:
        return PhotoIndex(path).network
    except PhotoIndexError:
        return None
