"""Keeping memory must change nothing but the speed; it is set for a whole process."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
from jaxcnn.host.start import keep_memory
done = keep_memory(2**28) if sys.argv[1] == "keep" else None
import numpy as np
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**24)
before = faults()
for _ in range(4): np.ones(2**24)  # 128 MiB each
print(done, faults() - before)
"""


def run(mode):
    done = subprocess.run(
        [sys.executable, "-c", CODE, mode], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc is what is set")
def test_memory_is_faulted_in_once():
    kept, faults_kept = run("keep")
    _, faults_plain = run("plain")
    assert kept == "True"
    assert int(faults_kept) < int(faults_plain) / 10


LARGE = """
import ctypes, sys
from jaxcnn.host.start import keep_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
keep_memory(2**21)
block = libc.malloc(3 * 2**30)  # never touched, so it takes no memory
end = libc.sbrk(0)
libc.free(block)
print(end - libc.sbrk(0))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc is what is set")
def test_a_block_above_2_gib_is_kept_too():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0


def test_elsewhere_nothing_happens(monkeypatch):
    from jaxcnn.host.start import keep_memory

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert keep_memory() is False


STRANDING = """
import ctypes, sys
from jaxcnn.host.start import SteadyBlock, keep_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = libc.malloc.argtypes = [ctypes.c_size_t]
keep_memory(2**21)
size, pieces, moved = 2**27, [], []
steady = SteadyBlock(size)
for step in range(30):
    moved.append(sys.argv[1] == "steady" and steady.settle())
    block = ctypes.c_void_p()
    libc.posix_memalign(ctypes.byref(block), ctypes.c_size_t(64), ctypes.c_size_t(size))
    ctypes.memset(block.value, 1, size)
    # The step leaves something where the block's alignment left room, in its first half.
    pieces += [libc.malloc(n) for n in (24, 40, 56, 72, 88) for _ in range(8)] if step < 3 else []
    libc.free(block.value)
(line,) = (x for x in open("/proc/self/status") if x.startswith("VmHWM"))
print(int(line.split()[1]) // 1024, sum(moved[:4]), sum(moved[-5:]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc is what is set")
def test_a_block_that_moved_leaves_no_memory_behind():
    def peak_and_moves(mode):
        command = [sys.executable, "-c", STRANDING, mode]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return map(int, done.stdout.split())

    stranded, *_ = peak_and_moves("as it is")
    peak, early, late = peak_and_moves("steady")
    assert peak < stranded - 100  # MiB; a block has 128
    assert early > 1
    assert late == 0  # it has come to rest, and nothing is given back any more
