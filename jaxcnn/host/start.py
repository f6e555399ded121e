"""What a program does once, before its first array: reuse memory, cache compiled programs."""

import ctypes
import functools
import platform
from pathlib import Path

import jax

# Parameters of mallopt(3), from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_MADV_HUGEPAGE = 14  # from Linux's mman-common.h
_HUGE_PAGE_BYTES = 2**21
_ROOM_TO_ALIGN = 64 + 32 + 16  # bytes: XLA's alignment, glibc's smallest chunk, its rounding
_NEAR_BYTES = 2**12  # aligned blocks in one place may begin so far apart
_LEAST_BYTES = 2**26  # what smaller blocks strand does not matter
_kept = False  # whether this process keeps its memory


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
    """
    lines = []
    if reuse_memory and keep_memory():
        # Dispatched ahead, a step would be given its memory before the last one gave its own back.
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        lines.append("memory is kept between steps (reuse_memory=False turns this off)")
    if not compilation_cache:
        # Even one that `JAX_COMPILATION_CACHE_DIR` asks for.
        jax.config.update("jax_enable_compilation_cache", False)
        return lines
    from jaxcnn.host.compilation_cache import cache_compiled_programs  # steps do without

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
    global _kept
    libc = _libc()
    settings = (
        (_M_MMAP_MAX, 0),  # no block gets a mapping of its own, to be torn down when freed
        (_M_TRIM_THRESHOLD, -1),  # the top of the heap stays; a size would end at 2 GiB
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
    _kept = True
    return True


class SteadyBlock:
    """Has a block of one size lie in the same memory each time that it is allocated.

    For blocks that are freed before the next is asked for; several at once would move about. A heap
    that is never trimmed strands memory: glibc splits a few bytes off an aligned block, something
    small is put there, and the block is too small for the next step's temporaries, which get new
    memory beside it. That is noticed here before a step, and what is stranded is given back.

    Args:
      num_bytes: size of the block.
    """

    def __init__(self, num_bytes: int) -> None:
        self._num_bytes = num_bytes
        self._address = 0

    def settle(self) -> bool:
        """Give free memory back to the system if the next block would lie elsewhere than the last.

        Nothing happens for small blocks, and where memory is not kept.

        Returns:
          Whether memory was given back.
        """
        if not _kept or self._num_bytes < _LEAST_BYTES:
            return False
        libc = _libc()
        # As much as an aligned block is cut from; never touched, so it takes no memory.
        block = libc.malloc(self._num_bytes + _ROOM_TO_ALIGN)
        libc.free(block)
        if not block or abs(block - self._address) < _NEAR_BYTES:
            return False
        self._address = block
        # All may stay at the heap's end, which is marked for huge pages.
        libc.malloc_trim(2**62)
        return True


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.malloc_trim.argtypes = [ctypes.c_size_t]
    return libc
