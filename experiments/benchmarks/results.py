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


def speed(turns: Sequence[Mapping[str, float]]) -> Speed | None:
    """Sum up a contestant's turns.

    Args:
      turns: each with "images" and "seconds".

    Returns:
      Median, least and greatest images per second; None without any turn.

    Example:
      >>> speed([{"images": 30, "seconds": 1}, {"images": 20, "seconds": 2}])
      Speed(median=20.0, low=10.0, high=30.0)
    """
    rates = [turn["images"] / turn["seconds"] for turn in turns]
    if not rates:
        return None
    return Speed(statistics.median(rates), min(rates), max(rates))


def row_speeds(row: Mapping[str, Any]) -> dict[str, Speed]:
    """Give the speed of each contestant of a row that came through.

    Args:
      row: as `contest.run_row` returns.

    Returns:
      Speed by contestant, in the order of the table.
    """
    found = {}
    for name in CONTESTANTS:
        result = row["contestants"].get(name)
        if result and not result.get("reason"):
            rate = speed(result["turns"])
            if rate is not None:
                found[name] = rate
    return found


def other_cores(rows: Sequence[Mapping[str, Any]]) -> float:
    """Find how many cores worked for other programs in a turn, in the median over all turns.

    Args:
      rows: as `contest.run_row` returns their contestants.

    Returns:
      Cores; 0 where that is not known.
    """
    entries = [entry for row in rows for entry in row["contestants"].values()]
    found = [turn.get("other_cores", 0.0) for entry in entries for turn in entry["turns"]]
    return statistics.median(found) if found else 0.0


def faster_torch(speeds: Mapping[str, Speed]) -> str | None:
    """Choose the faster of PyTorch's two ways; None where neither came through."""
    there = [name for name in TORCH if name in speeds]
    return max(there, key=lambda name: speeds[name].median) if there else None


def ratios(row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Compare the medians of a row's contestants.

    Args:
      row: as `contest.run_row` returns.

    Returns:
      For each contestant "flax" and "pytorch": how many times as fast it is as stock Flax and as
      the faster of PyTorch's ways; NaN where those are missing.
    """
    speeds = row_speeds(row)
    best = faster_torch(speeds)
    bases = {"flax": speeds.get("flax"), "pytorch": speeds.get(best) if best else None}
    return {
        name: {k: found.median / base.median if base else math.nan for k, base in bases.items()}
        for name, found in speeds.items()
    }


def shown(row: Mapping[str, Any]) -> list[str]:
    """List the contestants that the table shows: of PyTorch's two ways the faster.

    Where neither ran, the first is shown with its reason.
    """
    best = faster_torch(row_speeds(row))
    names = [name for name in CONTESTANTS if name in row["contestants"]]
    torch_names = [name for name in names if name in TORCH]
    kept = best or (torch_names[0] if torch_names else None)
    return [name for name in names if name not in TORCH or name == kept]
