"""What single workers measure: the machine's own peak, and this library's whole epochs."""

import logging
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks import contest
from experiments.benchmarks.contest import Settings
from experiments.benchmarks.rows import Row
from experiments.benchmarks.workers import WorkerError

logger = logging.getLogger(__name__)

EPOCH_SIZES = (1024, 4096, 16384)
_EPOCH_BATCH = 32
_PEAK_SECONDS = 2.0


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
    for name in ("jax", "torch"):
        logger.info(f"the machine's peak, by {name}")
        spec = {"contestant": name, "dtype": settings.dtype, "seconds": _PEAK_SECONDS}
        try:
            with contest.start_worker("peak_worker", spec, settings) as worker:
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


def measure_epochs(networks: Sequence[tuple[str, int]], settings: Settings) -> list[dict[str, Any]]:
    """Time this library's whole epochs over more and more images.

    Those that would outlast the limit, to judge by the one before, are left out.

    Args:
      networks: (name, size in pixels) of each.
      settings: of the whole benchmark.

    Returns:
      For each network and number of images "seconds" and "peak_bytes", or "reason".
    """
    found = []
    for name, size_px in networks:
        row = Row(name, size_px, "train", _EPOCH_BATCH)
        seconds_an_image = 0.0
        for num_images in EPOCH_SIZES:
            logger.info(f"an epoch of {num_images:,} images, {row.title()}")
            expected = seconds_an_image * num_images
            outcome: dict[str, Any] = {"reason": f"would take about {expected / 60:.0f} minutes"}
            if expected <= settings.limit_seconds:
                outcome = _epoch(row, num_images, settings)
                seconds_an_image = outcome.get("seconds", 0.0) / num_images
            found.append({**row._asdict(), "num_images": num_images, **outcome})
    return found


def _epoch(row: Row, num_images: int, settings: Settings) -> dict[str, Any]:
    spec = {**contest.describe(row, settings), "num_images": num_images}
    try:
        with contest.start_worker("epoch_worker", spec, settings) as worker:
            worker.ready()
            return {"seconds": worker.run(0.0)["seconds"], **worker.stop()}
    except WorkerError as reason:
        return {"reason": str(reason)}
