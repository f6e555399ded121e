"""Keep compiled programs in a user cache folder, so that the next start need not compile them.

JAX does the keeping; here it is told where, what and how much. The folder is
`CACHE/compiled/MACHINE`, CACHE being `folders.cache_folder()` and MACHINE a digest of the
processor's type, since a program compiled for one processor may not run on another that shares the
home folder. It must not be writable by others: what lies in it is run.
"""

import atexit
import contextlib
import hashlib
import logging
import math
import os
import platform
import secrets
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import jax

from jaxcnn.host.files import disk_trouble
from jaxcnn.host.folders import cache_folder

logger = logging.getLogger(__name__)

# Shorter compilations cost about as much to look up as to repeat.
_LEAST_SECONDS = 0.05
_MOST_BYTES = 2**29
# JAX looks at each entry, which is two files, whenever it adds one, 0.1 ms each.
_MOST_FILES = 800
_LOCK_SECONDS = 5
# Names of ours. What JAX calls its files is its own affair: they go by their size and age alone.
_PROGRAM, _LAST_USE = "-cache", "-atime"  # how JAX's files end
_LOCK, _RUNNING = ".tidy.lock", ".running"
_NOT_WRITTEN = "Error writing persistent compilation cache"


def cache_compiled_programs(folder: Path | str | None = None) -> Path:
    """Turn on JAX's persistent compilation cache; to be called before the first array.

    A folder that the user chose by `JAX_COMPILATION_CACHE_DIR` is used as it is, whatever `folder`
    says; its size is then for the user to bound. `JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS` and
    `JAX_COMPILATION_CACHE_MAX_SIZE` are kept to as well. Processes may share the folder. An entry
    that cannot be read is compiled again, with a warning from JAX; that none can be written any
    more, as on a full disk, is logged once.

    Args:
      folder: where programs are kept; None for the user's cache folder.

    Returns:
      The folder in use.

    Raises:
      OSError: if the folder cannot be made or written to; nothing is changed then.
    """
    chosen = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    path = Path(chosen or folder or cache_folder() / "compiled" / machine())
    if not chosen:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass  # some file systems refuse only the writing
        _tidy(path)
        _mark_running(path)
        jax.config.update("jax_compilation_cache_dir", str(path))
        _update_unless_given("jax_compilation_cache_max_size", _MOST_BYTES)
    _update_unless_given("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)
    _tell_once_of_no_room(path)
    return path


def _tell_once_of_no_room(folder: Path) -> None:
    """Log one line in the place of JAX's warnings, two lines for each program not written."""
    show, told = warnings.showwarning, False

    def show_or_log(message: Warning | str, *about: Any, **options: Any) -> None:
        nonlocal told
        if not str(message).startswith(_NOT_WRITTEN):
            show(message, *about, **options)
        elif not told:
            told = True
            why = disk_trouble(Warning(message)) or str(message).rpartition(": ")[2]
            logger.warning(
                f"compiled programs cannot be cached in {folder} ({why}); the next start compiles "
                "them again"
            )

    warnings.showwarning = show_or_log


def _update_unless_given(option: str, value: float) -> None:
    if option.upper() not in os.environ:
        jax.config.update(option, value)


def options_for_few_calls() -> dict[str, int]:
    """Choose compiler options for a program that is called a few times, at `jax.jit` outermost.

    On the CPU, LLVM's first level takes a third of the second's time; the code may be slower.
    """
    return {"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else {}


def machine() -> str:
    """Digest what programs of the CPU depend on: its kind and what it can do."""
    about = [platform.system(), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        about += sorted({line for line in lines if line.startswith(wanted)})
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _mark_running(folder: Path) -> None:
    """Leave a locked file while this process lives, which a killed one leaves unlocked."""
    import filelock  # here, so that networks and steps can be imported without it

    marker = folder / f"{_RUNNING}-{secrets.token_hex(8)}"
    lock = filelock.FileLock(marker)

    def remove() -> None:
        marker.unlink(missing_ok=True)
        lock.release()

    with contextlib.suppress(OSError, filelock.Timeout):
        lock.acquire(timeout=0)
        atexit.register(remove)


def _tidy(folder: Path) -> None:
    """Remove what killed processes may have left half written, and the oldest of too many files.

    JAX writes an entry in place and never again, so what a process wrote that was killed is not
    trusted: all that is younger than the process.
    """
    import filelock  # here, so that networks and steps can be imported without it

    with (
        contextlib.suppress(OSError, filelock.Timeout),
        filelock.FileLock(folder / _LOCK, timeout=_LOCK_SECONDS),
    ):
        entries = [entry for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
        own = [entry for entry in entries if entry.name.startswith((_RUNNING, _LOCK))]
        # A program and the time of its last use are two files; one without the other keeps JAX from
        # writing any more.
        programs: dict[str, list[tuple[os.stat_result, Path]]] = {}
        for entry in entries:
            if entry not in own:
                name = entry.name.removesuffix(_PROGRAM).removesuffix(_LAST_USE)
                programs.setdefault(name, []).append((entry.stat(), Path(entry.path)))
        has_uses = any(entry.name.endswith(_LAST_USE) for entry in entries)
        untrusted = min(map(_start_of_killed, own), default=math.inf)
        count, total = 0, 0
        for files in sorted(programs.values(), key=_newest, reverse=True):
            count, total = count + len(files), total + sum(about.st_size for about, _ in files)
            half_written = _newest(files) >= untrusted or (
                has_uses and len(files) < 2 and _newest(files) < time.time() - _LOCK_SECONDS
            )
            if half_written or count > _MOST_FILES or total > _MOST_BYTES:
                for _, path in files:
                    path.unlink(missing_ok=True)


def _newest(files: list[tuple[os.stat_result, Path]]) -> float:
    return max(about.st_mtime for about, _ in files)


def _start_of_killed(marker: "os.DirEntry[str]") -> float:
    """Give when a process began that was killed; infinity for one that lives."""
    import filelock  # here, so that networks and steps can be imported without it

    if not marker.name.startswith(_RUNNING):
        return math.inf
    began = marker.stat().st_mtime
    with contextlib.suppress(filelock.Timeout), filelock.FileLock(marker.path, timeout=0):
        Path(marker.path).unlink(missing_ok=True)
        return began
    return math.inf
