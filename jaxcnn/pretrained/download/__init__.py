"""Published files in a cache folder: fetched once, verified at every use, usable offline.

Beside a cached file `<name>` lie `<name>.sha256` (the digest that came, and from where; readable
by `sha256sum -c`) and, while it is on its way, `<name>.part`, `<name>.part.json` and `<name>.lock`.
`connection` asks a server once, `transfer` as often as it takes.
"""

import errno
import logging
import os
import re
import sys
import time
from pathlib import Path

from jaxcnn.host.files import locked, sha256_of, write_text
from jaxcnn.host.folders import cache_folder
from jaxcnn.host.network import is_offline
from jaxcnn.pretrained.download.connection import DownloadError
from jaxcnn.pretrained.download.transfer import Transfer, discard, fetch, format_bytes

logger = logging.getLogger(__name__)

__all__ = ["DownloadError", "OfflineError", "cache_folder", "download", "is_offline", "sha256_of"]


class OfflineError(DownloadError):
    """A file is not in the cache and the network must not be used."""


def download(url: str, path: Path, *, sha256: str | None, offline: bool | None = None) -> Path:
    """Bring a published file into the cache, unless it is there and sound.

    A download that breaks off is resumed, at once or by the next call; the file takes its name
    only when it is complete and verified. Of several processes one downloads and the rest wait.

    Args:
      url: an http or https address; redirects are followed, from https only to https.
      path: where the file is kept.
      sha256: the published digest in lower case, or its first 8 or more hex digits. None if none is
        published: the server must then tell the size, and the digest of what came is held against
        later reads.
      offline: True never uses the network; None asks `is_offline`.

    Returns:
      `path`, verified.

    Raises:
      OfflineError: if the file is not there and the network must not be used.
      DownloadError: if it cannot be fetched, verified or written.
    """
    wanted = Transfer(url, path, sha256)
    try:
        fault = _fault(wanted)
        if fault is None:
            return path
        if is_offline() if offline is None else offline:
            raise _offline_error(wanted, fault)
        path.parent.mkdir(parents=True, exist_ok=True)
        waiting = f"waiting for another process that is downloading {path.name}"
        with locked(wanted.beside(".lock"), waiting):
            _bring(wanted)
    except OSError as error:
        raise _disk_error(wanted, error) from error
    return path


def _fault(wanted: Transfer) -> str | None:
    """Say what keeps the cached file from being used; None if nothing does."""
    if not wanted.path.is_file():
        return "it is not in the cache"
    expected = wanted.sha256 or _recorded_digest(wanted)
    actual = sha256_of(wanted.path) if expected else ""
    if expected and not actual.startswith(expected):
        return f"the cached file's SHA-256 is {actual}, not {expected}"
    return None


def _recorded_digest(wanted: Transfer) -> str | None:
    """Read the digest that came with an earlier download; None for a file put there by hand."""
    try:
        text = wanted.beside(".sha256").read_text("utf-8")
    except FileNotFoundError:
        return None
    record = re.match(r"# from (.*)\n([0-9a-f]{64})  ", text)
    if record is None:
        return None
    if record[1] != wanted.address:
        raise DownloadError(
            f"{wanted.path} came from {record[1]}, not from {wanted.address}, and no "
            "digest tells whether they are the same; remove it to fetch it again."
        )
    return record[2]


def _bring(wanted: Transfer) -> None:
    """Download the file, verify it and give it its name, with the lock held."""
    fault = _fault(wanted)  # again: another process may have brought it meanwhile
    if fault is None:
        return
    if wanted.path.exists():
        logger.warning(f"{wanted.path.name}: {fault}; it is removed and downloaded again")
        wanted.path.unlink()
    started = time.monotonic()
    digest = _verify(wanted, fetch(wanted))
    # Before the file takes its name, so that none goes without.
    record = f"# from {wanted.address}\n{digest}  {wanted.path.name}\n"
    write_text(wanted.beside(".sha256"), record)
    os.replace(wanted.part, wanted.path)
    discard(wanted.part)
    if sys.stderr is None or not sys.stderr.isatty():
        size = format_bytes(wanted.path.stat().st_size)
        logger.info(f"downloaded {wanted.path} ({size} in {time.monotonic() - started:.1f} s)")


def _verify(wanted: Transfer, linked: str | None) -> str:
    actual = sha256_of(wanted.part)
    for expected, publisher in ((wanted.sha256, "as published"), (linked, "as the server says")):
        if expected and not actual.startswith(expected):
            discard(wanted.part)
            raise DownloadError(
                f"{wanted.address}: the SHA-256 of what came is {actual}, expected "
                f"{expected} {publisher}. It is deleted. Try again; if the same comes again, the "
                "file was replaced at its source: do not use it before you know why."
            )
    return actual


def _offline_error(wanted: Transfer, fault: str) -> OfflineError:
    digest = f" (SHA-256 {wanted.sha256})" if wanted.sha256 else ""
    return OfflineError(
        f"{wanted.path.name} is wanted, but {fault}, and the network is switched off. Fetch "
        f"{wanted.address}{digest} elsewhere and put it at {wanted.path}, or unset "
        "JAXCNN_OFFLINE and HF_HUB_OFFLINE."
    )


def _disk_error(wanted: Transfer, error: OSError) -> DownloadError:
    folder = wanted.path.parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fault = "the disk is full"
        remedy = "free some space; what came is kept and the next call goes on from there"
    else:
        fault, remedy = error.strerror or type(error).__name__, "make the folder writable"
    return DownloadError(
        f"{wanted.path.name} cannot be kept in {folder}: {fault}; {remedy}, or name another "
        "folder in JAXCNN_CACHE."
    )
