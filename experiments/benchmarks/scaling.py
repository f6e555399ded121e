"""How speed and memory go with the batch, the image and the number of images."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks import contest
from experiments.benchmarks.contest import Say, Settings
from experiments.benchmarks.results import CONTESTANTS, row_speeds
from experiments.benchmarks.rows import Row
from experiments.benchmarks.table import align, number
from experiments.benchmarks.workers import WorkerError

EPOCH_SIZES = (1024, 4096, 16384)
_EPOCH_BATCH = 32


def measure_epochs(
    networks: Sequence[tuple[str, int]], settings: Settings, *, say: Say
) -> list[dict[str, Any]]:
    """Time this library's whole epochs over more and more images.

    Those that would outlast the limit, to judge by the one before, are left out.

    Args:
      networks: (name, size in pixels) of each.
      settings: of the whole benchmark.
      say: takes lines of progress.

    Returns:
      For each network and number of images "seconds" and "peak_bytes", or "reason".
    """
    found = []
    for name, size_px in networks:
        row = Row(name, size_px, "train", _EPOCH_BATCH)
        seconds_an_image = 0.0
        for num_images in EPOCH_SIZES:
            say(f"an epoch of {num_images:,} images, {row.title()}")
            about = {**row._asdict(), "num_images": num_images}
            expected = seconds_an_image * num_images
            if expected > settings.limit_seconds:
                found.append(about | {"reason": f"would take about {expected / 60:.0f} minutes"})
                continue
            outcome = _epoch(row, num_images, settings)
            seconds_an_image = outcome.get("seconds", 0.0) / num_images
            found.append(about | outcome)
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
      rows: as for `table.speed_table`.

    Returns:
      Lines for the screen.
    """
    names = [name for name in CONTESTANTS if any(name in row["contestants"] for row in rows)]
    cells = [["images/s, peak MiB", *(label for n in names for label in (CONTESTANTS[n], ""))]]
    reasons = []
    for row in rows:
        title = Row.of(row).title()
        speeds, line = row_speeds(row), [title]
        for name in names:
            entry = row["contestants"][name]
            if name in speeds:
                line += [number(speeds[name].median), f"{entry['peak_bytes'] / 2**20:,.0f}"]
            else:
                line += ["-", "-"]
                reasons.append(f"{title}: {CONTESTANTS[name]}: {entry.get('reason', 'no turn')}")
        cells.append(line)
    return "\n".join([*align(cells), *reasons])


def epoch_table(epochs: Sequence[Mapping[str, Any]]) -> str:
    """Write the times of whole epochs.

    Args:
      epochs: as `measure_epochs` returns.

    Returns:
      Lines for the screen.
    """
    cells = [["an epoch of jaxcnn, batches made and all", "images", "seconds", "peak MiB"]]
    for epoch in epochs:
        title = f"  {epoch['network']} {epoch['size_px']} px, batch {epoch['batch_size']}"
        outcome = (
            [f"{epoch['seconds']:.1f}", f"{epoch['peak_bytes'] / 2**20:,.0f}"]
            if "seconds" in epoch
            else [epoch["reason"], "-"]
        )
        cells.append([title, f"{epoch['num_images']:,}", *outcome])
    return "\n".join(align(cells))
