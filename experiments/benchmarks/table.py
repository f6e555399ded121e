"""The results as text: aligned tables for the screen."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks.results import CONTESTANTS, Speed, ratios, reason_of, shown, speeds_of
from experiments.benchmarks.rows import Row
from jaxcnn.host.text import in_columns

_HEADINGS = (
    "",
    "images/s",
    "least..most",
    "x Flax",
    "x PyTorch",
    "compile s",
    "peak MiB",
    "Gflop/s",
)


def speed_table(rows: Sequence[Mapping[str, Any]], *, peak_gflops: float | None = None) -> str:
    """Write the comparison of all rows.

    Args:
      rows: as `contest.run_row` returns their contestants, with the fields of `Row` and
        "flops_per_image".
      peak_gflops: the machine's, to give each contestant's share of it; None leaves that out.

    Returns:
      Lines: for each row its title and one line per contestant.
    """
    lines: list[Sequence[str] | str] = [[*_HEADINGS, *(["of peak"] if peak_gflops else [])]]
    for row in rows:
        lines.append(Row.of(row).title())
        speeds = speeds_of(row)
        for name in shown(row):
            label = f"  {CONTESTANTS[name]}"
            if name in speeds:
                lines.append([label, *_figures(row, name, speeds[name], peak_gflops)])
            else:
                lines.append(f"{label}: {reason_of(row['contestants'][name])}")
    return "\n".join(in_columns(lines, left=1))


def _figures(
    row: Mapping[str, Any], name: str, found: Speed, peak_gflops: float | None
) -> list[str]:
    entry, ratio = row["contestants"][name], ratios(row)[name]
    gflops = found.median * row["flops_per_image"] / 1e9
    figures = [
        number(found.median),
        spread(found),
        times(ratio["flax"]),
        times(ratio["pytorch"]),
        f"{entry['compile_seconds']:.1f}" if entry["compile_seconds"] else "-",
        mebibytes(entry["peak_bytes"]),
        number(gflops),
    ]
    return [*figures, f"{gflops / peak_gflops:.0%}"] if peak_gflops else figures


def number(value: float) -> str:
    """Write a number with three digits, or all of a larger one.

    Example:
      >>> number(1.7249), number(85.26), number(31278.4)
      ('1.72', '85.3', '31,278')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(found: Speed) -> str:
    """Write the least and the greatest speed."""
    return f"{number(found.low)}..{number(found.high)}"


def times(ratio: float) -> str:
    """Write a ratio; "-" where there is nothing to compare with."""
    return "-" if math.isnan(ratio) else f"{ratio:.2f}"


def mebibytes(count: float) -> str:
    """Write a number of bytes in MiB, without the unit."""
    return f"{count / 2**20:,.0f}"
