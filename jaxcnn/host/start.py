"""What a program does once, before its first array: reuse memory, cache compiled programs."""

import ctypes
import platform
from pathlib import Path

import jax

from jaxcnn.host.compilation_cache import cache_compiled_programs

# Parameters of mallopt(3), from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_MADV_HUGEPAGE = 14  # from Linux's mman-common.h
_HUGE_PAGE_BYTES = 2**21


def prepare_process(
    *, reuse_memory: bool = True, compilation_cache: bool | Path | str = True
) -> list[str]:
    """Prepare this process for fast training; neither part changes a result.

    Args:
      reuse_memory: keep the memory of a step for the next one, see `keep_memory`.
      compilation_cache: keep compiled programs for the next start, see `compilation_cache`: in the
        user's cache folder, or in this one.

    Returns:
      A line for the user about each thing that was done or could not be.

    Example:
      for line in prepare_process():
          print(line)
    """
    lines = []
    if reuse_memory and keep_memory():
        lines.append("memory is kept between steps (reuse_memory=False turns this off)")
    if not compilation_cache:
        # Even one that `JAX_COMPILATION_CACHE_DIR` asks for.
        jax.config.update("jax_enable_compilation_cache", False)
        return lines
    try:
        folder = cache_compiled_programs(
            None if isinstance(compilation_cache, bool) else compilation_cache
        )
    except OSError as error:
        return [*lines, f"compiled programs cannot be cached ({error}); each start compiles again"]
    lines.append(
        f"compiled programs are cached in {folder} (compilation_cache=False turns this off)"
    )
    return lines


def keep_memory(block_bytes: int = 2**30) -> bool:
    """Make malloc keep freed memory for the next step, where the system is Linux with glibc.

    XLA's CPU backend takes the temporaries of every step from malloc, which by default maps and
    unmaps blocks of that size each time; the kernel then clears every page again when it is
    touched, and on a small machine that can take as long as the arithmetic. Here glibc is told to
    keep what it has, in one arena, and its first block is marked for huge pages, which fault 512
    times less often. The process holds on to the memory of its peak.

    Args:
      block_bytes: size of the first block, which huge pages back once it is touched. Only what is
        touched takes memory.

    Returns:
      Whether it was done; False where the system is not Linux with glibc.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    settings = (
        (_M_MMAP_MAX, 0),  # no block gets a mapping of its own, to be torn down when freed
        (_M_TRIM_THRESHOLD, 2**31 - 1),  # the top of the heap stays
        (_M_ARENA_MAX, 1),  # else other threads use arenas that the marked block is not in
        (_M_TOP_PAD, 2**26),
    )
    if not all(libc.mallopt(name, value) for name, value in settings):
        return False
    block = libc.malloc(block_bytes)
    if not block:
        return False
    start = -(-block // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
    whole_pages = (block + block_bytes - start) // _HUGE_PAGE_BYTES * _HUGE_PAGE_BYTES
    # Refused where huge pages are switched off; keeping the memory helps all the same.
    libc.madvise(start, whole_pages, _MADV_HUGEPAGE)
    libc.free(block)
    return True
