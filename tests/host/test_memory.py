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


def test_elsewhere_nothing_happens(monkeypatch):
    from jaxcnn.host.start import keep_memory

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert keep_memory() is False
