"""What the machine can do at best, as far as the libraries here reach it."""

import logging
from typing import Any

from experiments.benchmarks import contest
from experiments.benchmarks.contest import Settings
from experiments.benchmarks.workers import WorkerError

logger = logging.getLogger(__name__)

_SECONDS = 2.0


def measure_peaks(settings: Settings) -> dict[str, Any]:
    """Multiply matrices by every library that is there, and copy memory.

    Args:
      settings: of the whole benchmark.

    Returns:
      "gflops" the best of all, "by_library", and "copy_gb_per_s", read and written; without
      "gflops" where nothing could be measured.
    """
    by_library: dict[str, float] = {}
    result: dict[str, Any] = {"by_library": by_library}
    for torch in (False, True):
        logger.info(f"the machine's peak: {'torch_peak' if torch else 'peak'}")
        spec = {"torch": torch, "dtype": settings.dtype, "seconds": _SECONDS}
        try:
            with contest.start_worker("peak_worker", spec, settings, torch=torch) as worker:
                found = worker.ready()
        except WorkerError as reason:
            logger.info(f"  {reason}")
            continue
        by_library |= found["gflops"]
        if "copy_gb_per_s" in found:
            result["copy_gb_per_s"] = found["copy_gb_per_s"]
    if by_library:
        result["gflops"] = max(by_library.values())
    return result


def peak_line(peaks: dict[str, Any]) -> str:
    """Write the peaks on one line."""
    libraries = ", ".join(f"{name} {value:,.0f}" for name, value in peaks["by_library"].items())
    copied = peaks.get("copy_gb_per_s")
    memory = f"; memory {copied:.1f} GB/s, read and written" if copied else ""
    return f"peak: matrix products {libraries or 'not measured'} Gflop/s{memory}"
