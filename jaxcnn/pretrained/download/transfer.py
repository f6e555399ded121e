"""Bring the bytes of one address into a part file, over as many tries as it takes.

Nothing here decides whether the bytes are the right ones: that is `jaxcnn.pretrained.download`'s.
Beside the part file lies `<part>.json`, which says where its bytes came from.
"""

import json
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import requests
from tqdm import tqdm

from jaxcnn.pretrained.download.connection import (
    DownloadError,
    InterruptedTryError,
    Session,
    check_status,
    linked_digest,
    public_address,
    read_arrived,
)

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0  # without any byte
_NUM_ATTEMPTS = 5
_BACKOFF_SECONDS = 1.0  # before the second try; doubles with each
_MAX_WAIT_SECONDS = 30.0


class Transfer(NamedTuple):
    """What is to be brought, and where to."""

    url: str
    path: Path  # of the file, once it is complete and verified
    sha256: str | None  # 8 to 64 lower-case hex digits, to be checked once the bytes are here

    def beside(self, suffix: str) -> Path:
        """Name a file beside the wanted one."""
        return self.path.with_name(self.path.name + suffix)

    @property
    def part(self) -> Path:
        """Where its bytes gather."""
        return self.beside(".part")

    @property
    def address(self) -> str:
        """The address, without what may be secret in it."""
        return public_address(self.url)


def format_bytes(count: int) -> str:
    """Write a number of bytes in the decimal units that download pages use.

    Example:
      >>> format_bytes(97_781_949), format_bytes(740)
      ('97.8 MB', '740 B')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def fetch(transfer: Transfer) -> str | None:
    """Complete the part file, going on from what it holds.

    Args:
      transfer: what is wanted; the caller holds the lock on `transfer.part`.

    Returns:
      The SHA-256 that the server named in `X-Linked-ETag` (64 lower-case hex digits), or None.

    Raises:
      DownloadError: if the server refuses, or all tries ended early; what came is then kept.
      OSError: if the disk is full or the folder cannot be written.
    """
    reason = ""
    for attempt in range(1, _NUM_ATTEMPTS + 1):
        try:
            return _try_once(transfer)
        except InterruptedTryError as stop:
            reason = str(stop)
            wait_seconds = max(_BACKOFF_SECONDS * 2 ** (attempt - 1), stop.wait_seconds)
        if attempt < _NUM_ATTEMPTS:
            logger.info(
                f"{transfer.path.name}: {reason}; {format_bytes(_length(transfer.part))} so far, "
                f"try {attempt + 1} of {_NUM_ATTEMPTS} follows."
            )
            time.sleep(min(wait_seconds, _MAX_WAIT_SECONDS))
    kept = _length(transfer.part)
    where = f" It goes on from the {format_bytes(kept)} in {transfer.part}." if kept else ""
    raise DownloadError(
        f"{transfer.address}: {reason}, at the last of {_NUM_ATTEMPTS} tries; "
        f"check the network and try again.{where}"
    )


def discard(part: Path) -> None:
    """Remove a part file and what is known of its origin."""
    part.unlink(missing_ok=True)
    _origin_path(part).unlink(missing_ok=True)


def _try_once(transfer: Transfer) -> str | None:
    start, validator = _resume_point(transfer)
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and validator:
        headers["If-Range"] = validator
    with (
        Session() as session,
        session.ask(transfer.url, headers, timeout_seconds=_TIMEOUT_SECONDS) as response,
    ):
        if start and response.status_code == 416:  # range not satisfiable
            _require_all_there(transfer, response, start)
        else:
            check_status(transfer.url, response)
            _receive(transfer, response, start if response.status_code == 206 else 0)
        return linked_digest(response)


def _resume_point(transfer: Transfer) -> tuple[int, str | None]:
    """Find how many bytes can be kept: none from elsewhere, none that nothing could vouch for."""
    length, (address, validator) = _length(transfer.part), _read_origin(transfer.part)
    if length and address == transfer.address and (validator or transfer.sha256):
        return length, validator
    discard(transfer.part)
    return 0, None


def _require_all_there(transfer: Transfer, response: requests.Response, start: int) -> None:
    """Take "nothing beyond byte `start`" for success only where the file ends there."""
    if response.headers.get("Content-Range", "").replace(" ", "") != f"bytes*/{start}":
        discard(transfer.part)
        raise InterruptedTryError("the bytes kept are not of the server's file; starting again")


def _receive(transfer: Transfer, response: requests.Response, start: int) -> None:
    total = _total_bytes(transfer, response, start)
    if not start:
        _write_origin(transfer, response)
    have = start
    with _bar(transfer, start, total) as bar, open(transfer.part, "ab" if start else "wb") as file:
        while chunk := read_arrived(response):
            file.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and have < total:
        raise InterruptedTryError("the connection closed early")
    if total is not None and have > total:
        discard(transfer.part)
        raise InterruptedTryError(f"more than the {total} bytes of the file came; starting again")


def _total_bytes(transfer: Transfer, response: requests.Response, start: int) -> int | None:
    """Find how long the whole file is, in bytes; None only where a digest will be checked."""
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if response.status_code == 206:
        total = _resumed_total(transfer, response, start)
    if total is None and not transfer.sha256:
        raise DownloadError(
            f"{transfer.address} tells no size, so that a broken file would go unnoticed; "
            "give sha256."
        )
    return total


def _resumed_total(transfer: Transfer, response: requests.Response, start: int) -> int | None:
    """Check that the answer goes on where the part ends, in the same file; read its length."""
    shape = r"bytes (\d+)-\d+/(\d+|\*)"
    given = re.fullmatch(shape, response.headers.get("Content-Range", "").strip())
    _, validator = _read_origin(transfer.part)
    is_strong = (validator or "").startswith('"')
    other_file = is_strong and response.headers.get("ETag", validator) != validator
    if not given or int(given[1]) != start or other_file:
        discard(transfer.part)
        raise InterruptedTryError(f"the server did not go on at byte {start}; starting again")
    return None if given[2] == "*" else int(given[2])


def _bar(transfer: Transfer, start: int, total: int | None) -> tqdm:
    visible = sys.stderr is not None and sys.stderr.isatty()
    if not visible and not start:
        size = "unknown size" if total is None else format_bytes(total)
        logger.info(f"downloading {transfer.path.name} ({size}) from {transfer.address}")
    return tqdm(
        desc=transfer.path.name,
        total=total,
        initial=start,
        unit="B",
        unit_scale=True,
        disable=not visible,
    )


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _origin_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_origin(part: Path) -> tuple[str | None, str | None]:
    """Say which address a part came from, and by which ETag or date the server knows its file."""
    try:
        origin = json.loads(_origin_path(part).read_text("utf-8"))
        return origin["address"], origin["validator"]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None, None  # nothing known of it, or written by something else: it is not used


def _write_origin(transfer: Transfer, response: requests.Response) -> None:
    transfer.part.unlink(missing_ok=True)  # never old bytes beside the new origin
    etag = response.headers.get("ETag")
    if etag is None or etag.startswith("W/"):  # a weak ETag does not promise the same bytes
        etag = response.headers.get("Last-Modified")
    origin = {"address": transfer.address, "validator": etag}
    _origin_path(transfer.part).write_text(json.dumps(origin), "utf-8")
