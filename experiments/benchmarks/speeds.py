"""What the turns come to: medians, spreads and ratios."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# The contestants in the order of the table, and their names there.
CONTESTANTS = {
    "jaxcnn": "jaxcnn",
    "flax": "stock Flax",
    "torch": "PyTorch",
    "torch_compile": "PyTorch, compiled",
}
TORCH = ("torch", "torch_compile")


class Speed(NamedTuple):
    """Images per second over all turns."""

    median: float
    low: float
    high: float


def speed(turns: Sequence[Mapping[str, float]]) -> Speed:
    """Sum up a contestant's turns.

    Args:
      turns: at least one, each with "images" and "seconds".

    Returns:
      Median, least and greatest images per second.

    Example:
      >>> speed([{"images": 30, "seconds": 1}, {"images": 20, "seconds": 2}])
      Speed(median=20.0, low=10.0, high=30.0)
    """
    rates = [turn["images"] / turn["seconds"] for turn in turns]
    return Speed(statistics.median(rates), min(rates), max(rates))


def speeds_of(row: Mapping[str, Any]) -> dict[str, Speed]:
    """Give the speed of each contestant of a row that came through.

    Args:
      row: "contestants" is as `contest.run_row` returns; likewise below.

    Returns:
      Speed by contestant, in the order of the row.
    """
    return {
        name: speed(entry["turns"])
        for name, entry in row["contestants"].items()
        if entry["turns"] and not entry.get("reason")
    }


def reason_of(entry: Mapping[str, Any]) -> str:
    """Say why a contestant did not come through."""
    return entry.get("reason", "no turn")


def other_cores(rows: Sequence[Mapping[str, Any]]) -> float:
    """Find how many cores worked for other programs in a turn, in the median over all turns.

    Returns:
      Cores; 0 where that is not known.
    """
    entries = [entry for row in rows for entry in row["contestants"].values()]
    found = [turn.get("other_cores", 0.0) for entry in entries for turn in entry["turns"]]
    return statistics.median(found) if found else 0.0


def ratios(row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Compare the medians of a row's contestants.

    Returns:
      For each contestant "flax" and "pytorch": how many times as fast it is as stock Flax and as
      the faster of PyTorch's ways; NaN where those are missing.
    """
    medians = {name: found.median for name, found in speeds_of(row).items()}
    bases = {
        "flax": medians.get("flax", math.nan),
        "pytorch": max((medians[name] for name in TORCH if name in medians), default=math.nan),
    }
    return {
        name: {key: median / base for key, base in bases.items()}
        for name, median in medians.items()
    }


def shown(row: Mapping[str, Any]) -> list[str]:
    """List the contestants that the table shows: of PyTorch's two ways the faster.

    Where neither ran, the first is shown with its reason.
    """
    speeds, names = speeds_of(row), row["contestants"]
    ways = [name for name in TORCH if name in names]
    best = max(ways, key=lambda name: speeds[name].median if name in speeds else 0.0, default=None)
    return [name for name in names if name not in TORCH or name == best]
