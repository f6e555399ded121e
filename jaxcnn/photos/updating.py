"""From folders and the file of an index to an index that is up to date, or made again."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.data.photo_files import Seen, is_gone, reason_of, walk
from jaxcnn.data.workers import usable_cores
from jaxcnn.host.text import printable
from jaxcnn.photos.index_file import (
    ForeignFileError,
    connect,
    holds_index,
    install,
    remove,
    telling,
)
from jaxcnn.photos.index_format import UnusableIndexError, read_network
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.index_writer import REPLACE_HINT, IndexWriter, inside
from jaxcnn.photos.indexing import (
    FolderIndexer,
    IndexReport,
    is_no_folder,
    may_be_unmounted,
)

if TYPE_CHECKING:
    from jaxcnn.photos.labelling import Labeller  # brings the networks, which searches do without


logger = logging.getLogger(__name__)


def check_folders(
    index_path: Path, names: Sequence[str], *, rebuild: bool = False, overwrite: bool = False
) -> list[bytes]:
    """Make the paths of folders absolute.

    Args:
      index_path: the index's file; it need not be there.
      names: paths of folders; none for all that were indexed before.
      rebuild: as for `update_index`.
      overwrite: as for `update_index`.

    Returns:
      Absolute paths without links. One that is not there is among them if it was indexed before:
      its drive may not be mounted.

    Raises:
      ValueError: if one is not a folder, or there is none.
      PhotoIndexError: if the file is damaged or not an index, and may not be replaced.
    """
    known, _ = _held_by(Path(index_path).absolute(), rebuild=rebuild, overwrite=overwrite)
    if not names and not known:
        raise ValueError("name the folders whose photos to label: index ~/Pictures.")
    folders = [real_folder(name) for name in names]
    for name, folder in zip(names, folders, strict=True):
        if not os.path.isdir(folder) and folder not in known:
            raise ValueError(f"{printable(name)} {_why_no_folder(folder)}.")
    return list(dict.fromkeys(folders or known))


def _why_no_folder(path: bytes) -> str:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        return f"cannot be reached: {reason_of(error)}"
    return "is not a folder"


def real_folder(name: str) -> bytes:
    """Give a folder's path as an index notes it: absolute, without links.

    Raises:
      ValueError: if it is empty, such as "$FOLDER" where that is not set.
    """
    if not name:
        raise ValueError("the name of a folder is empty; for the current one give '.'.")
    return os.path.realpath(os.fsencode(os.path.expanduser(name)))


def update_index(
    path: Path,
    folders: Sequence[bytes],
    load: Callable[[Mapping[str, str]], "Labeller"],
    *,
    rebuild: bool = False,
    overwrite: bool = False,
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
      overwrite: if the file is not an index, replace it once all photos are labelled.
      num_workers: threads that read and decode; None for one per core.
      forget_missing: forget all that is gone, however many they are.
      on_photo: called once for each photo or trouble, when it is done with.
      on_total: called with the number of photos in the folders once they are counted, from another
        thread.
      should_stop: asked between photos; what is done then is kept.

    Returns:
      What became of the photos.

    Raises:
      PhotoIndexError: if the file is no index, damaged, holds another network's labels, is written
        by another process, or cannot be written (any more), such as on a full disk.
      ValueError: if the network cannot be loaded, or rebuilding would lose photos of a folder that
        is not there now.
    """
    path = Path(os.path.realpath(path))  # a link to an index stays one
    known, source = _held_by(path, rebuild=rebuild, overwrite=overwrite)
    rebuild = rebuild or (overwrite and not _is_index(path))
    target = path
    if rebuild:
        target = path.with_name(f"{path.name}.rebuilt")
        folders = list(dict.fromkeys([*folders, *known]))
        if _is_index(path) and not forget_missing:
            _check_there(path, known)
        _drop_damaged(target)
    stopped = threading.Event()
    with IndexWriter(target, lock=path) as writer:
        held = writer.network()
        labeller = load(held.source if held else source)
        if rebuild and held and held.fingerprint != labeller.network.fingerprint:
            writer.clear()  # of a rebuilding that was stopped, with another network
        for folder in set(writer.folders()) - set(folders) if rebuild else ():
            writer.forget_folder(folder, folders)  # taken out of the old one meanwhile
        if rebuild and not source and _is_index(path):
            logger.info(
                "which network labelled %s is not known; its photos are labelled by %s now",
                path,
                labeller.network.name,
            )
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
            indexer.index_folders(folders, forget_missing=forget_missing)
        finally:
            stopped.set()
            counting.join()
        writer.close()
        if rebuild and not indexer.report.interrupted:
            install(target, path)
    return indexer.report


