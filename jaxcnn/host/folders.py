"""Where files are kept, and how a folder is made and kept for one program alone."""

import contextlib
import itertools
import os
import socket
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

LOCK_NAME = "in_use.lock"


class InUseError(ValueError):
    """Another program uses the folder; the message names it and says what to do."""


@contextlib.contextmanager
def making(path: Path, *, is_new: bool = False) -> Iterator[Path]:
    """Make a folder and those above it; at the end, those made here are removed if empty.

    Args:
      path: the folder.
      is_new: take the first of PATH, PATH-2, PATH-3, ... that is not there.

    Yields:
      The folder.

    Raises:
      OSError: if it cannot be made.
    """
    missing = [each for each in path.parents if not each.exists()]
    name = path.name
    for number in itertools.count(1):
        path = path.with_name(name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
            missing.insert(0, path)
            break
        except FileExistsError:
            if not is_new:
                path.mkdir(exist_ok=True)  # raises where it is a file
                break
    try:
        yield path
    finally:
        for each in missing:
            with contextlib.suppress(OSError):
                each.rmdir()


@contextlib.contextmanager
def in_sole_use(folder: Path) -> Iterator[None]:
    """Lock a folder against other programs that do the same; it is made as by `making`.

    The lock is a file that names this process, so it works on network drives too. The lock of a
    process of this machine that has ended is taken over.

    Args:
      folder: the folder.

    Raises:
      InUseError: if another program has it.
      OSError: if the folder cannot be made or written to.
    """
    import filelock  # here, so that networks and steps can be imported without it

    with making(folder):
        lock = filelock.SoftFileLock(folder / LOCK_NAME)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InUseError(_in_use(folder)) from None
        try:
            yield
        finally:
            lock.release()


def _in_use(folder: Path) -> str:
    """Say who uses a folder."""
    who, host = "another program", ""
    with contextlib.suppress(OSError, ValueError):
        file = folder / LOCK_NAME
        process, host, *_ = file.read_text("utf-8").splitlines()
        since = datetime.fromtimestamp(file.stat().st_mtime)
        who = f"process {process} on {host} since {since:%Y-%m-%d %H:%M:%S}"
    wait = "wait until it ends, or choose another folder"
    if host != socket.gethostname():
        wait += f"; if it no longer runs, remove {folder / LOCK_NAME}"
    return f"{folder} is in use by {who}: {wait}."


def cache_folder() -> Path:
    r"""Find the user's folder for what can be had again; it is not created here.

    The first of these that is set: `JAXCNN_CACHE`; `XDG_CACHE_HOME`/jaxcnn; then, by platform,
    `~/Library/Caches/jaxcnn` on macOS, `%LOCALAPPDATA%\jaxcnn\Cache` on Windows and
    `~/.cache/jaxcnn` elsewhere.

    Returns:
      The folder, absolute.

    Example:
      >>> cache_folder().is_absolute()
      True
    """
    platforms_own = Path(os.path.expanduser("~/.cache/jaxcnn"))
    if sys.platform in ("darwin", "win32"):
        import platformdirs  # here, so that networks and steps run without it elsewhere

        platforms_own = platformdirs.user_cache_path("jaxcnn", appauthor=False)
    return _folder("JAXCNN_CACHE", "XDG_CACHE_HOME", platforms_own)


def data_folder() -> Path:
    r"""Find the user's folder for what programs here keep for them; it is not created here.

    The first of these that is set: `JAXCNN_DATA`; `XDG_DATA_HOME`/jaxcnn; then, by platform,
    `~/Library/Application Support/jaxcnn` on macOS, `%LOCALAPPDATA%\jaxcnn\Data` on Windows and
    `~/.local/share/jaxcnn` elsewhere.

    Returns:
      The folder, absolute.

    Example:
      >>> data_folder().is_absolute()
      True
    """
    import platformdirs

    platforms_own = platformdirs.user_data_path("jaxcnn", appauthor=False)
    beside_cache = platforms_own / "Data" if sys.platform == "win32" else platforms_own
    return _folder("JAXCNN_DATA", "XDG_DATA_HOME", beside_cache)


def _folder(own_variable: str, shared_variable: str, otherwise: Path) -> Path:
    if own := os.environ.get(own_variable):
        return Path(own).expanduser().absolute()
    if (shared := os.environ.get(shared_variable)) and Path(shared).is_absolute():
        return Path(shared) / "jaxcnn"  # a relative one is to be ignored, says the XDG rule
    return otherwise
