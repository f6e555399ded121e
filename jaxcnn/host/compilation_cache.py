"""Keep compiled programs in a user cache folder, so that the next start need not compile them.

JAX does the keeping; here it is told where, what and how much. The folder is
`CACHE/compiled/MACHINE`, CACHE being `user_cache.cache_folder()` and MACHINE a digest of the
processor's type, since a program compiled for one processor may not run on another that shares the
home folder. It must not be writable by others: what lies in it is run.
"""

import contextlib
import hashlib
import os
import platform
import tempfile
from pathlib import Path

import filelock
import jax

from jaxcnn.host.folders import cache_folder

# Shorter compilations cost about as much to look up as to repeat.
_LEAST_SECONDS = 0.05
_MOST_BYTES = 2**29
# JAX looks at each entry whenever it adds one, 0.1 ms each.
_MOST_ENTRIES = 400
_LOCK_SECONDS = 5
# The names of JAX's LRUCache: an entry's program, the time of its last use, the lock of all.
_PROGRAM, _LAST_USE, _LOCK = "-cache", "-atime", ".lockfile"


def keep_compiled_programs(folder: Path | str | None = None) -> Path:
    """Turn on JAX's persistent compilation cache; to be called before the first array.

    A folder that the user chose by `JAX_COMPILATION_CACHE_DIR` is used as it is, whatever `folder`
    says; its size is then for the user to bound. `JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS` and
    `JAX_COMPILATION_CACHE_MAX_SIZE` are kept to as well. Processes may share the folder. An entry
    that cannot be read is compiled anew, with a warning from JAX.

    Args:
      folder: where programs are kept; None for the user's cache folder.

    Returns:
      The folder in use.

    Raises:
      OSError: if the folder cannot be made or written to; nothing is changed then.
    """
    chosen = jax.config.values["jax_compilation_cache_dir"]
    path = Path(chosen or folder or _default_folder())
    if not chosen:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass  # some file systems refuse only the writing
        _tidy(path)
        jax.config.update("jax_compilation_cache_dir", str(path))
        _update_unless_given("jax_compilation_cache_max_size", _MOST_BYTES)
    _update_unless_given("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)
    return path


def keep_no_compiled_programs() -> None:
    """Turn the cache off, even one that `JAX_COMPILATION_CACHE_DIR` asks for."""
    jax.config.update("jax_enable_compilation_cache", False)


def _update_unless_given(option: str, value: float) -> None:
    if option.upper() not in os.environ:
        jax.config.update(option, value)


def _default_folder() -> Path:
    return cache_folder() / "compiled" / _machine()


def _machine() -> str:
    """Digest what programs of the CPU depend on: its kind and what it can do."""
    about = [platform.system(), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        about += sorted({line for line in lines if line.startswith(wanted)})
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _tidy(folder: Path) -> None:
    """Remove what killed processes left half written, and the oldest of too many entries."""
    with (
        contextlib.suppress(OSError, filelock.Timeout),
        filelock.FileLock(folder / _LOCK, timeout=_LOCK_SECONDS),
    ):
        files = {entry.name: entry.stat().st_mtime for entry in os.scandir(folder)}
        keys = {name.removesuffix(_PROGRAM) for name in files if name.endswith(_PROGRAM)}
        marked = {name.removesuffix(_LAST_USE) for name in files if name.endswith(_LAST_USE)}
        # The time of use is written last: a program without it is not whole.
        whole = sorted(keys & marked, key=lambda key: files[key + _LAST_USE])
        for key in {*(keys ^ marked), *whole[: max(0, len(whole) - _MOST_ENTRIES)]}:
            for suffix in (_PROGRAM, _LAST_USE):
                (folder / f"{key}{suffix}").unlink(missing_ok=True)
