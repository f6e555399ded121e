"""How speed and memory go with the batch, the image and the number of images."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks import contest
from experiments.benchmarks.contest import Settings
from experiments.benchmarks.results import CONTESTANTS, reason_of, speeds_of
from experiments.benchmarks.rows import Row
from experiments.benchmarks.table import mebibytes, number
from experiments.benchmarks.workers import WorkerError
from jaxcnn.host.text import in_columns

logger = logging.getLogger(__name__)

EPOCH_SIZES = (1024, 4096, 16384)
_EPOCH_BATCH = 32


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


def scaling_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write speed and memory of all contestants side by side, one line per row.

    Args:
      rows: with the fields of `Row`; "contestants" is as `contest.run_row` returns.

    Returns:
      Lines for the screen.
    """
    names = list(rows[0]["contestants"])
    headings = [label for name in names for label in (CONTESTANTS[name], "")]
    lines: list[list[str] | str] = [["images/s, peak MiB", *headings]]
    reasons = []
    for row in rows:
        title, speeds = Row.of(row).title(), speeds_of(row)
        figures = []
        for name, entry in row["contestants"].items():
            if name in speeds:
                figures += [number(speeds[name].median), mebibytes(entry["peak_bytes"])]
            else:
                figures += ["-", "-"]
                reasons.append(f"{title}: {CONTESTANTS[name]}: {reason_of(entry)}")
        lines.append([title, *figures])
    return "\n".join(in_columns([*lines, *reasons], left=1))


def epoch_table(epochs: Sequence[Mapping[str, Any]]) -> str:
    """Write the times of whole epochs.

    Args:
      epochs: as `measure_epochs` returns.

    Returns:
      Lines for the screen.
    """
    lines = [["an epoch of jaxcnn, batches made and all", "images", "seconds", "peak MiB"]]
    for epoch in epochs:
        title = f"  {epoch['network']} {epoch['size_px']} px, batch {epoch['batch_size']}"
        if "seconds" in epoch:
            outcome = [f"{epoch['seconds']:.1f}", mebibytes(epoch["peak_bytes"])]
        else:
            outcome = [epoch["reason"], "-"]
        lines.append([title, f"{epoch['num_images']:,}", *outcome])
    return "\n".join(in_columns(lines, left=1))
