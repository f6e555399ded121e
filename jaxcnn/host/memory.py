"""Keep the memory of a training step instead of giving it back to Linux after each.

XLA's CPU backend takes the temporaries of every step from malloc, which by default maps and unmaps
blocks of that size each time; the kernel then clears every page again when it is touched, and on a
small machine that can take as long as the arithmetic. Here glibc is told to keep what it has, in
one arena, and its first block is marked for huge pages, which fault 512 times less often.

Linux with glibc only; elsewhere nothing happens. The process holds on to the memory of its peak.
Call it before JAX makes its first array. Turned off by `reuse_memory=False`.
"""

import ctypes
import platform

# Parameters of mallopt(3), from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_MADV_HUGEPAGE = 14  # from Linux's mman-common.h
_HUGE_PAGE_BYTES = 2**21


def reuse_memory(block_bytes: int = 2**30) -> bool:
    """Make malloc keep freed memory for the next step.

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