def _count(
    folders: Sequence[bytes], on_total: Callable[[int], object], stopped: threading.Event
) -> None:
    """Count the photos ahead of their reading, so that the time left can be told."""
    total, seen = 0, Seen()
    for folder in folders:
        for _ in walk(folder, seen) if not is_no_folder(folder) else ():
            total += 1
            if stopped.is_set():
                return
    on_total(total)


def forget_folder(path: Path, name: str) -> int:
    """Take a folder and its photos out of an index; the files stay as they are.

    Photos that also lie in another folder of the index stay in it.

    Args:
      path: the index's file.
      name: a folder that was indexed, or one below it that no longer exists.

    Returns:
      The number of photos that were taken out.

    Raises:
      ValueError: if the index has no such folder.
      PhotoIndexError: if it cannot be read or written.
    """
    known = [os.fsencode(folder) for folder in PhotoIndex(path).folders()]
    folder = real_folder(name)
    if (given := os.path.abspath(os.fsencode(os.path.expanduser(name)))) in known:
        folder = given  # what was no link then
    with IndexWriter(path) as writer:
        if folder not in known and not (is_gone(folder) and writer.rows_below(folder)):
            held = ", ".join(map(printable, known))
            raise ValueError(
                f"{printable(name)} is not a folder of the index; its folders: {held or 'none'}."
            )
        others = [] if folder not in known else [each for each in known if each != folder]
        return writer.forget_folder(folder, others)


def _drop_damaged(target: Path) -> None:
    """Remove the file of a rebuilding that was stopped, if it is damaged."""
    if not _is_index(target):
        return
    try:
        with contextlib.closing(connect(target, "ro")) as connection, telling(target):
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                remove(target)
    except UnusableIndexError:
        remove(target)


def _check_there(path: Path, folders: Sequence[bytes]) -> None:
    """Refuse to rebuild an index without the photos of a drive that is not mounted."""
    away = tuple(inside(folder) for folder in folders if is_no_folder(folder))
    lost = None
    with (
        contextlib.suppress(UnusableIndexError),
        telling(path),
        contextlib.closing(connect(path, "ro")) as connection,
    ):
        photos = (row[0] for row in connection.execute("SELECT path FROM photos"))
        missing = (p for p in photos if is_gone(p) or not os.access(os.path.dirname(p), os.R_OK))
        lost = next((p for p in missing if p.startswith(away) or may_be_unmounted(p)), None)
    if lost is not None:
        raise ValueError(
            f"{printable(os.path.dirname(lost))} is not there now, or empty, or may not be read, "
            "so a new index would lose its photos: mount its drive or let it be read, `forget` "
            "it, or give forget_missing=True."
        )


def _is_index(path: Path) -> bool:
    try:
        return holds_index(path)
    except ForeignFileError:
        return False


def _held_by(
    path: Path, *, rebuild: bool, overwrite: bool
) -> tuple[list[bytes], Mapping[str, str]]:
    """Read the folders and the network of an index; neither if there is no index.

    Of a damaged one that is to be rebuilt, read what can be read.
    """
    folders: list[bytes] = []
    source: Mapping[str, str] = {}
    try:
        if not holds_index(path, hint=REPLACE_HINT):
            return folders, source
    except ForeignFileError:
        if overwrite:
            return folders, source
        raise
    forgiven = (UnusableIndexError,) if rebuild else ()
    with contextlib.suppress(*forgiven), contextlib.closing(connect(path, "ro")) as connection:
        with contextlib.suppress(*forgiven), telling(path):
            folders += [bytes(row[0]) for row in connection.execute("SELECT path FROM folders")]
        with telling(path):
            network = read_network(connection.execute("SELECT key, value FROM about"), path)
            source = network.source if network else {}
    return sorted(folders), source
